/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/fd.h"
#include "tests/unit/backend_side.h"

struct backend_side t;

static void
announce(struct port *port, const struct mac *mac)
{
	assert_ptr_equal(port, &t.rings.port);
	t.announced = *mac;
}

void
backend_begin(bool packed)
{
	struct backend_options options = {.queues = 2, .mtu = 9000, .announce = announce};
	int sv[2];

	memset(&t, 0, sizeof(t));
	fakes_reset();
	t.fds = leaks_fds();
	peer_init(&t.peer, packed);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, sv), 0);
	t.theirs = sv[0];
	t.ours = sv[1];
	port_init(&t.rings.port, &vhost_rings_ops, "vm1", 2, 2);
	backend_init(&t.backend, &t.rings, &options);
	message_reader_init(&t.reader);
}

void
backend_end(void)
{
	backend_disconnect(&t.backend);
	message_reader_reset(&t.reader);
	fd_close(&t.ours);
	fd_close(&t.theirs);
	peer_close(&t.peer);
	assert_int_equal(fakes.vrings, 0);
	assert_int_equal(fakes.published, 0);
	assert_int_equal(atomic_load(&t.rings.port.tx_queues), 0);
	assert_int_equal(leaks_fds(), t.fds);
	assert_int_equal(leaks_maps(PEER_FILE_TAG), 0);
	assert_int_equal(leaks_maps("patchbay-inflight"), 0);
}

int
backend_setup_split(void **state)
{
	backend_begin(false);
	return 0;
}

int
backend_setup_packed(void **state)
{
	backend_begin(true);
	return 0;
}

int
backend_teardown(void **state)
{
	backend_end();
	return 0;
}

/* Sends one message; what backend_serve() or the reader made of it. */
int
say(const struct peer_message *m)
{
	int rc;

	assert_int_equal(message_write(t.theirs, &m->message, m->fds, m->fd_count), 0);
	memset(&t.err, 0, sizeof(t.err));
	rc = message_read(t.ours, &t.reader, &t.err);
	if (rc == 1)
		rc = backend_serve(&t.backend, t.ours, &t.reader, &t.err);
	message_reader_reset(&t.reader);
	return rc;
}

/* The answer that must be there; its descriptors are closed, the first is given out when wanted. */
struct vhost_message
hear(int *fd)
{
	struct message_reader reader;
	struct vhost_message m;
	struct err err;

	message_reader_init(&reader);
	assert_int_equal(message_read(t.theirs, &reader, &err), 1);
	m = reader.message;
	assert_int_equal(m.header.flags, VHOST_VERSION | VHOST_FLAG_REPLY);
	if (fd)
		*fd = fd_take(&reader.fds[0]);
	message_reader_reset(&reader);
	return m;
}

void
silence(void)
{
	char byte;

	assert_int_equal(recv(t.theirs, &byte, 1, MSG_DONTWAIT), -1);
	assert_int_equal(errno, EAGAIN);
}

void
say_ok(struct peer_message m)
{
	int rc = say(&m);

	if (rc)
		fail_msg("request %u: %d: %s", m.message.header.request, rc, t.err.text);
}

uint64_t
ask(struct peer_message m)
{
	struct vhost_message reply;

	say_ok(m);
	reply = hear(NULL);
	assert_int_equal(reply.header.request, m.message.header.request);
	assert_int_equal(reply.header.size, 8);
	return reply.payload.u64;
}

/* The first `steps` messages of the handshake. */
unsigned
shake(unsigned steps)
{
	struct peer_message m;
	unsigned step;

	for (step = 0; step < steps && peer_handshake(&t.peer, step, &m); step++) {
		char trash[512];

		say_ok(m);
		while (recvmsg(t.theirs,
			       &(struct msghdr){.msg_iov = &(struct iovec){trash, sizeof(trash)},
				       .msg_iovlen = 1},
			       MSG_DONTWAIT) > 0)
			;
	}
	return step;
}

void
shake_all(void)
{
	shake(UINT32_MAX);
	assert_int_equal(fakes.published, PEER_RINGS);
	assert_int_equal(atomic_load(&t.rings.port.tx_queues), 2);
	assert_int_equal(atomic_load(&t.rings.port.accepts), 1);
}

/*
 * A message that must be refused, sent after a whole handshake: without and with a wish for an
 * answer.  The state must be as before: all rings run, and the same messages still work.
 */
void
refused(struct peer_message m, int with_reply, const char *why)
{
	struct backend before = t.backend;
	int rc;

	m.message.header.flags &= ~VHOST_FLAG_NEED_REPLY;
	rc = say(&m);
	if (rc >= 0 || !strstr(t.err.text, why))
		fail_msg("request %u: %d: \"%s\", not \"%s\"", m.message.header.request, rc,
			t.err.text, why);
	silence();
	m.message.header.flags |= VHOST_FLAG_NEED_REPLY;
	rc = say(&m);
	if (with_reply == STAYS) {
		struct vhost_message reply;

		assert_int_equal(rc, 1);
		reply = hear(NULL);
		assert_int_equal(reply.header.request, m.message.header.request);
		assert_int_equal(reply.header.size, 8);
		assert_int_not_equal(reply.payload.u64, 0);
	} else {
		assert_true(rc < 0);
	}
	silence();
	assert_memory_equal(&before, &t.backend, sizeof(before));
}
