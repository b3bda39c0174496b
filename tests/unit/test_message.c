/* SPDX-License-Identifier: BSD-3-Clause */
/* message: pieces, descriptors, and everything a peer can get wrong on the wire. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/clock.h"
#include "lib/fd.h"
#include "tests/unit/leaks.h"
#include "vhost/message.h"

struct wire {
	int ours, theirs;
	unsigned fds_before;
	struct message_reader reader;
};

static int
setup(void **state)
{
	static struct wire wire;
	int sv[2];

	wire.fds_before = leaks_fds();
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv))
		return -1;
	wire.ours = sv[0];
	wire.theirs = sv[1];
	message_reader_init(&wire.reader);
	*state = &wire;
	return 0;
}

static int
teardown(void **state)
{
	struct wire *w = *state;

	message_reader_reset(&w->reader);
	fd_close(&w->ours);
	fd_close(&w->theirs);
	return leaks_fds() == w->fds_before ? 0 : -1;
}

static struct vhost_message
ring_num(void)
{
	return (struct vhost_message){
		.header = {VHOST_SET_VRING_NUM, VHOST_VERSION, 8},
		.payload.state = {3, 256},
	};
}

/* Sends raw bytes with `count` copies of a descriptor. */
static void
bytes_send(int socket, const void *bytes, size_t len, int fd, unsigned count)
{
	union {
		char bytes[CMSG_SPACE(64 * sizeof(int))];
		struct cmsghdr align;
	} control = {0};
	struct iovec iov = {(void *)(uintptr_t)bytes, len};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};

	if (count) {
		struct cmsghdr *c = &control.align;

		msg.msg_control = control.bytes;
		msg.msg_controllen = CMSG_SPACE(count * sizeof(int));
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(count * sizeof(int));
		for (unsigned i = 0; i < count; i++)
			memcpy(CMSG_DATA(c) + i * sizeof(int), &fd, sizeof(int));
	}
	assert_int_equal(sendmsg(socket, &msg, 0), len);
}

static void
test_whole(void **state)
{
	struct wire *w = *state;
	struct vhost_message m = ring_num();
	struct err err;

	assert_int_equal(message_read(w->ours, &w->reader, &err), 0);
	assert_false(message_reader_partial(&w->reader));
	assert_int_equal(message_write(w->theirs, &m, NULL, 0), 0);
	assert_int_equal(message_read(w->ours, &w->reader, &err), 1);
	assert_false(message_reader_partial(&w->reader));
	assert_int_equal(w->reader.message.header.request, VHOST_SET_VRING_NUM);
	assert_int_equal(w->reader.message.payload.state.index, 3);
	assert_int_equal(w->reader.message.payload.state.num, 256);
	assert_int_equal(w->reader.fd_count, 0);
}

/* One byte at a time, twice in a row: nothing of the second is taken with the first. */
static void
test_bytewise(void **state)
{
	struct wire *w = *state;
	struct vhost_message m = ring_num();
	struct err err;

	for (unsigned round = 0; round < 2; round++) {
		m.payload.state.index = round;
		for (size_t i = 0; i < 20; i++) {
			bytes_send(w->theirs, (char *)&m + i, 1, -1, 0);
			assert_int_equal(message_read(w->ours, &w->reader, &err), i == 19);
			assert_int_equal(message_reader_partial(&w->reader), i < 19);
		}
		assert_int_equal(w->reader.message.payload.state.index, round);
		message_reader_reset(&w->reader);
	}
}

static void
test_two_at_once(void **state)
{
	struct wire *w = *state;
	struct vhost_message m = ring_num();
	char both[40];
	struct err err;

	memcpy(both, &m, 20);
	m.payload.state.index = 7;
	memcpy(both + 20, &m, 20);
	bytes_send(w->theirs, both, sizeof(both), -1, 0);
	assert_int_equal(message_read(w->ours, &w->reader, &err), 1);
	assert_int_equal(w->reader.message.payload.state.index, 3);
	message_reader_reset(&w->reader);
	assert_int_equal(message_read(w->ours, &w->reader, &err), 1);
	assert_int_equal(w->reader.message.payload.state.index, 7);
}

/* What is behind a short payload is zero, whatever the message before left there. */
static void
test_payload_zeroed(void **state)
{
	struct wire *w = *state;
	struct vhost_message m = {.header = {VHOST_SET_MEM_TABLE, VHOST_VERSION, 264}};
	struct err err;

	memset(&m.payload, 0xee, sizeof(m.payload));
	assert_int_equal(message_write(w->theirs, &m, NULL, 0), 0);
	assert_int_equal(message_read(w->ours, &w->reader, &err), 1);
	message_reader_reset(&w->reader);
	m.header.size = 8;
	assert_int_equal(message_write(w->theirs, &m, NULL, 0), 0);
	assert_int_equal(message_read(w->ours, &w->reader, &err), 1);
	assert_int_equal(w->reader.message.payload.memory.regions[0].guest_phys_addr, 0);
}

static void
test_descriptors(void **state)
{
	struct wire *w = *state;
	struct vhost_message m = ring_num();
	int fds[VHOST_FDS_MAX];
	struct err err;

	for (unsigned i = 0; i < VHOST_FDS_MAX; i++)
		fds[i] = w->theirs;
	assert_int_equal(message_write(w->theirs, &m, fds, VHOST_FDS_MAX), 0);
	assert_int_equal(message_read(w->ours, &w->reader, &err), 1);
	assert_int_equal(w->reader.fd_count, VHOST_FDS_MAX);
	for (unsigned i = 0; i < VHOST_FDS_MAX; i++)
		assert_int_equal(fcntl(w->reader.fds[i], F_GETFD), FD_CLOEXEC);
	/* A taken one survives the reset. */
	fds[0] = fd_take(&w->reader.fds[0]);
	message_reader_reset(&w->reader);
	assert_int_equal(fcntl(fds[0], F_GETFD), FD_CLOEXEC);
	close(fds[0]);
}

/* Descriptors may come with the header, with the payload, or with both. */
static void
test_descriptors_in_pieces(void **state)
{
	struct wire *w = *state;
	struct vhost_message m = ring_num();
	struct err err;

	bytes_send(w->theirs, &m, 12, w->theirs, 1);
	bytes_send(w->theirs, (char *)&m + 12, 8, w->theirs, 2);
	assert_int_equal(message_read(w->ours, &w->reader, &err), 1);
	assert_int_equal(w->reader.fd_count, 3);
}

static void
test_too_many_descriptors(void **state)
{
	struct wire *w = *state;
	struct vhost_message m = ring_num();
	struct err err;

	bytes_send(w->theirs, &m, 20, w->theirs, VHOST_FDS_MAX + 1);
	assert_int_equal(message_read(w->ours, &w->reader, &err), -EPROTO);
	assert_non_null(strstr(err.text, "more than 8"));
}

static void
test_too_many_descriptors_in_pieces(void **state)
{
	struct wire *w = *state;
	struct vhost_message m = ring_num();
	struct err err;

	bytes_send(w->theirs, &m, 12, w->theirs, 5);
	bytes_send(w->theirs, (char *)&m + 12, 8, w->theirs, 5);
	assert_int_equal(message_read(w->ours, &w->reader, &err), -EPROTO);
	assert_int_equal(leaks_fds(), w->fds_before + 2);
}

/* The limit of open files: what could not be handed over ends the connection, nothing leaks. */
static void
test_out_of_descriptors(void **state)
{
	struct wire *w = *state;
	struct vhost_message m = ring_num();
	struct rlimit old, low;
	struct err err;
	int rc;

	bytes_send(w->theirs, &m, 20, w->theirs, 2);
	getrlimit(RLIMIT_NOFILE, &old);
	low = old;
	low.rlim_cur = (rlim_t)w->theirs + 2;
	if (low.rlim_cur <= (rlim_t)w->ours)
		low.rlim_cur = (rlim_t)w->ours + 1;
	setrlimit(RLIMIT_NOFILE, &low);
	rc = message_read(w->ours, &w->reader, &err);
	setrlimit(RLIMIT_NOFILE, &old);
	assert_int_equal(rc, -EPROTO);
	assert_non_null(strstr(err.text, "ulimit -n"));
}

static void
test_oversize(void **state)
{
	struct wire *w = *state;
	struct vhost_message m = ring_num();
	struct err err;

	m.header.size = sizeof(union vhost_payload) + 1;
	bytes_send(w->theirs, &m, 12, w->theirs, 1);
	assert_int_equal(message_read(w->ours, &w->reader, &err), -EPROTO);
	assert_non_null(strstr(err.text, "SET_VRING_NUM"));
	assert_int_equal(leaks_fds(), w->fds_before + 2);
}

static void
test_version(void **state)
{
	struct wire *w = *state;
	struct vhost_message m = ring_num();
	struct err err;

	for (uint32_t version = 0; version < 4; version++) {
		int expected = version == VHOST_VERSION ? 1 : -EPROTO;

		m.header.flags = version;
		m.header.size = 0;
		bytes_send(w->theirs, &m, 12, -1, 0);
		assert_int_equal(message_read(w->ours, &w->reader, &err), expected);
		message_reader_reset(&w->reader);
	}
}

static void
test_close(void **state)
{
	struct wire *w = *state;
	struct err err;

	fd_close(&w->theirs);
	assert_int_equal(message_read(w->ours, &w->reader, &err), -ENODATA);
}

static void
test_close_in_the_middle(void **state)
{
	struct wire *w = *state;
	struct vhost_message m = ring_num();
	struct err err;

	bytes_send(w->theirs, &m, 13, w->ours, 1);
	fd_close(&w->theirs);
	assert_int_equal(message_read(w->ours, &w->reader, &err), -ECONNRESET);
}

static void
test_write_without_reader(void **state)
{
	struct wire *w = *state;
	struct vhost_message m = ring_num();
	int rc = 0;

	for (unsigned i = 0; i < 100000 && !rc; i++)
		rc = message_write(w->theirs, &m, NULL, 0);
	assert_int_equal(rc, -EAGAIN);
	assert_int_equal(message_write_wait(w->theirs, &m, NULL, 0, 20), -ETIMEDOUT);
	fd_close(&w->ours);
	assert_int_equal(message_write(w->theirs, &m, NULL, 0), -EPIPE);
}

static void
test_read_wait(void **state)
{
	struct wire *w = *state;
	struct vhost_message m = ring_num();
	uint64_t begin = clock_ns(), took;
	struct err err;

	bytes_send(w->theirs, &m, 5, -1, 0);
	assert_int_equal(message_read_wait(w->ours, &w->reader, 50, &err), -ETIMEDOUT);
	took = clock_ns() - begin;
	assert_in_range(took, 45000000, 5000000000);
	bytes_send(w->theirs, (char *)&m + 5, 15, -1, 0);
	assert_int_equal(message_read_wait(w->ours, &w->reader, 1000, &err), 1);
	assert_int_equal(w->reader.message.payload.state.num, 256);
}

static void
test_names(void **state)
{
	char text[24];

	assert_string_equal(message_name(VHOST_REM_MEM_REG, text), "REM_MEM_REG");
	assert_string_equal(message_name(UINT32_MAX, text), "request 4294967295");
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_whole),
		CASE(test_bytewise),
		CASE(test_two_at_once),
		CASE(test_payload_zeroed),
		CASE(test_descriptors),
		CASE(test_descriptors_in_pieces),
		CASE(test_too_many_descriptors),
		CASE(test_too_many_descriptors_in_pieces),
		CASE(test_out_of_descriptors),
		CASE(test_oversize),
		CASE(test_version),
		CASE(test_close),
		CASE(test_close_in_the_middle),
		CASE(test_write_without_reader),
		CASE(test_read_wait),
		cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
