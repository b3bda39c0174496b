/* SPDX-License-Identifier: BSD-3-Clause */
#include <string.h>

#include "bench/loopback.h"

#define MOVE_MAX 512 /* frames of a direction at once */

void
loopback_init(struct loopback *l, struct guest *const guests[2])
{
	memset(l, 0, sizeof(*l));
	for (unsigned i = 0; i < 2; i++) {
		device_ring_init(&l->rx[i], guests[i], 0);
		device_ring_init(&l->tx[i], guests[i], 1);
	}
	l->mergeable = guests[0]->mergeable;
}

/* Receive buffers that were taken for one frame. */
struct landing {
	struct device_chain chains[GUEST_CHAIN_MAX];
	uint32_t filled[GUEST_CHAIN_MAX];
	unsigned count;
};

/* A guest posts its buffers as chains of one descriptor. */
static bool
landing_add(struct landing *to, struct device_ring *rx)
{
	if (to->count == GUEST_CHAIN_MAX || !device_ring_take(rx, &to->chains[to->count]))
		return false;
	to->filled[to->count++] = 0;
	return true;
}

static bool
landing_put(struct landing *to, struct device_ring *rx, const struct device_segment *from)
{
	uint32_t done = 0;

	while (done < from->length) {
		struct device_segment *at;
		uint32_t *filled, part;

		if (!to->count ||
			to->filled[to->count - 1] == to->chains[to->count - 1].segments[0].length)
			if (!landing_add(to, rx))
				return false;
		at = &to->chains[to->count - 1].segments[0];
		filled = &to->filled[to->count - 1];
		part = at->length - *filled;
		if (part > from->length - done)
			part = from->length - done;
		memcpy(at->bytes + *filled, from->bytes + done, part);
		*filled += part;
		done += part;
	}
	return true;
}

/* False when there are too few buffers: the frame stays where it is. */
static bool
deliver(struct loopback *l, struct device_ring *rx, const struct device_segment *segments,
	unsigned count)
{
	static __thread struct landing to;

	to.count = 0;
	for (unsigned i = 0; i < count; i++) {
		if (landing_put(&to, rx, &segments[i]))
			continue;
		while (to.count)
			device_ring_untake(rx, &to.chains[--to.count]);
		l->starved++;
		return false;
	}
	/* num_buffers, 5.1.6.4 */
	memcpy(to.chains[0].segments[0].bytes + 10, &(uint16_t){(uint16_t)to.count}, 2);
	for (unsigned i = 0; i < to.count; i++)
		device_ring_give(rx, to.chains[i].id, to.chains[i].descs, to.filled[i]);
	return true;
}

static uint32_t
flatten(const struct device_chain *chain, uint8_t *flat, uint32_t room)
{
	uint32_t length = 0;

	for (unsigned i = 0; i < chain->count; i++) {
		uint32_t part = chain->segments[i].length;

		if (part > room - length)
			part = room - length;
		memcpy(flat + length, chain->segments[i].bytes, part);
		length += part;
	}
	return length;
}

static bool
deliver_flat(struct loopback *l, struct device_ring *rx, uint8_t *flat, uint32_t length)
{
	struct device_segment segment = {flat, length};

	return deliver(l, rx, &segment, 1);
}

/* As `fate` decides.  What does not fit is lost: for tests, which leave room. */
static unsigned
move_judged(struct loopback *l, unsigned from, const struct device_chain *chain)
{
	static __thread uint8_t flat[sizeof(((struct loopback_late *)0)->flat)];
	struct loopback_late *late = &l->late[from];
	struct device_ring *rx = &l->rx[!from];
	uint32_t length = flatten(chain, flat, sizeof(flat));
	enum loopback_fate fate = l->fate(l->arg, from, l->numbers[from]++, flat, &length);
	unsigned n = 0;

	if (fate == LOOPBACK_LATER && !late->length) {
		memcpy(late->flat, flat, length);
		late->length = length;
		return 0;
	}
	if (fate != LOOPBACK_DROP)
		n += deliver_flat(l, rx, flat, length);
	if (fate == LOOPBACK_TWICE)
		n += deliver_flat(l, rx, flat, length);
	if (late->length)
		n += deliver_flat(l, rx, late->flat, late->length);
	late->length = 0;
	return n;
}

static unsigned
move(struct loopback *l, unsigned from)
{
	struct device_ring *tx = &l->tx[from], *rx = &l->rx[!from];
	struct device_chain chain;
	unsigned n = 0, turns;

	if (l->batch && !tx->packed) {
		tx->seen = __atomic_load_n(&tx->avail->idx, __ATOMIC_ACQUIRE);
		if (device_ring_ready(tx) < l->batch)
			return 0;
	}
	for (turns = 0; turns < MOVE_MAX && device_ring_take(tx, &chain); turns++) {
		if (l->fate) {
			n += move_judged(l, from, &chain);
		} else if (!deliver(l, rx, chain.segments, chain.count)) {
			device_ring_untake(tx, &chain);
			break;
		} else {
			n++;
		}
		device_ring_give(tx, chain.id, chain.descs, 0);
	}
	device_ring_flush(rx);
	if (!l->lag || l->polls % l->lag == 0)
		device_ring_flush(tx);
	return n;
}

unsigned
loopback_poll(struct loopback *l)
{
	l->polls++;
	return (l->hold & 1 ? 0 : move(l, 0)) + (l->hold & 2 ? 0 : move(l, 1));
}
