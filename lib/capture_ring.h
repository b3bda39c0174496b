/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * capture_ring: frames on their way from the daemon's workers to the client that records them, without
 * a word between the two.
 *
 * Two files in memory, which the client is given with the answer to `daemon.capture`:
 *
 *   records    struct capture_area, then from CAPTURE_BYTES_AT on the bytes of one lane per worker.
 *              Written by the daemon; the client can neither write nor shorten it.
 *   progress   struct capture_progress: how far the client has read.  Written by the client.
 *
 * A lane is a ring of bytes with one writer and one reader.  Positions count up for ever; a record
 * begins at a multiple of CAPTURE_ALIGN, so that its header never wraps, though the frame's bytes behind
 * it may.  A record for which there is no room is lost, and counted: the writer never waits.
 *
 * Threat model: each side may be hostile to the other.  The writer keeps its own position, and takes a
 * reader's that makes no sense for a reader that has read nothing; all that it can lead to is lost
 * records.  The reader (lib/capture_reader.h) checks every length before it uses it.
 *
 * Threads: a lane belongs to one worker; the reader to one thread of the client.
 */
#ifndef LIB_CAPTURE_RING_H
#define LIB_CAPTURE_RING_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define CAPTURE_MAGIC     0x70617463u
#define CAPTURE_VERSION   1
#define CAPTURE_LANES_MAX 64
#define CAPTURE_LANE_MIN  (1u << 20) /* bytes of a lane, a power of two */
#define CAPTURE_LANE_MAX  (8u << 20)
#define CAPTURE_BYTES_AT  8192
#define CAPTURE_ALIGN     64
#define CAPTURE_NAME_SIZE 32
#define CAPTURE_BYTES_MAX 65664 /* of one frame, its tags included */
#define CAPTURE_DELIVERED 0xff  /* in place of a drop reason */
#define CAPTURE_IN        1     /* received from the port */
#define CAPTURE_OUT       2     /* sent to it, or meant for it */

/* Why nothing more will come. */
enum capture_over { CAPTURE_GOES_ON, CAPTURE_TARGET_GONE };

struct capture_state {
	_Atomic uint64_t head; /* bytes written so far */
	_Atomic uint64_t lost; /* records that found no room */
} __attribute__((aligned(64)));

struct capture_area {
	uint32_t magic, version;
	uint32_t lanes, lane_size;
	_Atomic uint32_t over; /* enum capture_over */
	struct capture_state states[CAPTURE_LANES_MAX];
};

struct capture_progress {
	struct {
		_Atomic uint64_t tail; /* bytes read so far */
	} __attribute__((aligned(64))) lanes[CAPTURE_LANES_MAX];
};

struct capture_record {
	uint32_t size;     /* of header, bytes and padding */
	uint32_t len;      /* of the frame */
	uint32_t captured; /* bytes of it that follow */
	uint32_t lost;     /* records that were lost in this lane since the one before */
	uint64_t tsc;      /* the processor's time stamp counter */
	uint8_t direction; /* CAPTURE_IN or CAPTURE_OUT */
	uint8_t drop;      /* number of the reason, or CAPTURE_DELIVERED */
	uint8_t pad[6];
	char port[CAPTURE_NAME_SIZE]; /* its name, with a NUL */
};

/* The writer's end; private to it. */
struct capture_lane {
	struct capture_state *state;
	const _Atomic uint64_t *progress;
	uint8_t *bytes;
	uint64_t size;
	uint64_t head;
	uint64_t tail;   /* the last one read of the reader's */
	uint64_t lost;   /* altogether */
	uint64_t missed; /* of these, since the last record */
} __attribute__((aligned(64)));

static inline uint32_t
capture_record_size(uint32_t captured)
{
	return (uint32_t)(sizeof(struct capture_record) + captured + CAPTURE_ALIGN - 1) &
	       ~(CAPTURE_ALIGN - 1u);
}

/* writer: is there room for a record of this size?  If not it counts as lost. */
static inline bool
capture_lane_reserve(struct capture_lane *lane, uint32_t size)
{
	uint64_t room = lane->size - size, tail;

	if (__builtin_expect(lane->head - lane->tail <= room, 1))
		return true;
	tail = atomic_load_explicit(lane->progress, memory_order_acquire);
	/* One ahead of what was written is as far behind as can be. */
	if (lane->head - tail <= room) {
		lane->tail = tail;
		return true;
	}
	lane->missed++;
	atomic_store_explicit(&lane->state->lost, ++lane->lost, memory_order_relaxed);
	return false;
}

/* writer: `n` bytes at position `at`, which lies in what was reserved. */
static inline void
capture_lane_put(struct capture_lane *lane, uint64_t at, const void *bytes, uint32_t n)
{
	uint64_t offset = at & (lane->size - 1), first = lane->size - offset;

	if (first > n)
		first = n;
	memcpy(lane->bytes + offset, bytes, first);
	memcpy(lane->bytes, (const uint8_t *)bytes + first, n - first);
}

/* writer: shows the record, whose bytes were put behind its place at `head`. */
static inline void
capture_lane_commit(struct capture_lane *lane, struct capture_record *record)
{
	record->lost = lane->missed > UINT32_MAX ? UINT32_MAX : (uint32_t)lane->missed;
	lane->missed = 0;
	capture_lane_put(lane, lane->head, record, sizeof(*record));
	lane->head += record->size;
	atomic_store_explicit(&lane->state->head, lane->head, memory_order_release);
}

_Static_assert(sizeof(struct capture_record) == CAPTURE_ALIGN, "a header never wraps");
_Static_assert(sizeof(struct capture_area) <= CAPTURE_BYTES_AT, "the lanes lie behind it");
_Static_assert(CAPTURE_BYTES_MAX + 2 * CAPTURE_ALIGN < CAPTURE_LANE_MIN, "any frame fits a lane");

#endif
