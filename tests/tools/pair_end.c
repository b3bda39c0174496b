/* SPDX-License-Identifier: BSD-3-Clause */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>

#include "lib/clock.h"
#include "tests/tools/pair_end.h"

#define CHECK_NS UINT64_C(5000000) /* between two looks at the connections */

static uint8_t frame[PROBE_MAX];

static uint64_t
wanted_features(const struct options *o, unsigned which)
{
	static const unsigned always[] = {
		VIRTIO_F_VERSION_1, VIRTIO_F_ANY_LAYOUT, VHOST_USER_F_PROTOCOL_FEATURES};
	static const unsigned sends[] = {VIRTIO_NET_F_CSUM, VIRTIO_NET_F_HOST_TSO4,
		VIRTIO_NET_F_HOST_TSO6, VIRTIO_NET_F_HOST_USO};
	static const unsigned accepts[] = {VIRTIO_NET_F_GUEST_CSUM, VIRTIO_NET_F_GUEST_TSO4,
		VIRTIO_NET_F_GUEST_TSO6, VIRTIO_NET_F_GUEST_USO4, VIRTIO_NET_F_GUEST_USO6};
	uint64_t features = o->ring_features;

	for (unsigned i = 0; i < 3; i++)
		features |= VIRTIO_BIT(always[i]);
	for (unsigned i = 0; i < 4 && (o->csum || o->gso); i++)
		features |= VIRTIO_BIT(sends[i]);
	for (unsigned i = 0; i < 5 && !(which && o->no_offload_b); i++)
		features |= VIRTIO_BIT(accepts[i]);
	if (o->queues > 1)
		features |= VIRTIO_BIT(VIRTIO_NET_F_MQ);
	return features;
}

static void
set_rings(struct end *end, bool again)
{
	for (unsigned i = 0; i < 2 * end->pairs; i++) {
		struct frontend_ring ring;

		driver_net_ring(end->net, i, &ring);
		if (again)
			ring.base = driver_ring_base(driver_net_driver_ring(end->net, i));
		frontend_set_ring(end->frontend, i, &ring);
	}
}

static void
open_frontend(struct run *run, unsigned which)
{
	const struct options *o = &run->options;
	uint64_t slot = PROBE_MAX + 64 * (o->pieces + 4) + 64 + 16 * (o->pieces + 2);
	struct driver_memory_options memory = {
		.size = 2 * o->queues * o->ring * (slot + 4096) + (UINT64_C(1) << 20),
		.hugepages = o->hugepages};
	struct end *end = &run->ends[which];
	struct frontend_options fo = {.path = o->path[which],
		.listen = o->listen,
		.timeout_ms = (int)o->timeout_ms,
		.features = wanted_features(o, which),
		.required = VIRTIO_BIT(VIRTIO_F_VERSION_1) | o->ring_features,
		.protocol_features = VIRTIO_BIT(VHOST_PROTOCOL_F_MQ) |
				     VIRTIO_BIT(VHOST_PROTOCOL_F_REPLY_ACK) |
				     VIRTIO_BIT(VHOST_PROTOCOL_F_RESET_DEVICE) |
				     VIRTIO_BIT(VHOST_PROTOCOL_F_INFLIGHT_SHMFD) |
				     VIRTIO_BIT(VHOST_PROTOCOL_F_STATUS),
		.inflight = o->inflight};
	struct err err = {0};

	if (driver_memory_create(&end->memory, &memory, &err))
		die("%s", err.text);
	fo.memory = end->memory;
	if (frontend_create(&end->frontend, &fo, &err))
		die("%s", err.text);
}

static void
open_net(struct run *run, unsigned which)
{
	const struct options *o = &run->options;
	struct end *end = &run->ends[which];
	struct driver_net_options no = {.memory = end->memory,
		.features = frontend_features(end->frontend),
		.pairs = (unsigned)o->queues,
		.rx_size = (uint16_t)o->ring,
		.tx_size = (uint16_t)o->ring,
		.tx_pieces = (unsigned)o->pieces,
		.rx_pieces = 1,
		.indirect = true};
	struct err err = {0};

	if (frontend_queue_pairs(end->frontend) < o->queues)
		die("%s offers %u queue pairs", o->path[which],
			frontend_queue_pairs(end->frontend));
	if (driver_net_create(&end->net, &no, &err))
		die("%s", err.text);
	end->pairs = no.pairs;
	end->tracks = calloc(end->pairs, sizeof(*end->tracks));
	end->latency = calloc(1, sizeof(*end->latency));
	if (!end->tracks || !end->latency)
		die("out of memory");
	end->probe = (struct probe){.protocol = o->protocol,
		.csum = o->csum,
		.gso_size = (uint16_t)o->gso,
		.source = {{0x52, 0x54, 0, 0x70, 0xb0, (uint8_t)which}},
		.destination = {{0x52, 0x54, 0, 0x70, 0xb0, (uint8_t)!which}}};
	for (unsigned i = 0; i < o->size_count; i++)
		if (o->sizes[i] < probe_min(&end->probe))
			die("--sizes: %u is too short for a numbered frame: %u at least",
				o->sizes[i], probe_min(&end->probe));
}

void
ends_attach(struct run *run)
{
	struct err err = {0};

	for (unsigned i = 0; i < 2; i++)
		open_frontend(run, i);
	for (unsigned i = 0; i < 2; i++) {
		struct end *end = &run->ends[i];

		if (frontend_connect(end->frontend, &err))
			die("%s", err.text);
		open_net(run, i);
		set_rings(end, false);
		for (unsigned q = 0; q < end->pairs; q++)
			driver_net_fill(end->net, q);
		if (frontend_start(end->frontend, &err))
			die("%s", err.text);
	}
}

void
ends_detach(struct run *run)
{
	for (unsigned i = 0; i < 2; i++) {
		struct end *end = &run->ends[i];
		struct err err = {0};

		if (frontend_alive(end->frontend) && frontend_stop(end->frontend, &err))
			fprintf(stderr, "vhost_pair: %s\n", err.text);
		frontend_destroy(end->frontend);
		driver_net_destroy(end->net);
		driver_memory_destroy(end->memory);
		free(end->tracks);
		free(end->latency);
	}
}

/* ---- receiving ---- */

void
give_up(struct end *end)
{
	end->given_up = cells_sent(end) - cells_received(end);
}

static void
arrived(struct run *run, unsigned which, const struct probe_found *found, size_t len, uint64_t now)
{
	struct end *end = &run->ends[which], *from = &run->ends[!which];

	if (found->stream >= from->pairs) {
		end->damage = "stream";
		from->tracks[0].damaged++;
		return;
	}
	if (!run->first_ns)
		run->first_ns = now;
	if (found->number < from->tracks[found->stream].first)
		return; /* a straggler from before the count began */
	if (end->arrival_ns && now - end->arrival_ns > end->gap_ns)
		end->gap_ns = now - end->arrival_ns;
	if (end->arrival_ns && now - end->arrival_ns > end->mark_gap_ns)
		end->mark_gap_ns = now - end->arrival_ns;
	end->arrival_ns = now;
	end->bytes += len;
	end->arrived++;
	histogram_add(end->latency, now - found->time_ns);
	track_note(&from->tracks[found->stream], found->number, found->cells);
}

unsigned
receive_all(struct run *run, unsigned which)
{
	struct end *end = &run->ends[which];
	unsigned count = 0;

	for (unsigned q = 0; q < end->pairs; q++) {
		struct virtio_net_hdr header;
		struct probe_found found;
		const char *why;
		int len;

		while ((len = driver_net_receive(end->net, q, &header, frame, sizeof(frame)))) {
			int rc;

			if (len < 0)
				die("%s: %s", run->options.path[which], driver_net_error(end->net));
			rc = probe_read(frame, (size_t)len, &header, &found, &why);
			if (rc > 0) {
				arrived(run, which, &found, (size_t)len, clock_ns());
				count++;
			} else if (rc < 0) {
				end->damage = why;
				run->ends[!which].tracks[0].damaged++;
			} else {
				end->foreign++;
			}
		}
		driver_net_flush(end->net, q);
	}
	return count;
}

/* ---- sending ---- */

/* The frame's length, so that the last segment of a cut frame still holds a cell. */
static unsigned
next_size(const struct run *run, const struct end *end)
{
	const struct options *o = &run->options;
	unsigned size = o->sizes[end->sent % o->size_count], least = probe_min(&end->probe), rest;

	if (!o->gso || size <= least + o->gso)
		return size;
	rest = (size - (least - 32)) % (unsigned)o->gso;
	return rest && rest < 32 ? size - rest : size;
}

uint64_t
cells_sent(const struct end *end)
{
	uint64_t sum = 0;

	for (unsigned q = 0; q < end->pairs; q++)
		sum += end->tracks[q].sent - end->tracks[q].first;
	return sum;
}

uint64_t
cells_received(const struct end *end)
{
	uint64_t sum = 0;

	for (unsigned q = 0; q < end->pairs; q++)
		sum += end->tracks[q].received;
	return sum;
}

unsigned
send_some(struct run *run, unsigned which, uint64_t limit, uint64_t now)
{
	const struct options *o = &run->options;
	struct end *end = &run->ends[which];
	uint64_t cells = cells_sent(end), done = cells_received(end) + end->given_up;
	unsigned count = 0;

	while (end->sent < limit && cells < done + o->window && count < 64) {
		unsigned q = (unsigned)(end->sent % end->pairs), size = next_size(run, end);
		struct track *track = &end->tracks[q];
		struct virtio_net_hdr header;

		if (o->rate && now < end->due_ns)
			break;
		end->probe.stream = (uint8_t)q;
		probe_build(&end->probe, track->sent, clock_ns(), frame, size, &header);
		if (driver_net_send(end->net, q, &header, frame, size))
			break;
		track->sent += probe_cells(&end->probe, size);
		cells += probe_cells(&end->probe, size);
		end->sent++;
		count++;
		if (o->rate)
			end->due_ns = (end->due_ns ? end->due_ns : now) + SECOND_NS / o->rate;
	}
	for (unsigned q = 0; count && q < end->pairs; q++)
		driver_net_flush(end->net, q);
	return count;
}

/* ---- the connection ---- */

static void
reconnect(struct run *run, unsigned which)
{
	struct end *end = &run->ends[which];
	struct err err = {0};

	if (!run->options.reconnect)
		die("%s: the switch went away", run->options.path[which]);
	receive_all(run, which);
	for (unsigned q = 0; q < end->pairs; q++)
		driver_net_reclaim(end->net, q);
	if (frontend_connect(end->frontend, &err))
		die("%s", err.text);
	set_rings(end, true);
	if (frontend_start(end->frontend, &err))
		die("%s", err.text);
	/* What was published while nobody listened. */
	for (unsigned i = 0; i < 2 * end->pairs; i++) {
		struct frontend_ring ring;

		driver_net_ring(end->net, i, &ring);
		eventfd_write(ring.kick_fd, 1);
	}
	give_up(&run->ends[0]);
	give_up(&run->ends[1]);
	run->reconnects++;
}

void
check_connections(struct run *run, uint64_t now)
{
	if (now - run->checked_ns < CHECK_NS)
		return;
	run->checked_ns = now;
	for (unsigned i = 0; i < 2; i++)
		if (!frontend_alive(run->ends[i].frontend))
			reconnect(run, i);
}

void
wait_for_call(struct run *run, uint64_t now)
{
	struct pollfd fds[2 * DRIVER_NET_PAIRS_MAX];
	struct timespec timeout = {.tv_nsec = (long)CHECK_NS};
	bool there = false;
	unsigned n = 0;

	for (unsigned i = 0; i < 2; i++) {
		struct end *end = &run->ends[i];

		if (run->options.rate && end->due_ns > now &&
			end->due_ns - now < (uint64_t)timeout.tv_nsec)
			timeout.tv_nsec = (long)(end->due_ns - now);
		for (unsigned q = 0; q < end->pairs; q++) {
			struct frontend_ring ring;

			driver_net_ring(end->net, 2 * q, &ring);
			fds[n++] = (struct pollfd){.fd = ring.call_fd, .events = POLLIN};
			there |= driver_ring_enable(driver_net_driver_ring(end->net, 2 * q), 1);
		}
	}
	if (!there)
		ppoll(fds, n, &timeout, NULL);
	for (unsigned i = 0; i < 2; i++)
		for (unsigned q = 0; q < run->ends[i].pairs; q++)
			driver_net_wait(run->ends[i].net, q, 0);
}
