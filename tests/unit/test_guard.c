/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Address lock and guards: each frame is shown to a port with one of them at a time, whole in
 * private memory and with only its first bytes there.
 */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "datapath/inspect.h"
#include "tests/unit/check_bench.h"

#define PASS DROP_COUNT

static const uint8_t own_mac[6] = {0x52, 0x54, 0, 0, 0, 1}, other_mac[6] = {0x52, 0x54, 0, 0, 0, 2};

/* 10.0.0.5, 192.168.0.0/16, 2001:db8::5, 2001:db8:7::/48 */
static const char own_addresses[] = "10.0.0.5,192.168.0.0/16,2001:db8::5,2001:db8:7::/48";

static struct {
	uint8_t bytes[8192];
	unsigned len;
	unsigned length_at; /* of the last IP header's length, 0 = none */
} packet;

static void
put(const void *bytes, unsigned len)
{
	memcpy(packet.bytes + packet.len, bytes, len);
	packet.len += len;
}

static void
put16(unsigned v)
{
	uint8_t b[2] = {(uint8_t)(v >> 8), (uint8_t)v};

	put(b, 2);
}

static void
zeros(unsigned len)
{
	memset(packet.bytes + packet.len, 0, len);
	packet.len += len;
}

static void
ethernet(unsigned type)
{
	memset(&packet, 0, sizeof(packet));
	put("\xff\xff\xff\xff\xff\xff", 6);
	put(own_mac, 6);
	put16(type);
}

static void
put_ip(const char *text)
{
	uint8_t b[16];
	bool v6 = strchr(text, ':');

	assert_int_equal(inet_pton(v6 ? AF_INET6 : AF_INET, text, b), 1);
	put(b, v6 ? 16 : 4);
}

static void
arp(unsigned type, unsigned op, const uint8_t *mac, const char *sender, const char *target)
{
	ethernet(type);
	put("\0\1\x08\0\6\4", 6);
	put16(op);
	put(mac, 6);
	put_ip(sender);
	zeros(6);
	put_ip(target);
	zeros(18);
}

/* Behind what is there already; total length 1000. */
static void
ipv4(const char *source, unsigned protocol, unsigned fragment, unsigned options)
{
	uint8_t first[] = {(uint8_t)(0x45 + options), 0};
	uint8_t ttl[] = {64, (uint8_t)protocol};

	put(first, 2);
	put16(1000);
	put16(1);
	put16(fragment);
	put(ttl, 2);
	put16(0);
	put_ip(source);
	put_ip("10.0.0.9");
	zeros(options * 4);
}

static void
ipv6(const char *source, unsigned next)
{
	uint8_t n[] = {(uint8_t)next, 255};

	put("\x60\0\0\0", 4);
	packet.length_at = packet.len;
	put16(0);
	put(n, 2);
	put_ip(source);
	put_ip("ff02::1");
}

/* An extension header of `size` bytes. */
static void
extension(unsigned next, unsigned size)
{
	uint8_t b[] = {(uint8_t)next, (uint8_t)(size / 8 - 1)};

	put(b, 2);
	zeros(size - 2);
}

static void
fragment(unsigned next, unsigned offset_more)
{
	uint8_t b[] = {(uint8_t)next, 0};

	put(b, 2);
	put16(offset_more);
	zeros(4);
}

static void
udp(unsigned source, unsigned destination)
{
	put16(source);
	put16(destination);
	put16(300);
	put16(0);
	zeros(260);
}

/* From a client with this address to a server; behind the UDP header. */
static void
dhcp_client(const uint8_t *mac)
{
	packet.len -= 260;
	put("\1\1\6\0", 4);
	zeros(24);
	put(mac, 6);
	zeros(226);
}

/* A message of neighbour discovery: fixed part of `fixed` bytes, target, one option. */
static void
nd(unsigned type, unsigned fixed, const char *target, unsigned option, const uint8_t *mac)
{
	uint8_t head[8] = {(uint8_t)type}, tail[2] = {(uint8_t)option, 1};

	put(head, 8);
	if (target)
		put_ip(target);
	else
		zeros(fixed - 8);
	if (option) {
		put(tail, 2);
		put(mac, 6);
	}
}

static void
finish(void)
{
	if (packet.length_at) {
		unsigned n = packet.len - packet.length_at - 36;

		packet.bytes[packet.length_at] = (uint8_t)(n >> 8);
		packet.bytes[packet.length_at + 1] = (uint8_t)n;
	}
	if (packet.len < 60)
		zeros(60 - packet.len);
}

enum { LOCK, DHCP, RA, GUARDS };

/* What becomes of the packet, when `head` bytes of it are private at first. */
static enum drop
verdict(unsigned guard, unsigned head)
{
	static struct ip_lock lock;
	struct snapshot_port *p = &check_ports[0];
	struct ip_list list;
	struct frame *f;
	uint64_t passed;

	check_bench_clear(NULL);
	assert_int_equal(parse_ip_list(own_addresses, &list), 0);
	lock.count = list.count;
	memcpy(lock.prefixes, list.prefixes, sizeof(list.prefixes));
	p->ip_lock = guard == LOCK ? &lock : NULL;
	p->dhcp_guard = guard == DHCP;
	p->ra_guard = guard == RA;
	f = head < packet.len ? check_bench_split(packet.bytes, head, packet.len)
			      : check_bench_add(packet.bytes, packet.len, packet.len);
	assert_int_equal(f->len, packet.len);
	passed = guard_in(check_worker, p, 1);
	for (enum drop d = 0; d < DROP_COUNT; d++)
		if (check_bench_drops(0, d)) {
			assert_int_equal(passed, 0);
			return d;
		}
	assert_int_equal(passed, 1);
	return PASS;
}

static void
expect_at(int line, enum drop lock, enum drop dhcp, enum drop ra)
{
	const enum drop wanted[GUARDS] = {lock, dhcp, ra};

	finish();
	for (unsigned g = 0; g < GUARDS; g++)
		for (unsigned whole = 0; whole < 2; whole++) {
			enum drop got = verdict(g,
				whole && packet.len <= FRAME_WHOLE ? packet.len : 14 + whole * 50);

			if (got != wanted[g])
				fail_msg("line %d, guard %u: %s, not %s", line, g,
					got == PASS ? "passed" : drop_name(got),
					wanted[g] == PASS ? "passed" : drop_name(wanted[g]));
		}
}

#define EXPECT(lock, dhcp, ra) expect_at(__LINE__, lock, dhcp, ra)
/* For the lock only; the guards have no say. */
#define LOCKED(lock)           EXPECT(lock, PASS, PASS)
#define BAD                    EXPECT(DROP_BAD_HEADERS, DROP_BAD_HEADERS, DROP_BAD_HEADERS)

static void
test_arp(void **state)
{
	(void)state;
	arp(0x0806, 1, own_mac, "10.0.0.5", "10.0.0.1");
	LOCKED(PASS);
	arp(0x0806, 2, own_mac, "192.168.7.7", "10.0.0.1");
	LOCKED(PASS);
	arp(0x0806, 1, own_mac, "10.0.0.6", "10.0.0.1");
	LOCKED(DROP_IP_LOCK);
	arp(0x0806, 2, own_mac, "10.0.0.1", "10.0.0.9");
	LOCKED(DROP_IP_LOCK);
	arp(0x0806, 2, other_mac, "10.0.0.5", "10.0.0.9");
	LOCKED(DROP_IP_LOCK);
	/* probes, and the announcement of a moved guest */
	arp(0x0806, 1, own_mac, "0.0.0.0", "10.0.0.5");
	LOCKED(PASS);
	arp(0x0806, 1, own_mac, "0.0.0.0", "10.0.0.6");
	LOCKED(DROP_IP_LOCK);
	arp(0x8035, 3, own_mac, "0.0.0.0", "0.0.0.0");
	LOCKED(PASS);
	arp(0x8035, 3, other_mac, "0.0.0.0", "0.0.0.0");
	LOCKED(DROP_IP_LOCK);
	/* of another kind of hardware; cut off */
	arp(0x0806, 1, own_mac, "10.0.0.5", "10.0.0.1");
	packet.bytes[15] = 6;
	LOCKED(DROP_IP_LOCK);
	arp(0x0806, 1, own_mac, "10.0.0.5", "10.0.0.1");
	packet.len = 41;
	for (unsigned g = 0; g < GUARDS; g++)
		assert_int_equal(verdict(g, 41), DROP_BAD_HEADERS);
}

static void
test_ipv4(void **state)
{
	(void)state;
	for (unsigned options = 0; options <= 10; options += 5) {
		ethernet(0x0800);
		ipv4("10.0.0.5", 6, 0, options);
		LOCKED(PASS);
		ethernet(0x0800);
		ipv4("192.169.0.1", 6, 0, options);
		LOCKED(DROP_IP_LOCK);
	}
	/* later fragments, by their address */
	ethernet(0x0800);
	ipv4("10.0.0.5", 17, 100, 0);
	LOCKED(PASS);
	ethernet(0x0800);
	ipv4("10.0.0.4", 17, 100, 0);
	LOCKED(DROP_IP_LOCK);
	/* without an address: requests to a DHCP server, and groups */
	ethernet(0x0800);
	ipv4("0.0.0.0", 17, 0, 0);
	udp(68, 67);
	dhcp_client(own_mac);
	LOCKED(PASS);
	ethernet(0x0800);
	ipv4("0.0.0.0", 17, 0, 0);
	udp(68, 67);
	dhcp_client(other_mac);
	LOCKED(DROP_IP_LOCK);
	ethernet(0x0800);
	ipv4("0.0.0.0", 17, 0, 0);
	udp(68, 69);
	LOCKED(DROP_IP_LOCK);
	ethernet(0x0800);
	ipv4("0.0.0.0", 2, 0, 1);
	LOCKED(PASS);
	ethernet(0x0800);
	ipv4("0.0.0.0", 6, 0, 0);
	LOCKED(DROP_IP_LOCK);
	/* what is no IPv4 */
	ethernet(0x0800);
	ipv4("10.0.0.5", 6, 0, 0);
	packet.bytes[14] = 0x65;
	BAD;
	ethernet(0x0800);
	ipv4("10.0.0.5", 6, 0, 0);
	packet.bytes[14] = 0x44;
	BAD;
	/* a first fragment that does not reach the ports */
	ethernet(0x0800);
	ipv4("10.0.0.5", 17, 0x2000, 10);
	packet.len = 14 + 60 + 4;
	for (unsigned g = 0; g < GUARDS; g++)
		assert_int_equal(verdict(g, packet.len), DROP_BAD_HEADERS);
	/* not IP at all */
	ethernet(0x88b5);
	LOCKED(PASS);
}

static void
test_dhcp(void **state)
{
	(void)state;
	/* 67 is where servers answer from, but clients look at the other end only. */
	for (unsigned from = 67; from < 3000; from += 1000) {
		ethernet(0x0800);
		ipv4("10.0.0.5", 17, 0, from % 3);
		udp(from, 68);
		EXPECT(PASS, DROP_DHCP_GUARD, PASS);
		ethernet(0x86dd);
		ipv6("2001:db8::5", 17);
		udp(from, 546);
		EXPECT(PASS, DROP_DHCP_GUARD, PASS);
	}
	ethernet(0x0800);
	ipv4("10.0.0.5", 17, 0x2000, 0);
	udp(67, 68);
	EXPECT(PASS, DROP_DHCP_GUARD, PASS);
	ethernet(0x0800);
	ipv4("10.0.0.5", 17, 0, 0);
	udp(1024, 546);
	EXPECT(PASS, PASS, PASS);
	ethernet(0x86dd);
	ipv6("2001:db8::5", 60);
	extension(17, 2040);
	udp(547, 546);
	/* further away than what is looked at */
	BAD;
	ethernet(0x86dd);
	ipv6("2001:db8::5", 60);
	extension(43, 400);
	extension(44, 400);
	fragment(17, 1);
	udp(547, 546);
	EXPECT(PASS, DROP_DHCP_GUARD, PASS);
}

static void
test_router(void **state)
{
	static const unsigned types[] = {134, 137};

	(void)state;
	for (unsigned t = 0; t < 2; t++) {
		unsigned fixed = t ? 40 : 16;

		ethernet(0x86dd);
		ipv6("fe80::5054:ff:fe00:1", 58);
		nd(types[t], fixed, NULL, 1, own_mac);
		EXPECT(PASS, PASS, DROP_RA_GUARD);
		/* behind extension headers of all kinds, RFC 7113 2.1 */
		ethernet(0x86dd);
		ipv6("fe80::5054:ff:fe00:1", 0);
		extension(60, 8);
		extension(43, 24);
		extension(135, 8);
		extension(139, 8);
		extension(140, 8);
		extension(51, 16);
		put("\x3a\x4\0\0", 4);
		zeros(20);
		nd(types[t], fixed, NULL, 1, own_mac);
		EXPECT(PASS, PASS, DROP_RA_GUARD);
		/* as the first of several fragments, and as the only one (RFC 6980) */
		for (unsigned more = 0; more < 2; more++) {
			ethernet(0x86dd);
			ipv6("fe80::5054:ff:fe00:1", 60);
			extension(44, 64);
			fragment(58, more);
			nd(types[t], fixed, NULL, 1, own_mac);
			EXPECT(DROP_IP_LOCK, PASS, DROP_RA_GUARD);
		}
	}
	/* RFC 7113 2.2: the message begins in the second fragment only */
	ethernet(0x86dd);
	ipv6("fe80::5054:ff:fe00:1", 44);
	fragment(60, 1);
	put("\x3a\x1f", 2);
	zeros(54);
	BAD;
	ethernet(0x86dd);
	ipv6("fe80::5054:ff:fe00:1", 44);
	fragment(60, 56 << 0 | 1);
	zeros(200);
	LOCKED(PASS);
	/* chains without end */
	ethernet(0x86dd);
	ipv6("fe80::5054:ff:fe00:1", 60);
	for (unsigned n = 0; n < 16; n++)
		extension(60, 8);
	extension(58, 8);
	nd(134, 16, NULL, 1, own_mac);
	BAD;
	ethernet(0x86dd);
	ipv6("fe80::5054:ff:fe00:1", 60);
	packet.bytes[14] = 0x40;
	BAD;
	/* no router's message */
	ethernet(0x86dd);
	ipv6("2001:db8:7:1::9", 58);
	nd(128, 8, NULL, 0, NULL);
	EXPECT(PASS, PASS, PASS);
}

/* Headers in front of the one that counts, see the advisories in datapath/inspect.c. */
static void
test_layers(void **state)
{
	static const char *const tags[] = {"\x81\0\0\0", "\x88\xa8\0\0", "\x81\0\0\5"};

	(void)state;
	for (unsigned n = 0; n < 5; n++) {
		for (unsigned snap = 0; snap < 3; snap++) {
			unsigned layers = n + (snap != 0);

			ethernet(0);
			packet.len = 12;
			for (unsigned i = 0; i < n; i++)
				put(tags[i % 3], 4);
			if (snap == 1)
				put("\0\x90\xaa\xaa\3\0\0\0", 8);
			if (snap == 2)
				put("\0\x90\xaa\xaa\3\0\0\xf8", 8);
			put("\x86\xdd", 2);
			ipv6("fe80::1", 58);
			nd(134, 16, NULL, 1, own_mac);
			if (layers > INSPECT_LAYERS)
				BAD;
			else
				EXPECT(DROP_IP_LOCK, PASS, DROP_RA_GUARD);
		}
	}
	/* LLC that is no SNAP, and SNAP of somebody's own */
	ethernet(100);
	put("\x42\x42\3", 3);
	LOCKED(PASS);
	ethernet(100);
	put("\xaa\xaa\3\0\0\xc\x20\0", 8);
	LOCKED(PASS);
	/* a tag that is cut off */
	ethernet(0x8100);
	packet.len = 17;
	for (unsigned g = 0; g < GUARDS; g++)
		assert_int_equal(verdict(g, 17), DROP_BAD_HEADERS);
}

static void
test_neighbours(void **state)
{
	static const char *const local = "fe80::5054:ff:fe00:1";

	(void)state;
	/* own addresses: given, and the one made of the MAC address */
	ethernet(0x86dd);
	ipv6("2001:db8::5", 6);
	zeros(20);
	LOCKED(PASS);
	ethernet(0x86dd);
	ipv6("2001:db8::6", 6);
	zeros(20);
	LOCKED(DROP_IP_LOCK);
	ethernet(0x86dd);
	ipv6("fe80::5054:ff:fe00:2", 6);
	zeros(20);
	LOCKED(DROP_IP_LOCK);
	/* solicitations */
	ethernet(0x86dd);
	ipv6(local, 58);
	nd(135, 24, "2001:db8::1", 1, own_mac);
	LOCKED(PASS);
	ethernet(0x86dd);
	ipv6(local, 58);
	nd(135, 24, "2001:db8::1", 1, other_mac);
	LOCKED(DROP_IP_LOCK);
	ethernet(0x86dd);
	ipv6("::", 58);
	nd(135, 24, "2001:db8:7::99", 0, NULL);
	LOCKED(PASS);
	ethernet(0x86dd);
	ipv6("::", 58);
	nd(135, 24, "2001:db8:8::99", 0, NULL);
	LOCKED(DROP_IP_LOCK);
	/* advertisements */
	ethernet(0x86dd);
	ipv6("2001:db8::5", 58);
	nd(136, 24, "2001:db8::5", 2, own_mac);
	LOCKED(PASS);
	ethernet(0x86dd);
	ipv6("2001:db8::5", 58);
	nd(136, 24, "2001:db8::1", 2, own_mac);
	LOCKED(DROP_IP_LOCK);
	ethernet(0x86dd);
	ipv6("2001:db8::5", 58);
	nd(136, 24, "2001:db8::5", 2, other_mac);
	LOCKED(DROP_IP_LOCK);
	/* behind another option (CVE-2023-5366), and options without end */
	ethernet(0x86dd);
	ipv6("2001:db8::5", 58);
	nd(136, 24, "2001:db8::5", 14, own_mac);
	put("\2\1\x52\x54\0\0\0\2", 8);
	LOCKED(DROP_IP_LOCK);
	ethernet(0x86dd);
	ipv6("2001:db8::5", 58);
	nd(136, 24, "2001:db8::5", 0, NULL);
	zeros(8);
	LOCKED(DROP_IP_LOCK);
	ethernet(0x86dd);
	ipv6("2001:db8::5", 58);
	nd(136, 24, "2001:db8::5", 0, NULL);
	put("\2\2\x52\x54\0\0\0\1", 8);
	LOCKED(DROP_IP_LOCK);
	/* cut off in the middle of the target */
	ethernet(0x86dd);
	ipv6("2001:db8::5", 58);
	put("\x88\0\0\0\0\0\0\0\x20\x01", 10);
	LOCKED(DROP_IP_LOCK);
}

/* What may be said without an address of one's own. */
static void
test_anonymous(void **state)
{
	(void)state;
	ethernet(0x86dd);
	ipv6("::", 58);
	nd(133, 8, NULL, 0, NULL);
	LOCKED(PASS);
	ethernet(0x86dd);
	ipv6("::", 0);
	extension(58, 8);
	nd(143, 8, NULL, 0, NULL);
	LOCKED(PASS);
	ethernet(0x86dd);
	ipv6("::", 58);
	nd(136, 24, "2001:db8::5", 0, NULL);
	LOCKED(DROP_IP_LOCK);
	ethernet(0x86dd);
	ipv6("::", 17);
	udp(546, 547);
	LOCKED(DROP_IP_LOCK);
}

/* Whatever a frame says, reading stays inside it; a sanitizer sees to that. */
static void
test_rubbish(void **state)
{
	(void)state;
	srand(7);
	for (unsigned round = 0; round < 5000; round++) {
		static const uint16_t types[] = {0x0800, 0x0806, 0x86dd, 0x8100, 0x88a8, 100};
		unsigned len = 14 + (unsigned)rand() % 300, head;
		uint8_t *bytes;
		struct inspect found;

		ethernet(types[rand() % 6]);
		while (packet.len < len) {
			static const uint8_t likely[] = {
				0x60, 0x45, 0, 0, 1, 44, 58, 17, 60, 135, 136, 0x81, 0xaa, 68};
			uint8_t b = rand() % 3 ? likely[rand() % 14] : (uint8_t)rand();

			put(&b, 1);
		}
		head = 14 + (unsigned)rand() % (len - 13);
		bytes = malloc(head);
		memcpy(bytes, packet.bytes, head);
		if (inspect_bytes(bytes, head, len, &found) == INSPECT_MORE)
			assert_true(head < len);
		free(bytes);
		for (unsigned g = 0; g < GUARDS; g++)
			verdict(g, head);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_arp),
		cmocka_unit_test(test_ipv4),
		cmocka_unit_test(test_dhcp),
		cmocka_unit_test(test_router),
		cmocka_unit_test(test_layers),
		cmocka_unit_test(test_neighbours),
		cmocka_unit_test(test_anonymous),
		cmocka_unit_test(test_rubbish),
	};

	return cmocka_run_group_tests(tests, check_bench_start, check_bench_stop);
}
