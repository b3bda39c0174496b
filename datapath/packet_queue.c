/* SPDX-License-Identifier: BSD-3-Clause */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <linux/capability.h>

#include "datapath/packet_queue.h"

/* CAP_NET_ADMIN is for buffers larger than the system's limit. */
static const struct needs_call packet_calls[] = {
	NEEDS_CALL(sendmmsg), NEEDS_SOCKET(AF_PACKET), NEEDS_NO_MORE};

const struct needs packet_needs = {
	.capabilities = NEEDS_CAPABILITY(CAP_NET_ADMIN) | NEEDS_CAPABILITY(CAP_NET_RAW),
	.calls = packet_calls,
};

#define SLOT_OVERHEAD 128        /* struct tpacket2_hdr, address, virtio-net header, tags */
#define SOCKET_BYTES  (8u << 20) /* of long frames, and of frames on their way out */
#define BLOCK_SLOTS   32

static int
set_option(int fd, int name, int value)
{
	return setsockopt(fd, SOL_PACKET, name, &value, sizeof(value)) < 0 ? -errno : 0;
}

static void
set_buffers(int fd)
{
	int bytes = SOCKET_BYTES;

	/* Without CAP_NET_ADMIN the system's limit has to do. */
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes)) < 0)
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
	if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof(bytes)) < 0)
		setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
}

static int
make_ring(struct packet_queue *q, unsigned mtu)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	struct tpacket_req request;
	void *map;
	int r;

	q->slot_size = 2048;
	while (q->slot_size < mtu + SLOT_OVERHEAD && q->slot_size < 65536)
		q->slot_size *= 2;
	request.tp_frame_size = (unsigned)q->slot_size;
	request.tp_block_size = (unsigned)(q->slot_size * BLOCK_SLOTS);
	request.tp_frame_nr = PACKET_SLOTS;
	request.tp_block_nr = PACKET_SLOTS / BLOCK_SLOTS;
	if (request.tp_block_size % page)
		return -EINVAL;
	r = set_option(q->fd, PACKET_VERSION, TPACKET_V2);
	/* The header must be asked for before there is a ring. */
	if (!r)
		r = set_option(q->fd, PACKET_VNET_HDR, 1);
	if (!r)
		r = set_option(q->fd, PACKET_COPY_THRESH, 1);
	if (!r && setsockopt(q->fd, SOL_PACKET, PACKET_RX_RING, &request, sizeof(request)) < 0)
		r = -errno;
	if (r)
		return r;
	q->ring_size = (size_t)request.tp_block_size * request.tp_block_nr;
	map = mmap(NULL, q->ring_size, PROT_READ | PROT_WRITE, MAP_SHARED, q->fd, 0);
	if (map == MAP_FAILED)
		return -errno;
	q->ring = map;
	return 0;
}

static int
join(struct packet_queue *q, int ifindex, int *fanout)
{
	struct sockaddr_ll address = {
		.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL), .sll_ifindex = ifindex};
	struct packet_mreq promiscuous = {.mr_ifindex = ifindex, .mr_type = PACKET_MR_PROMISC};
	socklen_t size = sizeof(*fanout);
	int r = set_option(q->fd, PACKET_IGNORE_OUTGOING, 1);

	if (!r && bind(q->fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		r = -errno;
	if (!r && setsockopt(q->fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &promiscuous,
			  sizeof(promiscuous)) < 0)
		r = -errno;
	if (r || !*fanout)
		return r;
	if (*fanout > 0)
		return set_option(q->fd, PACKET_FANOUT, *fanout);
	r = set_option(
		q->fd, PACKET_FANOUT, (PACKET_FANOUT_HASH | PACKET_FANOUT_FLAG_UNIQUEID) << 16);
	if (!r && getsockopt(q->fd, SOL_PACKET, PACKET_FANOUT, fanout, &size) < 0)
		r = -errno;
	/* The number only: others join, they do not ask for a new one. */
	*fanout = (*fanout & 0xffff) | PACKET_FANOUT_HASH << 16;
	return r;
}

int
packet_queue_create(
	struct packet_queue **queue, int ifindex, unsigned mtu, int *fanout, struct err *err)
{
	struct packet_queue *q = calloc(1, sizeof(*q));
	int r;

	if (!q)
		return err_set(err, -ENOMEM, "no memory for a port");
	/* No protocol: nothing is received before bind(). */
	q->fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	r = q->fd < 0 ? -errno : 0;
	q->long_frames = malloc((size_t)PACKET_LONG_MAX * PACKET_LONG_SIZE);
	q->staged = malloc(PACKET_SEND_BYTES);
	if (!r && (!q->long_frames || !q->staged))
		r = -ENOMEM;
	if (!r) {
		set_buffers(q->fd);
		r = make_ring(q, mtu);
	}
	if (!r)
		r = join(q, ifindex, fanout);
	if (r) {
		packet_queue_destroy(q);
		if (r == -EPERM || r == -EACCES)
			return err_set(err, r,
				"frames of a kernel interface can't be had (%s): the daemon needs "
				"CAP_NET_RAW",
				strerror(-r));
		return err_set(err, r, "a packet socket (packet(7)): %s", strerror(-r));
	}
	*queue = q;
	return 0;
}

void
packet_queue_destroy(struct packet_queue *q)
{
	if (!q)
		return;
	if (q->ring)
		munmap(q->ring, q->ring_size);
	if (q->fd >= 0)
		close(q->fd);
	free(q->long_frames);
	free(q->staged);
	free(q);
}

void
packet_queue_clear_error(const struct packet_queue *q)
{
	socklen_t size = sizeof(int);
	int error;

	getsockopt(q->fd, SOL_SOCKET, SO_ERROR, &error, &size);
}

unsigned
packet_queue_lost(const struct packet_queue *q)
{
	struct tpacket_stats stats = {0};
	socklen_t size = sizeof(stats);

	if (getsockopt(q->fd, SOL_PACKET, PACKET_STATISTICS, &stats, &size) < 0)
		return 0;
	return stats.tp_drops;
}
