/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * machine: runs one virtual machine under KVM, from the first instruction to its end.
 *
 * machine_run() is called in a process of its own, before any thread was started; it gives up the
 * process's rights as far as the machine needs none of them (capabilities, new privileges, all but
 * a few system calls), starts its threads, and returns when they have ended.  The process must then
 * exit: what was given up does not come back.
 *
 * SIGTERM and SIGINT end the machine as MACHINE_CMD_KILL does; SIGPIPE is ignored.
 *
 * Control: one byte of enum machine_command per datagram on control_fd (SOCK_SEQPACKET), answered
 * by struct machine_event, in order; events are also sent unasked when the state changes.  When the
 * other end closes, the machine is killed: no machine outlives who started it.
 */
#ifndef LAUNCHER_MACHINE_H
#define LAUNCHER_MACHINE_H

#include <stdint.h>

#include "launcher/vm_config.h"
#include "lib/err.h"

enum machine_command {
	MACHINE_CMD_STATUS = 's', /* only the answer */
	MACHINE_CMD_PAUSE = 'p',  /* processors stand still; the clock goes on */
	MACHINE_CMD_RESUME = 'r',
	MACHINE_CMD_BUTTON = 'b', /* press the ACPI power button */
	MACHINE_CMD_RESET = 'R',  /* start the guest again */
	MACHINE_CMD_KILL = 'k',
	MACHINE_CMD_BALLOON = 'B', /* followed by 8 bytes: memory the guest shall keep */
};

enum machine_state {
	MACHINE_STARTING,
	MACHINE_RUNNING,
	MACHINE_PAUSED,
	MACHINE_ENDING,
};

/* Sent on control_fd, little endian, one per datagram. */
struct machine_event {
	uint32_t state;   /* enum machine_state */
	uint32_t reboots; /* times the guest has been started again */
	uint64_t memory;  /* bytes the guest has, without what its balloon holds */
	uint32_t links;   /* bit i: card i is connected to its back end */
	uint32_t reserved;
};

/* How a machine ended; also the process's exit code. */
enum machine_end {
	MACHINE_SHUTDOWN = 0, /* the guest switched itself off */
	MACHINE_ERROR = 1,    /* it could not be started; err says why */
	MACHINE_REBOOT = 3,   /* it wanted to reboot, and no_reboot is set */
	MACHINE_CRASH = 4,    /* triple fault, or KVM cannot go on; err says which */
	MACHINE_KILLED = 5,   /* by a command, a signal or the end of the control socket */
};

/* Descriptors stay the caller's; they are set non-blocking. */
struct machine_io {
	int serial_in;  /* what is typed: bytes for the serial port; -1 = none */
	int serial_out; /* what it prints; -1 = nowhere.  Never waited for: bytes it does not take
			  * are lost, and counted in one line when it takes some again */
	int console_in; /* the same for virtio-console */
	int console_out;
	int control_fd; /* -1 = none */
};

/*
 * Returns enum machine_end.  err is filled for MACHINE_ERROR and MACHINE_CRASH.  While it runs, what
 * a person should know (a back end that is not there, a disk error) is logged with lib/log.h, each
 * matter once.
 */
int machine_run(const struct vm_config *config, const struct machine_io *io, struct err *err);

#endif
