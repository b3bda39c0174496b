/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Conversations with the vhost-user back end: the input is a program that sends messages of a good
 * handshake, spoilt ones, pieces of them and wrong descriptors, and lets rings move and break.
 *
 * Found are: what the sanitizers see, a broken contract towards rings and datapath (fake_rings.c),
 * and rings or descriptors that are left when the front end is gone.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/fd.h"
#include "tests/unit/fake_rings.h"
#include "tests/unit/vhost_peer.h"
#include "vhost/backend.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define STEPS 64 /* more than the handshake has */

struct input {
	const uint8_t *at, *end;
};

static struct peer peers[2]; /* split, packed */
static int pipe_fds[2];

static struct {
	int theirs, ours;
	struct vhost_rings rings;
	struct backend backend;
	struct message_reader reader;
} side;

static uint8_t
next(struct input *in)
{
	return in->at < in->end ? *in->at++ : 0;
}

static void
announce(struct port *port, const struct mac *mac)
{
}

static void
answers_drop(void)
{
	char trash[1024];

	while (recv(side.theirs, trash, sizeof(trash), MSG_DONTWAIT) > 0)
		;
}

/* Serves what has come.  false: the connection would be closed. */
static bool
serve(void)
{
	struct err err;
	int rc;

	while ((rc = message_read(side.ours, &side.reader, &err)) > 0) {
		rc = backend_serve(&side.backend, side.ours, &side.reader, &err);
		message_reader_reset(&side.reader);
		if (rc < 0)
			return false;
	}
	answers_drop();
	return rc == 0;
}

static int
some_fd(const struct peer *peer, uint8_t which)
{
	const int fds[] = {peer->memory_fd, peer->log_fd, peer->inflight_fd, peer->kick[0],
		peer->call[1], peer->error[2], pipe_fds[0], side.theirs};

	return fds[which % (sizeof(fds) / sizeof(fds[0]))];
}

/* A message of the handshake, with some of its bytes and descriptors replaced. */
static bool
op_message(const struct peer *peer, struct input *in)
{
	unsigned spoils = next(in) % 8;
	struct peer_message m;
	size_t size;

	if (!peer_handshake(peer, next(in) % STEPS, &m))
		return true;
	for (unsigned i = 0; i < spoils; i++) {
		unsigned where = next(in) % 128;

		((uint8_t *)&m.message)[where] = next(in);
	}
	if (spoils > 4) {
		m.fd_count = next(in) % (VHOST_FDS_MAX + 1);
		for (unsigned i = 0; i < m.fd_count; i++)
			m.fds[i] = some_fd(peer, next(in));
	}
	/* The header may promise more than is sent: then the next one fills it up. */
	size = m.message.header.size;
	if (size > sizeof(m.message.payload))
		m.message.header.size = 0;
	if (message_write(side.theirs, &m.message, m.fds, m.fd_count))
		return false;
	if (size > sizeof(m.message.payload))
		return true;
	return serve();
}

static bool
op_bytes(struct input *in)
{
	uint8_t bytes[64];
	size_t n = next(in) % sizeof(bytes);

	for (size_t i = 0; i < n; i++)
		bytes[i] = next(in);
	if (n && send(side.theirs, bytes, n, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		return false;
	return serve();
}

/* What the workers do meanwhile. */
static void
op_ring(struct input *in)
{
	struct vring *ring = atomic_load(&side.rings.ring[next(in) % VHOST_RINGS_MAX]);
	char text[160];

	if (!ring)
		return;
	ring->setup.next = (uint16_t)((next(in) << 8 | next(in)) % ring->setup.size);
	ring->calls++;
	if (!(next(in) % 4)) {
		ring->broken = VRING_BROKEN_AVAIL;
		backend_broken(&side.backend, text, sizeof(text));
	}
}

static void
conversation(const struct peer *peer, struct input *in)
{
	/* Most conversations begin well. */
	unsigned steps = next(in);
	struct peer_message m;

	for (unsigned i = 0; i < steps && peer_handshake(peer, i, &m); i++)
		if (message_write(side.theirs, &m.message, m.fds, m.fd_count) || !serve())
			abort();
	while (in->at < in->end) {
		switch (next(in) % 8) {
		case 0:
			if (!op_bytes(in))
				return;
			break;
		case 1:
			op_ring(in);
			break;
		case 2:
			fakes.create_failures = next(in) % 2;
			break;
		default:
			if (!op_message(peer, in))
				return;
		}
	}
}

/* The lowest free descriptor: it moves when one leaks. */
static int
lowest_free(void)
{
	int fd = dup(0);

	close(fd);
	return fd;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct backend_options options = {.queues = 2, .mtu = 9000, .announce = announce};
	struct input in = {data, data + size};
	bool packed = next(&in) & 1;
	int sv[2], before;

	if (!peers[0].memory) {
		peer_init(&peers[0], false);
		peer_init(&peers[1], true);
		if (pipe(pipe_fds))
			abort();
	}
	before = lowest_free();
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, sv))
		abort();
	side.theirs = sv[0];
	side.ours = sv[1];
	fakes_reset();
	memset(&side.rings, 0, sizeof(side.rings));
	port_init(&side.rings.port, &vhost_rings_ops, "vm1", 2, 2);
	backend_init(&side.backend, &side.rings, &options);
	message_reader_init(&side.reader);
	conversation(&peers[packed], &in);
	backend_disconnect(&side.backend);
	message_reader_reset(&side.reader);
	fds_close(sv, 2);
	if (fakes.vrings || fakes.published || lowest_free() != before)
		abort();
	return 0;
}
