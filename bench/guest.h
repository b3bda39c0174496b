/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * guest: what stands at a port of the switch in place of a virtual machine: memory of its own, a
 * receive and a transmit ring, buffers, and the connection to the switch.
 *
 * A buffer belongs to the receive ring, to the transmit ring, or to the queue of frames that wait to be
 * sent.  A frame that is longer than a buffer is sent as a chain of them.
 *
 * Threads: one at a time.
 */
#ifndef BENCH_GUEST_H
#define BENCH_GUEST_H

#include "lib/err.h"
#include "vhost/driver_memory.h"
#include "vhost/driver_ring.h"
#include "vhost/frontend.h"

#define GUEST_NO_BUFFER  UINT32_MAX
#define GUEST_BUFFER_MIN 512 /* a frame's headers are in its first buffer */
#define GUEST_CHAIN_MAX  130 /* buffers of a frame */

struct guest_options {
	const char *socket; /* absolute */
	bool listen;        /* the switch connects */
	int timeout_ms;     /* to connect, and per answer */
	uint64_t features;  /* wanted where offered */
	uint64_t required;  /* of them, those that must be */
	uint16_t ring_size;
	uint32_t buffer; /* bytes of a buffer; 0 = 2048 if frame_max fits or mergeable, else all */
	uint32_t frame_max; /* longest frame, with its header */
	unsigned frames;    /* most frames of its own that are on the way; 0 = as fit the ring */
	bool indirect;      /* use indirect tables where negotiated and a chain needs them */
	bool hugepages;
};

struct guest_pool {
	uint8_t *host; /* buffer 0 */
	uint64_t gpa;
	uint32_t size, stride; /* bytes of a buffer, from one to the next */
	uint32_t count;
};

struct guest {
	struct driver_ring *rx, *tx;
	struct guest_pool pool;
	uint64_t features; /* negotiated */
	bool mergeable, indirect;
	unsigned chain;  /* buffers of the longest frame; they stand one behind the other */
	unsigned frames; /* as in the options, never 0 */

	/* Frames that wait to be sent: their first buffers, a queue. */
	uint8_t **idle;
	unsigned idle_mask, idle_head, idle_tail;

	struct frontend_ring places[2];
	struct driver_memory *memory;
	struct frontend *frontend;
};

/*
 * Connects to the switch, lays out memory as negotiated and starts the rings, receive buffers
 * posted.  Errors: those of the front end and of guest memory.
 */
int guest_create(struct guest **guest, const struct guest_options *options, struct err *err);
/*
 * The same with rings that no switch serves (tests, loopback): features are taken as negotiated,
 * socket is ignored.
 */
int guest_create_alone(struct guest **guest, const struct guest_options *options, struct err *err);
/* Stops the rings and disconnects.  NULL is fine. */
void guest_destroy(struct guest *guest);
/* False once the switch has gone. */
bool guest_connected(struct guest *guest);

static inline uint64_t
guest_gpa(const struct guest *guest, const uint8_t *host)
{
	return guest->pool.gpa + (uint64_t)(host - guest->pool.host);
}

static inline uint8_t *
guest_buffer(const struct guest *guest, uint32_t number)
{
	return guest->pool.host + (size_t)number * guest->pool.stride;
}

static inline unsigned
guest_idle_count(const struct guest *guest)
{
	return guest->idle_tail - guest->idle_head;
}

static inline void
guest_idle_put(struct guest *guest, uint8_t *frame)
{
	guest->idle[guest->idle_tail++ & guest->idle_mask] = frame;
}

/* The frame `ahead` places behind the first one that waits. */
static inline uint8_t *
guest_idle_at(const struct guest *guest, unsigned ahead)
{
	return guest->idle[(guest->idle_head + ahead) & guest->idle_mask];
}

/*
 * Tells the device about what was published where it asks for that.  A full memory barrier stands
 * between publication and this call.
 */
void guest_kick(struct guest *guest);

/* Adds a frame of `length` bytes, its header included; visible after driver_ring_publish().  -ENOSPC. */
int guest_send(struct guest *guest, uint8_t *frame, uint32_t length);

/* Copies flat bytes into the buffers of a frame. */
void guest_scatter(struct guest *guest, uint8_t *frame, const uint8_t *flat, uint32_t length);

#endif
