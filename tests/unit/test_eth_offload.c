/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a card gets to see of guests' requests: plain headers only, sums of pseudo headers our own.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <rte_ethdev.h>
#include <rte_mbuf.h>

#include "datapath/eth_offload.h"
#include "datapath/mbuf.h"

#define FULL                                                                \
	(RTE_ETH_TX_OFFLOAD_IPV4_CKSUM | RTE_ETH_TX_OFFLOAD_UDP_CKSUM |     \
		RTE_ETH_TX_OFFLOAD_TCP_CKSUM | RTE_ETH_TX_OFFLOAD_TCP_TSO | \
		RTE_ETH_TX_OFFLOAD_MULTI_SEGS)

struct sample {
	struct frame frame;
	uint8_t bytes[256];
	unsigned l4;
};

/* A TCP frame of 256 bytes, IPv4 (with `options` bytes of NOPs) or IPv6, with or without a tag. */
static void
make(struct sample *s, bool six, bool tagged, unsigned options)
{
	unsigned l3 = tagged ? 18 : 14;
	uint8_t *ip = s->bytes + l3;

	memset(s, 0, sizeof(*s));
	if (tagged)
		memcpy(s->bytes + 12, "\x81\x00\x00\x07", 4);
	memcpy(s->bytes + l3 - 2, six ? "\x86\xdd" : "\x08\x00", 2);
	s->l4 = l3 + (six ? 40 : 20 + options);
	if (six) {
		ip[0] = 0x60;
		ip[5] = (uint8_t)(sizeof(s->bytes) - l3 - 40);
		ip[6] = 6;
	} else {
		ip[0] = (uint8_t)(0x45 + options / 4);
		ip[3] = (uint8_t)(sizeof(s->bytes) - l3);
		ip[9] = 6;
		ip[10] = 0x12;
		memset(ip + 20, 1, options);
	}
	s->bytes[s->l4 + 12] = 0x50;
	memset(s->bytes + s->l4 + 16, 0xee, 2);
	s->frame = (struct frame){.data = s->bytes,
		.len = sizeof(s->bytes),
		.head_len = sizeof(s->bytes),
		.needs = OFFLOAD_CSUM | (six ? OFFLOAD_TSO6 : OFFLOAD_TSO4),
		.gso_size = 1400,
		.csum_start = (uint16_t)s->l4,
		.csum_offset = 16};
}

static void
test_capabilities(void **state)
{
	assert_int_equal(eth_offload_accepts(0), 0);
	assert_int_equal(eth_offload_accepts(eth_offload_tx_flags(UINT64_MAX)),
		OFFLOAD_CSUM | OFFLOAD_TSO4 | OFFLOAD_TSO6);
	assert_int_equal(eth_offload_accepts(FULL & ~RTE_ETH_TX_OFFLOAD_MULTI_SEGS), OFFLOAD_CSUM);
	assert_int_equal(eth_offload_accepts(FULL & ~RTE_ETH_TX_OFFLOAD_UDP_CKSUM), 0);
	assert_true(eth_offload_rx_flags(UINT64_MAX, 9000) & RTE_ETH_RX_OFFLOAD_SCATTER);
	assert_false(eth_offload_rx_flags(UINT64_MAX, 1518) & RTE_ETH_RX_OFFLOAD_SCATTER);
}

static void
test_what_fits(void **state)
{
	struct sample s;

	for (unsigned i = 0; i < 4; i++) {
		make(&s, i & 1, i & 2, 0);
		assert_true(eth_offload_fits(&s.frame));
		s.frame.gso_size = 100;
		assert_false(eth_offload_fits(&s.frame));
		s.frame.gso_size = 60000;
		assert_false(eth_offload_fits(&s.frame));
		make(&s, i & 1, i & 2, 0);
		s.frame.needs |= OFFLOAD_ECN;
		assert_false(eth_offload_fits(&s.frame));
		s.frame.needs = OFFLOAD_CSUM | OFFLOAD_USO;
		assert_false(eth_offload_fits(&s.frame));
		make(&s, i & 1, i & 2, 0);
		s.frame.csum_start += 2;
		assert_false(eth_offload_fits(&s.frame));
		make(&s, i & 1, i & 2, 0);
		s.frame.head_len = 30;
		assert_false(eth_offload_fits(&s.frame));
	}
	make(&s, false, false, 8);
	assert_true(eth_offload_fits(&s.frame));
	/* A source route: the sum is about another address than the header's. */
	memcpy(s.bytes + 34, "\x83\x07\x04\x0a\x00\x00\x01\x00", 8);
	assert_false(eth_offload_fits(&s.frame));
}

static void
test_request(void **state)
{
	union {
		struct rte_mbuf m;
		uint8_t room[sizeof(struct rte_mbuf) + 512];
	} copy;
	struct sample s;

	for (unsigned i = 0; i < 4; i++) {
		bool six = i & 1;

		make(&s, six, i & 2, 0);
		memset(&copy, 0, sizeof(copy));
		copy.m.buf_addr = copy.room + sizeof(struct rte_mbuf);
		memcpy(copy.m.buf_addr, s.bytes, sizeof(s.bytes));
		eth_offload_request(&copy.m, &s.frame);
		assert_int_equal(copy.m.l2_len, i & 2 ? 18 : 14);
		assert_int_equal(copy.m.l3_len, six ? 40 : 20);
		assert_int_equal(copy.m.l4_len, 20);
		assert_int_equal(copy.m.tso_segsz, 1400);
		assert_true(copy.m.ol_flags & RTE_MBUF_F_TX_TCP_SEG);
		assert_true(copy.m.ol_flags & (six ? RTE_MBUF_F_TX_IPV6 : RTE_MBUF_F_TX_IP_CKSUM));
		/* All addresses 0: the pseudo header's sum is the protocol's number. */
		assert_memory_equal((uint8_t *)copy.m.buf_addr + s.l4 + 16, "\x00\x06", 2);
		/* The guest's own bytes are left alone. */
		assert_int_equal(s.bytes[s.l4 + 16], 0xee);
	}
}

static void
test_received(void **state)
{
	struct frame note = {0};
	struct rte_mbuf m;

	memset(&m, 0, sizeof(m));
	assert_int_equal(eth_offload_received(&m, &note), DROP_COUNT);
	assert_int_equal(note.verified, 0);
	m.ol_flags = RTE_MBUF_F_RX_L4_CKSUM_GOOD;
	assert_int_equal(eth_offload_received(&m, &note), DROP_COUNT);
	assert_int_equal(note.verified, 1);
	m.ol_flags = RTE_MBUF_F_RX_L4_CKSUM_BAD;
	assert_int_equal(eth_offload_received(&m, &note), DROP_BAD_CHECKSUM);
	m.ol_flags = RTE_MBUF_F_RX_IP_CKSUM_BAD | RTE_MBUF_F_RX_L4_CKSUM_GOOD;
	assert_int_equal(eth_offload_received(&m, &note), DROP_BAD_CHECKSUM);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_capabilities),
		cmocka_unit_test(test_what_fits),
		cmocka_unit_test(test_request),
		cmocka_unit_test(test_received),
	};

	return cmocka_run_group_tests_name("eth_offload", tests, NULL, NULL);
}
