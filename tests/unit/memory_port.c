/* SPDX-License-Identifier: BSD-3-Clause */
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/clock.h"
#include "tests/unit/memory_port.h"

#define RING_SIZE 16384

static struct memory_frame *
frame_alloc(uint32_t len)
{
	return aligned_alloc(64, (sizeof(struct memory_frame) + len + 63) / 64 * 64);
}

static bool
memory_rx(struct port *port, unsigned queue, struct burst *burst, struct port_counters *counters)
{
	struct memory_port *mp = (struct memory_port *)port;
	unsigned n =
		rte_ring_dequeue_burst(mp->in[queue], (void **)mp->taken[queue], FRAME_BURST, NULL);

	(void)counters;
	mp->taken_count[queue] = n;
	for (unsigned i = 0; i < n; i++) {
		struct memory_frame *m = mp->taken[queue][i];
		struct frame *f = &burst->frames[i];
		uint32_t head = m->len <= FRAME_WHOLE ? m->len : FRAME_PREFIX;

		*f = m->meta;
		f->data = burst->slots[i].bytes;
		memcpy(f->data, m->bytes, head);
		f->len = m->len;
		f->head_len = (uint16_t)head;
		f->seg_count = m->len > head;
		f->segs = &burst->segs[i];
		burst->segs[i].addr = m->bytes + head;
		burst->segs[i].len = m->len - head;
		burst->bytes += m->len;
	}
	burst->count = (uint16_t)n;
	burst->segs_used = (uint16_t)n;
	return n > 0;
}

static void
memory_rx_done(struct port *port, unsigned queue, struct burst *burst)
{
	struct memory_port *mp = (struct memory_port *)port;

	(void)burst;
	for (unsigned i = 0; i < mp->taken_count[queue]; i++) {
		/* Whoever looks at a borrowed byte after this sees that it is gone. */
		memset(mp->taken[queue][i]->bytes, 0xdd, mp->taken[queue][i]->len);
		free(mp->taken[queue][i]);
	}
}

static void
memory_tx(struct port *port, unsigned queue, const struct frame *frames, const uint8_t *list,
	unsigned count, struct port_counters *counters)
{
	struct memory_port *mp = (struct memory_port *)port;

	for (unsigned k = 0; k < count; k++) {
		const struct frame *f = &frames[list[k]];
		struct memory_frame *m = frame_alloc(f->len);
		uint32_t at = f->head_len;

		m->len = f->len;
		m->queue = queue;
		m->meta = *f;
		memcpy(m->bytes, f->data, f->head_len);
		for (unsigned s = 0; s < f->seg_count; s++) {
			memcpy(m->bytes + at, f->segs[s].addr, f->segs[s].len);
			at += f->segs[s].len;
		}
		if (at != f->len || rte_ring_enqueue(mp->out, m)) {
			counters->drops[DROP_NO_BUFFER]++;
			free(m);
			continue;
		}
		counters->tx_packets++;
		counters->tx_bytes += f->len;
	}
}

static bool
memory_rx_arm(struct port *port, unsigned queue)
{
	return !rte_ring_empty(((struct memory_port *)port)->in[queue]);
}

static const struct port_ops memory_ops = {
	.type = "memory",
	.rx = memory_rx,
	.rx_done = memory_rx_done,
	.tx = memory_tx,
	.rx_arm = memory_rx_arm,
};

int
memory_port_start(void **state)
{
	struct datapath_options options = {.idle_us = 50};
	cpu_set_t cpus;
	struct err err;

	(void)state;
	sched_getaffinity(0, sizeof(cpus), &cpus);
	for (unsigned c = 0; c < CPU_SETSIZE && options.cpu_count < 2; c++)
		if (CPU_ISSET(c, &cpus))
			options.cpus[options.cpu_count++] = (uint16_t)c;
	if (datapath_start(&options, &err)) {
		fprintf(stderr, "%s\n", err.text);
		return -1;
	}
	return 0;
}

int
memory_port_stop(void **state)
{
	(void)state;
	datapath_stop();
	return 0;
}

struct memory_port *
memory_port_create(const char *name, unsigned queues)
{
	static unsigned serial;
	struct memory_port *mp = aligned_alloc(64, (sizeof(*mp) + 63) / 64 * 64);
	char ring[32];

	memset(mp, 0, sizeof(*mp));
	port_init(&mp->port, &memory_ops, name, queues, queues);
	mp->port.poll_us = 100;
	for (unsigned q = 0; q < queues; q++) {
		snprintf(ring, sizeof(ring), "in%u", serial++);
		mp->in[q] = rte_ring_create(ring, RING_SIZE, SOCKET_ID_ANY, 0);
	}
	snprintf(ring, sizeof(ring), "out%u", serial++);
	mp->out = rte_ring_create(ring, RING_SIZE, SOCKET_ID_ANY, 0);
	atomic_store(&mp->port.tx_queues, queues);
	return mp;
}

void
memory_port_destroy(struct memory_port *mp)
{
	void *m;

	for (unsigned q = 0; q < mp->port.rx_queues; q++) {
		while (rte_ring_dequeue(mp->in[q], &m) == 0)
			free(m);
		rte_ring_free(mp->in[q]);
	}
	while (rte_ring_dequeue(mp->out, &m) == 0)
		free(m);
	rte_ring_free(mp->out);
	free(mp);
}

int
memory_ports_add(struct memory_port **ports, unsigned count, unsigned *bridge)
{
	struct bridge_settings b = {.fdb_capacity = 1024, .ageing_s = 300};
	int r = datapath_bridge_add(&b, bridge, NULL);
	char name[16];

	for (unsigned p = 0; p < count && !r; p++) {
		struct port_settings s = {.bridge = (int)*bridge, .mac_limit = UINT32_MAX};

		snprintf(name, sizeof(name), "p%u", p);
		ports[p] = memory_port_create(name, 1);
		r = datapath_port_add(&ports[p]->port, &s, NULL);
	}
	return r;
}

int
memory_ports_del(struct memory_port **ports, unsigned count, unsigned bridge)
{
	for (unsigned p = 0; p < count; p++) {
		if (!ports[p])
			continue;
		datapath_port_del(&ports[p]->port);
		memory_port_destroy(ports[p]);
	}
	return datapath_bridge_del(bridge);
}

void
memory_port_put_offload(struct memory_port *mp, unsigned queue, const void *bytes, uint32_t len,
	const struct frame *meta)
{
	struct memory_frame *m = frame_alloc(len);

	m->len = len;
	m->meta = *meta;
	memcpy(m->bytes, bytes, len);
	while (rte_ring_enqueue(mp->in[queue], m))
		sched_yield();
}

void
memory_port_put(struct memory_port *mp, unsigned queue, const void *bytes, uint32_t len)
{
	static const struct frame plain;

	memory_port_put_offload(mp, queue, bytes, len, &plain);
}

struct memory_frame *
memory_port_get(struct memory_port *mp, unsigned ms)
{
	uint64_t end = clock_ns() + ms * UINT64_C(1000000);
	void *m;

	while (rte_ring_dequeue(mp->out, &m)) {
		if (clock_ns() > end)
			return NULL;
		sched_yield();
	}
	return m;
}
