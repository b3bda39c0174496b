/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * vcpu_state: the registers that a processor begins with.
 */
#ifndef LAUNCHER_VCPU_STATE_H
#define LAUNCHER_VCPU_STATE_H

#include "launcher/boot.h"
#include "launcher/kvm.h"

/* entry NULL: a processor that waits to be started by the first.  Negative errno. */
int vcpu_init(const struct kvm *kvm, int fd, unsigned number, unsigned count,
	const struct boot_entry *entry);

#endif
