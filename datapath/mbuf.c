/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <rte_errno.h>
#include <rte_mempool.h>

#include "datapath/mbuf.h"

#define POOL_MBUFS       4095 /* about 10 MiB */
#define POOL_COPIES      2047
#define POOL_CACHE       128
/* Descriptors of both rings of a queue pair, and those of frames on their way. */
#define CARD_QUEUE_MBUFS 2048

/* What this thread has made and not passed on yet. */
static _Thread_local struct {
	unsigned count;
	struct rte_mbuf *mbufs[FRAME_BURST];
} under_way;

static struct rte_mempool *
create(const char *name, unsigned count, struct err *err)
{
	struct rte_mempool *pool = rte_pktmbuf_pool_create(name, count, POOL_CACHE,
		RTE_ALIGN(sizeof(struct mbuf_note), RTE_MBUF_PRIV_ALIGN),
		RTE_PKTMBUF_HEADROOM + MBUF_DATA, SOCKET_ID_ANY);

	if (!pool)
		err_set(err, -ENOMEM,
			"no memory for %u packet buffers (%s): free some, or give the "
			"daemon more with hugepages",
			count, rte_strerror(rte_errno));
	return pool;
}

struct rte_mempool *
mbuf_pool(struct err *err)
{
	static struct rte_mempool *pool;

	if (!pool)
		pool = create("patchbay", POOL_MBUFS, err);
	return pool;
}

struct rte_mempool *
mbuf_pool_waiting(unsigned count, struct err *err)
{
	static struct rte_mempool *pool;

	if (!pool)
		pool = create("waiting", count, err);
	return pool;
}

struct rte_mempool *
mbuf_pool_copies(struct err *err)
{
	static struct rte_mempool *pool;

	if (!pool)
		pool = create("copies", POOL_COPIES, err);
	return pool;
}

struct rte_mempool *
mbuf_pool_create(unsigned id, unsigned queues, struct err *err)
{
	char name[RTE_MEMPOOL_NAMESIZE];

	snprintf(name, sizeof(name), "card%u", id);
	return create(name, queues * CARD_QUEUE_MBUFS + POOL_MBUFS / 2, err);
}

/* Appends bytes to the chain that starts at head; *tail is its last mbuf. */
static bool
append(struct rte_mempool *pool, struct rte_mbuf *head, struct rte_mbuf **tail, const uint8_t *from,
	uint32_t len)
{
	while (len) {
		uint32_t room = rte_pktmbuf_tailroom(*tail), n = len < room ? len : room;

		if (!n) {
			struct rte_mbuf *next = rte_pktmbuf_alloc(pool);

			if (!next)
				return false;
			(*tail)->next = next;
			*tail = next;
			head->nb_segs++;
			continue;
		}
		memcpy(rte_pktmbuf_mtod_offset(*tail, uint8_t *, (*tail)->data_len), from, n);
		(*tail)->data_len = (uint16_t)((*tail)->data_len + n);
		head->pkt_len += n;
		from += n;
		len -= n;
	}
	return true;
}

struct rte_mbuf *
mbuf_from_frame(struct rte_mempool *pool, const struct frame *frame)
{
	struct rte_mbuf *head, *tail;
	bool ok;

	head = under_way.count < FRAME_BURST ? rte_pktmbuf_alloc(pool) : NULL;
	if (!head)
		return NULL;
	under_way.mbufs[under_way.count++] = head;
	tail = head;
	ok = append(pool, head, &tail, frame->data, frame->head_len);
	for (unsigned s = 0; ok && s < frame->seg_count; s++)
		ok = append(pool, head, &tail, frame->segs[s].addr, frame->segs[s].len);
	if (!ok) {
		under_way.count--;
		rte_pktmbuf_free(head);
		return NULL;
	}
	mbuf_note(head)->frame = *frame;
	return head;
}

void
mbuf_settle(void)
{
	under_way.count = 0;
}

void
mbuf_abandon(void)
{
	rte_pktmbuf_free_bulk(under_way.mbufs, under_way.count);
	under_way.count = 0;
}

bool
mbuf_to_burst(struct rte_mbuf *m, struct burst *burst)
{
	const struct frame *note = &mbuf_note(m)->frame;
	struct frame_seg *segs = &burst->segs[burst->segs_used];
	uint32_t len = rte_pktmbuf_pkt_len(m), head, skip;
	struct frame *f = &burst->frames[burst->count];
	uint8_t *bytes = burst->slots[burst->count].bytes;
	const uint8_t *read;
	unsigned n = 0;

	if (burst->count == FRAME_BURST || burst->segs_used + m->nb_segs > FRAME_SEGS)
		return false;
	head = len <= FRAME_WHOLE ? len : FRAME_PREFIX;
	read = rte_pktmbuf_read(m, 0, head, bytes);
	if (!read)
		return false;
	if (read != bytes)
		memcpy(bytes, read, head);
	skip = head;
	for (const struct rte_mbuf *s = m; s; s = s->next) {
		uint32_t from = skip < s->data_len ? skip : s->data_len;

		skip -= from;
		if (s->data_len == from)
			continue;
		segs[n].addr = rte_pktmbuf_mtod_offset(s, const uint8_t *, from);
		segs[n++].len = s->data_len - from;
	}
	*f = *note;
	f->data = bytes;
	f->segs = segs;
	f->len = len;
	f->head_len = (uint16_t)head;
	f->seg_count = (uint16_t)n;
	burst->cookie[burst->count++] = m;
	burst->segs_used = (uint16_t)(burst->segs_used + n);
	burst->bytes += len;
	return true;
}
