/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <linux/kvm.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "launcher/vcpu.h"
#include "launcher/vcpu_state.h"
#include "lib/fd.h"

static _Thread_local struct kvm_run *volatile running;

/* Between two looks at the order, KVM_RUN must not begin: it then returns at once. */
static void
on_signal(int number)
{
	(void)number;
	if (running)
		running->immediate_exit = 1;
}

int
vcpu_signals(void)
{
	struct sigaction action = {.sa_handler = on_signal};

	return sigaction(VCPU_SIGNAL, &action, NULL) < 0 ? -errno : 0;
}

/* ---- orders ---- */

/* false: the thread shall end. */
static bool
obey(struct vcpus *vcpus, struct vcpu *vcpu)
{
	bool go_on;

	pthread_mutex_lock(&vcpus->lock);
	vcpu->run->immediate_exit = 0;
	if (vcpus->order == VCPU_PAUSE) {
		vcpus->parked++;
		pthread_cond_broadcast(&vcpus->changed);
		while (vcpus->order == VCPU_PAUSE)
			pthread_cond_wait(&vcpus->changed, &vcpus->lock);
		vcpus->parked--;
		pthread_cond_broadcast(&vcpus->changed);
	}
	go_on = vcpus->order == VCPU_RUN;
	pthread_mutex_unlock(&vcpus->lock);
	return go_on;
}

static void
give_order(struct vcpus *vcpus, enum vcpu_order order)
{
	pthread_mutex_lock(&vcpus->lock);
	vcpus->order = order;
	pthread_cond_broadcast(&vcpus->changed);
	pthread_mutex_unlock(&vcpus->lock);
	for (unsigned i = 0; i < vcpus->count; i++)
		if (vcpus->each[i].started)
			pthread_kill(vcpus->each[i].thread, VCPU_SIGNAL);
}

/* ---- one processor ---- */

static void
port_access(struct vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;
	uint8_t *data = (uint8_t *)run + run->io.data_offset;
	unsigned size = run->io.size;

	for (unsigned i = 0; i < run->io.count; i++, data += size) {
		uint64_t value = 0;

		if (run->io.direction == KVM_EXIT_IO_OUT) {
			memcpy(&value, data, size);
			bus_write(vcpu->all->bus, false, run->io.port, size, value);
		} else {
			value = bus_read(vcpu->all->bus, false, run->io.port, size);
			memcpy(data, &value, size);
		}
	}
}

static void
memory_access(struct vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;
	uint64_t value = 0;
	unsigned length = run->mmio.len;

	if (length > sizeof(value) || (length & (length - 1)))
		return;
	if (run->mmio.is_write) {
		memcpy(&value, run->mmio.data, length);
		bus_write(vcpu->all->bus, true, run->mmio.phys_addr, length, value);
	} else {
		value = bus_read(vcpu->all->bus, true, run->mmio.phys_addr, length);
		memcpy(run->mmio.data, &value, length);
	}
}

/* false: this processor runs no further. */
static bool
leave(struct vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;
	struct vcpus *all = vcpu->all;
	char why[128];

	switch (run->exit_reason) {
	case KVM_EXIT_IO:
		port_access(vcpu);
		return true;
	case KVM_EXIT_MMIO:
		memory_access(vcpu);
		return true;
	case KVM_EXIT_INTR:
		return true;
	case KVM_EXIT_SHUTDOWN:
		snprintf(why, sizeof(why), "triple fault on CPU %u", vcpu->number);
		break;
	case KVM_EXIT_SYSTEM_EVENT:
		snprintf(
			why, sizeof(why), "KVM ends the machine: event %u", run->system_event.type);
		break;
	case KVM_EXIT_FAIL_ENTRY:
		snprintf(why, sizeof(why), "CPU %u cannot be entered: hardware reason 0x%llx",
			vcpu->number,
			(unsigned long long)run->fail_entry.hardware_entry_failure_reason);
		break;
	case KVM_EXIT_INTERNAL_ERROR:
		snprintf(why, sizeof(why),
			"KVM cannot run the guest's code on CPU %u (suberror %u)", vcpu->number,
			run->internal.suberror);
		break;
	default:
		snprintf(why, sizeof(why), "CPU %u left the guest for reason %u", vcpu->number,
			run->exit_reason);
		break;
	}
	all->ended(all->arg, why);
	return false;
}

static void *
vcpu_main(void *arg)
{
	struct vcpu *vcpu = arg;
	struct vcpus *all = vcpu->all;
	char name[16], why[128];
	bool alive = true;

	snprintf(name, sizeof(name), "cpu%u", vcpu->number);
	pthread_setname_np(pthread_self(), name);
	running = vcpu->run;
	if (all->prepare && all->prepare(all->arg)) {
		all->ended(all->arg, "system calls of a processor cannot be filtered");
		alive = false;
	}
	while (obey(all, vcpu)) {
		if (!alive) { /* waits to be stopped */
			pthread_mutex_lock(&all->lock);
			while (all->order == VCPU_RUN)
				pthread_cond_wait(&all->changed, &all->lock);
			pthread_mutex_unlock(&all->lock);
		} else if (ioctl(vcpu->fd, KVM_RUN, 0) >= 0) {
			alive = leave(vcpu);
		} else if (errno != EINTR && errno != EAGAIN) {
			snprintf(why, sizeof(why), "KVM_RUN on CPU %u: %s", vcpu->number,
				strerror(errno));
			all->ended(all->arg, why);
			alive = false;
		}
	}
	running = NULL;
	return NULL;
}

/* ---- all ---- */

static int
vcpu_create(struct vcpus *vcpus, struct vcpu *vcpu, const struct boot_entry *entry)
{
	void *run;

	vcpu->fd = ioctl(vcpus->kvm->vm, KVM_CREATE_VCPU, (unsigned long)vcpu->number);
	if (vcpu->fd < 0)
		return -errno;
	run = mmap(NULL, vcpus->kvm->run_size, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu->fd, 0);
	if (run == MAP_FAILED)
		return -errno;
	vcpu->run = run;
	return vcpu_init(
		vcpus->kvm, vcpu->fd, vcpu->number, vcpus->count, vcpu->number ? NULL : entry);
}

int
vcpus_create(struct vcpus *vcpus, const struct boot_entry *entry, struct err *err)
{
	int rc = 0;

	vcpus->each = calloc(vcpus->count, sizeof(vcpus->each[0]));
	if (!vcpus->each)
		return err_set(err, -ENOMEM, "out of memory");
	pthread_mutex_init(&vcpus->lock, NULL);
	pthread_cond_init(&vcpus->changed, NULL);
	vcpus->parked = 0;
	for (unsigned i = 0; i < vcpus->count; i++)
		vcpus->each[i] = (struct vcpu){.all = vcpus, .number = i, .fd = -1};
	for (unsigned i = 0; i < vcpus->count && !rc; i++)
		rc = vcpu_create(vcpus, &vcpus->each[i], entry);
	if (!rc)
		return 0;
	vcpus_destroy(vcpus);
	return err_set(err, rc, "making processors: %s", strerror(-rc));
}

int
vcpus_start(struct vcpus *vcpus, struct err *err)
{
	int rc;

	vcpus->order = VCPU_RUN;
	for (unsigned i = 0; i < vcpus->count; i++) {
		struct vcpu *vcpu = &vcpus->each[i];

		rc = -pthread_create(&vcpu->thread, NULL, vcpu_main, vcpu);
		if (rc)
			return err_set(err, rc, "starting processors: %s", strerror(-rc));
		vcpu->started = true;
	}
	return 0;
}

void
vcpus_pause(struct vcpus *vcpus)
{
	give_order(vcpus, VCPU_PAUSE);
	pthread_mutex_lock(&vcpus->lock);
	while (vcpus->parked < vcpus->count)
		pthread_cond_wait(&vcpus->changed, &vcpus->lock);
	pthread_mutex_unlock(&vcpus->lock);
}

void
vcpus_resume(struct vcpus *vcpus)
{
	give_order(vcpus, VCPU_RUN);
	pthread_mutex_lock(&vcpus->lock);
	while (vcpus->parked)
		pthread_cond_wait(&vcpus->changed, &vcpus->lock);
	pthread_mutex_unlock(&vcpus->lock);
}

void
vcpus_destroy(struct vcpus *vcpus)
{
	if (!vcpus->each)
		return;
	give_order(vcpus, VCPU_STOP);
	for (unsigned i = 0; i < vcpus->count; i++) {
		struct vcpu *vcpu = &vcpus->each[i];

		if (vcpu->started)
			pthread_join(vcpu->thread, NULL);
		if (vcpu->run)
			munmap(vcpu->run, vcpus->kvm->run_size);
		fd_close(&vcpu->fd);
	}
	free(vcpus->each);
	vcpus->each = NULL;
}
