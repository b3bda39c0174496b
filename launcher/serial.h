/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * serial: a 16550A serial port (National Semiconductor PC16550D) as far as a driver that does not
 * look at line timing can tell.  What it prints goes to a descriptor at once.
 *
 * Threads: under the bus's lock.
 */
#ifndef LAUNCHER_SERIAL_H
#define LAUNCHER_SERIAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SERIAL_PORTS 8
#define SERIAL_FIFO  64

struct serial {
	int out;       /* -1 = nowhere */
	int interrupt; /* eventfd */
	int drained;   /* eventfd: there is room again after serial_room() was 0 */
	uint64_t lost; /* bytes that the descriptor did not take */
	uint8_t ier, lcr, mcr, scr, divisor[2];
	bool fifo, raised;
	bool sent; /* an interrupt "holding register empty" is due */
	bool full; /* somebody waits for room */
	uint8_t input[SERIAL_FIFO];
	unsigned first, count;
};

/* As after power on; the descriptors stay. */
void serial_reset(struct serial *serial);
uint64_t serial_read(void *serial, uint64_t offset, unsigned length);
void serial_write(void *serial, uint64_t offset, unsigned length, uint64_t value);

/* Bytes that can be received; serial_receive() takes at most so many. */
size_t serial_room(struct serial *serial);
void serial_receive(struct serial *serial, const uint8_t *bytes, size_t count);

#endif
