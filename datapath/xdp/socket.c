/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/if_xdp.h>
#include <xdp/libxdp.h>

#include "datapath/xdp/socket.h"

/* Linux 6.6; the headers of Debian 12 are older. */
#define BIND_PIECES (1u << 4) /* XDP_USE_SG */

/* The kernel accounts packet memory as locked memory, per user. */
static int
allow_locked(size_t size, struct err *err)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_MEMLOCK, &limit) < 0 || limit.rlim_cur == RLIM_INFINITY)
		return 0;
	/* Unlimited if we may, else as much as we may. */
	if (setrlimit(RLIMIT_MEMLOCK, &(struct rlimit){RLIM_INFINITY, RLIM_INFINITY}) == 0)
		return 0;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_MEMLOCK, &limit);
	if (limit.rlim_cur < size)
		return err_set(err, -ENOBUFS,
			"%zu KiB of locked memory are needed per queue, and the limit is %llu KiB: "
			"`ulimit -l unlimited`, systemd: LimitMEMLOCK=infinity",
			size / 1024, (unsigned long long)limit.rlim_cur / 1024);
	return 0;
}

static int
open_memory(struct xdp_socket *s, struct err *err)
{
	const struct xsk_umem_config config = {
		.fill_size =
			XDP_RING * 2, /* some drivers take ahead more than they have returned */
		.comp_size = XDP_RING,
		.frame_size = s->chunk,
	};
	void *memory;
	int rc;

	s->size = (size_t)s->chunk * XDP_RING * 2;
	rc = allow_locked(s->size, NULL);
	memory = mmap(NULL, s->size, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (memory == MAP_FAILED)
		return err_set(err, -errno, "no memory for packets: %s", strerror(errno));
	s->memory = memory;
	rc = xsk_umem__create(&s->umem, s->memory, s->size, &s->fill, &s->completion, &config);
	if (rc == -ENOBUFS && allow_locked(s->size, err) < 0)
		return rc;
	if (rc == -ENOBUFS)
		return err_set(err, rc,
			"%zu KiB of locked memory are needed per queue, which is over the limit: "
			"`ulimit -l unlimited`, systemd: LimitMEMLOCK=infinity",
			s->size / 1024);
	if (rc == -EPERM)
		return err_set(err, rc, "AF_XDP sockets need CAP_NET_RAW");
	if (rc == -EAFNOSUPPORT)
		return err_set(err, rc,
			"the kernel has no AF_XDP sockets (CONFIG_XDP_SOCKETS): use an afpacket port");
	if (rc < 0)
		return err_set(err, rc, "packet memory is refused: %s", strerror(-rc));
	return 0;
}

static int
open_socket(struct xdp_socket *s, const struct xdp_socket_options *options, struct err *err)
{
	/* Zero-copy where the driver can: the kernel decides when neither is asked for. */
	const struct xsk_socket_config config = {
		.rx_size = XDP_RING,
		.tx_size = XDP_RING,
		.libxdp_flags = XSK_LIBXDP_FLAGS__INHIBIT_PROG_LOAD,
		.bind_flags = (uint16_t)(XDP_USE_NEED_WAKEUP | (s->pieces ? BIND_PIECES : 0)),
	};
	struct xdp_options kind = {0};
	socklen_t size = sizeof(kind);
	int rc = xsk_socket__create(
		&s->xsk, options->dev, options->queue, s->umem, &s->rx, &s->tx, &config);

	if (rc < 0)
		s->xsk = NULL;
	if (rc == -EBUSY)
		return err_set(err, rc,
			"another process has an AF_XDP socket on queue %u of %s: end it, see `ss -f xdp`",
			options->queue, options->dev);
	if (rc == -EINVAL && s->pieces)
		return err_set(err, -EOPNOTSUPP, "frames in pieces need Linux 6.6");
	if (rc < 0)
		return err_set(err, rc, "no AF_XDP socket on queue %u of %s: %s", options->queue,
			options->dev, strerror(-rc));
	s->fd = xsk_socket__fd(s->xsk);
	if (getsockopt(s->fd, SOL_XDP, XDP_OPTIONS, &kind, &size) == 0)
		s->zero_copy = kind.flags & XDP_OPTIONS_ZEROCOPY;
	return 0;
}

/* The first half of the chunks is the kernel's, to receive into. */
static void
share_out(struct xdp_socket *s)
{
	uint32_t at;

	if (xsk_ring_prod__reserve(&s->fill, XDP_RING, &at) == XDP_RING) {
		for (uint32_t i = 0; i < XDP_RING; i++)
			*xsk_ring_prod__fill_addr(&s->fill, at + i) = (uint64_t)i * s->chunk;
		xsk_ring_prod__submit(&s->fill, XDP_RING);
	}
	for (uint32_t i = 0; i < XDP_RING; i++)
		s->free[i] = (uint64_t)(XDP_RING + i) * s->chunk;
	s->free_count = XDP_RING;
}

int
xdp_socket_open(struct xdp_socket **out, const struct xdp_socket_options *options, struct err *err)
{
	struct xdp_socket *s = calloc(1, sizeof(*s));
	int rc;

	if (!s)
		return err_set(err, -ENOMEM, "out of memory");
	s->chunk = options->chunk;
	s->pieces = options->pieces;
	s->fd = -1;
	rc = open_memory(s, err);
	if (rc == 0)
		rc = open_socket(s, options, err);
	if (rc < 0) {
		xdp_socket_close(s);
		return rc;
	}
	share_out(s);
	*out = s;
	return 0;
}

void
xdp_socket_close(struct xdp_socket *s)
{
	if (!s)
		return;
	xsk_socket__delete(s->xsk);
	if (s->umem)
		xsk_umem__delete(s->umem);
	if (s->memory)
		munmap(s->memory, s->size);
	free(s);
}
