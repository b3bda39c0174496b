/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The check of ports whose other end is not trusted with its addresses: IP, ARP and neighbour
 * discovery are held to the port's own addresses, and what only DHCP servers and routers say is
 * refused (RFC 6105, RFC 7113, RFC 6980, RFC 7610; ARP as RFC 5227 has it).
 *
 * Threat model: the sender is hostile and knows these rules.  datapath/inspect.h finds the headers;
 * what it cannot follow is refused.  Later fragments pass by their source address: without their
 * first one, which did not pass, nothing can be made of them.
 */
#include <rte_byteorder.h>

#include "datapath/check.h"
#include "datapath/classify.h"
#include "datapath/inspect.h"

#define ARP_ETHERNET_IPV4 UINT64_C(0x0001080006040000)
#define ARP_OPERATION     UINT64_C(0xffff)
#define ARP_SENDER_MAC    8
#define ARP_SENDER_IP     14
#define ARP_TARGET_IP     24

#define TYPE_IPV4   0x0800
#define IPV4_HEADER 20
#define UDP_HEADER  8

#define DHCP_CLIENT_PORT 68
#define DHCP_SERVER_PORT 67
#define DHCP_BEHIND_UDP  8
#define DHCP_HLEN        2
#define DHCP_GIADDR      24
#define DHCP_CHADDR      28

#define MLD_REPORT        131
#define MLD_DONE          132
#define MLD2_REPORT       143
#define ND_ROUTER_SOLICIT 133
#define ND_ROUTER_ADVERT  134
#define ND_SOLICIT        135
#define ND_ADVERT         136
#define ND_REDIRECT       137
#define ND_TARGET         8
#define ND_OPTION_SOURCE  1 /* link-layer addresses */
#define ND_OPTION_TARGET  2

static const uint8_t unspecified[16];

/* fe80:: and the modified EUI-64 of the sender's MAC address (RFC 4291, appendix A). */
static bool
is_link_local_of(const uint8_t *address, const uint8_t *mac)
{
	const uint8_t own[16] = {0xfe, 0x80, 0, 0, 0, 0, 0, 0, mac[0] ^ 2, mac[1], mac[2], 0xff,
		0xfe, mac[3], mac[4], mac[5]};

	return memcmp(address, own, sizeof(own)) == 0;
}

/* May this be the sender's address? */
static bool
owns(const struct ip_lock *lock, unsigned version, const uint8_t *address, const uint8_t *mac)
{
	for (unsigned i = 0; i < lock->count; i++)
		if (ip_prefix_covers(&lock->prefixes[i], version, address))
			return true;
	return version == 6 && is_link_local_of(address, mac);
}

/* A sender without address may only ask whether one that could be its own is free. */
static bool
arp_admits(const struct ip_lock *lock, const struct inspect *p)
{
	const uint8_t *arp = p->l3, *sender = arp + ARP_SENDER_IP, *target = arp + ARP_TARGET_IP;
	uint64_t head;

	memcpy(&head, arp, sizeof(head));
	if ((rte_be_to_cpu_64(head) & ~ARP_OPERATION) != ARP_ETHERNET_IPV4 ||
		memcmp(arp + ARP_SENDER_MAC, p->source, MAC_LEN) != 0)
		return false;
	if (memcmp(sender, unspecified, 4) != 0)
		return owns(lock, 4, sender, p->source);
	/* Reverse ARP, with which a moved guest is announced, has neither. */
	return memcmp(target, unspecified, 4) == 0 || owns(lock, 4, target, p->source);
}

/* A client of DHCP asks for itself; a relay for others. */
static bool
dhcp_admits(const struct inspect *p)
{
	const uint8_t *dhcp = p->l4 + DHCP_BEHIND_UDP;

	return memcmp(dhcp + DHCP_GIADDR, unspecified, 4) != 0 || dhcp[DHCP_HLEN] != MAC_LEN ||
	       memcmp(dhcp + DHCP_CHADDR, p->source, MAC_LEN) == 0;
}

static bool
ipv4_admits(const struct ip_lock *lock, const struct inspect *p)
{
	const uint8_t *source = p->l3 + 12;
	bool to_server = p->protocol == INSPECT_UDP && p->l4 &&
			 inspect_load16(p->l4 + 2) == DHCP_SERVER_PORT;

	if (to_server && !dhcp_admits(p))
		return false;
	if (owns(lock, 4, source, p->source))
		return true;
	if (memcmp(source, unspecified, 4) != 0)
		return false;
	/* Who has no address yet asks for one, and joins groups. */
	return (to_server && inspect_load16(p->l4) == DHCP_CLIENT_PORT) ||
	       p->protocol == INSPECT_IGMP;
}

/* Do the options of a message name no other link-layer address than the sender's? */
static bool
nd_options_admit(const struct inspect *p, unsigned fixed)
{
	const uint8_t *option = p->l4 + fixed;

	while (option + 8 <= p->end) {
		unsigned size = option[1] * 8u;

		if (!size || option + size > p->end)
			return false;
		if ((option[0] == ND_OPTION_SOURCE || option[0] == ND_OPTION_TARGET) &&
			memcmp(option + 2, p->source, MAC_LEN) != 0)
			return false;
		option += size;
	}
	return option == p->end;
}

static bool
nd_admits(const struct ip_lock *lock, const struct inspect *p)
{
	bool anonymous = memcmp(p->l3 + 8, unspecified, 16) == 0;

	if (p->fragmented)
		return false;
	switch (p->l4[0]) {
	case ND_ROUTER_SOLICIT:
		return p->l4 + 8 <= p->end && nd_options_admit(p, 8);
	case ND_ROUTER_ADVERT:
		return p->l4 + 16 <= p->end && nd_options_admit(p, 16);
	case ND_SOLICIT:
	case ND_ADVERT:
		if (p->l4 + 24 > p->end || !nd_options_admit(p, 24))
			return false;
		return (p->l4[0] == ND_SOLICIT && !anonymous) ||
		       owns(lock, 6, p->l4 + ND_TARGET, p->source);
	default:
		/* A redirect names the address of a router, and of a destination. */
		return !anonymous;
	}
}

static bool
ipv6_admits(const struct ip_lock *lock, const struct inspect *p)
{
	const uint8_t *source = p->l3 + 8;

	if (memcmp(source, unspecified, 16) == 0) {
		if (p->protocol != INSPECT_ICMP6 || !p->l4)
			return false;
		switch (p->l4[0]) {
		case ND_ROUTER_SOLICIT:
		case ND_SOLICIT:
			return nd_admits(lock, p);
		case MLD_REPORT:
		case MLD_DONE:
		case MLD2_REPORT:
			return true;
		default:
			return false;
		}
	}
	return owns(lock, 6, source, p->source) && (!inspect_is_nd(p) || nd_admits(lock, p));
}

static bool
lock_admits(const struct ip_lock *lock, enum inspect_kind kind, const struct inspect *p)
{
	switch (kind) {
	case INSPECT_ARP:
		return arp_admits(lock, p);
	case INSPECT_IPV4:
		return ipv4_admits(lock, p);
	case INSPECT_IPV6:
		return ipv6_admits(lock, p);
	default:
		return true;
	}
}

static bool
is_router_message(enum inspect_kind kind, const struct inspect *p)
{
	return kind == INSPECT_IPV6 && inspect_is_nd(p) &&
	       (p->l4[0] == ND_ROUTER_ADVERT || p->l4[0] == ND_REDIRECT);
}

static enum drop
judge(struct worker *w, const struct snapshot_port *in, struct frame *f)
{
	struct inspect p;
	enum inspect_kind kind = inspect(w, f, &p);

	if (kind == INSPECT_BAD)
		return DROP_BAD_HEADERS;
	if (in->dhcp_guard && inspect_is_dhcp_answer(kind, &p))
		return DROP_DHCP_GUARD;
	if (in->ra_guard && is_router_message(kind, &p))
		return DROP_RA_GUARD;
	if (in->ip_lock && !lock_admits(in->ip_lock, kind, &p))
		return DROP_IP_LOCK;
	return DROP_COUNT;
}

static inline bool
owns_ipv4(const struct ip_lock *lock, const uint8_t *address)
{
	uint32_t a, b;

	memcpy(&a, address, sizeof(a));
	for (unsigned i = 0; i < lock->count; i++) {
		const struct ip_prefix *p = &lock->prefixes[i];

		memcpy(&b, p->bytes, sizeof(b));
		if (p->version == 4 &&
			!(rte_be_to_cpu_32(a ^ b) & (p->len ? UINT32_MAX << (32 - p->len) : 0)))
			return true;
	}
	return false;
}

/*
 * What most frames are: a whole IPv4 packet without options and tags, from an own address, neither
 * to a server nor to a client of DHCP.  Nothing of it is for a lock or guard to refuse.
 */
static inline bool
is_usual(const struct snapshot_port *in, const struct frame *f)
{
	const uint8_t *ip = f->data + ETHERNET_HEADER, *udp = ip + IPV4_HEADER;

	if (f->head_len < ETHERNET_HEADER + IPV4_HEADER + UDP_HEADER ||
		classify_load16(f->data + ETHERNET_TYPE_AT) != TYPE_IPV4 || ip[0] != 0x45 ||
		(classify_load16(ip + 6) & 0x3fff))
		return false;
	if (ip[9] == INSPECT_UDP && (classify_load16(udp + 2) == DHCP_SERVER_PORT ||
					    classify_load16(udp + 2) == DHCP_CLIENT_PORT))
		return false;
	return !in->ip_lock || owns_ipv4(in->ip_lock, ip + 12);
}

uint64_t
guard_in(struct worker *w, const struct snapshot_port *in, uint64_t frames)
{
	uint64_t passed = frames;

	for (uint64_t left = frames; left;) {
		unsigned i = check_next(&left);
		struct frame *f = &w->burst.frames[i];
		enum drop drop;

		if (__builtin_expect(is_usual(in, f), 1))
			continue;
		drop = judge(w, in, f);
		if (__builtin_expect(drop != DROP_COUNT, 0)) {
			check_drop(w, in, UINT64_C(1) << i, drop);
			passed &= ~(UINT64_C(1) << i);
		}
	}
	return passed;
}
