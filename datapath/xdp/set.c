/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>

#include <linux/if_ether.h>

#include "datapath/xdp/set.h"
#include "lib/clock.h"

#define TAGS_MAX      8
#define BUSY_MS       5000
#define BUSY_PAUSE_MS 20
/* The longest MTU whose frames fit one descriptor. */
#define MTU_ONE       (XDP_CHUNK_LONG - XDP_HEADROOM - ETH_HLEN - TAGS_MAX)

/*
 * The kernel takes a socket of a process that was killed off its queue some time after the end of the
 * process, and tells nobody: the queue is asked for again for a while.
 */
static int
open_socket(struct xdp_socket **socket, const struct xdp_socket_options *options, struct err *err)
{
	uint64_t end = clock_ns() + BUSY_MS * UINT64_C(1000000);
	int rc;

	while ((rc = xdp_socket_open(socket, options, err)) == -EBUSY && clock_ns() < end)
		poll(NULL, 0, BUSY_PAUSE_MS);
	return rc;
}

int
xdp_set_open(struct xdp_set **out, const struct xdp_set_options *options, struct err *err)
{
	struct xdp_set *set = calloc(1, sizeof(*set));
	unsigned len = options->mtu + ETH_HLEN + TAGS_MAX;
	struct xdp_socket_options socket = {
		.dev = options->dev,
		.chunk = len <= XDP_CHUNK - XDP_HEADROOM ? XDP_CHUNK : XDP_CHUNK_LONG,
		.pieces = options->mtu > MTU_ONE,
	};
	int rc = set ? 0 : err_set(err, -ENOMEM, "out of memory");

	for (; rc == 0 && socket.queue < options->queues; socket.queue++) {
		rc = open_socket(&set->sockets[socket.queue], &socket, err);
		set->queues += rc == 0;
	}
	if (rc == -EOPNOTSUPP && socket.pieces)
		err_set(err, rc,
			"the MTU of %s is %u; this kernel's AF_XDP takes %u, Linux 6.6 and later more: "
			"`ip link set %s mtu %u`",
			options->dev, options->mtu, MTU_ONE, options->dev, MTU_ONE);
	if (rc == 0)
		rc = group_open(&set->group, options->ifindex, options->mtu, err);
	if (rc < 0) {
		xdp_set_close(set);
		return rc;
	}
	set->max_len = options->mtu + ETH_HLEN;
	*out = set;
	return 0;
}

void
xdp_set_close(struct xdp_set *set)
{
	if (!set)
		return;
	for (unsigned q = 0; q < set->queues; q++)
		xdp_socket_close(set->sockets[q]);
	group_close(set->group);
	free(set);
}
