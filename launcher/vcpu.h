/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * vcpu: the processors of a machine, a thread for each.
 *
 * Threads: all calls by the main thread; `ended` is called by a processor's thread.
 */
#ifndef LAUNCHER_VCPU_H
#define LAUNCHER_VCPU_H

#include <pthread.h>
#include <stdbool.h>

#include "launcher/boot.h"
#include "launcher/bus.h"
#include "launcher/kvm.h"

#define VCPU_SIGNAL SIGUSR1

enum vcpu_order { VCPU_RUN, VCPU_PAUSE, VCPU_STOP };

struct vcpus;

struct vcpu {
	struct vcpus *all;
	unsigned number;
	int fd;
	struct kvm_run *run;
	pthread_t thread;
	bool started;
};

struct vcpus {
	struct kvm *kvm;
	struct bus *bus;
	unsigned count;
	struct vcpu *each;
	enum vcpu_order order; /* guarded by lock */
	unsigned parked;       /* processors that stand still; guarded by lock */
	pthread_mutex_t lock;
	pthread_cond_t changed;
	/* KVM cannot go on with a processor; why.  At most one call per processor. */
	void (*ended)(void *arg, const char *why);
	/* At the beginning of each thread. */
	int (*prepare)(void *arg);
	void *arg;
};

/* Once per process, before the first thread. */
int vcpu_signals(void);

/* Makes count processors, the first in the state that `entry` says. */
int vcpus_create(struct vcpus *vcpus, const struct boot_entry *entry, struct err *err);
int vcpus_start(struct vcpus *vcpus, struct err *err);
/* All stand still, or run again, when this returns. */
void vcpus_pause(struct vcpus *vcpus);
void vcpus_resume(struct vcpus *vcpus);
/* Ends the threads and the processors; idempotent. */
void vcpus_destroy(struct vcpus *vcpus);

#endif
