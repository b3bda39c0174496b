/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "control/takeover.h"
#include "lib/clock.h"
#include "lib/fd.h"

#define FDS_SPACE CMSG_SPACE(HANDOVER_FDS_MAX * sizeof(int))

union ancillary {
	struct cmsghdr align;
	char bytes[FDS_SPACE];
};

/* Waits for an event until a moment of clock_ns(). */
static int
wait_for(int socket, short events, uint64_t until)
{
	struct pollfd p = {.fd = socket, .events = events};
	uint64_t now = clock_ns();
	int n = poll(&p, 1, now < until ? (int)((until - now + 999999) / 1000000) : 0);

	if (n < 0)
		return errno == EINTR ? 0 : -errno;
	return n ? 0 : -ETIMEDOUT;
}

int
takeover_send(int socket, const struct takeover_record *record, int ms)
{
	uint64_t until = clock_ns() + (uint64_t)ms * 1000000;
	size_t fds = record->item.fd_count * sizeof(int);
	union ancillary ancillary = {0};
	struct iovec iov = {(void *)(uintptr_t)record, sizeof(*record)};
	struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1};

	if (fds) {
		struct cmsghdr *c = &ancillary.align;

		m.msg_control = &ancillary;
		m.msg_controllen = CMSG_SPACE(fds);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(fds);
		memcpy(CMSG_DATA(c), record->item.fds, fds);
	}
	for (;;) {
		int rc;

		if (sendmsg(socket, &m, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0)
			return 0;
		if (errno != EAGAIN && errno != EINTR)
			return -errno;
		rc = wait_for(socket, POLLOUT, until);
		if (rc)
			return rc;
	}
}

int
takeover_say(int socket, enum takeover_type type, const char *text, int ms)
{
	struct takeover_record record = {.version = TAKEOVER_VERSION, .type = type};

	snprintf((char *)record.item.bytes, sizeof(record.item.bytes), "%s", text);
	record.item.size = (uint32_t)strlen((char *)record.item.bytes) + 1;
	return takeover_send(socket, &record, ms);
}

static void
take_descriptors(struct msghdr *m, struct handover_item *item)
{
	item->fd_count = 0;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
		size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		memcpy(item->fds, CMSG_DATA(c), count * sizeof(int));
		item->fd_count = (uint32_t)count;
	}
}

int
takeover_receive(int socket, struct takeover_record *record, int ms)
{
	uint64_t until = clock_ns() + (uint64_t)ms * 1000000;
	union ancillary ancillary;
	struct iovec iov = {record, sizeof(*record)};
	struct msghdr m = {.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &ancillary,
		.msg_controllen = sizeof(ancillary)};
	uint32_t said;
	ssize_t n;

	while ((n = recvmsg(socket, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC)) < 0) {
		int rc = errno == EAGAIN || errno == EINTR ? wait_for(socket, POLLIN, until)
							   : -errno;

		if (rc)
			return rc;
	}
	said = record->item.fd_count;
	take_descriptors(&m, &record->item);
	if (!n) {
		takeover_record_close(record);
		return -ECONNRESET;
	}
	if ((size_t)n != sizeof(*record) || (m.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) ||
		record->version != TAKEOVER_VERSION || said != record->item.fd_count ||
		record->item.size > sizeof(record->item.bytes)) {
		takeover_record_close(record);
		return -EPROTO;
	}
	return 0;
}

int
takeover_expect(int socket, enum takeover_type type, struct takeover_record *record, int ms,
	struct err *err)
{
	int rc = takeover_receive(socket, record, ms);

	if (rc == -ETIMEDOUT)
		return err_set(err, rc, "the other daemon did not answer within %d ms", ms);
	if (rc == -ECONNRESET)
		return err_set(err, rc, "the other daemon hung up");
	if (rc == -EPROTO)
		return err_set(err, rc, "the other daemon is of a version that does not fit");
	if (rc)
		return err_set(err, rc, "talking to the other daemon: %s", strerror(-rc));
	if (record->type == type)
		return 0;
	takeover_record_close(record);
	if (record->type != TAKEOVER_ABORT)
		return err_set(
			err, -EPROTO, "the other daemon said %u instead of %u", record->type, type);
	record->item.bytes[sizeof(record->item.bytes) - 1] = '\0';
	return err_set(err, -ECANCELED, "%s", (const char *)record->item.bytes);
}

void
takeover_record_close(struct takeover_record *record)
{
	fds_close(record->item.fds, record->item.fd_count);
	record->item.fd_count = 0;
}
