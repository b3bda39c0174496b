/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * machine_state: what the files of the machine share: machine.c (life), machine_loop.c (what its main
 * thread waits for), devices.c (the devices on its PCI bus).
 */
#ifndef LAUNCHER_MACHINE_STATE_H
#define LAUNCHER_MACHINE_STATE_H

#include <event2/event.h>

#include "launcher/bus.h"
#include "launcher/kvm.h"
#include "launcher/legacy.h"
#include "launcher/machine.h"
#include "launcher/ram.h"
#include "launcher/sandbox.h"
#include "launcher/serial.h"
#include "launcher/vcpu.h"
#include "launcher/wish.h"

struct devices;

struct machine {
	const struct vm_config *config;
	const struct machine_io *io;
	struct event_base *loop;
	struct kvm kvm;
	struct ram ram;
	struct bus bus;
	struct vcpus vcpus;
	struct wish wish;
	struct legacy legacy;
	struct serial serial;
	struct devices *devices;
	struct sandbox sandbox;
	int serial_interrupt, button_interrupt; /* eventfds */
	int kernel_fd, initrd_fd;

	enum machine_state state;
	unsigned reboots;
	bool ending;
	enum machine_end end;
	struct err crash; /* guarded by the bus's lock until the processors have ended */

	struct event *on_wish, *on_serial, *on_drained, *on_control, *on_signal[2];
};

/* machine_loop.c: the events of the main thread, and what they do. */
int machine_loop_init(struct machine *machine, struct err *err);
void machine_loop_free(struct machine *machine);
/* Sends the state to whoever controls the machine. */
void machine_tell(struct machine *machine);

#endif
