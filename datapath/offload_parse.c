/* SPDX-License-Identifier: BSD-3-Clause */
#include "datapath/offload_internal.h"

#define IPV4_OPTION_END          0
#define IPV4_OPTION_NOP          1
#define IPV4_OPTION_LOOSE_ROUTE  131
#define IPV4_OPTION_STRICT_ROUTE 137

#define IPV6_HOP_BY_HOP     0
#define IPV6_ROUTING        43
#define IPV6_DESTINATION    60
#define IPV6_EXTENSIONS_MAX 8

#define ROUTING_TYPE_0       0 /* RFC 2460: the list ends with the final destination */
#define ROUTING_TYPE_2       2 /* RFC 6275: holds one address */
#define ROUTING_TYPE_SEGMENT 4 /* RFC 8754: the list begins with the final destination */

/* The bytes that are there to be read, and how long the frame really is. */
struct view {
	const uint8_t *data;
	size_t visible, len;
};

/* Whether [at, at + need) can be read, must be read elsewhere, or does not exist. */
static enum offload_parsed
view_need(const struct view *v, size_t at, size_t need)
{
	if (at + need > v->len)
		return OFFLOAD_FOREIGN;
	return at + need > v->visible ? OFFLOAD_UNSEEN : OFFLOAD_PARSED;
}

unsigned
offload_ipv4_option(const uint8_t *header, unsigned header_len, unsigned *at)
{
	unsigned here = *at, len;

	if (here >= header_len || header[here] == IPV4_OPTION_END)
		return 0;
	if (header[here] == IPV4_OPTION_NOP)
		len = 1;
	else if (here + 2 > header_len || header[here + 1] < 2)
		return 0;
	else
		len = header[here + 1];
	if (here + len > header_len)
		return 0;
	*at = here + len;
	return len;
}

/* Where the final destination stands: in a source route that is not used up, else in the header. */
static uint16_t
ipv4_destination(const uint8_t *header, unsigned header_len)
{
	unsigned at = 20, len;

	while ((len = offload_ipv4_option(header, header_len, &at))) {
		const uint8_t *option = header + at - len;

		if (option[0] != IPV4_OPTION_LOOSE_ROUTE && option[0] != IPV4_OPTION_STRICT_ROUTE)
			continue;
		/* option[2] is the position, from 1, of the next address to visit. */
		if (len >= 7 && option[2] + 3u <= len)
			return (uint16_t)(at - 4);
		break;
	}
	return 16;
}

static enum offload_parsed
parse_ipv4(const struct view *v, struct offload_headers *h)
{
	enum offload_parsed seen = view_need(v, h->l3, 20);
	const uint8_t *ip = v->data + h->l3;
	unsigned header_len, total;

	if (seen != OFFLOAD_PARSED)
		return seen;
	header_len = (ip[0] & 0xf) * 4u;
	total = load16(ip + 2);
	if (ip[0] >> 4 != 4 || header_len < 20)
		return OFFLOAD_FOREIGN;
	/* More fragments, or an offset: a piece of a datagram. */
	if (load16(ip + 6) & 0x3fff)
		return OFFLOAD_FOREIGN;
	if ((total && h->l3 + total != v->len) || v->len - h->l3 > 0xffff)
		return OFFLOAD_FOREIGN;
	seen = view_need(v, h->l3, header_len);
	if (seen != OFFLOAD_PARSED)
		return seen;
	h->version = 4;
	h->protocol = ip[9];
	h->destination = (uint16_t)(h->l3 + ipv4_destination(ip, header_len));
	h->l4 = (uint16_t)(h->l3 + header_len);
	h->fragment = h->l4;
	return OFFLOAD_PARSED;
}

/* A routing header with segments left names the final destination; false for unknown types. */
static bool
routing_destination(const uint8_t *header, unsigned len, unsigned at, uint16_t *destination)
{
	if (!header[3])
		return true;
	if (len < 24 || (header[2] == ROUTING_TYPE_0 && len % 16 != 8))
		return false;
	switch (header[2]) {
	case ROUTING_TYPE_0:
		*destination = (uint16_t)(at + len - 16);
		return true;
	case ROUTING_TYPE_2:
	case ROUTING_TYPE_SEGMENT:
		*destination = (uint16_t)(at + 8);
		return true;
	default:
		return false;
	}
}

/* Walks the extension headers from h->l4, which is moved on, until TCP or UDP. */
static enum offload_parsed
parse_extensions(const struct view *v, struct offload_headers *h, unsigned next)
{
	unsigned type_at = h->l3 + 6u;

	for (unsigned i = 0; i < IPV6_EXTENSIONS_MAX; i++) {
		const uint8_t *header = v->data + h->l4;
		enum offload_parsed seen;
		unsigned type = next, len;

		if (type != IPV6_HOP_BY_HOP && type != IPV6_ROUTING && type != IPV6_DESTINATION)
			break;
		if (type == IPV6_HOP_BY_HOP && i)
			return OFFLOAD_FOREIGN;
		seen = view_need(v, h->l4, 8);
		if (seen != OFFLOAD_PARSED)
			return seen;
		len = (header[1] + 1u) * 8;
		seen = view_need(v, h->l4, len);
		if (seen != OFFLOAD_PARSED)
			return seen;
		if (h->l4 + len > OFFLOAD_HEADERS_MAX)
			return OFFLOAD_FOREIGN;
		if (type == IPV6_ROUTING &&
			!routing_destination(header, len, h->l4, &h->destination))
			return OFFLOAD_FOREIGN;
		next = header[0];
		type_at = h->l4;
		h->l4 = (uint16_t)(h->l4 + len);
		if (type != IPV6_DESTINATION) {
			h->fragment = h->l4;
			h->next = (uint16_t)type_at;
		}
	}
	h->protocol = (uint8_t)next;
	return OFFLOAD_PARSED;
}

static enum offload_parsed
parse_ipv6(const struct view *v, struct offload_headers *h)
{
	enum offload_parsed seen = view_need(v, h->l3, IPV6_HEADER);
	const uint8_t *ip = v->data + h->l3;
	unsigned total;

	if (seen != OFFLOAD_PARSED)
		return seen;
	total = load16(ip + 4);
	if (ip[0] >> 4 != 6)
		return OFFLOAD_FOREIGN;
	if ((total && h->l3 + IPV6_HEADER + total != v->len) ||
		v->len - h->l3 - IPV6_HEADER > 0xffff)
		return OFFLOAD_FOREIGN;
	h->version = 6;
	h->destination = (uint16_t)(h->l3 + 24);
	h->l4 = (uint16_t)(h->l3 + IPV6_HEADER);
	h->fragment = h->l4;
	h->next = (uint16_t)(h->l3 + 6);
	return parse_extensions(v, h, ip[6]);
}

static enum offload_parsed
parse_transport(const struct view *v, struct offload_headers *h)
{
	enum offload_parsed seen;
	unsigned header_len;

	if (h->protocol == IP_PROTO_UDP) {
		header_len = UDP_HEADER;
	} else if (h->protocol == IP_PROTO_TCP) {
		seen = view_need(v, h->l4, TCP_HEADER);
		if (seen != OFFLOAD_PARSED)
			return seen;
		header_len = (v->data[h->l4 + 12] >> 4) * 4u;
		if (header_len < TCP_HEADER)
			return OFFLOAD_FOREIGN;
	} else {
		return OFFLOAD_FOREIGN;
	}
	seen = view_need(v, h->l4, header_len);
	if (seen == OFFLOAD_FOREIGN || h->l4 + header_len > OFFLOAD_HEADERS_MAX)
		return OFFLOAD_FOREIGN;
	h->payload = (uint16_t)(h->l4 + header_len);
	return seen;
}

enum offload_parsed
offload_parse(const uint8_t *data, size_t visible, size_t len, struct offload_headers *headers)
{
	const struct view v = {.data = data, .visible = visible, .len = len};
	enum offload_parsed seen = view_need(&v, 0, 14);
	unsigned type, at = 12;

	*headers = (struct offload_headers){0};
	if (seen != OFFLOAD_PARSED)
		return seen;
	type = load16(data + at);
	for (unsigned tags = 0; type == ETHER_TYPE_CTAG || type == ETHER_TYPE_STAG; tags++) {
		if (tags == ETHER_TAGS_MAX)
			return OFFLOAD_FOREIGN;
		at += 4;
		seen = view_need(&v, at, 2);
		if (seen != OFFLOAD_PARSED)
			return seen;
		type = load16(data + at);
	}
	headers->l3 = (uint16_t)(at + 2);
	if (type == ETHER_TYPE_IPV4)
		seen = parse_ipv4(&v, headers);
	else if (type == ETHER_TYPE_IPV6)
		seen = parse_ipv6(&v, headers);
	else
		return OFFLOAD_FOREIGN;
	return seen == OFFLOAD_PARSED ? parse_transport(&v, headers) : seen;
}
