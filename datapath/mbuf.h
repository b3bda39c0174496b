/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * mbuf: frames that must outlive their burst become rte_mbufs (for a NIC, for another worker), and
 * frames that arrive in mbufs become frames.
 *
 * The mbuf's private area keeps the frame's description, so nothing is lost on the way between two
 * workers.  Pools are created at the first need: a daemon with vhost-user ports and one worker has
 * none.
 */
#ifndef DATAPATH_MBUF_H
#define DATAPATH_MBUF_H

#include <rte_mbuf.h>

#include "datapath/frame.h"
#include "lib/err.h"

#define MBUF_DATA 2048 /* payload bytes of one mbuf; longer frames are chains */

/* What of a struct frame survives, and where a handed-off frame goes. */
struct mbuf_note {
	struct frame frame; /* data and segs are meaningless here */
	uint16_t port;      /* destination */
	uint16_t queue;
	uint16_t mirror;     /* whose copy it is, its number + 1; 0 = it is no copy */
	uint32_t generation; /* of the destination, see snapshot_port */
};

/* The daemon's pool; created at the first call, on the control thread.  NULL and err on failure. */
struct rte_mempool *mbuf_pool(struct err *err);

/* The one of frames that wait (datapath/shape.h), of that size at the first call.  As above. */
struct rte_mempool *mbuf_pool_waiting(unsigned count, struct err *err);

/* The one of copies that mirrors hand to another worker.  As above. */
struct rte_mempool *mbuf_pool_copies(struct err *err);

/* A pool for the rings of one card with so many queue pairs; freed by its owner.  As above. */
struct rte_mempool *mbuf_pool_create(unsigned id, unsigned queues, struct err *err);

/*
 * worker: a private copy of the whole frame, NULL when the pool is empty.  The sender's memory may
 * fail under the copy (lib/fault.h): until the caller has passed on what it got, at most FRAME_BURST
 * of them, and says mbuf_settle(), they belong to the thread, and mbuf_abandon() frees them.
 */
struct rte_mbuf *mbuf_from_frame(struct rte_mempool *pool, const struct frame *frame);
void mbuf_settle(void);
void mbuf_abandon(void);

static inline struct mbuf_note *
mbuf_note(struct rte_mbuf *m)
{
	return rte_mbuf_to_priv(m);
}

/*
 * worker: appends a frame to the burst that describes this mbuf: head copied, the rest as segments
 * into the mbuf, cookie = the mbuf; the offload request and the tag state come from the note.
 * false: the burst has no room, and nothing was changed.
 */
bool mbuf_to_burst(struct rte_mbuf *m, struct burst *burst);

#endif
