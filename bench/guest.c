/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

#include "bench/feature.h"
#include "bench/guest.h"
#include "lib/fd.h"

#define BUFFER_DEFAULT 2048
#define LINE           64

/* ---- layout ---- */

static uint32_t
round_up(uint32_t n, uint32_t to)
{
	return (n + to - 1) / to * to;
}

static int
plan_buffers(struct guest *g, const struct guest_options *o, struct err *err)
{
	struct guest_pool *p = &g->pool;
	unsigned lines;

	p->size = o->buffer;
	if (!p->size)
		p->size = g->mergeable || o->frame_max <= BUFFER_DEFAULT ? BUFFER_DEFAULT
									 : o->frame_max;
	if (p->size < o->frame_max && !g->mergeable)
		return err_set(err, -EINVAL,
			"frames of %u bytes do not fit receive buffers of %u: give buffer=%u, or "
			"let buffers be merged (mergeable=yes, when the switch offers it)",
			o->frame_max - VIRTIO_NET_HDR_LEN, p->size, o->frame_max);
	g->chain = (o->frame_max + p->size - 1) / p->size;
	/* Buffers that are done with and not yet looked at take room, too. */
	g->frames = o->frames ? o->frames : (o->ring_size / 2 - o->ring_size / 16) / g->chain;
	/* An odd number of cache lines: else all buffers would share a few sets of the caches. */
	lines = round_up(p->size, LINE) / LINE;
	p->stride = (lines | 1) * LINE;
	/* The ring's, and two frames of each that is on the way: its own and the other guest's. */
	p->count = o->ring_size + 2 * g->frames * g->chain;
	if (!g->frames)
		return err_set(err, -EINVAL,
			"a ring of %u entries does not hold two frames of %u buffers", o->ring_size,
			g->chain);
	if (g->frames * 2 * g->chain > o->ring_size)
		return err_set(err, -EINVAL,
			"%u frames of %u buffers on the way each way do not fit a ring of %u "
			"entries: in_flight=%u is the most",
			g->frames, g->chain, o->ring_size, o->ring_size / 2 / g->chain);
	return 0;
}

static uint64_t
memory_size(const struct guest *g, const struct guest_options *o)
{
	uint64_t rings = 2 * ((uint64_t)o->ring_size * 32 + 4096 * 4);
	uint64_t tables = (uint64_t)o->ring_size * g->chain * sizeof(struct virtq_desc) + 4096;

	return rings + tables + (uint64_t)g->pool.count * g->pool.stride + 65536;
}

static int
lay_out_ring(struct guest *g, const struct guest_options *o, unsigned index, struct err *err)
{
	bool packed = g->features & VIRTIO_BIT(VIRTIO_F_RING_PACKED);
	uint16_t start = DRIVER_RING_START(packed);
	struct driver_ring_setup setup = {
		.size = o->ring_size, .features = g->features, .start = start};
	struct frontend_ring *place = &g->places[index];
	struct driver_ring_layout layout;
	uint8_t *at;
	int rc;

	driver_ring_layout(&layout, o->ring_size, packed);
	at = driver_memory_alloc(g->memory, layout.size, 4096, NULL);
	if (!at)
		return err_set(err, -ENOMEM, "guest memory is too small for its rings");
	setup.desc = place->desc = at + layout.desc;
	setup.driver = place->driver = at + layout.driver;
	setup.device = place->device = at + layout.device;
	place->size = o->ring_size;
	place->base = packed ? start | (uint32_t)start << 16 : start;
	if (index == 1 && g->indirect) {
		setup.table_max = (uint16_t)g->chain;
		setup.tables = driver_memory_alloc(g->memory,
			(uint64_t)setup.size * g->chain * sizeof(struct virtq_desc), LINE,
			&setup.tables_gpa);
		if (!setup.tables)
			return err_set(err, -ENOMEM, "guest memory is too small for its tables");
	}
	rc = driver_ring_create(index ? &g->tx : &g->rx, &setup);
	if (rc)
		return err_set(err, rc, "a %s ring of %u entries is not possible%s",
			packed ? "packed" : "split", o->ring_size,
			packed ? "" : ": the size of a split ring is a power of two");
	driver_ring_disable(index ? g->tx : g->rx);
	return 0;
}

static int
lay_out_pool(struct guest *g, const struct guest_options *o, struct err *err)
{
	struct guest_pool *p = &g->pool;
	uint32_t size = 1;

	p->host = driver_memory_alloc(g->memory, (uint64_t)p->count * p->stride, 4096, &p->gpa);
	while (size < p->count)
		size *= 2;
	g->idle = calloc(size, sizeof(*g->idle));
	if (!p->host || !g->idle)
		return err_set(err, -ENOMEM, "guest memory is too small for %u buffers of %u bytes",
			p->count, p->size);
	g->idle_mask = size - 1;
	/* Present and of this guest before the first frame, like a guest's that has run a while. */
	memset(p->host, 0, (size_t)p->count * p->stride);
	for (uint32_t i = 0; i < o->ring_size; i++) {
		uint8_t *buffer = guest_buffer(g, i);
		struct driver_buf buf = {guest_gpa(g, buffer), p->size};

		driver_ring_add(g->rx, &buf, 0, 1, buffer);
	}
	driver_ring_publish(g->rx);
	for (uint32_t i = o->ring_size; i < p->count; i += g->chain)
		guest_idle_put(g, guest_buffer(g, i));
	return 0;
}

/* Everything that depends on the negotiated features. */
static int
lay_out(struct guest *g, const struct guest_options *o, struct err *err)
{
	int rc = 0;

	g->mergeable = g->features & VIRTIO_BIT(VIRTIO_NET_F_MRG_RXBUF);
	g->indirect = o->indirect && g->features & VIRTIO_BIT(VIRTIO_RING_F_INDIRECT_DESC);
	for (unsigned i = 0; i < 2; i++)
		g->places[i].kick_fd = g->places[i].call_fd = -1;
	for (unsigned i = 0; i < 2 && !rc; i++) {
		g->places[i].kick_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
		g->places[i].call_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
		if (g->places[i].kick_fd < 0 || g->places[i].call_fd < 0)
			rc = err_set(err, -errno, "eventfd: %s", strerror(errno));
		else
			rc = lay_out_ring(g, o, i, err);
	}
	return rc ? rc : lay_out_pool(g, o, err);
}

/* ---- life ---- */

static int
memory_open(struct guest *g, const struct guest_options *o, struct err *err)
{
	struct driver_memory_options memory = {
		.size = memory_size(g, o), .hugepages = o->hugepages};

	return driver_memory_create(&g->memory, &memory, err);
}

int
guest_create_alone(struct guest **out, const struct guest_options *o, struct err *err)
{
	struct guest *g = calloc(1, sizeof(*g));
	int rc;

	if (!g)
		return err_set(err, -ENOMEM, "out of memory");
	g->features = o->features;
	g->mergeable = g->features & VIRTIO_BIT(VIRTIO_NET_F_MRG_RXBUF);
	for (unsigned i = 0; i < 2; i++)
		g->places[i].kick_fd = g->places[i].call_fd = -1;
	rc = plan_buffers(g, o, err);
	if (!rc)
		rc = memory_open(g, o, err);
	if (!rc)
		rc = lay_out(g, o, err);
	if (rc)
		guest_destroy(g);
	else
		*out = g;
	return rc;
}

/* Why there is no connection, when the switch lacks something. */
static int
explain(const struct guest *g, const struct guest_options *o, int rc, struct err *err)
{
	uint64_t missing = g->frontend ? o->required & ~frontend_offered(g->frontend) : 0;
	const char *name = feature_first(missing);
	bool offload =
		missing &
		(VIRTIO_BIT(VIRTIO_NET_F_CSUM) | VIRTIO_BIT(VIRTIO_NET_F_GUEST_CSUM) |
			VIRTIO_BIT(VIRTIO_NET_F_HOST_TSO4) | VIRTIO_BIT(VIRTIO_NET_F_GUEST_TSO4) |
			VIRTIO_BIT(VIRTIO_NET_F_HOST_USO) | VIRTIO_BIT(VIRTIO_NET_F_GUEST_USO4) |
			VIRTIO_BIT(VIRTIO_NET_F_GUEST_USO6));

	if (rc != -ENOTSUP || !name)
		return rc;
	return err_set(err, rc, "the switch does not offer %s%s", name,
		offload ? ": frames of this size cannot ask for segmentation (offload=none sends "
			  "them whole)"
			: "");
}

/* Memory is planned for what may be negotiated, before it is known what is. */
static int
connect_guest(struct guest *g, const struct guest_options *o, struct err *err)
{
	struct frontend_options options = {.path = o->socket,
		.listen = o->listen,
		.timeout_ms = o->timeout_ms,
		.features = o->features | VIRTIO_BIT(VHOST_USER_F_PROTOCOL_FEATURES),
		.required = o->required,
		.protocol_features = VIRTIO_BIT(VHOST_PROTOCOL_F_REPLY_ACK) |
				     VIRTIO_BIT(VHOST_PROTOCOL_F_MQ) |
				     VIRTIO_BIT(VHOST_PROTOCOL_F_STATUS)};
	int rc = plan_buffers(g, o, err);

	if (!rc)
		rc = memory_open(g, o, err);
	options.memory = g->memory;
	if (!rc)
		rc = frontend_create(&g->frontend, &options, err);
	if (!rc)
		rc = frontend_connect(g->frontend, err);
	if (rc)
		return explain(g, o, rc, err);
	g->features = frontend_features(g->frontend);
	/* Planned for merged buffers, and there are none: plan again. */
	if (g->mergeable && !(g->features & VIRTIO_BIT(VIRTIO_NET_F_MRG_RXBUF)) && g->chain > 1)
		return -EAGAIN;
	return 0;
}

int
guest_create(struct guest **out, const struct guest_options *o, struct err *err)
{
	struct guest *g = calloc(1, sizeof(*g));
	struct guest_options again = *o;
	int rc;

	if (!g)
		return err_set(err, -ENOMEM, "out of memory");
	for (unsigned i = 0; i < 2; i++)
		g->places[i].kick_fd = g->places[i].call_fd = -1;
	g->mergeable = o->features & VIRTIO_BIT(VIRTIO_NET_F_MRG_RXBUF);
	rc = connect_guest(g, o, err);
	if (rc == -EAGAIN) {
		guest_destroy(g);
		again.features &= ~VIRTIO_BIT(VIRTIO_NET_F_MRG_RXBUF);
		return guest_create(out, &again, err);
	}
	if (!rc)
		rc = lay_out(g, o, err);
	for (unsigned i = 0; i < 2 && !rc; i++)
		frontend_set_ring(g->frontend, i, &g->places[i]);
	if (!rc)
		rc = frontend_start(g->frontend, err);
	if (rc)
		guest_destroy(g);
	else
		*out = g;
	return rc;
}

void
guest_destroy(struct guest *g)
{
	if (!g)
		return;
	/* The switch lets go of the rings before the memory goes; what it answers does not matter. */
	if (g->frontend && g->tx && frontend_alive(g->frontend))
		frontend_stop(g->frontend, NULL);
	frontend_destroy(g->frontend);
	driver_ring_destroy(g->rx);
	driver_ring_destroy(g->tx);
	for (unsigned i = 0; i < 2; i++) {
		fd_close(&g->places[i].kick_fd);
		fd_close(&g->places[i].call_fd);
	}
	driver_memory_destroy(g->memory);
	free(g->idle);
	free(g);
}

bool
guest_connected(struct guest *g)
{
	return !g->frontend || frontend_alive(g->frontend);
}

/* ---- frames ---- */

void
guest_kick(struct guest *g)
{
	struct driver_ring *const rings[] = {g->rx, g->tx};

	for (unsigned i = 0; i < 2; i++)
		if (driver_ring_needs_kick_fenced(rings[i]))
			eventfd_write(g->places[i].kick_fd, 1);
}

int
guest_send(struct guest *g, uint8_t *frame, uint32_t length)
{
	struct driver_buf bufs[GUEST_CHAIN_MAX];
	unsigned count = 0;

	for (uint8_t *at = frame; length; at += g->pool.stride) {
		uint32_t part = length < g->pool.size ? length : g->pool.size;

		bufs[count++] = (struct driver_buf){guest_gpa(g, at), part};
		length -= part;
	}
	if (g->indirect)
		return driver_ring_add_indirect(g->tx, bufs, count, 0, frame);
	return driver_ring_add(g->tx, bufs, count, 0, frame);
}

void
guest_scatter(struct guest *g, uint8_t *frame, const uint8_t *flat, uint32_t length)
{
	for (; length; frame += g->pool.stride) {
		uint32_t part = length < g->pool.size ? length : g->pool.size;

		memcpy(frame, flat, part);
		flat += part;
		length -= part;
	}
}
