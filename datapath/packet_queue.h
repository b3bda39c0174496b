/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * packet_queue: one AF_PACKET socket on a kernel interface: a ring of received frames that the
 * kernel writes, and a staging area for frames to send.
 *
 * Both directions carry a struct virtio_net_hdr (PACKET_VNET_HDR, packet(7)), so that checksums and
 * segmentation that one side left undone stay so: nothing is lost between the kernel and a guest.
 *
 * Received frames stay in the ring until they were forwarded.  The ring's slots hold a frame of the
 * interface's MTU; for a longer one, which the kernel has joined or not cut yet, it keeps a copy in
 * the socket's queue (PACKET_COPY_THRESH) that one recvmsg() fetches.
 *
 * Threads: made and destroyed on the control thread; used by one worker at a time.
 */
#ifndef DATAPATH_PACKET_QUEUE_H
#define DATAPATH_PACKET_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "datapath/frame.h"
#include "lib/err.h"
#include "lib/needs.h"

#define PACKET_SLOTS      1024
#define PACKET_LONG_MAX   4 /* long frames in one burst */
#define PACKET_LONG_SIZE  (FRAME_LEN_MAX + 15)
#define PACKET_SEND_MAX   256        /* frames of one turn */
#define PACKET_SEND_BYTES (1u << 20) /* and their bytes */
#define PACKET_VNET_SIZE  10         /* struct virtio_net_hdr */

struct packet_queue {
	int fd;
	uint8_t *ring; /* PACKET_SLOTS slots */
	size_t ring_size, slot_size;
	unsigned next;        /* the slot looked at next */
	unsigned taken;       /* slots before it that are not given back */
	uint8_t *long_frames; /* [PACKET_LONG_MAX][PACKET_LONG_SIZE] */
	unsigned long_used;

	uint8_t *staged; /* [PACKET_SEND_BYTES] */
	size_t staged_bytes;
	unsigned staged_count;
	struct mmsghdr messages[PACKET_SEND_MAX];
	struct iovec parts[PACKET_SEND_MAX];
};

/*
 * ifindex: the interface; mtu: its own.  fanout: 0, or the group that shares the interface's frames
 * by flow, *fanout is set by the first socket of the group (when it is -1).
 */
int packet_queue_create(
	struct packet_queue **queue, int ifindex, unsigned mtu, int *fanout, struct err *err);
void packet_queue_destroy(struct packet_queue *queue);

/* Forgets an error that the socket has for the next call. */
void packet_queue_clear_error(const struct packet_queue *queue);
/* Frames that the kernel had no room for since the last call. */
unsigned packet_queue_lost(const struct packet_queue *queue);

/* For afpacket ports. */
extern const struct needs packet_needs;

#endif
