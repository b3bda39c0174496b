/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The driver side of a virtqueue against a device written here from the text of virtio 1.2 alone
 * (2.7.13, 2.7.14 and 2.8.21), with none of the project's device side: whatever the driver adds must
 * be seen by the device in order and unchanged, and whatever the device gives back must come out.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "vhost/driver_ring.h"

#define CHAIN_MAX 6
#define MODEL_MAX 1024

struct shape {
	bool packed, in_order, event_idx, indirect;
	uint16_t size, start;
};

/* A chain as added, and as the device saw it. */
struct chain {
	unsigned out, in;
	struct driver_buf bufs[CHAIN_MAX];
	uint32_t id;     /* the device's */
	unsigned descs;  /* ring descriptors it takes */
	uint32_t len;    /* what the device says it wrote */
	uint32_t number; /* counts the chains added; the token */
};

struct model {
	struct shape shape;
	uint8_t *memory;
	struct virtq_desc *desc;
	struct virtq_packed_desc *pdesc;
	struct virtq_avail *avail;
	struct virtq_used *used;
	struct virtq_packed_event *driver_event, *device_event;
	uint16_t next, used_idx;   /* split indexes, packed positions */
	bool next_wrap, used_wrap; /* packed */
	uint16_t signalled;        /* split: used index, packed: position at the last check */
	unsigned used_since;       /* used entries (packed: descriptors) since then */
	bool asleep;               /* it asked to be kicked */
};

static uint64_t random_state = 88172645463325252ull;

static uint32_t
random_below(uint32_t limit)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (uint32_t)(random_state >> 32) % limit;
}

/* ---- the device, from the specification ---- */

static void
model_read_table(const struct virtq_desc *table, unsigned entries, bool packed, struct chain *chain)
{
	unsigned at = 0;

	chain->out = chain->in = 0;
	for (unsigned i = 0; i < entries; i++) {
		const struct virtq_desc *d = &table[packed ? i : at];
		struct virtq_packed_desc p;
		unsigned flags = d->flags;

		memcpy(&p, d, sizeof(p));
		if (packed)
			flags = p.flags;
		assert_true(chain->out + chain->in < CHAIN_MAX);
		chain->bufs[chain->out + chain->in] = (struct driver_buf){d->addr, d->len};
		if (flags & VIRTQ_DESC_F_WRITE) {
			chain->in++;
		} else {
			assert_int_equal(chain->in, 0);
			chain->out++;
		}
		if (packed) {
			assert_int_equal(flags & ~VIRTQ_DESC_F_WRITE, 0);
			continue;
		}
		assert_int_equal(flags & VIRTQ_DESC_F_INDIRECT, 0);
		if (!(flags & VIRTQ_DESC_F_NEXT)) {
			assert_int_equal(i, entries - 1);
			return;
		}
		at = d->next;
		assert_true(at < entries);
	}
}

static bool
model_take_split(struct model *m, struct chain *chain)
{
	unsigned size = m->shape.size, head, at;

	if (__atomic_load_n(&m->avail->idx, __ATOMIC_ACQUIRE) == m->next)
		return false;
	head = at = m->avail->ring[m->next % size];
	m->next++;
	*chain = (struct chain){.id = head};
	for (;;) {
		struct virtq_desc *d = &m->desc[at];

		assert_true(at < size);
		chain->descs++;
		if (d->flags & VIRTQ_DESC_F_INDIRECT) {
			assert_int_equal(d->flags, VIRTQ_DESC_F_INDIRECT);
			assert_int_equal(d->len % 16, 0);
			model_read_table((void *)(uintptr_t)d->addr, d->len / 16, false, chain);
			return true;
		}
		assert_true(chain->out + chain->in < CHAIN_MAX);
		chain->bufs[chain->out + chain->in] = (struct driver_buf){d->addr, d->len};
		if (d->flags & VIRTQ_DESC_F_WRITE) {
			chain->in++;
		} else {
			assert_int_equal(chain->in, 0);
			chain->out++;
		}
		if (!(d->flags & VIRTQ_DESC_F_NEXT))
			return true;
		if (m->shape.in_order)
			assert_int_equal(d->next, at + 1 == size ? 0 : at + 1);
		at = d->next;
	}
}

static bool
model_is_avail(const struct model *m)
{
	uint16_t flags = __atomic_load_n(&m->pdesc[m->next].flags, __ATOMIC_ACQUIRE);
	bool avail = flags & (1 << 7), used = flags & (1 << 15);

	return avail == m->next_wrap && used != m->next_wrap;
}

static bool
model_take_packed(struct model *m, struct chain *chain)
{
	bool more = true;

	if (!model_is_avail(m))
		return false;
	*chain = (struct chain){0};
	while (more) {
		struct virtq_packed_desc d = m->pdesc[m->next];

		assert_true(model_is_avail(m));
		chain->descs++;
		chain->id = d.id;
		more = d.flags & VIRTQ_DESC_F_NEXT;
		if (++m->next == m->shape.size) {
			m->next = 0;
			m->next_wrap = !m->next_wrap;
		}
		if (d.flags & VIRTQ_DESC_F_INDIRECT) {
			assert_false(more);
			model_read_table((void *)(uintptr_t)d.addr, d.len / 16, true, chain);
			break;
		}
		assert_true(chain->out + chain->in < CHAIN_MAX);
		chain->bufs[chain->out + chain->in] = (struct driver_buf){d.addr, d.len};
		if (d.flags & VIRTQ_DESC_F_WRITE) {
			chain->in++;
		} else {
			assert_int_equal(chain->in, 0);
			chain->out++;
		}
	}
	assert_true(chain->id < m->shape.size);
	return true;
}

static bool
model_take(struct model *m, struct chain *chain)
{
	return m->shape.packed ? model_take_packed(m, chain) : model_take_split(m, chain);
}

/*
 * Gives `count` chains back, the last of them named and the others implied when batch is set.  The
 * chains take `descs` descriptors.
 */
static void
model_give(struct model *m, uint32_t id, uint32_t len, unsigned chains, unsigned descs)
{
	if (!m->shape.packed) {
		m->used->ring[m->used_idx % m->shape.size] = (struct virtq_used_elem){id, len};
		m->used_idx += chains;
		m->used_since += chains;
		__atomic_store_n(&m->used->idx, m->used_idx, __ATOMIC_RELEASE);
		return;
	}
	m->pdesc[m->used_idx].id = (uint16_t)id;
	m->pdesc[m->used_idx].len = len;
	__atomic_store_n(&m->pdesc[m->used_idx].flags, m->used_wrap ? 0x8080 : 0, __ATOMIC_RELEASE);
	m->used_since += descs;
	m->used_idx += descs;
	if (m->used_idx >= m->shape.size) {
		m->used_idx -= m->shape.size;
		m->used_wrap = !m->used_wrap;
	}
}

/* 2.7.7.2 / 2.8.10: would the device interrupt for what it used since the last question? */
static bool
model_needs_call(struct model *m)
{
	unsigned since = m->used_since;
	uint16_t now = m->used_idx, event;

	m->used_since = 0;
	if (!since)
		return false;
	if (!m->shape.packed && !m->shape.event_idx)
		return !(m->avail->flags & 1);
	if (!m->shape.packed) {
		event = m->avail->ring[m->shape.size];
		return (uint16_t)(now - event - 1) < since;
	}
	if ((m->driver_event->flags & 3) != 2)
		return m->driver_event->flags == 0;
	assert_true(m->shape.event_idx);
	/* The descriptor at the offset was among the last `since` ones. */
	for (unsigned i = 1; i <= since; i++) {
		int at = now - (int)i;
		bool wrap = m->used_wrap;

		if (at < 0) {
			at += m->shape.size;
			wrap = !wrap;
		}
		if (m->driver_event->off_wrap == (at | wrap << 15))
			return true;
	}
	return false;
}

static bool
model_sleep(struct model *m)
{
	if (m->shape.packed) {
		m->device_event->off_wrap = (uint16_t)(m->next | m->next_wrap << 15);
		m->device_event->flags = m->shape.event_idx ? 2 : 0;
		m->asleep = !model_is_avail(m);
	} else {
		if (m->shape.event_idx)
			memcpy(&m->used->ring[m->shape.size], &m->next, 2);
		m->used->flags = 0;
		m->asleep = m->avail->idx == m->next;
	}
	return m->asleep;
}

static void
model_busy(struct model *m)
{
	m->asleep = false;
	if (m->shape.packed)
		m->device_event->flags = 1;
	else if (!m->shape.event_idx)
		m->used->flags = 1;
}

/* ---- the pair ---- */

struct pair {
	struct model model;
	struct driver_ring *ring;
	void *tables;
};

static void
pair_open(struct pair *p, const struct shape *shape)
{
	struct driver_ring_layout layout;
	struct driver_ring_setup setup = {.size = shape->size, .start = shape->start};
	struct model *m = &p->model;

	memset(p, 0, sizeof(*p));
	driver_ring_layout(&layout, shape->size, shape->packed);
	m->memory = aligned_alloc(64, layout.size);
	p->tables = aligned_alloc(64, ((size_t)shape->size * CHAIN_MAX * 16 + 63) & ~(size_t)63);
	assert_non_null(m->memory);
	assert_non_null(p->tables);
	memset(m->memory, 0xa5, layout.size);
	setup.desc = m->memory + layout.desc;
	setup.driver = m->memory + layout.driver;
	setup.device = m->memory + layout.device;
	if (shape->packed)
		setup.features |= VIRTIO_BIT(VIRTIO_F_RING_PACKED);
	if (shape->in_order)
		setup.features |= VIRTIO_BIT(VIRTIO_F_IN_ORDER);
	if (shape->event_idx)
		setup.features |= VIRTIO_BIT(VIRTIO_RING_F_EVENT_IDX);
	if (shape->indirect) {
		setup.features |= VIRTIO_BIT(VIRTIO_RING_F_INDIRECT_DESC);
		setup.tables = p->tables;
		setup.tables_gpa = (uintptr_t)p->tables;
		setup.table_max = CHAIN_MAX;
	}
	assert_int_equal(driver_ring_create(&p->ring, &setup), 0);
	m->shape = *shape;
	m->desc = setup.desc;
	m->pdesc = setup.desc;
	m->avail = setup.driver;
	m->driver_event = setup.driver;
	m->used = setup.device;
	m->device_event = setup.device;
	m->next = m->used_idx = shape->packed ? shape->start & 0x7fff : shape->start;
	m->next_wrap = m->used_wrap = shape->start >> 15;
}

static void
pair_close(struct pair *p)
{
	driver_ring_destroy(p->ring);
	free(p->model.memory);
	free(p->tables);
}

static void
make_chain(struct chain *chain, unsigned size, uint32_t number)
{
	unsigned max = size < CHAIN_MAX ? size : CHAIN_MAX;
	unsigned count = 1 + random_below(max);

	chain->out = random_below(count + 1);
	chain->in = count - chain->out;
	chain->number = number;
	for (unsigned i = 0; i < count; i++) {
		chain->bufs[i].gpa = (uint64_t)random_below(UINT32_MAX) << 17 | random_below(7);
		chain->bufs[i].len = 1 + random_below(70000);
	}
}

static uint32_t
chain_room(const struct chain *chain)
{
	uint32_t room = 0;

	for (unsigned i = chain->out; i < chain->out + chain->in; i++)
		room += chain->bufs[i].len;
	return room;
}

/* Everything that is under way, in the order of adding; numbers count from 1. */
struct run {
	struct pair pair;
	struct chain *added;           /* [limit + 1] */
	uint32_t count, seen, back;    /* added, seen by the device, collected */
	struct chain taken[MODEL_MAX]; /* by the device, not given back */
	unsigned taken_count;
};

static void
run_add(struct run *r, uint32_t limit, unsigned most)
{
	struct driver_ring *ring = r->pair.ring;

	for (unsigned i = 0; i < most && r->count < limit; i++) {
		struct chain *chain = &r->added[r->count + 1];
		unsigned room = driver_ring_free(ring), need;
		void *token = (void *)(uintptr_t)(r->count + 1);
		int rc;

		make_chain(chain, r->pair.model.shape.size, r->count + 1);
		need = chain->out + chain->in;
		if (need == 1 && random_below(2)) {
			rc = driver_ring_add_burst(ring, chain->bufs, &token, 1, chain->in)
				     ? 0
				     : -ENOSPC;
		} else if (r->pair.model.shape.indirect && random_below(2)) {
			need = 1;
			rc = driver_ring_add_indirect(
				ring, chain->bufs, chain->out, chain->in, token);
		} else {
			rc = driver_ring_add(ring, chain->bufs, chain->out, chain->in, token);
		}
		assert_int_equal(rc, need > room ? -ENOSPC : 0);
		if (rc)
			return;
		assert_int_equal(driver_ring_free(ring), room - need);
		r->count++;
	}
}

static void
run_take(struct run *r, unsigned most)
{
	for (unsigned i = 0; i < most; i++) {
		struct chain *chain = &r->taken[r->taken_count], *want = &r->added[r->seen + 1];

		if (!model_take(&r->pair.model, chain))
			return;
		assert_true(r->seen < r->count);
		assert_int_equal(chain->out, want->out);
		assert_int_equal(chain->in, want->in);
		for (unsigned k = 0; k < want->out + want->in; k++) {
			assert_true(chain->bufs[k].gpa == want->bufs[k].gpa);
			assert_true(chain->bufs[k].len == want->bufs[k].len);
		}
		chain->number = ++r->seen;
		r->taken_count++;
	}
}

static void
run_give_batch(struct run *r, unsigned count)
{
	unsigned descs = 0;

	for (unsigned i = 0; i < count; i++) {
		struct chain *chain = &r->taken[i];
		bool last = i + 1 == count;

		descs += chain->descs;
		chain->len = last ? random_below(chain_room(chain) + 1) : chain_room(chain);
		r->added[chain->number].len = chain->len;
	}
	if (!count)
		return;
	model_give(&r->pair.model, r->taken[count - 1].id, r->taken[count - 1].len, count, descs);
	memmove(r->taken, r->taken + count, (r->taken_count - count) * sizeof(r->taken[0]));
	r->taken_count -= count;
}

static void
run_give_one(struct run *r, unsigned which)
{
	struct chain *chain = &r->taken[which];

	chain->len = random_below(chain_room(chain) + 1);
	r->added[chain->number].len = chain->len;
	model_give(&r->pair.model, chain->id, chain->len, 1, chain->descs);
	memmove(chain, chain + 1, (r->taken_count - which - 1) * sizeof(*chain));
	r->taken_count--;
}

static void
run_give(struct run *r, unsigned most)
{
	bool in_order = r->pair.model.shape.in_order;

	while (most && r->taken_count) {
		unsigned n = 1 + random_below(most);

		if (n > r->taken_count)
			n = r->taken_count;
		if (in_order && random_below(2)) {
			run_give_batch(r, n);
		} else {
			n = 1;
			run_give_one(r, in_order ? 0 : random_below(r->taken_count));
		}
		most -= n;
	}
}

static void
run_collect(struct run *r, unsigned max)
{
	struct driver_used used[64];
	unsigned n = driver_ring_collect(r->pair.ring, used, max < 64 ? max : 64);

	for (unsigned i = 0; i < n; i++) {
		uint32_t number = (uint32_t)(uintptr_t)used[i].token;

		assert_true(number >= 1 && number <= r->seen);
		if (r->pair.model.shape.in_order)
			assert_int_equal(number, r->back + 1);
		assert_int_equal(used[i].len, r->added[number].len);
		assert_int_equal(r->added[number].number, number);
		r->added[number].number = 0; /* comes back once */
		r->back++;
	}
	assert_false(driver_ring_broken(r->pair.ring));
}

static void
run_shape(const struct shape *shape, uint32_t limit)
{
	struct run *r = calloc(1, sizeof(*r));
	bool driver_asleep = false;

	assert_non_null(r);
	r->added = calloc(limit + 2, sizeof(*r->added));
	assert_non_null(r->added);
	pair_open(&r->pair, shape);
	while (r->back < limit) {
		bool called;

		run_add(r, limit, random_below(shape->size < 64 ? 2 * shape->size : 96));
		if (random_below(4)) {
			bool waits = r->pair.model.asleep, kick;
			uint32_t before = r->seen;

			driver_ring_publish(r->pair.ring);
			kick = driver_ring_needs_kick(r->pair.ring);
			run_take(r, 1 + random_below(2 * shape->size));
			if (waits && r->seen > before) {
				assert_true(kick);
				model_busy(&r->pair.model);
			}
		}
		run_give(r, random_below(2 * shape->size));
		called = model_needs_call(&r->pair.model);
		if (driver_asleep && driver_ring_pending(r->pair.ring)) {
			assert_true(called);
			driver_asleep = false;
			driver_ring_disable(r->pair.ring);
		}
		if (!driver_asleep)
			run_collect(r, 1 + random_below(80));
		if (!driver_asleep && !random_below(3))
			driver_asleep = !driver_ring_enable(r->pair.ring, 1);
		if (!random_below(3))
			model_sleep(&r->pair.model);
	}
	assert_int_equal(driver_ring_in_flight(r->pair.ring), 0);
	assert_int_equal(driver_ring_free(r->pair.ring), shape->size);
	pair_close(&r->pair);
	free(r->added);
	free(r);
}

static void
test_matrix(void **state)
{
	static const uint16_t sizes[] = {1, 8, 256, 1024, 7, 100, 1000};

	for (unsigned bits = 0; bits < 16; bits++) {
		for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
			struct shape shape = {.packed = bits & 1,
				.in_order = bits & 2,
				.event_idx = bits & 4,
				.indirect = bits & 8,
				.size = sizes[i]};

			if (!shape.packed && (sizes[i] & (sizes[i] - 1)))
				continue;
			shape.start = DRIVER_RING_START(shape.packed);
			run_shape(&shape, 20 * sizes[i] + 2000);
			/* Wherever a connection before this one stopped. */
			shape.start = shape.packed ? (uint16_t)(sizes[i] - 1) : 65535 - 3;
			run_shape(&shape, 4 * sizes[i] + 500);
		}
	}
}

/* While the device polls it is not kicked, while the driver polls it is not called. */
static void
test_suppressed(void **state)
{
	for (unsigned bits = 0; bits < 4; bits++) {
		struct shape shape = {.packed = bits & 1, .event_idx = bits & 2, .size = 256};
		struct driver_buf buf = {0x1000, 100};
		struct driver_used used[4];
		struct chain chain;
		struct pair p;
		unsigned kicks = 0, calls = 0;

		shape.start = DRIVER_RING_START(shape.packed);
		pair_open(&p, &shape);
		model_busy(&p.model);
		driver_ring_disable(p.ring);
		for (unsigned i = 0; i < 1000; i++) {
			assert_int_equal(driver_ring_add(p.ring, &buf, 1, 0, &buf), 0);
			driver_ring_publish(p.ring);
			kicks += driver_ring_needs_kick(p.ring);
			assert_false(driver_ring_needs_kick(p.ring));
			assert_true(model_take(&p.model, &chain));
			model_give(&p.model, chain.id, 0, 1, 1);
			calls += model_needs_call(&p.model);
			assert_int_equal(driver_ring_collect(p.ring, used, 4), 1);
		}
		/* A split ring with EVENT_IDX has no off switch; its event index starts at 0. */
		assert_true(kicks <= (!shape.packed && shape.event_idx ? 1 : 0));
		assert_int_equal(calls, 0);
		pair_close(&p);
	}
}

/* enable(after): no call before the after-th chain. */
static void
test_delayed_call(void **state)
{
	for (unsigned packed = 0; packed < 2; packed++) {
		struct shape shape = {.packed = packed, .event_idx = true, .size = 16};
		struct driver_buf buf = {0x1000, 100};
		struct driver_used used[16];
		struct chain chain;
		struct pair p;

		shape.start = DRIVER_RING_START(packed);
		pair_open(&p, &shape);
		for (unsigned round = 0; round < 40; round++) {
			for (unsigned i = 0; i < 10; i++)
				assert_int_equal(driver_ring_add(p.ring, &buf, 1, 0, &buf), 0);
			driver_ring_publish(p.ring);
			assert_false(driver_ring_enable(p.ring, 7));
			for (unsigned i = 1; i <= 10; i++) {
				assert_true(model_take(&p.model, &chain));
				model_give(&p.model, chain.id, 0, 1, 1);
				assert_int_equal(model_needs_call(&p.model), i == 7);
			}
			assert_int_equal(driver_ring_collect(p.ring, used, 16), 10);
		}
		pair_close(&p);
	}
}

/* Chains become visible by publish, all of them, and not before. */
static void
test_publish(void **state)
{
	(void)state;
	for (unsigned bits = 0; bits < 8; bits++) {
		struct shape shape = {.packed = bits & 1, .in_order = bits & 2, .size = 16};
		struct driver_buf bufs[2] = {{0x1000, 100}, {0x2000, 200}};
		void *tokens[2] = {bufs, bufs};
		struct chain chain;
		struct pair p;

		shape.start = DRIVER_RING_START(shape.packed);
		pair_open(&p, &shape);
		driver_ring_publish(p.ring);
		assert_false(model_take(&p.model, &chain));
		if (bits & 4)
			driver_ring_add_burst(p.ring, bufs, tokens, 2, false);
		else
			driver_ring_add(p.ring, bufs, 1, 1, NULL);
		driver_ring_add(p.ring, bufs, 2, 0, NULL);
		assert_false(model_take(&p.model, &chain));
		driver_ring_publish(p.ring);
		for (unsigned i = 0; i < (bits & 4 ? 3u : 2u); i++)
			assert_true(model_take(&p.model, &chain));
		assert_false(model_take(&p.model, &chain));
		pair_close(&p);
	}
}

/* What a device must not give back stops the ring and reads nothing outside it. */
static void
test_bad_device(void **state)
{
	for (unsigned bits = 0; bits < 4; bits++) {
		for (unsigned kind = 0; kind < 3; kind++) {
			struct shape shape = {.packed = bits & 1, .in_order = bits & 2, .size = 8};
			struct driver_buf buf = {0x1000, 100};
			struct driver_used used[8];
			struct pair p;
			static const uint32_t ids[] = {8, 60000, 5};

			shape.start = DRIVER_RING_START(shape.packed);
			pair_open(&p, &shape);
			for (unsigned i = 0; i < 3; i++)
				driver_ring_add(p.ring, &buf, 0, 1, &buf);
			driver_ring_publish(p.ring);
			model_give(&p.model, ids[kind], 0, 1, 1);
			assert_int_equal(driver_ring_collect(p.ring, used, 8), 0);
			assert_true(driver_ring_broken(p.ring));
			assert_int_equal(driver_ring_collect(p.ring, used, 8), 0);
			driver_ring_reset(p.ring, shape.start);
			assert_false(driver_ring_broken(p.ring));
			assert_int_equal(driver_ring_free(p.ring), 8);
			pair_close(&p);
		}
	}
}

static void
test_bad_used_index(void **state)
{
	for (unsigned in_order = 0; in_order < 2; in_order++) {
		struct shape shape = {.in_order = in_order, .size = 8};
		struct driver_buf buf = {0x1000, 100};
		struct driver_used used[8];
		struct pair p;

		pair_open(&p, &shape);
		driver_ring_add(p.ring, &buf, 0, 1, &buf);
		driver_ring_publish(p.ring);
		p.model.used->idx = 2;
		assert_int_equal(driver_ring_collect(p.ring, used, 8), 0);
		assert_true(driver_ring_broken(p.ring));
		pair_close(&p);
	}
}

/* A batch whose last id is further than the used index went. */
static void
test_bad_batch(void **state)
{
	struct shape shape = {.in_order = true, .size = 8};
	struct driver_buf buf = {0x1000, 100};
	struct driver_used used[8];
	struct pair p;

	pair_open(&p, &shape);
	for (unsigned i = 0; i < 4; i++)
		driver_ring_add(p.ring, &buf, 0, 1, &buf);
	driver_ring_publish(p.ring);
	model_give(&p.model, 3, 0, 2, 2);
	driver_ring_collect(p.ring, used, 8);
	assert_true(driver_ring_broken(p.ring));
	pair_close(&p);
}

static void
test_setup(void **state)
{
	static uint8_t memory[65536] __attribute__((aligned(64)));
	struct driver_ring_setup good = {
		.desc = memory, .driver = memory + 16384, .device = memory + 32768, .size = 8};
	struct driver_ring_setup setup;
	struct driver_ring *ring;

	setup = good;
	setup.size = 0;
	assert_int_equal(driver_ring_create(&ring, &setup), -EINVAL);
	setup = good;
	setup.size = 12;
	assert_int_equal(driver_ring_create(&ring, &setup), -EINVAL);
	setup = good;
	setup.desc = memory + 8;
	assert_int_equal(driver_ring_create(&ring, &setup), -EINVAL);
	setup = good;
	setup.features = VIRTIO_BIT(VIRTIO_F_RING_PACKED);
	setup.start = 8;
	assert_int_equal(driver_ring_create(&ring, &setup), -EINVAL);
	setup = good;
	assert_int_equal(driver_ring_create(&ring, &setup), 0);
	assert_int_equal(driver_ring_add_indirect(ring, NULL, 1, 0, NULL), -EINVAL);
	driver_ring_destroy(ring);
	driver_ring_destroy(NULL);
}

/* What SET_VRING_BASE wants after the device died in the middle. */
static void
test_base(void **state)
{
	struct driver_buf buf = {0x1000, 100};
	struct driver_used used[8];
	struct chain chain;
	struct pair p;

	for (unsigned packed = 0; packed < 2; packed++) {
		struct shape shape = {.packed = packed, .in_order = true, .size = 8};

		shape.start = packed ? 6 | VIRTQ_EVENT_WRAP : 65534;
		pair_open(&p, &shape);
		for (unsigned i = 0; i < 6; i++)
			driver_ring_add(p.ring, &buf, 1, 0, &buf);
		driver_ring_publish(p.ring);
		for (unsigned i = 0; i < 5; i++) {
			assert_true(model_take(&p.model, &chain));
			if (i < 3)
				model_give(&p.model, chain.id, 0, 1, 1);
		}
		assert_int_equal(driver_ring_collect(p.ring, used, 8), 3);
		assert_int_equal(driver_ring_base(p.ring), packed ? 0x00010001 : 1);
		pair_close(&p);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_setup),
		cmocka_unit_test(test_matrix),
		cmocka_unit_test(test_publish),
		cmocka_unit_test(test_suppressed),
		cmocka_unit_test(test_delayed_call),
		cmocka_unit_test(test_bad_device),
		cmocka_unit_test(test_bad_used_index),
		cmocka_unit_test(test_bad_batch),
		cmocka_unit_test(test_base),
	};

	return cmocka_run_group_tests_name("driver_ring", tests, NULL, NULL);
}
