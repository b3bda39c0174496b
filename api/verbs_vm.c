/* SPDX-License-Identifier: BSD-3-Clause */
#include "api/schema.h"
#include "api/verbs_vm.h"

/* clang-format off */

#define END       \
	{         \
		0 \
	}

const struct column vm_columns[] = {
	{"VM", "name", COLUMN_TEXT, "name"},
	{"STATE", "state", COLUMN_TEXT,
		"starting, running, paused, stopping; lost: its supervisor was killed"},
	{"ENGINE", "engine", COLUMN_TEXT, "what runs it: kvm or qemu"},
	{"CPUS", "cpus", COLUMN_NUMBER, "virtual CPUs"},
	{"MEMORY", "memory", COLUMN_BYTES, "memory of the guest"},
	{"PID", "pid", COLUMN_NUMBER, "its monitor's process"},
	{"UPTIME s", "uptime", COLUMN_NUMBER, "since its start"},
	{"RESTARTS", "restarts", COLUMN_NUMBER, "reboots of the guest"},
	{"SUPERVISOR", "supervisor", COLUMN_HIDDEN, "the process that looks after it"},
	{"KERNEL", "kernel", COLUMN_HIDDEN, "file of its kernel"},
	{"NETS", "nets", COLUMN_HIDDEN, "its network cards, with their ports on the switch"},
	{"DISKS", "disks", COLUMN_HIDDEN, "its disks"},
	{"CONSOLE", "console", COLUMN_HIDDEN, "Unix socket of the serial console"},
	{"LOG", "log", COLUMN_HIDDEN, "what the guest wrote to its console"},
	END,
};

const struct param vm_run_params[] = {
	{"vm", VALUE_STRING, 0, 1023, NULL,
		"its name, or the definition: a YAML file or a folder with vm.yaml", true, true},
	{"detach", VALUE_BOOL, 0, 0, NULL,
		"return when it runs; else the terminal is its console until it ends", false, false},
	END,
};

const struct param vm_name_params[] = {
	{"name", VALUE_NAME, 0, 0, NULL, "the virtual machine", true, true},
	END,
};

const struct param vm_stop_params[] = {
	{"name", VALUE_NAME, 0, 0, NULL, "the virtual machine", true, true},
	{"wait", VALUE_U32, 0, 3600, NULL,
		"seconds for the guest to shut down, then it is killed; not given: 30", false, false},
	END,
};

const struct param up_params[] = {
	{"file", VALUE_PATH, 0, 0, NULL, "YAML: a configuration of patchbayd, and vms", true, true},
	END,
};

const struct param down_params[] = {
	{"file", VALUE_PATH, 0, 0, NULL, "the file that `up` was given", true, true},
	{"wait", VALUE_U32, 0, 3600, NULL,
		"seconds for the guests to shut down, then they are killed; not given: 30", false, false},
	END,
};

/* clang-format on */
