/* SPDX-License-Identifier: BSD-3-Clause */
/* backend: its state as requests, and a second back end that serves them. */
#include <string.h>
#include <unistd.h>

#include "lib/fd.h"
#include "tests/unit/backend_side.h"

#define MESSAGES_MAX 256

/* What was exported, with descriptors of our own, as after a way through a socket. */
static struct {
	unsigned count;
	struct {
		struct vhost_message message;
		unsigned fd_count;
		int fds[VHOST_FDS_MAX];
	} items[MESSAGES_MAX];
} said;

/* The back end of the second process. */
static struct {
	struct vhost_rings rings;
	struct backend backend;
} second;

static int
keep(void *arg, const struct vhost_message *message, const int *fds, unsigned count)
{
	assert_true(said.count < MESSAGES_MAX);
	said.items[said.count].message = *message;
	said.items[said.count].fd_count = count;
	for (unsigned i = 0; i < count; i++) {
		said.items[said.count].fds[i] = fd_duplicate(fds[i]);
		assert_true(said.items[said.count].fds[i] >= 0);
	}
	said.count++;
	return 0;
}

static void
drop_said(void)
{
	for (unsigned i = 0; i < said.count; i++)
		fds_close(said.items[i].fds, said.items[i].fd_count);
	said.count = 0;
}

static void
second_begin(void)
{
	memset(&second, 0, sizeof(second));
	port_init(&second.rings.port, &vhost_rings_ops, "second", 2, 2);
	backend_init(&second.backend, &second.rings, &t.backend.options);
	second.backend.held = BACKEND_RINGS_ALL;
}

static int
import_all(struct err *err)
{
	int rc = 0;

	for (unsigned i = 0; i < said.count && !rc; i++) {
		struct message_reader reader;

		message_reader_init(&reader);
		memset(&reader.message, 0, sizeof(reader.message));
		memcpy(&reader.message, &said.items[i].message,
			sizeof(struct vhost_header) + said.items[i].message.header.size);
		reader.fd_count = said.items[i].fd_count;
		for (unsigned f = 0; f < reader.fd_count; f++)
			reader.fds[f] = fd_take(&said.items[i].fds[f]);
		rc = backend_import(&second.backend, &reader, err);
		message_reader_reset(&reader);
	}
	return rc;
}

static void
same_memory(const struct guest_memory *a, const struct guest_memory *b)
{
	assert_int_equal(a != NULL, b != NULL);
	assert_int_equal(a ? a->count : 0, b ? b->count : 0);
	for (unsigned i = 0; a && i < a->count; i++) {
		assert_int_equal(a->regions[i].gpa, b->regions[i].gpa);
		assert_int_equal(a->regions[i].size, b->regions[i].size);
		assert_int_equal(a->regions[i].uva, b->regions[i].uva);
		assert_int_equal(a->regions[i].offset, b->regions[i].offset);
		assert_int_equal(a->regions[i].times, b->regions[i].times);
		/* The same bytes behind two mappings. */
		a->regions[i].host[i] = (uint8_t)(0x40 + i);
		assert_int_equal(b->regions[i].host[i], 0x40 + i);
	}
}

static void
same_ring(const struct backend_ring *a, const struct backend_ring *b)
{
	assert_int_equal(a->size, b->size);
	assert_int_equal(a->next, b->next);
	if (t.peer.packed)
		assert_int_equal(a->next_wrap, b->next_wrap);
	assert_int_equal(a->addressed, b->addressed);
	assert_int_equal(a->enabled, b->enabled);
	assert_int_equal(a->kicked && !a->broken, b->kicked);
	assert_memory_equal(&a->addr, &b->addr, sizeof(a->addr));
	assert_int_equal(a->call_fd >= 0, b->call_fd >= 0);
	assert_int_equal(a->err_fd >= 0, b->err_fd >= 0);
	if (b->kicked)
		assert_int_equal(a->kick_fd >= 0, b->kick_fd >= 0);
}

static void
same_state(void)
{
	const struct backend *a = &t.backend, *b = &second.backend;

	assert_int_equal(a->features_set, b->features_set);
	assert_int_equal(a->features, b->features);
	assert_int_equal(a->protocol, b->protocol);
	assert_int_equal(a->status, b->status);
	assert_int_equal(a->log ? a->log->size : 0, b->log ? b->log->size : 0);
	assert_int_equal(a->inflight.map != NULL, b->inflight.map != NULL);
	assert_int_equal(a->inflight.num_queues, b->inflight.num_queues);
	same_memory(a->memory, b->memory);
	for (unsigned i = 0; i < PEER_RINGS; i++)
		same_ring(&a->ring[i], &b->ring[i]);
}

/* Holds the first back end, brings the second to its state, and compares. */
static void
move(void)
{
	struct err err = {0};

	second_begin();
	backend_hold(&t.backend, BACKEND_RINGS_SEND);
	backend_hold(&t.backend, BACKEND_RINGS_ALL);
	assert_int_equal(fakes.published, 0);
	assert_int_equal(backend_export(&t.backend, keep, NULL), 0);
	assert_int_equal(import_all(&err), 0);
	assert_int_equal(fakes.published, 0);
	same_state();
}

static void
second_end(void)
{
	backend_disconnect(&second.backend);
	drop_said();
}

/* After every step of the handshake: what the first had running the second has. */
static void
prefixes(bool packed)
{
	unsigned steps;

	backend_begin(packed);
	steps = shake(UINT32_MAX);
	backend_end();
	for (unsigned n = 0; n <= steps; n++) {
		struct err err = {0};
		unsigned running;

		backend_begin(packed);
		shake(n);
		running = fakes.published;
		move();
		backend_release(&second.backend, ~BACKEND_RINGS_SEND, &err);
		backend_release(&second.backend, BACKEND_RINGS_ALL, &err);
		assert_int_equal(fakes.published, running);
		second_end();
		backend_end();
	}
}

static void
test_prefixes_split(void **state)
{
	prefixes(false);
}

static void
test_prefixes_packed(void **state)
{
	prefixes(true);
}

/* Nothing came of it: the first goes on. */
static void
test_taken_back(void **state)
{
	struct err err = {0};
	unsigned running;

	shake_all();
	running = fakes.published;
	move();
	second_end();
	backend_release(&t.backend, BACKEND_RINGS_ALL, &err);
	assert_int_equal(fakes.published, running);
}

/* A broken ring waits over there, too, for the guest to reset it. */
static void
test_broken_ring(void **state)
{
	char text[160];
	struct err err = {0};
	unsigned running;

	shake_all();
	running = fakes.published;
	t.backend.ring[1].vring->broken = VRING_BROKEN_AVAIL;
	assert_int_equal(backend_broken(&t.backend, text, sizeof(text)), 1);
	move();
	backend_release(&second.backend, BACKEND_RINGS_ALL, &err);
	assert_int_equal(fakes.published, running - 1);
	second_end();
}

/* Each request spoilt in turn: refused, never believed, nothing left behind. */
static void
test_spoilt(void **state)
{
	unsigned count;

	shake_all();
	move();
	count = said.count;
	second_end();
	for (unsigned i = 0; i < count; i++) {
		struct err err = {0};

		second_begin();
		assert_int_equal(backend_export(&t.backend, keep, NULL), 0);
		said.items[i].message.header.size ^= 1;
		assert_true(import_all(&err) < 0);
		assert_true(err.text[0]);
		second_end();
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_prefixes_split),
		cmocka_unit_test(test_prefixes_packed),
		BOTH(test_taken_back),
		BOTH(test_broken_ring),
		BOTH(test_spoilt),
	};

	return cmocka_run_group_tests_name("backend_handover", tests, NULL, NULL);
}
