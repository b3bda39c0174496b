/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <string.h>

#include "bench/pair.h"

#define BUFFER      2048
#define BUFFER_BIG  (65536 + 256)
#define MEMORY      (64u << 20)
#define MEMORY_BIG  (400u << 20)
#define ETHERTYPE   0x0800 /* IPv4 */
#define POLL_US     1000   /* the driver side never kicks */
#define ALIGN_RING  4096
#define ALIGN_FRAME 64

static int
ring_open(struct pair *pair, struct pair_side *side, unsigned index, struct driver_ring **ring)
{
	const struct pair_options *o = &pair->options;
	struct driver_ring_setup driver = {.size = (uint16_t)o->ring,
		.features = pair->features,
		.start = DRIVER_RING_START(o->packed)};
	struct vring_setup device = {.size = (uint16_t)o->ring,
		.next_wrap = true,
		.features = pair->features,
		.memory = pair->table,
		.call_fd = -1};
	struct driver_ring_layout layout;
	struct vring *vring;
	uint8_t *at;
	int r;

	driver_ring_layout(&layout, o->ring, o->packed);
	at = driver_memory_alloc(pair->memory, layout.size, ALIGN_RING, NULL);
	if (!at)
		return -ENOMEM;
	driver.desc = at + layout.desc;
	driver.driver = at + layout.driver;
	driver.device = at + layout.device;
	r = driver_ring_create(ring, &driver);
	if (r)
		return r;
	driver_ring_disable(*ring);
	device.desc = guest_memory_from_user(pair->table, (uintptr_t)driver.desc, 1);
	device.avail = guest_memory_from_user(pair->table, (uintptr_t)driver.driver, 1);
	device.used = guest_memory_from_user(pair->table, (uintptr_t)driver.device, 1);
	r = vring_create(&vring, &device);
	if (r)
		return r;
	vhost_rings_start(&side->device, index, vring);
	return 0;
}

/* Up to PAIR_BURST buffers, named by their tokens. */
static void
buffers_add(const struct pair *pair, const struct pair_side *side, struct driver_ring *ring,
	const struct driver_used *used, unsigned count, bool writable)
{
	uint32_t len = writable ? pair->stride : VIRTIO_NET_HDR_LEN + pair->options.size;
	struct driver_buf bufs[PAIR_BURST];
	void *tokens[PAIR_BURST];

	for (unsigned i = 0; i < count; i++) {
		tokens[i] = used[i].token;
		bufs[i].gpa = side->gpa + (uint64_t)((uint8_t *)tokens[i] - side->host);
		bufs[i].len = len;
	}
	driver_ring_add_burst(ring, bufs, tokens, count, writable);
	driver_ring_publish(ring);
}

struct mac
pair_mac(unsigned side, unsigned number)
{
	return (struct mac){{0x52, 0x54, 0, 0, (uint8_t)number, (uint8_t)side}};
}

/* UDP over IPv4, without checksums; addresses and type of service by `number`. */
static void
frame_write(uint8_t *buffer, unsigned from, unsigned to, unsigned size, unsigned number)
{
	const struct mac source = pair_mac(from, number % PAIR_MACS);
	const struct mac target = pair_mac(to, number % PAIR_MACS);
	const unsigned payload = size - FRAME_LEN_MIN;
	const uint8_t ip[] = {0x45, (uint8_t)number, (uint8_t)(payload >> 8), (uint8_t)payload, 0,
		0, 0, 0, 64, 17, 0, 0, 10, 0, 0, (uint8_t)from, 10, 0, 0, (uint8_t)to};

	memset(buffer, 0, VIRTIO_NET_HDR_LEN + size);
	buffer += VIRTIO_NET_HDR_LEN;
	memcpy(buffer, &target, MAC_LEN);
	memcpy(buffer + MAC_LEN, &source, MAC_LEN);
	buffer[2 * MAC_LEN] = ETHERTYPE >> 8;
	memcpy(buffer + FRAME_LEN_MIN, ip, sizeof(ip) < payload ? sizeof(ip) : payload);
}

static int
side_open(struct pair *pair, struct pair_side *side, const char *name)
{
	const struct pair_options *o = &pair->options;
	int r;

	port_init(&side->device.port, &vhost_rings_ops, name, 1, 1);
	side->device.port.poll_us = POLL_US;
	r = ring_open(pair, side, 0, &side->rx);
	if (!r)
		r = ring_open(pair, side, 1, &side->tx);
	if (r)
		return r;
	side->host = driver_memory_alloc(pair->memory,
		(uint64_t)pair->stride * (o->ring + o->flight), ALIGN_FRAME, &side->gpa);
	if (!side->host)
		return -ENOMEM;
	for (unsigned i = 0; i < o->ring; i++) {
		struct driver_used u = {.token = side->host + (uint64_t)i * pair->stride};

		buffers_add(pair, side, side->rx, &u, 1, true);
	}
	atomic_store(&side->device.port.accepts, vhost_accepts(pair->features));
	atomic_store(&side->device.port.tx_queues, 1);
	return 0;
}

int
pair_open(struct pair *pair, const struct pair_options *options, struct err *err)
{
	struct driver_memory_options memory = {
		.size = options->big ? MEMORY_BIG : MEMORY, .hugepages = options->huge};
	int r;

	if (options->flight > options->ring || options->size < FRAME_LEN_MIN ||
		options->size + VIRTIO_NET_HDR_LEN > (options->big ? BUFFER_BIG : BUFFER))
		return err_set(err, -EINVAL, "frame size or number out of range");
	memset(pair, 0, sizeof(*pair));
	pair->options = *options;
	pair->stride = options->big ? BUFFER_BIG : BUFFER;
	pair->features = VIRTIO_BIT(VIRTIO_F_VERSION_1) |
			 (options->packed ? VIRTIO_BIT(VIRTIO_F_RING_PACKED) : 0) |
			 (options->in_order ? VIRTIO_BIT(VIRTIO_F_IN_ORDER) : 0) |
			 (options->mergeable ? VIRTIO_BIT(VIRTIO_NET_F_MRG_RXBUF) : 0);
	r = driver_memory_create(&pair->memory, &memory, err);
	if (!r)
		r = guest_memory_create(
			&pair->table, pair->memory->regions, &pair->memory->fd, 1, err);
	for (unsigned i = 0; i < 2 && !r; i++) {
		r = side_open(pair, &pair->sides[i], i ? "b" : "a");
		if (r)
			err_set(err, r, "cannot make rings and buffers: %s", strerror(-r));
	}
	return r;
}

void
pair_fill(struct pair *pair)
{
	const struct pair_options *o = &pair->options;

	for (unsigned s = 0; s < 2; s++) {
		struct pair_side *side = &pair->sides[s];

		for (unsigned i = 0; i < o->flight; i++) {
			struct driver_used u = {
				.token = side->host + (uint64_t)(o->ring + i) * pair->stride};

			frame_write(u.token, s, !s, o->size, o->mixed ? i : 0);
			buffers_add(pair, side, side->tx, &u, 1, false);
		}
	}
}

unsigned
pair_turn(struct pair *pair, unsigned side)
{
	struct pair_side *s = &pair->sides[side];
	struct driver_used used[PAIR_BURST];
	unsigned n = driver_ring_collect(s->rx, used, PAIR_BURST), back;

	for (unsigned i = 0; i < n; i++) {
		uint8_t *frame = (uint8_t *)used[i].token + VIRTIO_NET_HDR_LEN;
		uint64_t a, b;

		memcpy(&a, frame, 8);
		memcpy(&b, frame + 4, 8);
		b >>= 16;
		memcpy(frame + MAC_LEN, &a, MAC_LEN);
		memcpy(frame, &b, MAC_LEN);
	}
	if (n)
		buffers_add(pair, s, s->tx, used, n, false);
	back = driver_ring_collect(s->tx, used, PAIR_BURST);
	if (back)
		buffers_add(pair, s, s->rx, used, back, true);
	return n;
}
