/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>

#include "lib/clock.h"
#include "lib/fd.h"
#include "vhost/features_text.h"
#include "vhost/frontend_state.h"

#define RETRY_NS 2000000 /* between two attempts to connect */

int
frontend_create(struct frontend **out, const struct frontend_options *options, struct err *err)
{
	struct unix_socket_options listen = {
		.path = options->path, .owner = (uid_t)-1, .group = (gid_t)-1};
	struct frontend *f = calloc(1, sizeof(*f));
	int rc;

	if (!f)
		return err_set(err, -ENOMEM, "out of memory");
	f->options = *options;
	f->options.path = strdup(options->path);
	f->socket = f->log_fd = f->inflight_fd = f->listener.fd = -1;
	message_reader_init(&f->reader);
	rc = f->options.path ? 0 : err_set(err, -ENOMEM, "out of memory");
	if (!rc && options->listen)
		rc = unix_socket_listen(&f->listener, &listen, err);
	if (rc)
		frontend_destroy(f);
	else
		*out = f;
	return rc;
}

void
frontend_destroy(struct frontend *f)
{
	if (!f)
		return;
	frontend_disconnect(f);
	if (f->listener.fd >= 0)
		unix_socket_close(&f->listener);
	if (f->log)
		munmap(f->log, f->log_size);
	if (f->inflight_map)
		munmap(f->inflight_map, f->inflight_map_size);
	fd_close(&f->log_fd);
	fd_close(&f->inflight_fd);
	free((void *)(uintptr_t)f->options.path);
	free(f);
}

void
frontend_disconnect(struct frontend *f)
{
	message_reader_reset(&f->reader);
	fd_close(&f->socket);
}

bool
frontend_alive(struct frontend *f)
{
	char byte;

	return f->socket >= 0 && recv(f->socket, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 &&
	       (errno == EAGAIN || errno == EWOULDBLOCK);
}

/* Nothing can be waited for: nobody is there. */
static void
retry_pause(void)
{
	const struct timespec pause = {.tv_nsec = RETRY_NS};

	nanosleep(&pause, NULL);
}

static int
connect_out(struct frontend *f, struct err *err)
{
	uint64_t deadline = clock_ns() + (uint64_t)timeout_of(f) * 1000000;

	for (;;) {
		int rc = unix_socket_connect(f->options.path, &f->socket, err);

		if (rc != -ENOENT && rc != -ECONNREFUSED && rc != -EAGAIN)
			return rc;
		if (clock_ns() >= deadline)
			return rc;
		retry_pause();
	}
}

static int
connect_in(struct frontend *f, struct err *err)
{
	struct pollfd p = {.fd = f->listener.fd, .events = POLLIN};
	int n;

	do
		n = poll(&p, 1, timeout_of(f));
	while (n < 0 && errno == EINTR);
	if (n == 0)
		return err_set(err, -ETIMEDOUT, "no back end connected to %s within %d ms",
			f->options.path, timeout_of(f));
	n = n < 0 ? -errno : unix_socket_accept(&f->listener, &f->socket);
	if (n)
		return err_set(err, n, "accepting on %s: %s", f->options.path, strerror(-n));
	return 0;
}

/* ---- handshake ---- */

static int
negotiate_protocol(struct frontend *f, struct err *err)
{
	uint64_t offered, wanted = f->options.protocol_features;
	int rc = request_get_u64(f, VHOST_GET_PROTOCOL_FEATURES, &offered, err);

	if (rc)
		return rc;
	if (!f->options.inflight)
		wanted &= ~VIRTIO_BIT(VHOST_PROTOCOL_F_INFLIGHT_SHMFD);
	if (!f->options.mem_slots)
		wanted &= ~VIRTIO_BIT(VHOST_PROTOCOL_F_CONFIGURE_MEM_SLOTS);
	rc = request_set_u64(f, VHOST_SET_PROTOCOL_FEATURES, offered & wanted, err);
	if (rc)
		return rc;
	f->protocol_features = offered & wanted;
	if (has_protocol(f, VHOST_PROTOCOL_F_MQ)) {
		rc = request_get_u64(f, VHOST_GET_QUEUE_NUM, &f->queue_pairs, err);
		if (!rc && !f->queue_pairs)
			rc = err_set(err, -EPROTO, "the back end at %s offers no queue",
				f->options.path);
		if (rc)
			return rc;
		if (f->queue_pairs > VHOST_QUEUE_PAIRS_MAX)
			f->queue_pairs = VHOST_QUEUE_PAIRS_MAX;
	}
	if (has_protocol(f, VHOST_PROTOCOL_F_CONFIGURE_MEM_SLOTS))
		return request_get_u64(f, VHOST_GET_MAX_MEM_SLOTS, &f->mem_slots, err);
	return 0;
}

static int
negotiate(struct frontend *f, struct err *err)
{
	uint64_t required = f->options.required, missing;
	char names[128];
	int rc = request_set_nothing(f, VHOST_SET_OWNER, err);

	if (rc)
		return rc;
	rc = request_get_u64(f, VHOST_GET_FEATURES, &f->offered, err);
	if (rc)
		return rc;
	if (f->started_once)
		required |= f->features & ~VIRTIO_BIT(VHOST_F_LOG_ALL);
	missing = required & ~f->offered;
	if (missing) {
		frontend_disconnect(f);
		vhost_features_text(missing, names, sizeof(names));
		return err_set(err, -ENOTSUP, "the back end at %s does not offer %s%s",
			f->options.path, names[0] ? names : "a feature",
			f->started_once ? ", which was negotiated before" : "");
	}
	if (!f->started_once)
		f->features = f->offered & f->options.features;
	if (!(f->offered & VIRTIO_BIT(VHOST_USER_F_PROTOCOL_FEATURES)) ||
		!(f->options.features & VIRTIO_BIT(VHOST_USER_F_PROTOCOL_FEATURES)))
		return 0;
	return negotiate_protocol(f, err);
}

/* What belongs to one connection begins anew. */
static void
connect_begin(struct frontend *f)
{
	frontend_disconnect(f);
	f->protocol_features = 0;
	f->queue_pairs = 1;
	f->mem_slots = 0;
	f->logging = f->memory_sent = false;
}

static int
connect_end(struct frontend *f, int rc, struct err *err)
{
	if (!rc)
		rc = negotiate(f, err);
	if (rc)
		frontend_disconnect(f);
	return rc;
}

static int
connect_once(struct frontend *f, struct err *err)
{
	connect_begin(f);
	return connect_end(f, f->options.listen ? connect_in(f, err) : connect_out(f, err), err);
}

int
frontend_try(struct frontend *f, struct err *err)
{
	int rc;

	connect_begin(f);
	if (!f->options.listen)
		rc = unix_socket_connect(f->options.path, &f->socket, err);
	else if ((rc = unix_socket_accept(&f->listener, &f->socket)))
		err_set(err, rc, "no back end has connected to %s", f->options.path);
	return connect_end(f, rc, err);
}

void
frontend_choose(struct frontend *f, uint64_t features)
{
	f->features = (features | VIRTIO_BIT(VHOST_USER_F_PROTOCOL_FEATURES)) & f->offered;
	f->started_once = false;
	f->ring_count = 0;
	if (f->inflight_map)
		munmap(f->inflight_map, f->inflight_map_size);
	f->inflight_map = NULL;
	f->inflight_map_size = 0;
	fd_close(&f->inflight_fd);
}

/*
 * A back end that is being killed still has its listener for a moment, and takes the connection
 * along: who comes back tries again.
 */
int
frontend_connect(struct frontend *f, struct err *err)
{
	uint64_t deadline = clock_ns() + (uint64_t)timeout_of(f) * 1000000;

	for (;;) {
		int rc = connect_once(f, err);

		if (!f->started_once || (rc != -ENODATA && rc != -ECONNRESET && rc != -EPIPE))
			return rc;
		if (clock_ns() >= deadline)
			return rc;
		retry_pause();
	}
}

uint64_t
frontend_offered(const struct frontend *f)
{
	return f->offered;
}

uint64_t
frontend_features(const struct frontend *f)
{
	return f->features;
}

uint64_t
frontend_protocol_features(const struct frontend *f)
{
	return f->protocol_features;
}

unsigned
frontend_queue_pairs(const struct frontend *f)
{
	return (unsigned)f->queue_pairs;
}

int
frontend_listener(const struct frontend *f)
{
	return f->listener.fd;
}

int
frontend_socket(const struct frontend *f)
{
	return f->socket;
}
