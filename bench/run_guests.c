/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <string.h>

#include "bench/run_case.h"

#define CONNECT_MS    10000
#define OFFLOAD_ABOVE 1518 /* bytes of a frame that no segmentation is needed for, tag included */

static enum frame_kind
choose_kind(const struct bench_options *o, uint32_t size)
{
	switch (o->offload) {
	case BENCH_OFFLOAD_TSO:
		return FRAME_TSO;
	case BENCH_OFFLOAD_USO:
		return FRAME_USO;
	case BENCH_OFFLOAD_NONE:
		return FRAME_UDP;
	default:
		return size > OFFLOAD_ABOVE ? FRAME_TSO : FRAME_UDP;
	}
}

static void
add_feature(enum bench_choice choice, unsigned bit, struct guest_options *g)
{
	if (choice != BENCH_NO)
		g->features |= VIRTIO_BIT(bit);
	if (choice == BENCH_YES)
		g->required |= VIRTIO_BIT(bit);
}

static void
choose_features(const struct bench_options *o, enum frame_kind kind, struct guest_options *g)
{
	enum bench_choice tso = kind == FRAME_TSO ? BENCH_YES : BENCH_NO;
	enum bench_choice uso = kind == FRAME_USO ? BENCH_YES : BENCH_NO;
	enum bench_choice sums = kind == FRAME_UDP ? BENCH_NO : BENCH_YES;

	add_feature(BENCH_YES, VIRTIO_F_VERSION_1, g);
	add_feature(o->packed ? BENCH_YES : BENCH_NO, VIRTIO_F_RING_PACKED, g);
	add_feature(o->in_order, VIRTIO_F_IN_ORDER, g);
	add_feature(o->mergeable, VIRTIO_NET_F_MRG_RXBUF, g);
	add_feature(o->indirect ? BENCH_YES : BENCH_NO, VIRTIO_RING_F_INDIRECT_DESC, g);
	add_feature(o->event_idx ? BENCH_YES : BENCH_NO, VIRTIO_RING_F_EVENT_IDX, g);
	add_feature(sums, VIRTIO_NET_F_CSUM, g);
	add_feature(sums, VIRTIO_NET_F_GUEST_CSUM, g);
	add_feature(tso, VIRTIO_NET_F_HOST_TSO4, g);
	add_feature(tso, VIRTIO_NET_F_GUEST_TSO4, g);
	add_feature(uso, VIRTIO_NET_F_HOST_USO, g);
	add_feature(uso, VIRTIO_NET_F_GUEST_USO4, g);
	add_feature(uso, VIRTIO_NET_F_GUEST_USO6, g);
}

uint32_t
case_longest(const struct bench_case *s)
{
	const struct traffic_mix *mix = &s->mix;
	uint32_t size = 0;

	for (unsigned i = 0; i < mix->count; i++)
		if (mix->sizes[i] > size)
			size = mix->sizes[i];
	return size;
}

void
case_choose_guest(const struct bench_case *s, struct guest_options *g)
{
	const struct bench_options *o = s->options;
	uint32_t size = case_longest(s);

	memset(g, 0, sizeof(*g));
	g->listen = o->listen;
	g->timeout_ms = CONNECT_MS;
	g->ring_size = o->ring_size;
	g->buffer = o->buffer;
	g->frame_max = FRAME_AT + size + (o->vlan != BENCH_VLAN_NONE ? FRAME_TAG : 0);
	g->frames = o->in_flight;
	g->indirect = o->indirect;
	g->hugepages = o->hugepages != BENCH_NO;
	choose_features(o, choose_kind(o, size), g);
}

static bool
is_tagged(const struct bench_options *o, unsigned port)
{
	return o->vlan == BENCH_VLAN_TRUNK || (o->vlan == BENCH_VLAN_MIXED && port % 2);
}

/* The frames from port `source` to port `target` of a pair, as port `at` sees them. */
static struct frame_path
path_between(const struct bench_case *s, unsigned source, unsigned target, unsigned at)
{
	const struct bench_options *o = s->options;
	struct frame_path path = {.kind = choose_kind(o, case_longest(s)),
		.pair = (uint16_t)(source / 2),
		.source = (uint8_t)source,
		.target = (uint8_t)target,
		.tagged = is_tagged(o, at),
		.macs = o->macs / (2 * o->pairs),
		.vlans = o->vlans};

	path.flows = path.macs > path.vlans ? path.macs : path.vlans;
	return path;
}

static int
open_guest(struct bench_case *s, unsigned port)
{
	struct endpoint *e = &s->endpoints[port];
	struct guest_options options;
	unsigned peer = port ^ 1;
	int rc;

	case_choose_guest(s, &options);
	options.socket = s->run->sockets[port];
	rc = guest_create(&e->guest, &options, s->err);
	if (rc == -ENOMEM && s->options->hugepages == BENCH_AUTO) {
		options.hugepages = false;
		rc = guest_create(&e->guest, &options, s->err);
	}
	if (rc)
		return err_prefix(s->err, "guest %u (%s)", port, options.socket);
	s->result->hugepages = options.hugepages;
	e->peer = &s->endpoints[peer];
	e->mix = &s->mix;
	e->verify_full = s->options->verify_full;
	e->burst = s->options->burst;
	/* A turn takes one long frame, or two. */
	e->full = e->guest->chain > 1 ? 1 : 0;
	e->out = path_between(s, port, peer, port);
	e->in = path_between(s, peer, port, port);
	return 0;
}

int
case_open_guests(struct bench_case *s)
{
	const struct guest *first;
	int rc = 0;

	for (unsigned i = 0; i < 2 * s->pairs && !rc; i++)
		rc = open_guest(s, i);
	if (rc)
		return rc;
	first = s->endpoints[0].guest;
	s->result->features = first->features;
	s->result->buffer = first->pool.size;
	s->result->in_flight = first->frames;
	s->result->kind = s->endpoints[0].out.kind;
	crew_assign(
		&s->run->crew, s->endpoints, s->pairs, first->chain > 1 || s->options->verify_full);
	return 0;
}

void
case_close_guests(struct bench_case *s)
{
	for (unsigned i = 0; i < 2 * s->pairs; i++)
		guest_destroy(s->endpoints[i].guest);
}
