/* SPDX-License-Identifier: BSD-3-Clause */
#include <rte_ethdev.h>
#include <rte_ip.h>

#include "datapath/eth_offload.h"
#include "datapath/mbuf.h"
#include "datapath/offload_internal.h"

#define TSO_SIZE_MIN 256 /* below, some cards take a frame for an attack and stop the queue */
#define TSO_SIZE_MAX 9600

uint64_t
eth_offload_rx_flags(uint64_t capa, uint32_t max_frame)
{
	uint64_t wanted = RTE_ETH_RX_OFFLOAD_IPV4_CKSUM | RTE_ETH_RX_OFFLOAD_UDP_CKSUM |
			  RTE_ETH_RX_OFFLOAD_TCP_CKSUM;

	if (max_frame > MBUF_DATA)
		wanted |= RTE_ETH_RX_OFFLOAD_SCATTER;
	return wanted & capa;
}

uint64_t
eth_offload_tx_flags(uint64_t capa)
{
	return capa & (RTE_ETH_TX_OFFLOAD_IPV4_CKSUM | RTE_ETH_TX_OFFLOAD_UDP_CKSUM |
			      RTE_ETH_TX_OFFLOAD_TCP_CKSUM | RTE_ETH_TX_OFFLOAD_TCP_TSO |
			      RTE_ETH_TX_OFFLOAD_MULTI_SEGS);
}

unsigned
eth_offload_accepts(uint64_t tx_flags)
{
	const uint64_t sums = RTE_ETH_TX_OFFLOAD_UDP_CKSUM | RTE_ETH_TX_OFFLOAD_TCP_CKSUM;
	const uint64_t cuts = RTE_ETH_TX_OFFLOAD_IPV4_CKSUM | RTE_ETH_TX_OFFLOAD_TCP_TSO |
			      RTE_ETH_TX_OFFLOAD_MULTI_SEGS;

	if ((tx_flags & sums) != sums)
		return 0;
	/* How cards treat CWR differs: what asks for it is cut in software. */
	return OFFLOAD_CSUM | ((tx_flags & cuts) == cuts ? OFFLOAD_TSO4 | OFFLOAD_TSO6 : 0);
}

enum drop
eth_offload_received(const struct rte_mbuf *m, struct frame *note)
{
	uint64_t l4 = m->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK;

	if ((m->ol_flags & RTE_MBUF_F_RX_IP_CKSUM_MASK) == RTE_MBUF_F_RX_IP_CKSUM_BAD ||
		l4 == RTE_MBUF_F_RX_L4_CKSUM_BAD)
		return DROP_BAD_CHECKSUM;
	note->verified = l4 == RTE_MBUF_F_RX_L4_CKSUM_GOOD;
	return DROP_COUNT;
}

/* Whether the headers are those that every card understands. */
static bool
is_plain(const struct frame *frame, const struct offload_headers *h)
{
	unsigned offset = h->protocol == IP_PROTO_TCP ? TCP_CSUM_OFFSET : UDP_CSUM_OFFSET;
	unsigned destination = h->l3 + (h->version == 4 ? 16 : 24);

	return frame->csum_start == h->l4 && frame->csum_offset == offset &&
	       h->destination == destination && (h->version == 4 || h->l4 == h->l3 + IPV6_HEADER);
}

bool
eth_offload_fits(const struct frame *frame)
{
	struct offload_headers h;

	if (frame->needs & ~(OFFLOAD_CSUM | OFFLOAD_TSO4 | OFFLOAD_TSO6))
		return false;
	if (offload_parse(frame->data, frame->head_len, frame->len, &h) != OFFLOAD_PARSED ||
		!is_plain(frame, &h))
		return false;
	if (!(frame->needs & OFFLOAD_GSO))
		return true;
	return h.protocol == IP_PROTO_TCP && frame->gso_size >= TSO_SIZE_MIN &&
	       frame->gso_size <= TSO_SIZE_MAX;
}

void
eth_offload_request(struct rte_mbuf *m, const struct frame *frame)
{
	uint8_t *bytes = rte_pktmbuf_mtod(m, uint8_t *);
	struct offload_headers h;
	uint64_t flags;
	uint16_t sum;

	offload_parse(frame->data, frame->head_len, frame->len, &h);
	flags = h.version == 4 ? RTE_MBUF_F_TX_IPV4 : RTE_MBUF_F_TX_IPV6;
	flags |= h.protocol == IP_PROTO_TCP ? RTE_MBUF_F_TX_TCP_CKSUM : RTE_MBUF_F_TX_UDP_CKSUM;
	m->l2_len = h.l3;
	m->l3_len = (uint64_t)(h.l4 - h.l3);
	m->l4_len = (uint64_t)(h.payload - h.l4);
	if (frame->needs & OFFLOAD_GSO) {
		flags |= RTE_MBUF_F_TX_TCP_SEG;
		m->tso_segsz = frame->gso_size;
		if (h.version == 4) {
			flags |= RTE_MBUF_F_TX_IP_CKSUM;
			store16(bytes + h.l3 + 10, 0);
		}
	}
	m->ol_flags |= flags;
	/* The card adds the rest to the sum of the pseudo header; a guest's need not be right. */
	sum = h.version == 4 ? rte_ipv4_phdr_cksum((void *)(bytes + h.l3), flags)
			     : rte_ipv6_phdr_cksum((void *)(bytes + h.l3), flags);
	store_sum(bytes + h.l4 + frame->csum_offset, sum);
}
