/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "control/takeover.h"
#include "lib/clock.h"
#include "lib/fd.h"
#include "lib/fd_pass.h"

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

	for (;;) {
		ssize_t n = fd_pass_send(
			socket, record, sizeof(*record), record->item.fds, record->item.fd_count);
		int rc;

		if (n >= 0)
			return 0;
		if (n != -EAGAIN)
			return (int)n;
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

int
takeover_receive(int socket, struct takeover_record *record, int ms)
{
	uint64_t until = clock_ns() + (uint64_t)ms * 1000000;
	int fds[HANDOVER_FDS_MAX];
	size_t count = 0;
	uint32_t said;
	ssize_t n;

	while ((n = fd_pass_receive(
			socket, record, sizeof(*record), fds, HANDOVER_FDS_MAX, &count)) < 0) {
		int rc = n == -EAGAIN     ? wait_for(socket, POLLIN, until)
			 : n == -EMSGSIZE ? -EPROTO
					  : (int)n;

		if (rc)
			return rc;
	}
	said = record->item.fd_count;
	memcpy(record->item.fds, fds, count * sizeof(int));
	record->item.fd_count = (uint32_t)count;
	if (!n) {
		takeover_record_close(record);
		return -ECONNRESET;
	}
	if ((size_t)n != sizeof(*record) || record->version != TAKEOVER_VERSION ||
		said != record->item.fd_count || record->item.size > sizeof(record->item.bytes)) {
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
