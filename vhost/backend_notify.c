/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Kick, call and error descriptors.
 *
 * Threat model: a descriptor may be anything, and its other owner can read, write and fill it at any
 * time.  Only eventfds are taken (a worker that writes to or polls one cannot be held up by it), they
 * are made non-blocking, and one is closed only after no worker can use it any more.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "datapath/datapath.h"
#include "lib/fd.h"
#include "vhost/backend_state.h"

/* How often a ring is looked at whose front end sends no kicks. */
#define POLL_NS 1000000

static int
eventfd_check(int fd, struct err *err)
{
	static const char eventfd_link[] = "anon_inode:[eventfd]";
	char path[32], link[sizeof(eventfd_link) + 1];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	n = readlink(path, link, sizeof(link));
	if (n < 0)
		return err_set(err, -EINVAL, "the kind of a descriptor cannot be seen in %s: %s",
			path, strerror(errno));
	if ((size_t)n != sizeof(eventfd_link) - 1 || memcmp(link, eventfd_link, (size_t)n))
		return err_set(err, -EINVAL, "the descriptor is not an eventfd");
	return fd_set_nonblocking(fd) ? err_set(err, -EINVAL, "the eventfd stays blocking") : 0;
}

/* Ring number and descriptor of one of the three requests; *fd is -1 with the "no fd" bit. */
static int
notify_parse(const struct backend *b, const struct exchange *x, unsigned *index, int *fd,
	struct err *err)
{
	uint64_t word = x->payload->u64;
	bool none = word & VHOST_VRING_NOFD;
	int rc;

	if (word & ~(uint64_t)(VHOST_VRING_INDEX_MASK | VHOST_VRING_NOFD))
		return err_set(err, -EINVAL, "0x%" PRIx64 " is no ring", word);
	rc = backend_ring_check(b, word & VHOST_VRING_INDEX_MASK, err);
	if (rc)
		return rc;
	if (none != !x->request->fd_count)
		return err_set(err, -EINVAL, "%u descriptors and the no-descriptor bit is %d",
			x->request->fd_count, none);
	*index = word & VHOST_VRING_INDEX_MASK;
	*fd = none ? -1 : x->request->fds[0];
	return none ? 0 : eventfd_check(*fd, err);
}

/* A front end without kicks: a timer stands in for them. */
static int
poll_timer(int *fd, struct err *err)
{
	struct itimerspec every = {{0, POLL_NS}, {0, POLL_NS}};

	*fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (*fd < 0)
		return err_set(err, -errno, "creating a timer: %s", strerror(errno));
	timerfd_settime(*fd, 0, &every, NULL);
	return 0;
}

int
backend_set_vring_kick(struct backend *b, struct exchange *x, struct err *err)
{
	int fd = -1, timer = -1, rc;
	struct backend_ring *ring;
	unsigned index = 0;

	rc = notify_parse(b, x, &index, &fd, err);
	/* Only what the guest sends is waited for. */
	if (!rc && fd < 0 && index % 2)
		rc = poll_timer(&timer, err);
	if (rc)
		return rc;
	ring = &b->ring[index];
	backend_rings_stop(b, UINT32_C(1) << index);
	backend_fd_replace(b, &ring->kick_fd, fd < 0 ? timer : fd_take(&x->request->fds[0]));
	ring->polled = fd < 0;
	ring->kicked = true;
	return backend_rings_start(b, err);
}

int
backend_set_vring_call(struct backend *b, struct exchange *x, struct err *err)
{
	struct backend_ring *ring;
	unsigned index = 0;
	int fd = -1, rc, old;

	rc = notify_parse(b, x, &index, &fd, err);
	if (rc)
		return rc;
	ring = &b->ring[index];
	old = fd_take(&ring->call_fd);
	if (fd >= 0)
		ring->call_fd = fd_take(&x->request->fds[0]);
	if (ring->vring) {
		vring_set_call(ring->vring, ring->call_fd);
		if (old >= 0)
			datapath_synchronize();
		/* A call that went to the old one between its last reader and us is not lost. */
		if (ring->call_fd >= 0)
			eventfd_write(ring->call_fd, 1);
	}
	backend_fd_replace(b, &old, -1);
	return 0;
}

int
backend_set_vring_err(struct backend *b, struct exchange *x, struct err *err)
{
	struct backend_ring *ring;
	unsigned index = 0;
	int fd = -1, rc;

	rc = notify_parse(b, x, &index, &fd, err);
	if (rc)
		return rc;
	ring = &b->ring[index];
	fd_close(&ring->err_fd);
	if (fd >= 0)
		ring->err_fd = fd_take(&x->request->fds[0]);
	return 0;
}
