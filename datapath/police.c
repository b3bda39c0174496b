/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The checks that hold a port to its rates.
 *
 * What counts is what would be on a wire, without preamble and frame check sequence: a frame that is
 * to be cut into segments counts as that many frames, each with the headers it will have.  The whole
 * burst is taken from the buckets at once when they hold that much; only when they do not are its
 * frames tried one by one, so that small ones still pass.
 */
#include "datapath/check.h"
#include "datapath/police.h"

#define TCP_OFFSET_AT 12 /* of a TCP header: its length in words, upper four bits */
#define TCP_HEADER    20
#define UDP_HEADER    8

/* Where the payload of a frame that is to be cut begins; from private bytes, never behind the end. */
static uint32_t
payload_at(const struct frame *f)
{
	uint32_t at = f->csum_start;

	if (f->needs & (OFFLOAD_TSO4 | OFFLOAD_TSO6)) {
		uint32_t words =
			at + TCP_OFFSET_AT < f->head_len ? f->data[at + TCP_OFFSET_AT] >> 4 : 0;

		at += words > TCP_HEADER / 4 ? words * 4 : TCP_HEADER;
	} else if (f->needs & OFFLOAD_USO) {
		at += UDP_HEADER;
	}
	return at < f->len ? at : f->len;
}

struct police_cost
police_cost(const struct frame *f)
{
	struct police_cost cost = {.bytes = f->len, .packets = 1};

	if (__builtin_expect(f->needs & OFFLOAD_GSO, 0) && f->gso_size) {
		uint32_t headers = payload_at(f), payload = f->len - headers;

		if (payload > f->gso_size) {
			cost.packets = (payload + f->gso_size - 1) / f->gso_size;
			cost.bytes += (cost.packets - 1) * headers;
		}
	}
	return cost;
}

bool
police_take(const struct snapshot_rate *rate, uint64_t now, struct police_cost cost)
{
	if (rate->limit_bytes && !meter_take(&rate->meters->bytes, &rate->bytes, now, cost.bytes))
		return false;
	if (!rate->limit_packets ||
		meter_take(&rate->meters->packets, &rate->packets, now, cost.packets))
		return true;
	if (rate->limit_bytes)
		meter_return(&rate->meters->bytes, cost.bytes);
	return false;
}

/* The bytes of frames none of which is to be cut. */
static inline uint32_t
bytes_of(const struct burst *burst, uint64_t frames, unsigned count)
{
	const struct frame *f = burst->frames, *end = f + count;
	uint32_t bytes = 0;

	if (__builtin_expect(count == burst->count, 1)) {
		for (; f + 4 <= end; f += 4)
			bytes += f[0].len + f[1].len + f[2].len + f[3].len;
		for (; f < end; f++)
			bytes += f->len;
		return bytes;
	}
	while (frames)
		bytes += burst->frames[check_next(&frames)].len;
	return bytes;
}

/* `whole`: the frames are a whole burst, as it was received. */
static struct police_cost
burst_cost(const struct worker *w, uint64_t frames, unsigned count, bool whole)
{
	const struct burst *burst = &w->burst;
	struct police_cost sum = {.packets = count};

	if (__builtin_expect(!(w->needs & OFFLOAD_GSO), 1)) {
		sum.bytes = whole ? burst->bytes : bytes_of(burst, frames, count);
		return sum;
	}
	sum.packets = 0;
	while (frames) {
		struct police_cost cost = police_cost(&burst->frames[check_next(&frames)]);

		sum.bytes += cost.bytes;
		sum.packets += cost.packets;
	}
	return sum;
}

/* `received`: frames have the length that they came with. */
static uint64_t
police(struct worker *w, const struct snapshot_port *port, const struct snapshot_rate *rate,
	uint64_t frames, bool received, enum drop drop)
{
	unsigned count = (unsigned)__builtin_popcountll(frames);
	bool whole = received && count == w->burst.count;
	uint64_t passed = 0;

	if (__builtin_expect(police_take(rate, w->tsc, burst_cost(w, frames, count, whole)), 1))
		return frames;
	for (uint64_t left = frames; left;) {
		unsigned i = check_next(&left);

		if (police_take(rate, w->tsc, police_cost(&w->burst.frames[i])))
			passed |= UINT64_C(1) << i;
	}
	check_drop(w, port, frames & ~passed, drop);
	return passed;
}

uint64_t
police_in(struct worker *w, const struct snapshot_port *in, uint64_t frames)
{
	return police(w, in, &in->in_rate, frames, true, DROP_RATE_IN);
}

uint64_t
police_out(struct worker *w, const struct snapshot_port *out, uint64_t frames)
{
	return police(w, out, &out->out_rate, frames, false, DROP_RATE_OUT);
}
