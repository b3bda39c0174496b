/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "datapath/fdb.h"

#ifdef __has_feature
#define SANITIZED (__has_feature(address_sanitizer) || __has_feature(thread_sanitizer))
#elif defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#else
#define SANITIZED 0
#endif

static fdb_key
key_of(uint32_t number, unsigned vlan)
{
	uint8_t mac[MAC_LEN] = {0x52, 0x54, (uint8_t)(number >> 24), (uint8_t)(number >> 16),
		(uint8_t)(number >> 8), (uint8_t)number};

	return fdb_make_key(mac, vlan);
}

static struct fdb_entry *
look(struct fdb *fdb, fdb_key key, uint32_t *value)
{
	return fdb_lookup(fdb, fdb_hash(fdb, key), key, value);
}

/* The port of a key, -1 when unknown. */
static int
port_of(struct fdb *fdb, fdb_key key)
{
	uint32_t value;

	return look(fdb, key, &value) ? (int)(value & 0xffff) : -1;
}

static struct fdb *
create(uint32_t capacity)
{
	struct fdb *fdb;

	assert_int_equal(fdb_create(&fdb, capacity, NULL), 0);
	return fdb;
}

static struct fdb_counts
counts_of(struct fdb *fdb)
{
	struct fdb_counts counts;

	fdb_get_counts(fdb, &counts);
	return counts;
}

static void
test_key(void **state)
{
	const uint8_t bytes[] = {0x52, 0x54, 0x00, 0x12, 0x34, 0x56};
	fdb_key key = fdb_make_key(bytes, 4094);
	struct mac mac;

	fdb_key_mac(key, &mac);
	assert_memory_equal(mac.b, bytes, MAC_LEN);
	assert_int_equal(key & 0xfff, 4094);
	assert_true(fdb_make_key(bytes, 1) != fdb_make_key(bytes, 2));
}

static void
test_create_limits(void **state)
{
	struct fdb *fdb = NULL;
	struct err err;

	assert_int_equal(fdb_create(&fdb, FDB_CAPACITY_MIN - 1, &err), -EINVAL);
	assert_non_null(strstr(err.text, "64 to 1048576"));
	assert_int_equal(fdb_create(&fdb, FDB_CAPACITY_MAX + 1, &err), -EINVAL);
	assert_int_equal(fdb_create(&fdb, 0, NULL), -EINVAL);
	assert_null(fdb);
	fdb_destroy(NULL);
	fdb_destroy(create(FDB_CAPACITY_MIN));
	fdb_destroy(create(FDB_CAPACITY_MAX));
	fdb_destroy(create(1000));
}

static void
test_learn_and_move(void **state)
{
	struct fdb *fdb = create(FDB_CAPACITY_DEFAULT);
	uint32_t value;

	assert_int_equal(fdb_learn(fdb, key_of(1, 0), 3, 10), FDB_NEW);
	assert_int_equal(fdb_learn(fdb, key_of(1, 0), 3, 11), FDB_REFRESHED);
	assert_int_equal(port_of(fdb, key_of(1, 0)), 3);
	assert_int_equal(port_of(fdb, key_of(1, 7)), -1);
	assert_int_equal(fdb_learn(fdb, key_of(1, 7), 4, 11), FDB_NEW);
	assert_int_equal(fdb_learn(fdb, key_of(1, 0), 5, 12), FDB_MOVED);
	assert_int_equal(port_of(fdb, key_of(1, 0)), 5);
	assert_int_equal(atomic_load(&look(fdb, key_of(1, 0), &value)->seen), 12);
	assert_int_equal(port_of(fdb, key_of(1, 7)), 4);
	assert_int_equal(fdb_port_entries(fdb, 3), 0);
	assert_int_equal(fdb_port_entries(fdb, 5), 1);
	assert_int_equal(counts_of(fdb).moved, 1);
	assert_int_equal(counts_of(fdb).learnt, 2);
	assert_int_equal(fdb_learn(fdb, 0, 5, 12), FDB_REFUSED);
	assert_int_equal(fdb_learn(fdb, key_of(2, 0), PORT_MAX, 12), FDB_REFUSED);
	assert_int_equal(fdb_del(fdb, key_of(1, 0)), 0);
	assert_int_equal(fdb_del(fdb, key_of(1, 0)), -ENOENT);
	assert_int_equal(fdb_del(fdb, 0), -ENOENT);
	assert_int_equal(port_of(fdb, key_of(1, 0)), -1);
	fdb_destroy(fdb);
}

static void
test_static(void **state)
{
	struct fdb *fdb = create(FDB_CAPACITY_MIN);
	const fdb_key key = key_of(0xffffff, 5);

	assert_int_equal(fdb_add_static(fdb, key, 1), 0);
	assert_int_equal(fdb_add_static(fdb, key, 1), 0);
	assert_int_equal(fdb_add_static(fdb, key, 2), -EEXIST);
	assert_int_equal(fdb_add_static(fdb, 0, 2), -EINVAL);
	assert_int_equal(fdb_add_static(fdb, key, PORT_MAX), -EINVAL);
	assert_int_equal(fdb_learn(fdb, key, 2, 0), FDB_REFUSED);
	assert_int_equal(fdb_learn(fdb, key, 1, 0), FDB_REFRESHED);

	/* A learnt one becomes static, wherever it was. */
	assert_int_equal(fdb_learn(fdb, key_of(1, 5), 7, 0), FDB_NEW);
	assert_int_equal(fdb_add_static(fdb, key_of(1, 5), 8), 0);
	assert_int_equal(fdb_port_entries(fdb, 7), 0);
	assert_int_equal(counts_of(fdb).statics, 2);

	/* Neither a flood, nor age, nor a plain flush takes them. */
	for (uint32_t i = 2; i < 10000; i++)
		fdb_learn(fdb, key_of(i, 5), 9, i);
	fdb_age(fdb, 1000000, 10);
	fdb_flush(fdb, &(struct fdb_filter){.port = -1, .vlan = -1});
	assert_int_equal(counts_of(fdb).entries, 2);
	assert_int_equal(port_of(fdb, key), 1);
	assert_int_equal(port_of(fdb, key_of(1, 5)), 8);
	assert_int_equal(fdb_del(fdb, key), 0);
	assert_int_equal(
		fdb_flush(fdb, &(struct fdb_filter){.port = 8, .vlan = 5, .statics_also = true}),
		1);
	assert_int_equal(counts_of(fdb).entries, 0);
	fdb_destroy(fdb);
}

static void
test_static_full(void **state)
{
	struct fdb *fdb = create(FDB_CAPACITY_MIN);
	unsigned added = 0;

	for (uint32_t i = 0; i < 1000; i++) {
		int error = fdb_add_static(fdb, key_of(i, 1), i % PORT_MAX);

		assert_true(error == 0 || error == -ENOSPC);
		added += error == 0;
	}
	assert_int_equal(added, FDB_CAPACITY_MIN);
	assert_int_equal(fdb_learn(fdb, key_of(5000, 1), 1, 0), FDB_REFUSED);
	assert_int_equal(counts_of(fdb).refused, 1);
	assert_int_equal(counts_of(fdb).evicted, 0);
	fdb_destroy(fdb);
}

static void
test_port_limit(void **state)
{
	struct fdb *fdb = create(FDB_CAPACITY_DEFAULT);

	fdb_set_port_limit(fdb, 1, 4);
	for (uint32_t i = 0; i < 4; i++)
		assert_int_equal(fdb_learn(fdb, key_of(i, 0), 1, 100 + i), FDB_NEW);
	fdb_learn(fdb, key_of(0, 0), 1, 110); /* seen again: not the oldest any more */
	assert_int_equal(fdb_learn(fdb, key_of(4, 0), 1, 111), FDB_REPLACED);
	assert_int_equal(port_of(fdb, key_of(1, 0)), -1);
	assert_int_equal(port_of(fdb, key_of(0, 0)), 1);
	assert_int_equal(fdb_port_entries(fdb, 1), 4);

	/* An address that moves in takes the place of another of the port. */
	assert_int_equal(fdb_learn(fdb, key_of(50, 0), 2, 112), FDB_NEW);
	assert_int_equal(fdb_learn(fdb, key_of(50, 0), 1, 113), FDB_MOVED);
	assert_int_equal(fdb_port_entries(fdb, 1), 4);
	assert_int_equal(port_of(fdb, key_of(2, 0)), -1);

	/* Static ones do not count. */
	assert_int_equal(fdb_add_static(fdb, key_of(60, 0), 1), 0);
	assert_int_equal(fdb_port_entries(fdb, 1), 5);

	fdb_set_port_limit(fdb, 1, 1);
	assert_int_equal(fdb_port_entries(fdb, 1), 2);
	assert_int_equal(port_of(fdb, key_of(50, 0)), 1);
	fdb_set_port_limit(fdb, 1, 0);
	assert_int_equal(fdb_learn(fdb, key_of(70, 0), 1, 120), FDB_REFUSED);
	fdb_learn(fdb, key_of(71, 0), 2, 120);
	assert_int_equal(fdb_learn(fdb, key_of(71, 0), 1, 121), FDB_REFUSED);
	assert_int_equal(port_of(fdb, key_of(71, 0)), 2);
	fdb_set_port_limit(fdb, PORT_MAX, 0);
	fdb_destroy(fdb);
}

/* Addresses of a sticky port stay; the port takes no more than its share. */
static void
test_sticky(void **state)
{
	struct fdb *fdb = create(FDB_CAPACITY_MIN);
	unsigned refused = 0;

	(void)state;
	fdb_set_port_sticky(fdb, 1, true);
	fdb_set_port_limit(fdb, 1, 2);
	assert_int_equal(fdb_learn(fdb, key_of(1, 0), 1, 100), FDB_NEW);
	assert_int_equal(fdb_learn(fdb, key_of(1, 0), 2, 100), FDB_STUCK);
	assert_int_equal(fdb_learn(fdb, key_of(2, 0), 1, 100), FDB_NEW);
	assert_int_equal(fdb_learn(fdb, key_of(3, 0), 1, 100), FDB_REFUSED);
	/* Nor does one that is elsewhere come here when the share is full. */
	assert_int_equal(fdb_learn(fdb, key_of(4, 0), 2, 100), FDB_NEW);
	assert_int_equal(fdb_learn(fdb, key_of(4, 0), 1, 100), FDB_REFUSED);
	assert_int_equal(fdb_age(fdb, 1000, 10), 1);
	assert_int_equal(port_of(fdb, key_of(1, 0)), 1);
	/* They are not displaced by others', and a table full of sticky ones refuses. */
	for (uint32_t i = 100; i < 300; i++)
		fdb_learn(fdb, key_of(i, 0), 2, 1001);
	assert_int_equal(port_of(fdb, key_of(1, 0)), 1);
	assert_int_equal(port_of(fdb, key_of(2, 0)), 1);
	fdb_set_port_sticky(fdb, 2, true);
	for (uint32_t i = 300; i < 400; i++)
		refused += fdb_learn(fdb, key_of(i, 0), 3, 1002) == FDB_REFUSED;
	assert_int_equal(refused, 100);
	/* Until they are flushed, or the port is not sticky any more. */
	assert_int_equal(
		fdb_flush(fdb, &(struct fdb_filter){.port = -1, .vlan = -1, .mac = key_of(1, 5)}),
		1);
	assert_int_equal(port_of(fdb, key_of(1, 0)), -1);
	fdb_set_port_sticky(fdb, 1, false);
	assert_int_equal(fdb_learn(fdb, key_of(2, 0), 4, 1003), FDB_MOVED);
	fdb_destroy(fdb);
}

/* An address that moves too often goes back to where it was and stays there for a while. */
static void
test_moves(void **state)
{
	struct fdb *fdb = create(FDB_CAPACITY_DEFAULT);
	uint32_t now = 100;

	(void)state;
	fdb_learn(fdb, key_of(1, 0), 1, now);
	/* Any number, as long as nobody limits them. */
	for (unsigned i = 0; i < 100; i++)
		assert_int_equal(fdb_learn(fdb, key_of(1, 0), 2 - i % 2, now), FDB_MOVED);
	fdb_set_move_limit(fdb, 3);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(fdb_learn(fdb, key_of(1, 0), 2 - i % 2, now), FDB_MOVED);
	assert_int_equal(fdb_learn(fdb, key_of(1, 0), 1, now), FDB_PINNED);
	assert_int_equal(fdb_pinned_away(fdb), 2);
	assert_int_equal(port_of(fdb, key_of(1, 0)), 1);
	/* Nothing moves it, and its own port keeps it young. */
	for (; now < 100 + FDB_PIN_S; now++) {
		assert_int_equal(fdb_learn(fdb, key_of(1, 0), 2, now), FDB_REFUSED);
		assert_int_equal(fdb_learn(fdb, key_of(1, 0), 1, now), FDB_REFRESHED);
	}
	assert_int_equal(fdb_learn(fdb, key_of(1, 0), 2, now), FDB_MOVED);
	/* The number is per second, and per address. */
	for (unsigned i = 0; i < 20; i++)
		assert_int_equal(
			fdb_learn(fdb, key_of(1, 0), 1 + i % 2, now + 1 + i / 3), FDB_MOVED);
	for (unsigned i = 0; i < 300; i++)
		fdb_learn(fdb, key_of(1000 + i, 0), 1, now);
	for (unsigned i = 0; i < 300; i++)
		assert_int_equal(fdb_learn(fdb, key_of(1000 + i, 0), 2, now), FDB_MOVED);
	/* A flush unpins. */
	now += 100;
	for (unsigned i = 0; i < 3; i++)
		fdb_learn(fdb, key_of(1000, 0), 1 + i % 2, now);
	assert_int_equal(fdb_learn(fdb, key_of(1000, 0), 2, now), FDB_PINNED);
	fdb_flush(fdb, &(struct fdb_filter){.port = -1, .vlan = -1});
	assert_int_equal(fdb_learn(fdb, key_of(1000, 0), 5, now), FDB_NEW);
	assert_int_equal(fdb_learn(fdb, key_of(1000, 0), 6, now), FDB_MOVED);
	fdb_destroy(fdb);
}

/* A port that floods addresses displaces only its own. */
static void
test_fairness(void **state)
{
	struct fdb *fdb = create(FDB_CAPACITY_DEFAULT);
	struct fdb_counts counts;

	for (uint32_t i = 0; i < 100; i++)
		assert_int_equal(fdb_learn(fdb, key_of(i, 0), 1, 0), FDB_NEW);
	for (uint32_t i = 0; i < 1000000; i++)
		fdb_learn(fdb, key_of(1000 + i, 0), 2, 1 + i / 50000);
	for (uint32_t i = 0; i < 100; i++)
		assert_int_equal(port_of(fdb, key_of(i, 0)), 1);
	counts = counts_of(fdb);
	assert_int_equal(counts.entries, FDB_CAPACITY_DEFAULT);
	assert_int_equal(counts.learnt - counts.evicted, counts.entries);
	assert_int_equal(counts.learnt + counts.refused, 1000100);
	assert_true(counts.refused < 100);
	assert_int_equal(fdb_port_entries(fdb, 2), FDB_CAPACITY_DEFAULT - 100);

	/* Newcomers get their place from the one that holds most. */
	for (uint32_t i = 0; i < 1000; i++)
		assert_int_equal(fdb_learn(fdb, key_of(2000000 + i, 0), 3, 30), FDB_REPLACED);
	assert_int_equal(fdb_port_entries(fdb, 3), 1000);
	assert_int_equal(fdb_port_entries(fdb, 1), 100);

	/* Two that flood end up with equal shares. */
	for (uint32_t i = 0; i < 100000; i++)
		fdb_learn(fdb, key_of(3000000 + i, 0), 3, 31);
	assert_in_range(fdb_port_entries(fdb, 3), (FDB_CAPACITY_DEFAULT - 100) / 2 - 2,
		(FDB_CAPACITY_DEFAULT - 100) / 2 + 2);
	assert_int_equal(fdb_port_entries(fdb, 1), 100);
	fdb_destroy(fdb);
}

/* The addresses that are in use stay when their own port floods. */
static void
test_eviction_spares_the_recently_seen(void **state)
{
	struct fdb *fdb = create(1024);
	unsigned kept = 0;

	for (uint32_t i = 0; i < 10; i++)
		fdb_learn(fdb, key_of(i, 0), 1, 0);
	for (uint32_t i = 0; i < 100000; i++) {
		uint32_t now_s = 1 + i / 100;

		fdb_learn(fdb, key_of(1000 + i, 0), 1, now_s);
		if (i % 100 == 0) {
			for (uint32_t j = 0; j < 10; j++)
				fdb_learn(fdb, key_of(j, 0), 1, now_s);
		}
	}
	for (uint32_t j = 0; j < 10; j++)
		kept += port_of(fdb, key_of(j, 0)) == 1;
	/* A full pair of buckets may take one of them. */
	assert_in_range(kept, 8, 10);
	assert_int_equal(counts_of(fdb).entries, 1024);
	fdb_destroy(fdb);
}

static void
age_until(struct fdb *fdb, uint32_t from_s, uint32_t to_s, uint32_t ageing_s)
{
	for (uint32_t t = from_s; t <= to_s; t++)
		fdb_age(fdb, t, ageing_s);
}

static void
test_ageing(void **state)
{
	static const uint32_t ageings[] = {1, 2, 3, 4, 5, 10, 300, 1000, 100000};

	for (unsigned i = 0; i < sizeof(ageings) / sizeof(ageings[0]); i++) {
		uint32_t ageing = ageings[i], late = ageing / 4, start = 1000000;
		struct fdb *fdb = create(FDB_CAPACITY_DEFAULT);

		if (late > 60)
			late = 60;
		if (late < 1)
			late = 1;
		fdb_age(fdb, start, ageing);
		for (uint32_t j = 0; j < 1000; j++)
			fdb_learn(fdb, key_of(j, 0), j & 1, start);
		fdb_add_static(fdb, key_of(5000, 0), 1);
		age_until(fdb, start + 1, start + ageing - 1, ageing);
		assert_int_equal(counts_of(fdb).entries, 1001);
		/* A look-up's touch keeps one of them. */
		fdb_learn(fdb, key_of(500, 0), 0, start + ageing - 1);
		age_until(fdb, start + ageing, start + ageing + late - 1, ageing);
		if (ageing > late) {
			assert_int_equal(counts_of(fdb).entries, 2);
			assert_int_equal(counts_of(fdb).aged, 999);
			assert_int_equal(port_of(fdb, key_of(500, 0)), 0);
		}
		age_until(fdb, start + ageing + late, start + 2 * ageing + late, ageing);
		assert_int_equal(counts_of(fdb).entries, 1);
		assert_int_equal(port_of(fdb, key_of(5000, 0)), 1);
		assert_int_equal(fdb_port_entries(fdb, 0), 0);
		fdb_destroy(fdb);
	}
}

static void
test_ageing_corners(void **state)
{
	struct fdb *fdb = create(FDB_CAPACITY_MIN);

	/* 0 = never. */
	fdb_learn(fdb, key_of(1, 0), 1, 5);
	assert_int_equal(fdb_age(fdb, 4000000, 0), 0);
	/* An entry stamped by a clock that is ahead is young. */
	fdb_learn(fdb, key_of(1, 0), 1, 4000010);
	assert_int_equal(fdb_age(fdb, 4000001, 1), 0);
	/* The clock's 32 bits wrap. */
	fdb_learn(fdb, key_of(1, 0), 1, UINT32_MAX - 5);
	fdb_age(fdb, UINT32_MAX - 5, 300);
	assert_int_equal(fdb_age(fdb, 200, 300), 0);
	assert_int_equal(fdb_age(fdb, 294, 300), 1);
	/* Twice within a second costs nothing and harms nothing. */
	fdb_learn(fdb, key_of(1, 0), 1, 0);
	assert_int_equal(fdb_age(fdb, 294, 4), 0);
	fdb_destroy(fdb);
}

/* ---- against a plain model ---- */

#define MODEL_KEYS  3000
#define MODEL_PORTS 5

struct model {
	struct {
		bool present, is_static;
		unsigned port;
		uint32_t seen;
	} at[MODEL_KEYS];
	uint32_t limits[MODEL_PORTS];
	uint32_t learnt[MODEL_PORTS], statics[MODEL_PORTS];
};

static fdb_key
model_key(unsigned i)
{
	return key_of(i * 7 + 1, i % 3);
}

static void
model_set(struct model *m, unsigned i, unsigned port, bool is_static, uint32_t seen)
{
	if (m->at[i].present)
		(m->at[i].is_static ? m->statics : m->learnt)[m->at[i].port]--;
	m->at[i].present = true;
	m->at[i].is_static = is_static;
	m->at[i].port = port;
	m->at[i].seen = seen;
	(is_static ? m->statics : m->learnt)[port]++;
}

static void
model_unset(struct model *m, unsigned i)
{
	(m->at[i].is_static ? m->statics : m->learnt)[m->at[i].port]--;
	m->at[i].present = false;
}

/* What the table displaced disappears from the model too; it must have been a learnt one. */
static unsigned
model_reconcile(struct model *m, struct fdb *fdb)
{
	unsigned gone = 0;

	for (unsigned i = 0; i < MODEL_KEYS; i++) {
		uint32_t value = 0;
		bool there = look(fdb, model_key(i), &value) != NULL;

		if (m->at[i].present && !there) {
			assert_false(m->at[i].is_static);
			model_unset(m, i);
			gone++;
		}
		assert_int_equal(there, m->at[i].present);
		if (there) {
			assert_int_equal(value & 0xffff, m->at[i].port);
			assert_int_equal(!!(value & FDB_STATIC), m->at[i].is_static);
		}
	}
	for (unsigned p = 0; p < MODEL_PORTS; p++)
		assert_int_equal(fdb_port_entries(fdb, p), m->learnt[p] + m->statics[p]);
	return gone;
}

static void
model_learn(struct model *m, struct fdb *fdb, unsigned i, unsigned port, uint32_t now_s)
{
	bool present = m->at[i].present, fixed = present && m->at[i].is_static;

	switch (fdb_learn(fdb, model_key(i), port, now_s)) {
	case FDB_NEW:
	case FDB_REPLACED:
		assert_false(present);
		model_set(m, i, port, false, now_s);
		break;
	case FDB_REFRESHED:
		assert_true(present && m->at[i].port == port);
		m->at[i].seen = now_s;
		break;
	case FDB_MOVED:
		assert_true(present && !fixed && m->at[i].port != port);
		model_set(m, i, port, false, now_s);
		break;
	case FDB_PINNED:
	case FDB_STUCK:
		fail(); /* no port of the model is sticky, moves are not limited */
		break;
	case FDB_REFUSED:
		assert_true((fixed && m->at[i].port != port) || m->limits[port] == 0 ||
			    (!present && counts_of(fdb).entries > 100));
		break;
	}
}

static void
model_age(struct model *m, struct fdb *fdb, uint32_t now_s, uint32_t ageing_s)
{
	unsigned aged = fdb_age(fdb, now_s, ageing_s), expected = 0;

	for (unsigned i = 0; i < MODEL_KEYS; i++) {
		uint32_t value;

		if (!m->at[i].present || look(fdb, model_key(i), &value))
			continue;
		assert_false(m->at[i].is_static);
		assert_true(now_s - m->at[i].seen >= ageing_s);
		model_unset(m, i);
		expected++;
	}
	assert_int_equal(aged, expected);
}

static void
model_flush(struct model *m, struct fdb *fdb, int port, int vlan, bool statics_also)
{
	struct fdb_filter filter = {.port = port, .vlan = vlan, .statics_also = statics_also};
	unsigned expected = 0;

	for (unsigned i = 0; i < MODEL_KEYS; i++) {
		if (!m->at[i].present || (m->at[i].is_static && !statics_also))
			continue;
		if ((port >= 0 && m->at[i].port != (unsigned)port) ||
			(vlan >= 0 && (model_key(i) & 0xfff) != (unsigned)vlan))
			continue;
		model_unset(m, i);
		expected++;
	}
	assert_int_equal(fdb_flush(fdb, &filter), expected);
}

static void
model_step(struct model *m, struct fdb *fdb, uint32_t *now_s)
{
	unsigned i = (unsigned)rand() % MODEL_KEYS, port = (unsigned)rand() % MODEL_PORTS;
	unsigned dice = (unsigned)rand() % 1000;

	if (dice < 850) {
		model_learn(m, fdb, i, port, *now_s);
	} else if (dice < 900) {
		int error = fdb_del(fdb, model_key(i));

		/* It may have been displaced without the model's knowing. */
		assert_true(error == 0 || error == -ENOENT);
		if (m->at[i].present)
			model_unset(m, i);
	} else if (dice < 903) {
		bool other = m->at[i].present && m->at[i].is_static && m->at[i].port != port;
		int error = fdb_add_static(fdb, model_key(i), port);

		assert_int_equal(error, other ? -EEXIST : 0);
		if (!error)
			model_set(m, i, port, true, 0);
	} else if (dice < 990) {
		*now_s += 1;
		model_age(m, fdb, *now_s, 20);
	} else if (dice < 994) {
		model_flush(m, fdb, dice & 1 ? (int)port : -1, dice & 2 ? (int)(i % 4) : -1,
			dice == 990);
	} else {
		m->limits[port] = (unsigned)rand() % 4 ? UINT32_MAX : (unsigned)rand() % 200;
		fdb_set_port_limit(fdb, port, m->limits[port]);
	}
}

static void
run_model(uint32_t capacity, unsigned steps)
{
	struct fdb *fdb = create(capacity);
	struct model *m = calloc(1, sizeof(*m));
	uint32_t now_s = 100;

	memset(m->limits, 0xff, sizeof(m->limits));
	for (unsigned i = 0; i < steps; i++) {
		uint64_t before = counts_of(fdb).evicted;
		unsigned gone;

		model_step(m, fdb, &now_s);
		gone = model_reconcile(m, fdb);
		assert_int_equal(counts_of(fdb).evicted - before, gone);
		assert_true(counts_of(fdb).entries <= capacity);
		for (unsigned p = 0; p < MODEL_PORTS; p++)
			assert_true(m->learnt[p] <= m->limits[p]);
	}
	free(m);
	fdb_destroy(fdb);
}

static void
test_model(void **state)
{
	srand(1);
	run_model(FDB_CAPACITY_DEFAULT, 10000);
	run_model(500, 10000);
	run_model(128, 10000);
}

/* ---- copy and walk ---- */

static bool
count_visit(const struct fdb_record *record, void *arg)
{
	unsigned *counts = arg;

	assert_int_equal(record->mac.b[0], 0x52);
	assert_int_equal(record->vlan, 9);
	assert_int_equal(record->age_s, record->is_static ? 0 : 40);
	counts[record->is_static]++;
	return true;
}

static bool
stop_visit(const struct fdb_record *record, void *arg)
{
	return ++*(unsigned *)arg < 3;
}

static void
test_walk(void **state)
{
	struct fdb *fdb = create(FDB_CAPACITY_DEFAULT);
	unsigned counts[2] = {0}, stopped = 0;

	for (uint32_t i = 0; i < 5000; i++)
		fdb_learn(fdb, key_of(i, 9), i % 7, 60);
	for (uint32_t i = 5000; i < 5010; i++)
		fdb_add_static(fdb, key_of(i, 9), 1);
	fdb_walk(fdb, 100, count_visit, counts);
	assert_int_equal(counts[0], 5000);
	assert_int_equal(counts[1], 10);
	fdb_walk(fdb, 100, stop_visit, &stopped);
	assert_int_equal(stopped, 3);
	fdb_destroy(fdb);
}

static void
test_copy(void **state)
{
	struct fdb *from = create(4096), *bigger = create(8192), *smaller = create(64);
	unsigned ports[3] = {0};

	fdb_set_port_limit(from, 9, 5);
	for (uint32_t i = 0; i < 3000; i++)
		fdb_learn(from, key_of(i, 9), i < 20 ? 1 : 2, i);
	for (uint32_t i = 3000; i < 3020; i++)
		fdb_add_static(from, key_of(i, 9), 3);
	fdb_learn(from, key_of(0, 9), 4, 7);

	fdb_copy(bigger, from);
	for (uint32_t i = 1; i < 3000; i++) {
		uint32_t value;
		struct fdb_entry *e = look(bigger, key_of(i, 9), &value);

		assert_non_null(e);
		assert_int_equal(value, i < 20 ? 1 : 2);
		assert_int_equal(atomic_load(&e->seen), i);
	}
	assert_int_equal(counts_of(bigger).entries, 3020);
	assert_int_equal(counts_of(bigger).statics, 20);
	assert_int_equal(counts_of(bigger).learnt, 3000);
	assert_int_equal(counts_of(bigger).moved, 1);
	assert_int_equal(counts_of(bigger).evicted, 0);
	assert_int_equal(counts_of(bigger).capacity, 8192);
	for (uint32_t i = 0; i < 10; i++)
		fdb_learn(bigger, key_of(9000 + i, 9), 9, 0);
	assert_int_equal(fdb_port_entries(bigger, 9), 5);

	/* Static ones first, then a fair share for each port. */
	fdb_copy(smaller, from);
	assert_int_equal(counts_of(smaller).entries, 64);
	assert_int_equal(counts_of(smaller).statics, 20);
	assert_int_equal(counts_of(smaller).evicted, 3020 - 64);
	for (uint32_t i = 0; i < 3000; i++) {
		int port = port_of(smaller, key_of(i, 9));

		if (port == 1 || port == 2)
			ports[port]++;
	}
	assert_in_range(ports[1], 15, 19);
	fdb_destroy(from);
	fdb_destroy(bigger);
	fdb_destroy(smaller);
}

static void
test_million(void **state)
{
	struct fdb *fdb = create(FDB_CAPACITY_MAX);
	unsigned found = 0;

	for (uint32_t i = 0; i < FDB_CAPACITY_MAX; i++)
		fdb_learn(fdb, key_of(i, 1), i % 1000, 1);
	for (uint32_t i = 0; i < FDB_CAPACITY_MAX; i++)
		found += port_of(fdb, key_of(i, 1)) == (int)(i % 1000);
	/* Half load and two buckets: next to none had no free slot. */
	assert_in_range(found, FDB_CAPACITY_MAX - 200, FDB_CAPACITY_MAX);
	assert_int_equal(counts_of(fdb).entries, found);
	age_until(fdb, 2, 400, 300);
	assert_int_equal(counts_of(fdb).entries, 0);
	fdb_destroy(fdb);
}

static long
resident_kib(void)
{
	long pages = 0, resident = 0;
	FILE *f = fopen("/proc/self/statm", "re");

	assert_non_null(f);
	assert_int_equal(fscanf(f, "%ld %ld", &pages, &resident), 2);
	fclose(f);
	return resident * (sysconf(_SC_PAGESIZE) / 1024);
}

static void
test_empty_costs_nothing(void **state)
{
	if (SANITIZED) {
		print_message("skipped: the shadow memory of the sanitizer counts as resident\n");
		skip();
	}
	long before = resident_kib();
	struct fdb *fdbs[32];

	for (unsigned i = 0; i < 32; i++) {
		fdbs[i] = create(FDB_CAPACITY_MAX);
		for (uint32_t j = 0; j < 1000; j++)
			assert_int_equal(port_of(fdbs[i], key_of(j, 0)), -1);
		age_until(fdbs[i], 1, 10, 4);
	}
	/* 48 MiB each if it were all there. */
	assert_in_range(resident_kib() - before, 0, 32 * 64);
	for (unsigned i = 0; i < 32; i++)
		fdb_destroy(fdbs[i]);
}

/* Neighbouring addresses spread: no pair of buckets gets many of them. */
static void
test_hash_spreads(void **state)
{
	for (unsigned round = 0; round < 20; round++) {
		struct fdb *fdb = create(FDB_CAPACITY_DEFAULT);
		unsigned most = 0, *load = calloc(fdb->mask + 1, sizeof(*load));

		for (uint32_t i = 0; i < 65536; i++) {
			uint64_t hash = fdb_hash(fdb, key_of(round % 2 ? i << 16 : i, 1));
			unsigned first = (unsigned)(fdb_bucket_first(fdb, hash) - fdb->buckets);

			assert_ptr_not_equal(
				fdb_bucket_first(fdb, hash), fdb_bucket_second(fdb, hash));
			if (++load[first] > most)
				most = load[first];
		}
		/* Mean 2; random hashes reach 10 to 12. */
		assert_in_range(most, 2, 24);
		free(load);
		fdb_destroy(fdb);
	}
}

/* ---- readers beside the writer ---- */

#define RACE_KEYS  400
#define RACE_MOVES 4

struct race {
	struct fdb *fdb;
	atomic_bool stop;
	unsigned long lookups, hits, wrong;
};

/* Key i may only ever be seen on a port congruent to i. */
static unsigned
race_port(unsigned i)
{
	return (i % 200) * RACE_MOVES + (unsigned)rand() % RACE_MOVES;
}

static void *
race_reader(void *arg)
{
	struct race *race = arg;
	unsigned x = 1;

	while (!atomic_load_explicit(&race->stop, memory_order_relaxed)) {
		for (unsigned n = 0; n < 1000; n++) {
			unsigned i = (x = x * 1664525 + 1013904223) >> 8;
			uint32_t value;
			struct fdb_entry *e;

			i %= RACE_KEYS;
			e = look(race->fdb, key_of(i, 1), &value);
			race->lookups++;
			if (!e)
				continue;
			race->hits++;
			fdb_touch(e, n);
			if ((value & 0xffff) / RACE_MOVES != i % 200)
				race->wrong++;
		}
	}
	return NULL;
}

static void
test_reader_beside_writer(void **state)
{
	/* 32 buckets for 400 addresses: slots change hands all the time. */
	struct race race = {.fdb = create(FDB_CAPACITY_MIN)};
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, race_reader, &race), 0);
	for (unsigned n = 0; n < 2000000; n++) {
		unsigned i = (unsigned)rand() % RACE_KEYS;

		if (rand() % 8)
			fdb_learn(race.fdb, key_of(i, 1), race_port(i), n);
		else
			fdb_del(race.fdb, key_of(i, 1));
	}
	atomic_store(&race.stop, true);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_true(race.lookups > 10000);
	assert_true(race.hits > 100);
	assert_int_equal(race.wrong, 0);
	fdb_destroy(race.fdb);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_key),
		cmocka_unit_test(test_create_limits),
		cmocka_unit_test(test_learn_and_move),
		cmocka_unit_test(test_static),
		cmocka_unit_test(test_static_full),
		cmocka_unit_test(test_port_limit),
		cmocka_unit_test(test_sticky),
		cmocka_unit_test(test_moves),
		cmocka_unit_test(test_fairness),
		cmocka_unit_test(test_eviction_spares_the_recently_seen),
		cmocka_unit_test(test_ageing),
		cmocka_unit_test(test_ageing_corners),
		cmocka_unit_test(test_model),
		cmocka_unit_test(test_walk),
		cmocka_unit_test(test_copy),
		cmocka_unit_test(test_million),
		cmocka_unit_test(test_empty_costs_nothing),
		cmocka_unit_test(test_hash_spreads),
		cmocka_unit_test(test_reader_beside_writer),
	};

	return cmocka_run_group_tests_name("fdb", tests, NULL, NULL);
}
