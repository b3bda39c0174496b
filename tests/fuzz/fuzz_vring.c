/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Rings in a guest's memory that the guest made up: split and packed, at each level of vectors, walked
 * as a worker does, with everything that is received sent back to the same guest.
 *
 * Input: struct setup, then the guest's memory from its beginning: receive ring, transmit ring,
 * indirect tables, buffers.  With setup.race a second thread keeps changing bytes of it meanwhile, so
 * that what is read twice can differ; such inputs do not always do the same.
 *
 * Found are: accesses outside the guest's memory (it is an allocation of its own), bursts that break
 * the contract of datapath/frame.h, and work without bound (-timeout).
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "datapath/datapath.h"
#include "vhost/memory.h"
#include "vhost/port_vhost.h"
#include "vhost/vring_level.h"

#define MEMORY 0x8000
#define GPA    UINT64_C(0x10000)

/* Where the parts of a ring stand; the largest ring has 64 entries. */
#define RING_BYTES 0x1000
#define AVAIL      0x400
#define USED       0x800
#define SIZE_MAX_  64

#define VISITS 8

struct setup {
	uint8_t features; /* bits, see features_of() */
	uint8_t size;     /* of both rings */
	uint8_t level;
	uint8_t race;    /* bytes that change: position and value */
	uint8_t next[2]; /* where the transmit ring begins, little endian */
	uint8_t places[2];
};

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size);

#define REQUIRE(condition)        \
	do {                      \
		if (!(condition)) \
			abort();  \
	} while (0)

void
datapath_report_broken(struct port *port, unsigned queue, unsigned reason)
{
	REQUIRE(reason != VRING_OK);
}

int
datapath_synchronize(void)
{
	return 0;
}

static uint64_t
features_of(uint8_t bits)
{
	static const unsigned features[] = {VIRTIO_F_RING_PACKED, VIRTIO_F_IN_ORDER,
		VIRTIO_RING_F_EVENT_IDX, VIRTIO_RING_F_INDIRECT_DESC, VIRTIO_NET_F_MRG_RXBUF,
		VIRTIO_NET_F_CSUM, VIRTIO_NET_F_HOST_TSO4, VIRTIO_NET_F_GUEST_CSUM};
	uint64_t all = VIRTIO_BIT(VIRTIO_F_VERSION_1);

	for (unsigned i = 0; i < 8; i++)
		if (bits >> i & 1)
			all |= VIRTIO_BIT(features[i]);
	return all;
}

/* ---- the second processor of the guest ---- */

static struct {
	_Atomic(uint8_t *) memory; /* NULL = rest */
	atomic_uint place, value;
	atomic_bool writing;
} racer;

static void *
race(void *arg)
{
	for (;;) {
		uint8_t *memory;

		atomic_store(&racer.writing, true);
		memory = atomic_load(&racer.memory);
		if (memory) {
			unsigned place = atomic_load(&racer.place) % MEMORY;

			for (unsigned i = 0; i < 64; i++)
				__atomic_fetch_xor(&memory[(place + i / 8) % MEMORY],
					(uint8_t)atomic_load(&racer.value), __ATOMIC_RELAXED);
		}
		atomic_store(&racer.writing, false);
	}
	return NULL;
}

static void
race_begin(uint8_t *memory, const struct setup *s)
{
	static pthread_t thread;

	if (!s->race)
		return;
	if (!thread)
		REQUIRE(!pthread_create(&thread, NULL, race, NULL));
	atomic_store(&racer.place, (s->places[0] | s->places[1] << 8) & (MEMORY - 1));
	atomic_store(&racer.value, s->race);
	atomic_store(&racer.memory, memory);
}

static void
race_end(void)
{
	atomic_store(&racer.memory, NULL);
	while (atomic_load(&racer.writing))
		;
}

/* ---- the worker ---- */

static void
look_at(const struct burst *burst)
{
	volatile uint8_t sum = 0;
	uint64_t bytes = 0;

	REQUIRE(burst->count <= FRAME_BURST && burst->segs_used <= FRAME_SEGS);
	for (unsigned i = 0; i < burst->count; i++) {
		const struct frame *f = &burst->frames[i];
		uint32_t len = f->head_len;

		REQUIRE(f->len >= FRAME_LEN_MIN && f->len <= FRAME_LEN_MAX);
		REQUIRE(f->head_len <= FRAME_WHOLE && f->head_len <= f->len);
		for (unsigned k = 0; k < f->seg_count; k++) {
			REQUIRE(f->segs[k].len);
			len += f->segs[k].len;
			sum = sum ^ f->segs[k].addr[0] ^ f->segs[k].addr[f->segs[k].len - 1];
		}
		REQUIRE(len == f->len);
		bytes += f->len;
	}
	REQUIRE(bytes == burst->bytes);
}

static void
visit(struct vhost_rings *rings, struct burst *burst, struct port_counters *counters)
{
	uint8_t all[FRAME_LIST_SIZE];
	struct port *port = &rings->port;
	unsigned n = vhost_rings_ops.rx_peek(port, 0);
	bool consumed;

	if (n)
		vhost_rings_ops.tx_peek(port, 0, n);
	burst->count = burst->segs_used = 0;
	burst->bytes = 0;
	consumed = vhost_rings_ops.rx(port, 0, burst, counters);
	look_at(burst);
	for (unsigned i = 0; i < burst->count; i++)
		all[i] = (uint8_t)i;
	if (burst->count) {
		vhost_rings_ops.tx(port, 0, burst->frames, all, burst->count, counters);
		vhost_rings_ops.rx_done(port, 0, burst);
		vhost_rings_ops.tx_flush(port, 0);
	}
	if (consumed)
		vhost_rings_ops.rx_flush(port, 0);
	if (!vhost_rings_ops.rx_arm(port, 0))
		vhost_rings_ops.rx_disarm(port, 0);
}

static struct vring *
start(const struct setup *s, const struct guest_memory *memory, unsigned index)
{
	uint8_t *at = memory->regions[0].host + index * RING_BYTES;
	bool packed = s->features & 1;
	struct vring_setup setup = {.desc = at,
		.avail = at + AVAIL,
		.used = at + USED,
		.features = features_of(s->features),
		.memory = memory,
		.call_fd = -1,
		.next_wrap = true};
	struct vring *vring;

	setup.size = (uint16_t)(packed ? 1 + s->size % SIZE_MAX_ : 1u << s->size % 7);
	setup.next = (uint16_t)(s->next[0] | s->next[1] << 8);
	if (packed)
		setup.next %= setup.size;
	REQUIRE(!vring_create(&vring, &setup));
	return vring;
}

static void
run(const struct setup *s, struct guest_memory *memory)
{
	static struct vhost_rings rings __attribute__((aligned(64)));
	static struct burst burst;
	struct vring *stopped[VHOST_RINGS_MAX];
	struct port_counters counters = {0};

	memset(&rings, 0, sizeof(rings));
	port_init(&rings.port, &vhost_rings_ops, "fuzz", 1, 1);
	for (unsigned i = 0; i < 2; i++)
		vhost_rings_start(&rings, i, start(s, memory, i));
	race_begin(memory->regions[0].host, s);
	for (unsigned i = 0; i < VISITS; i++)
		visit(&rings, &burst, &counters);
	race_end();
	vhost_rings_stop(&rings, 3, stopped);
	vring_destroy(stopped[0]);
	vring_destroy(stopped[1]);
}

int
LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
	static const char *const levels[] = {"x86-64-v2", "x86-64-v3", "x86-64-v4"};
	struct guest_memory *memory;
	struct setup s;
	struct err err;

	if (size < sizeof(s) || size - sizeof(s) > MEMORY)
		return -1;
	memcpy(&s, input, sizeof(s));
	/* A level that the processor lacks leaves the one before. */
	if (vring_level_select(levels[s.level % 3], &err))
		vring_level_select("auto", &err);
	memory = calloc(1, sizeof(*memory) + sizeof(memory->regions[0]));
	memory->count = 1;
	memory->regions[0] = (struct guest_region){
		.gpa = GPA, .size = MEMORY, .host = aligned_alloc(64, MEMORY)};
	memset(memory->regions[0].host, 0, MEMORY);
	memcpy(memory->regions[0].host, input + sizeof(s), size - sizeof(s));
	run(&s, memory);
	free(memory->regions[0].host);
	free(memory);
	return 0;
}
