/* SPDX-License-Identifier: BSD-3-Clause */
#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include "tests/tools/probe_frame.h"

#define ETHERTYPE_PROBE 0x88b5
#define ETHERTYPE_IPV4  0x0800
#define ETHERTYPE_IPV6  0x86dd
#define ETH_LEN         14
#define IPV4_LEN        20
#define IPV6_LEN        40
#define UDP_LEN         8
#define TCP_LEN         20
#define IP_UDP          17
#define IP_TCP          6
#define CELL_MAGIC      0x70b3c311u

struct cell {
	uint32_t magic;
	uint32_t len; /* of the cell, this header included */
	uint64_t number;
	uint64_t time_ns;
	uint32_t check; /* of the fields above and the stream */
	uint8_t stream, pad[3];
};

/* What stands in front of the cells. */
struct headers {
	unsigned ip, ip_len, l4, l4_len, all;
	uint8_t protocol; /* 0 = plain */
	bool v6;
	unsigned csum_offset;
};

static void
headers_of(enum probe_protocol protocol, struct headers *h)
{
	memset(h, 0, sizeof(*h));
	h->all = h->ip = ETH_LEN;
	if (protocol == PROBE_PLAIN)
		return;
	h->v6 = protocol == PROBE_UDP6 || protocol == PROBE_TCP6;
	h->ip_len = h->v6 ? IPV6_LEN : IPV4_LEN;
	h->l4 = h->ip + h->ip_len;
	h->protocol = protocol == PROBE_TCP4 || protocol == PROBE_TCP6 ? IP_TCP : IP_UDP;
	h->l4_len = h->protocol == IP_TCP ? TCP_LEN : UDP_LEN;
	h->csum_offset = h->protocol == IP_TCP ? 16 : 6;
	h->all = h->l4 + h->l4_len;
}

unsigned
probe_min(const struct probe *probe)
{
	struct headers h;

	headers_of(probe->protocol, &h);
	return h.all + (unsigned)sizeof(struct cell);
}

unsigned
probe_cells(const struct probe *probe, size_t len)
{
	struct headers h;

	if (!probe->gso_size)
		return 1;
	headers_of(probe->protocol, &h);
	return (unsigned)((len - h.all + probe->gso_size - 1) / probe->gso_size);
}

static void
put16(uint8_t *at, unsigned value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

static unsigned
get16(const uint8_t *at)
{
	return at[0] << 8 | at[1];
}

/* RFC 1071, not complemented. */
static uint32_t
sum16(const uint8_t *bytes, size_t len, uint32_t sum)
{
	for (; len > 1; bytes += 2, len -= 2) {
		sum += get16(bytes);
		sum = (sum & 0xffff) + (sum >> 16);
	}
	if (len)
		sum += (uint32_t)bytes[0] << 8;
	return (sum & 0xffff) + (sum >> 16);
}

/* RFC 768, 9293, 8200: addresses, protocol and length. */
static uint32_t
pseudo_sum(const struct headers *h, const uint8_t *frame, size_t l4_bytes)
{
	const uint8_t *addresses = frame + h->ip + (h->v6 ? 8 : 12);

	return sum16(addresses, h->v6 ? 32 : 8,
		h->protocol + (uint32_t)l4_bytes / 65536 + (uint32_t)l4_bytes % 65536);
}

/* Bytes behind the cell's header: a cheap sequence that starts from stream and number. */
static void
pattern_fill(uint8_t *to, size_t len, uint64_t number, uint8_t stream)
{
	uint64_t word = (number + 1) * UINT64_C(0x9e3779b97f4a7c15) ^ stream;

	for (; len >= 8; to += 8, len -= 8, word += UINT64_C(0xd1342543de82ef95))
		memcpy(to, &word, 8);
	memcpy(to, &word, len);
}

static bool
pattern_matches(const uint8_t *at, size_t len, uint64_t number, uint8_t stream)
{
	uint64_t word = (number + 1) * UINT64_C(0x9e3779b97f4a7c15) ^ stream, there;

	for (; len >= 8; at += 8, len -= 8, word += UINT64_C(0xd1342543de82ef95)) {
		memcpy(&there, at, 8);
		if (there != word)
			return false;
	}
	return !memcmp(at, &word, len);
}

static uint32_t
cell_check(const struct cell *cell)
{
	uint64_t mix = cell->number * UINT64_C(0x9e3779b97f4a7c15) + cell->time_ns;

	mix = (mix ^ cell->len ^ (uint64_t)cell->stream << 40) * UINT64_C(0xd1342543de82ef95);
	return (uint32_t)(mix >> 32);
}

/* A cell too short for its header has none: the rest of a frame that does not divide evenly. */
static void
cell_build(uint8_t *at, size_t len, uint64_t number, uint64_t time_ns, uint8_t stream)
{
	struct cell cell = {.magic = CELL_MAGIC,
		.len = (uint32_t)len,
		.number = number,
		.time_ns = time_ns,
		.stream = stream};

	if (len < sizeof(cell)) {
		pattern_fill(at, len, number, stream);
		return;
	}
	cell.check = cell_check(&cell);
	memcpy(at, &cell, sizeof(cell));
	pattern_fill(at + sizeof(cell), len - sizeof(cell), number, stream);
}

static void
build_ip(const struct headers *h, uint8_t *frame, size_t len, uint8_t stream)
{
	uint8_t *ip = frame + h->ip;

	memset(ip, 0, h->ip_len);
	if (h->v6) {
		ip[0] = 0x60;
		put16(ip + 4, (unsigned)(len - h->l4));
		ip[6] = h->protocol;
		ip[7] = 64;
		ip[8] = ip[24] = 0xfd; /* unique local addresses, RFC 4193 */
		ip[23] = 1;
		ip[39] = 2;
		return;
	}
	ip[0] = 0x45;
	put16(ip + 2, (unsigned)(len - h->ip));
	put16(ip + 6, 0x4000);
	ip[8] = 64;
	ip[9] = h->protocol;
	memcpy(ip + 12, "\xc0\x00\x02\x01\xc0\x00\x02\x02", 8); /* TEST-NET-1, RFC 5737 */
	(void)stream;
	put16(ip + 10, ~sum16(ip, IPV4_LEN, 0) & 0xffff);
}

static void
build_l4(const struct probe *probe, const struct headers *h, uint64_t number, uint8_t *frame,
	size_t len)
{
	uint8_t *l4 = frame + h->l4;
	size_t bytes = len - h->l4;
	uint32_t sequence = htonl((uint32_t)(number * 1448));

	memset(l4, 0, h->l4_len);
	put16(l4, 4000u + probe->stream);
	put16(l4 + 2, 5000);
	if (h->protocol == IP_UDP) {
		put16(l4 + 4, (unsigned)bytes);
	} else {
		memcpy(l4 + 4, &sequence, 4);
		l4[12] = TCP_LEN / 4 << 4;
		l4[13] = 0x10; /* ACK */
		put16(l4 + 14, 0xffff);
	}
}

static void
build_checksum(const struct probe *probe, const struct headers *h, uint8_t *frame, size_t len,
	struct virtio_net_hdr *header)
{
	uint8_t *at = frame + h->l4 + h->csum_offset;
	uint32_t sum = pseudo_sum(h, frame, len - h->l4);

	if (!probe->csum && !probe->gso_size) {
		sum = ~sum16(frame + h->l4, len - h->l4, sum) & 0xffff;
		put16(at, sum || h->protocol == IP_TCP ? sum : 0xffff);
		return;
	}
	put16(at, sum);
	header->flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
	header->csum_start = (uint16_t)h->l4;
	header->csum_offset = (uint16_t)h->csum_offset;
	if (!probe->gso_size || len - h->all <= probe->gso_size)
		return;
	header->gso_size = probe->gso_size;
	header->hdr_len = (uint16_t)h->all;
	header->gso_type = h->protocol == IP_UDP ? VIRTIO_NET_HDR_GSO_UDP_L4
			   : h->v6               ? VIRTIO_NET_HDR_GSO_TCPV6
						 : VIRTIO_NET_HDR_GSO_TCPV4;
}

void
probe_build(const struct probe *probe, uint64_t number, uint64_t time_ns, uint8_t *frame,
	size_t len, struct virtio_net_hdr *header)
{
	struct headers h;
	size_t step;

	headers_of(probe->protocol, &h);
	memset(header, 0, sizeof(*header));
	memcpy(frame, probe->destination.b, MAC_LEN);
	memcpy(frame + MAC_LEN, probe->source.b, MAC_LEN);
	put16(frame + 12, !h.protocol ? ETHERTYPE_PROBE : h.v6 ? ETHERTYPE_IPV6 : ETHERTYPE_IPV4);
	step = probe->gso_size ? probe->gso_size : len - h.all;
	for (size_t at = h.all; at < len; at += step)
		cell_build(frame + at, len - at < step ? len - at : step,
			number + (at - h.all) / step, time_ns, probe->stream);
	if (!h.protocol)
		return;
	build_ip(&h, frame, len, probe->stream);
	build_l4(probe, &h, number, frame, len);
	build_checksum(probe, &h, frame, len, header);
}

/* ---- reading ---- */

static bool
recognize(const uint8_t *frame, size_t len, struct headers *h)
{
	unsigned type = len < ETH_LEN ? 0 : get16(frame + 12);

	/* Group addresses: loop probes of switches have that type, too. */
	if (type == ETHERTYPE_PROBE && !(frame[0] & 1)) {
		headers_of(PROBE_PLAIN, h);
	} else if (type == ETHERTYPE_IPV4 && len > ETH_LEN + IPV4_LEN) {
		headers_of(frame[ETH_LEN + 9] == IP_TCP ? PROBE_TCP4 : PROBE_UDP4, h);
		if (frame[ETH_LEN + 9] != h->protocol || frame[ETH_LEN] != 0x45)
			return false;
	} else if (type == ETHERTYPE_IPV6 && len > ETH_LEN + IPV6_LEN) {
		headers_of(frame[ETH_LEN + 6] == IP_TCP ? PROBE_TCP6 : PROBE_UDP6, h);
		if (frame[ETH_LEN + 6] != h->protocol)
			return false;
	} else {
		return false;
	}
	return len >= h->all && (!h->protocol || get16(frame + h->l4 + 2) == 5000);
}

/* Lengths and checksums of IP and above. */
static const char *
check_headers(const struct headers *h, const uint8_t *frame, size_t len,
	const struct virtio_net_hdr *header)
{
	const uint8_t *ip = frame + h->ip, *l4 = frame + h->l4;
	uint32_t sum = pseudo_sum(h, frame, len - h->l4);

	if (get16(ip + (h->v6 ? 4 : 2)) != len - (h->v6 ? h->l4 : h->ip))
		return "length in the IP header";
	if (!h->v6 && sum16(ip, IPV4_LEN, 0) != 0xffff)
		return "IPv4 header checksum";
	if (h->protocol == IP_UDP && get16(l4 + 4) != len - h->l4)
		return "length in the UDP header";
	if (!(header->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM))
		return sum16(l4, len - h->l4, sum) == 0xffff ? NULL : "TCP or UDP checksum";
	if (header->csum_start != h->l4 || header->csum_offset != h->csum_offset)
		return "place of the checksum in the offload request";
	return get16(l4 + h->csum_offset) == sum ? NULL
						 : "pseudo header sum of the offload request";
}

static const char *
check_cells(const struct headers *h, const uint8_t *frame, size_t len, size_t step,
	struct probe_found *found)
{
	found->cells = 0;
	for (size_t at = h->all; at < len; at += step) {
		size_t here = len - at < step ? len - at : step;
		struct cell cell;

		if (here < sizeof(cell)) {
			if (!found->cells)
				return "too short for a cell";
			if (!pattern_matches(
				    frame + at, here, found->number + found->cells, found->stream))
				return "content";
			found->cells++;
			continue;
		}
		memcpy(&cell, frame + at, sizeof(cell));
		if (cell.magic != CELL_MAGIC || cell.check != cell_check(&cell) ||
			cell.pad[0] | cell.pad[1] | cell.pad[2])
			return "cell header";
		if (cell.len != here)
			return "length of the frame";
		if (!pattern_matches(frame + at + sizeof(cell), here - sizeof(cell), cell.number,
			    cell.stream))
			return "content";
		if (!found->cells) {
			found->stream = cell.stream;
			found->number = cell.number;
			found->time_ns = cell.time_ns;
		} else if (cell.number != found->number + found->cells) {
			return "order of the cells";
		}
		found->cells++;
	}
	return NULL;
}

int
probe_read(const uint8_t *frame, size_t len, const struct virtio_net_hdr *header,
	struct probe_found *found, const char **why)
{
	struct headers h;

	if (!recognize(frame, len, &h))
		return 0;
	*why = NULL;
	if (h.protocol)
		*why = check_headers(&h, frame, len, header);
	if (!*why)
		*why = check_cells(&h, frame, len,
			header->gso_type && header->gso_size ? header->gso_size : len - h.all,
			found);
	return *why ? -EBADMSG : 1;
}
