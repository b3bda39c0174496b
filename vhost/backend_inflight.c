/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Threat model: see vhost/inflight.c.  Only one region is kept, so that asking again and again
 * costs nothing but the asking.
 */
#include <errno.h>

#include "lib/fd.h"
#include "vhost/backend_state.h"

static int
inflight_check(const struct backend *b, const struct vhost_inflight *i, struct err *err)
{
	if (!i->num_queues || i->num_queues > 2 * b->options.queues)
		return err_set(err, -EINVAL, "%u queues, the port has %u", i->num_queues,
			2 * b->options.queues);
	if (!i->queue_size || i->queue_size > VHOST_RING_SIZE_MAX)
		return err_set(err, -EINVAL, "queues of %u entries, 1 to %d are possible",
			i->queue_size, VHOST_RING_SIZE_MAX);
	return 0;
}

static int
inflight_switch(struct backend *b, const struct vhost_inflight *given, int fd, struct err *err)
{
	struct inflight_region region;
	int rc = inflight_region_map(&region, given, backend_packed(b), fd, err);

	if (rc)
		return rc;
	backend_rings_stop(b, BACKEND_RINGS_ALL);
	backend_inflight_replace(b, &region);
	return backend_rings_start(b, err);
}

int
backend_get_inflight_fd(struct backend *b, struct exchange *x, struct err *err)
{
	struct vhost_inflight wish = x->payload->inflight;
	int fd, rc;

	rc = inflight_check(b, &wish, err);
	if (!rc)
		rc = inflight_region_create(&wish, backend_packed(b), &fd, err);
	if (rc)
		return rc;
	rc = inflight_switch(b, &wish, fd, err);
	if (rc) {
		fd_close(&fd);
		return rc;
	}
	x->reply.inflight = wish;
	x->reply_fd = fd;
	return 0;
}

int
backend_set_inflight_fd(struct backend *b, struct exchange *x, struct err *err)
{
	int rc = inflight_check(b, &x->payload->inflight, err);

	return rc ? rc : inflight_switch(b, &x->payload->inflight, x->request->fds[0], err);
}
