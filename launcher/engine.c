/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdio.h>

#include "launcher/engine.h"
#include "launcher/probe.h"

const char *const vm_end_names[VM_END_COUNT] = {"shutdown", "reboot", "crash", "kill"};

int
engine_choose(int choice, const struct engine_ops **ops, bool *kvm, char *why, size_t size,
	struct err *err)
{
	struct probe_result result;
	char reason[256];

	probe_run(&result);
	*kvm = probe_explain(&result, reason, sizeof(reason));
	*ops = &engine_qemu;
	if (choice == ENGINE_KVM && !*kvm)
		return err_set(err, -ENODEV, "engine=kvm: %s", reason);
	snprintf(why, size, "engine qemu%s: %s", *kvm ? " with KVM" : ", emulating (TCG)", reason);
	return 0;
}
