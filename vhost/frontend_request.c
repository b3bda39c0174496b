/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Threat model: the back end is a process that the front end's owner chose, and may still be
 * broken: each answer is checked for its request, size and descriptors before it is used.
 */
#include <errno.h>
#include <string.h>

#include "vhost/frontend_state.h"

/* Sends; the connection ends when that fails. */
static int
request_send(struct frontend *f, const struct vhost_message *message, const int *fds,
	unsigned fd_count, struct err *err)
{
	char name[24];
	int rc;

	if (f->socket < 0)
		return err_set(err, -ENOTCONN, "%s: not connected",
			message_name(message->header.request, name));
	rc = message_write_wait(f->socket, message, fds, fd_count, timeout_of(f));
	if (!rc)
		return 0;
	frontend_disconnect(f);
	return err_set(err, rc, "%s: sending to %s: %s",
		message_name(message->header.request, name), f->options.path, strerror(-rc));
}

/* Waits for the answer to `request`; descriptors stay in the reader. */
static int
reply_wait(struct frontend *f, uint32_t request, struct err *err)
{
	struct err local = {0};
	char name[24], other[24];
	int rc;

	message_reader_reset(&f->reader);
	rc = message_read_wait(f->socket, &f->reader, timeout_of(f), &local);
	if (rc == 1 && f->reader.message.header.request == request &&
		(f->reader.message.header.flags & VHOST_FLAG_REPLY))
		return 0;
	if (rc == 1)
		rc = err_set(&local, -EPROTO, "the answer is %s with flags 0x%x",
			message_name(f->reader.message.header.request, other),
			f->reader.message.header.flags);
	frontend_disconnect(f);
	return err_set(
		err, rc, "%s to %s: %s", message_name(request, name), f->options.path, local.text);
}

int
frontend_request(struct frontend *f, struct vhost_message *message, const int *fds,
	unsigned fd_count, bool reply, struct err *err)
{
	int rc = request_send(f, message, fds, fd_count, err);

	if (rc || !reply)
		return rc;
	rc = reply_wait(f, message->header.request, err);
	if (!rc)
		*message = f->reader.message;
	return rc;
}

int
request_get(struct frontend *f, struct vhost_message *message, uint32_t want, struct err *err)
{
	uint32_t request = message->header.request;
	char name[24];
	int rc;

	message->header.flags = VHOST_VERSION;
	rc = frontend_request(f, message, NULL, 0, true, err);
	if (rc || message->header.size == want)
		return rc;
	frontend_disconnect(f);
	return err_set(err, -EPROTO, "%s to %s: the answer has %u bytes instead of %u",
		message_name(request, name), f->options.path, message->header.size, want);
}

int
request_get_u64(struct frontend *f, uint32_t request, uint64_t *value, struct err *err)
{
	struct vhost_message message = {.header.request = request};
	int rc = request_get(f, &message, sizeof(uint64_t), err);

	if (!rc)
		*value = message.payload.u64;
	return rc;
}

int
request_set(struct frontend *f, struct vhost_message *message, const int *fds, unsigned fd_count,
	struct err *err)
{
	bool ack = has_protocol(f, VHOST_PROTOCOL_F_REPLY_ACK);
	uint32_t request = message->header.request;
	char name[24];
	int rc;

	message->header.flags = VHOST_VERSION | (ack ? VHOST_FLAG_NEED_REPLY : 0);
	rc = frontend_request(f, message, fds, fd_count, ack, err);
	if (rc || !ack)
		return rc;
	if (message->header.size != sizeof(uint64_t)) {
		frontend_disconnect(f);
		return err_set(err, -EPROTO, "%s to %s: the acknowledgement has %u bytes",
			message_name(request, name), f->options.path, message->header.size);
	}
	if (message->payload.u64)
		return err_set(err, -EREMOTEIO, "%s: refused by the back end at %s",
			message_name(request, name), f->options.path);
	return 0;
}

int
request_set_u64(struct frontend *f, uint32_t request, uint64_t value, struct err *err)
{
	struct vhost_message message = {
		.header = {.request = request, .size = sizeof(uint64_t)}, .payload.u64 = value};

	return request_set(f, &message, NULL, 0, err);
}

int
request_set_nothing(struct frontend *f, uint32_t request, struct err *err)
{
	struct vhost_message message = {.header.request = request};

	return request_set(f, &message, NULL, 0, err);
}

int
request_set_state(
	struct frontend *f, uint32_t request, unsigned index, uint32_t num, struct err *err)
{
	struct vhost_message message = {
		.header = {.request = request, .size = sizeof(struct vhost_vring_state)},
		.payload.state = {index, num}};

	return request_set(f, &message, NULL, 0, err);
}

int
request_set_ring_fd(struct frontend *f, uint32_t request, unsigned index, int fd, struct err *err)
{
	struct vhost_message message = {.header = {.request = request, .size = sizeof(uint64_t)},
		.payload.u64 = index | (fd < 0 ? VHOST_VRING_NOFD : 0)};

	return request_set(f, &message, &fd, fd >= 0, err);
}

int
request_barrier(struct frontend *f, struct err *err)
{
	uint64_t ignored;

	if (has_protocol(f, VHOST_PROTOCOL_F_REPLY_ACK))
		return 0;
	return request_get_u64(f, VHOST_GET_FEATURES, &ignored, err);
}
