/* SPDX-License-Identifier: BSD-3-Clause */
#include <sys/eventfd.h>
#include <unistd.h>

#include "launcher/serial.h"

enum { REG_DATA, REG_IER, REG_IIR, REG_LCR, REG_MCR, REG_LSR, REG_MSR, REG_SCR };

#define IER_RECEIVE  0x01
#define IER_SENT     0x02
#define IIR_NONE     0x01
#define IIR_SENT     0x02
#define IIR_RECEIVE  0x04
#define IIR_FIFO     0xc0
#define FCR_ENABLE   0x01
#define FCR_CLEAR_RX 0x02
#define LCR_DIVISOR  0x80
#define MCR_LOOP     0x10
#define LSR_DATA     0x01
#define LSR_IDLE     0x60
#define MSR_PRESENT  0xb0 /* carrier, ready, clear to send */

void
serial_reset(struct serial *s)
{
	*s = (struct serial){.out = s->out,
		.interrupt = s->interrupt,
		.drained = s->drained,
		.lost = s->lost,
		.divisor = {12, 0}};
	eventfd_write(s->drained, 1);
}

static uint8_t
identify(const struct serial *s)
{
	if (s->count && (s->ier & IER_RECEIVE))
		return IIR_RECEIVE;
	if (s->sent && (s->ier & IER_SENT))
		return IIR_SENT;
	return IIR_NONE;
}

/* The line is edge triggered: a driver reads the cause until there is none. */
static void
update(struct serial *s)
{
	bool due = identify(s) != IIR_NONE;

	if (due && !s->raised)
		eventfd_write(s->interrupt, 1);
	s->raised = due;
}

static void
transmit(struct serial *s, uint8_t byte)
{
	if (s->mcr & MCR_LOOP)
		serial_receive(s, &byte, serial_room(s) ? 1 : 0);
	else if (s->out >= 0 && write(s->out, &byte, 1) != 1)
		s->lost++;
	s->sent = true;
}

static uint8_t
take(struct serial *s)
{
	uint8_t byte;

	if (!s->count)
		return 0;
	byte = s->input[s->first];
	s->first = (s->first + 1) % SERIAL_FIFO;
	s->count--;
	if (s->full && !s->count) {
		s->full = false;
		eventfd_write(s->drained, 1);
	}
	return byte;
}

static uint8_t
modem_status(const struct serial *s)
{
	if (!(s->mcr & MCR_LOOP))
		return MSR_PRESENT;
	/* Looped back: DTR, RTS, OUT1 and OUT2 are DSR, CTS, RI and DCD. */
	return (uint8_t)((s->mcr & 1) << 5 | (s->mcr & 2) << 3 | (s->mcr & 4) << 4 |
			 (s->mcr & 8) << 4);
}

uint64_t
serial_read(void *device, uint64_t offset, unsigned length)
{
	struct serial *s = device;
	uint8_t value = 0;

	switch (length == 1 ? offset : SERIAL_PORTS) {
	case REG_DATA:
		value = s->lcr & LCR_DIVISOR ? s->divisor[0] : take(s);
		break;
	case REG_IER:
		value = s->lcr & LCR_DIVISOR ? s->divisor[1] : s->ier;
		break;
	case REG_IIR:
		value = identify(s);
		if (value == IIR_SENT)
			s->sent = false;
		value |= s->fifo ? IIR_FIFO : 0;
		break;
	case REG_LCR:
		value = s->lcr;
		break;
	case REG_MCR:
		value = s->mcr;
		break;
	case REG_LSR:
		value = LSR_IDLE | (s->count ? LSR_DATA : 0);
		break;
	case REG_MSR:
		value = modem_status(s);
		break;
	case REG_SCR:
		value = s->scr;
		break;
	default:
		return UINT64_MAX;
	}
	update(s);
	return value;
}

void
serial_write(void *device, uint64_t offset, unsigned length, uint64_t value)
{
	struct serial *s = device;
	uint8_t byte = (uint8_t)value;

	switch (length == 1 ? offset : SERIAL_PORTS) {
	case REG_DATA:
		if (s->lcr & LCR_DIVISOR)
			s->divisor[0] = byte;
		else
			transmit(s, byte);
		break;
	case REG_IER:
		if (s->lcr & LCR_DIVISOR) {
			s->divisor[1] = byte;
			break;
		}
		if (byte & ~s->ier & IER_SENT)
			s->sent = true; /* it is empty: enabling the interrupt raises it */
		s->ier = byte & 0xf;
		break;
	case REG_IIR: /* FCR */
		s->fifo = byte & FCR_ENABLE;
		if (byte & FCR_CLEAR_RX)
			s->first = s->count = 0;
		break;
	case REG_LCR:
		s->lcr = byte;
		break;
	case REG_MCR:
		s->mcr = byte & 0x1f;
		break;
	case REG_SCR:
		s->scr = byte;
		break;
	}
	update(s);
}

size_t
serial_room(struct serial *s)
{
	if (s->count == SERIAL_FIFO)
		s->full = true;
	return SERIAL_FIFO - s->count;
}

void
serial_receive(struct serial *s, const uint8_t *bytes, size_t count)
{
	for (size_t i = 0; i < count && s->count < SERIAL_FIFO; i++)
		s->input[(s->first + s->count++) % SERIAL_FIFO] = bytes[i];
	update(s);
}
