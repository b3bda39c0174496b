/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Threat model: the sender writes headers in order to be read differently here and by the receiver:
 * nested tags and SNAP headers (CVE-2021-27853, CVE-2021-27854, CVE-2021-27861, CVE-2021-27862),
 * long chains of extension headers, and fragments whose first one does not reach the upper layer
 * (RFC 7112, RFC 7113).  All reading is of private bytes and bounded by `visible`; a chain that does
 * not end within PULL_MAX bytes is not let through.
 */
#include "datapath/classify.h"
#include "datapath/inspect.h"
#include "datapath/pull.h"

#define TYPE_IPV4 0x0800
#define TYPE_ARP  0x0806
#define TYPE_RARP 0x8035
#define TYPE_IPV6 0x86dd
#define LLC_MOST  1500 /* a type up to this is a length: LLC follows */
#define LLC_SNAP  8

#define ARP_BYTES        28
#define IPV4_HEADER      20
#define IPV6_HEADER      40
#define UDP_HEADER       8
#define DHCP_FIXED       34 /* up to the end of the client's hardware address */
#define DHCP_SERVER_PORT 67
#define ND_FIRST         133
#define ND_LAST          137

/* What is looked at: positions count from bytes[0]. */
struct view {
	const uint8_t *bytes;
	unsigned visible, len;
};

/* Are the bytes up to `end` there?  0 = yes, else what to return. */
static inline int
need(const struct view *v, unsigned end)
{
	if (end <= v->visible)
		return 0;
	return end <= v->len ? INSPECT_MORE : INSPECT_BAD;
}

/* The EtherType behind tags and SNAP headers, and where its header begins; or what to return. */
static int
find_type(const struct view *v, unsigned *type, unsigned *at)
{
	static const uint8_t snap[] = {0xaa, 0xaa, 0x03, 0x00, 0x00};
	int r;

	*at = ETHERNET_HEADER;
	*type = inspect_load16(v->bytes + ETHERNET_TYPE_AT);
	for (unsigned layers = 0;; layers++) {
		const uint8_t *p = v->bytes + *at;
		unsigned size;

		if (classify_is_tag((uint16_t)*type))
			size = VLAN_TAG;
		else if (*type <= LLC_MOST && *at + LLC_SNAP <= v->len)
			size = LLC_SNAP;
		else
			return 0;
		r = need(v, *at + size);
		if (r)
			return r;
		/* RFC 1042 has 00-00-00, IEEE 802.1H 00-00-f8 in front of an EtherType. */
		if (size == LLC_SNAP &&
			(memcmp(p, snap, sizeof(snap)) != 0 || (p[5] != 0 && p[5] != 0xf8)))
			return 0;
		if (layers == INSPECT_LAYERS)
			return INSPECT_BAD;
		*type = inspect_load16(p + size - 2);
		*at += size;
	}
}

/* The beginning of the upper layer at `at`; kind is what to return when all is there. */
static int
find_upper(const struct view *v, unsigned at, unsigned end, int kind, struct inspect *found)
{
	unsigned size = 0;
	int r;

	if (found->later)
		return kind;
	found->l4 = v->bytes + at;
	if (found->protocol == INSPECT_UDP)
		size = UDP_HEADER;
	else if (found->protocol == INSPECT_ICMP6 && kind == INSPECT_IPV6)
		size = 4;
	r = need(v, at + size);
	if (r)
		return r;
	if (size == UDP_HEADER && kind == INSPECT_IPV4 &&
		inspect_load16(found->l4 + 2) == DHCP_SERVER_PORT)
		size += DHCP_FIXED;
	else if (size == 4 && found->l4[0] >= ND_FIRST && found->l4[0] <= ND_LAST)
		size = end - at;
	found->end = v->bytes + at + size;
	return (r = need(v, at + size)) ? r : kind;
}

static int
find_ipv4(const struct view *v, unsigned at, struct inspect *found)
{
	const uint8_t *p = v->bytes + at;
	unsigned header, part;
	int r = need(v, at + IPV4_HEADER);

	if (r)
		return r;
	header = (p[0] & 15) * 4u;
	if (p[0] >> 4 != 4 || header < IPV4_HEADER || inspect_load16(p + 2) < header)
		return INSPECT_BAD;
	part = inspect_load16(p + 6) & 0x3fff;
	found->l3 = p;
	found->protocol = p[9];
	found->fragmented = part != 0;
	found->later = part & 0x1fff;
	return find_upper(v, at + header, 0, INSPECT_IPV4, found);
}

/* Bytes of an extension header, 0 when `type` is the upper layer. */
static unsigned
extension_size(unsigned type, const uint8_t *p)
{
	switch (type) {
	case 0:   /* hop-by-hop options */
	case 43:  /* routing */
	case 60:  /* destination options */
	case 135: /* mobility */
	case 139: /* host identity */
	case 140: /* shim6 */
		return (p[1] + 1u) * 8;
	case 51: /* authentication */
		return (p[1] + 2u) * 4;
	case 44: /* fragment */
		return 8;
	default:
		return 0;
	}
}

static int
find_ipv6(const struct view *v, unsigned at, struct inspect *found)
{
	const uint8_t *p = v->bytes + at;
	unsigned end, next;
	int r = need(v, at + IPV6_HEADER);

	if (r)
		return r;
	if (p[0] >> 4 != 6)
		return INSPECT_BAD;
	found->l3 = p;
	next = p[6];
	end = at + IPV6_HEADER + inspect_load16(p + 4);
	/* Large frames that are still to be cut may have no length, and what is behind it is padding. */
	if (end > v->len || end == at + IPV6_HEADER)
		end = v->len;
	at += IPV6_HEADER;
	for (unsigned n = 0;; n++) {
		static const uint8_t none[2];
		unsigned size = extension_size(next, at + 2 <= v->visible ? v->bytes + at : none);

		if (!size)
			break;
		if (n == INSPECT_EXTENSIONS)
			return INSPECT_BAD;
		r = need(v, at + 2);
		if (!r)
			r = need(v, at + size);
		if (r)
			return r;
		p = v->bytes + at;
		if (next == 44) {
			found->fragmented = true;
			found->later = inspect_load16(p + 2) & 0xfff8;
		}
		next = p[0];
		at += size;
		if (found->later)
			break;
	}
	found->protocol = (uint8_t)next;
	if (at > end)
		return INSPECT_BAD;
	return find_upper(v, at, end, INSPECT_IPV6, found);
}

enum inspect_kind
inspect_bytes(const uint8_t *bytes, unsigned visible, unsigned len, struct inspect *found)
{
	const struct view v = {bytes, visible, len};
	unsigned type, at;
	int r = find_type(&v, &type, &at);

	memset(found, 0, sizeof(*found));
	found->source = bytes + MAC_LEN;
	if (r)
		return (enum inspect_kind)r;
	switch (type) {
	case TYPE_ARP:
	case TYPE_RARP:
		found->l3 = bytes + at;
		r = need(&v, at + ARP_BYTES);
		return r ? (enum inspect_kind)r : INSPECT_ARP;
	case TYPE_IPV4:
		return (enum inspect_kind)find_ipv4(&v, at, found);
	case TYPE_IPV6:
		return (enum inspect_kind)find_ipv6(&v, at, found);
	default:
		return INSPECT_OTHER;
	}
}

enum inspect_kind
inspect(struct worker *w, struct frame *f, struct inspect *found)
{
	unsigned all = f->len < PULL_MAX ? f->len : PULL_MAX;
	enum inspect_kind kind = inspect_bytes(f->data, f->head_len, f->len, found);
	const uint8_t *bytes;

	if (__builtin_expect(kind != INSPECT_MORE, 1))
		return kind;
	bytes = pull(w->pull, &w->burst, f, all);
	if (!bytes)
		return INSPECT_BAD;
	kind = inspect_bytes(bytes, all, f->len, found);
	return kind == INSPECT_MORE ? INSPECT_BAD : kind;
}
