/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * console: a virtio console of one port (virtio 1.2, 5.3): hvc0 of a Linux guest.
 *
 * Threads: the main thread, under the bus's lock.
 */
#ifndef LAUNCHER_CONSOLE_H
#define LAUNCHER_CONSOLE_H

#include "launcher/virtq.h"

#define CONSOLE_CONFIG 12

struct console {
	struct virtio_device device;
	struct virtq receive, transmit;
	uint8_t config[CONSOLE_CONFIG];
	int in, out; /* -1 = none */
	/* What was typed may be read when there is room for it. */
	void (*wants_input)(void *arg, bool wants);
	void *arg;
	uint64_t lost; /* bytes that `out` did not take */
};

/* in, out, wants_input and arg are set by the caller before. */
int console_init(struct console *console, const struct virtio_place *place, struct err *err);
void console_serve(void *console);
/* `in` is readable.  false: it has ended. */
bool console_input(struct console *console);

#endif
