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
	if (choice == ENGINE_KVM && !*kvm)
		return err_set(err, -ENODEV, "engine=kvm does not work here: %s", reason);
	*ops = choice == ENGINE_QEMU || !*kvm ? &engine_qemu : &engine_kvm;
	if (*ops == &engine_kvm)
		snprintf(why, size, "engine kvm: %s", reason);
	else
		snprintf(why, size, "engine qemu%s: %s", *kvm ? " with KVM" : ", emulating (TCG)",
			choice == ENGINE_QEMU && *kvm ? "as asked for" : reason);
	return 0;
}
