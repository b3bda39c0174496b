/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Threat model: the peer may be hostile.  It chooses sizes, numbers and the pace of bytes and
 * descriptors.  A size is checked as soon as the header is whole and before the payload is read
 * into the fixed buffer; descriptors are counted over the whole message, and those the kernel could
 * not hand over (MSG_CTRUNC) end the connection rather than be missed; whatever goes wrong, every
 * descriptor received is closed.  Nothing here waits except the two ..._wait() functions, which only
 * front ends use.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/fd.h"
#include "vhost/message.h"

#define HEADER_SIZE sizeof(struct vhost_header)

void
message_reader_init(struct message_reader *reader)
{
	memset(reader, 0, sizeof(*reader));
	for (unsigned i = 0; i < VHOST_FDS_MAX; i++)
		reader->fds[i] = -1;
}

void
message_reader_reset(struct message_reader *reader)
{
	fds_close(reader->fds, VHOST_FDS_MAX);
	message_reader_init(reader);
}

bool
message_reader_partial(const struct message_reader *reader)
{
	return reader->have && (reader->have < HEADER_SIZE ||
				       reader->have < HEADER_SIZE + reader->message.header.size);
}

/* Moves the descriptors of one piece into the reader; closes those that do not fit. */
static int
fds_collect(struct message_reader *reader, struct msghdr *msg, struct err *err)
{
	bool excess = false;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		size_t count;

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < count; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(fd));
			if (reader->fd_count < VHOST_FDS_MAX) {
				reader->fds[reader->fd_count++] = fd;
			} else {
				fd_close(&fd);
				excess = true;
			}
		}
	}
	if (excess)
		return err_set(err, -EPROTO, "more than %d descriptors came with one message",
			VHOST_FDS_MAX);
	if (msg->msg_flags & MSG_CTRUNC)
		return err_set(err, -EPROTO,
			"descriptors of a message were lost: more than %d were sent, or the limit "
			"of open files is reached (see ulimit -n)",
			VHOST_FDS_MAX);
	return 0;
}

static int
header_check(const struct vhost_header *header, struct err *err)
{
	char name[24];

	if ((header->flags & VHOST_FLAG_VERSION_MASK) != VHOST_VERSION)
		return err_set(err, -EPROTO, "%s: version %u of the protocol, only %u is known",
			message_name(header->request, name),
			header->flags & VHOST_FLAG_VERSION_MASK, VHOST_VERSION);
	if (header->size > sizeof(union vhost_payload))
		return err_set(err, -EPROTO, "%s: payload of %u bytes, the largest has %zu",
			message_name(header->request, name), header->size,
			sizeof(union vhost_payload));
	return 0;
}

/* One recvmsg() of at most the bytes missing: > 0 bytes, 0 nothing there, or an error. */
static ssize_t
piece_read(int socket, struct message_reader *reader, size_t missing, struct err *err)
{
	union {
		char bytes[CMSG_SPACE(VHOST_FDS_MAX * sizeof(int))];
		struct cmsghdr align;
	} control;
	struct iovec iov = {(char *)&reader->message + reader->have, missing};
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes),
	};
	ssize_t n;
	int rc;

	do
		n = recvmsg(socket, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
		return 0;
	/* A peer that went with answers unread is one that closed; no descriptors come with that. */
	if (n == 0 || (n < 0 && errno == ECONNRESET))
		return reader->have ? err_set(err, -ECONNRESET,
					      "the peer closed in the middle of a message")
				    : err_set(err, -ENODATA, "the peer closed");
	if (n < 0)
		return err_set(err, -errno, "receiving: %s", strerror(errno));
	rc = fds_collect(reader, &msg, err);
	return rc ? rc : n;
}

int
message_read(int socket, struct message_reader *reader, struct err *err)
{
	size_t want = HEADER_SIZE;
	ssize_t n;

	if (reader->have >= HEADER_SIZE)
		want += reader->message.header.size;
	while (reader->have < want) {
		n = piece_read(socket, reader, want - reader->have, err);
		if (n == 0)
			return 0;
		if (n > 0) {
			reader->have += (size_t)n;
			if (reader->have != HEADER_SIZE || want != HEADER_SIZE)
				continue;
			n = header_check(&reader->message.header, err);
			want += reader->message.header.size;
		}
		if (n < 0) {
			message_reader_reset(reader);
			return (int)n;
		}
	}
	return 1;
}

/* Waits for events until the deadline: 0, -ETIMEDOUT or an error. */
static int
socket_wait(int socket, short events, uint64_t deadline_ns)
{
	struct pollfd p = {.fd = socket, .events = events};
	int n;

	do {
		uint64_t at = clock_ns();

		if (at >= deadline_ns)
			return -ETIMEDOUT;
		n = poll(&p, 1, (int)((deadline_ns - at) / 1000000 + 1));
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	return n ? 0 : -ETIMEDOUT;
}

static uint64_t
deadline_after(int timeout_ms)
{
	return clock_ns() + (uint64_t)(timeout_ms > 0 ? timeout_ms : 0) * 1000000;
}

int
message_read_wait(int socket, struct message_reader *reader, int timeout_ms, struct err *err)
{
	uint64_t deadline = deadline_after(timeout_ms);
	int rc;

	while (!(rc = message_read(socket, reader, err))) {
		rc = socket_wait(socket, POLLIN, deadline);
		if (rc == -ETIMEDOUT)
			return err_set(err, rc, "the peer did not answer within %d ms", timeout_ms);
		if (rc)
			return err_set(err, rc, "waiting for the peer: %s", strerror(-rc));
	}
	return rc;
}

int
message_write(int socket, const struct vhost_message *message, const int *fds, unsigned count)
{
	union {
		char bytes[CMSG_SPACE(VHOST_FDS_MAX * sizeof(int))];
		struct cmsghdr align;
	} control;
	size_t size = HEADER_SIZE + message->header.size;
	struct iovec iov = {(void *)(uintptr_t)message, size};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
	ssize_t n;

	if (message->header.size > sizeof(message->payload) || count > VHOST_FDS_MAX)
		return -EINVAL;
	if (count) {
		struct cmsghdr *c = &control.align;

		memset(&control, 0, sizeof(control));
		msg.msg_control = control.bytes;
		msg.msg_controllen = CMSG_SPACE(count * sizeof(int));
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(count * sizeof(int));
		memcpy(CMSG_DATA(c), fds, count * sizeof(int));
	}
	do
		n = sendmsg(socket, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	/* A Unix stream socket takes a message of this size whole or not at all. */
	return (size_t)n == size ? 0 : -EPIPE;
}

int
message_write_wait(int socket, const struct vhost_message *message, const int *fds, unsigned count,
	int timeout_ms)
{
	uint64_t deadline = deadline_after(timeout_ms);
	int rc;

	while ((rc = message_write(socket, message, fds, count)) == -EAGAIN) {
		rc = socket_wait(socket, POLLOUT, deadline);
		if (rc)
			break;
	}
	return rc;
}

const char *
message_name(uint32_t request, char text[24])
{
	switch (request) {
#define X(number, name, ...) \
	case number:         \
		return #name;
		VHOST_REQUEST_LIST(X)
#undef X
	}
	snprintf(text, 24, "request %u", request);
	return text;
}
