/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Threat model: any guest sends any bytes.  Every length is checked against what is there before it
 * is used; nothing is taken from a message whose checksums are wrong, that came through a router, or
 * that names what is no multicast group.
 */
#include <errno.h>
#include <string.h>

#include "control/mcast_message.h"

#define ETHERNET 14
#define RESPONSE 100 /* of a query: 10 s in tenths */
#define INTERVAL 125 /* s */

static uint16_t
load16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static void
store16(uint8_t *p, unsigned value)
{
	p[0] = (uint8_t)(value >> 8);
	p[1] = (uint8_t)value;
}

/* The Internet checksum (RFC 1071) not yet folded. */
static uint32_t
sum(const uint8_t *p, size_t size, uint32_t start)
{
	for (; size > 1; p += 2, size -= 2)
		start += load16(p);
	return size ? start + (uint32_t)(p[0] << 8) : start;
}

static uint16_t
fold(uint32_t value)
{
	while (value >> 16)
		value = (value & 0xffff) + (value >> 16);
	return (uint16_t)~value;
}

bool
mcast_is_v4(const struct mcast_address *address)
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

	return memcmp(address->b, mapped, sizeof(mapped)) == 0;
}

struct mac
mcast_mac(const struct mcast_address *group)
{
	const uint8_t *b = group->b;

	if (mcast_is_v4(group))
		return (struct mac){{0x01, 0x00, 0x5e, b[13] & 0x7f, b[14], b[15]}};
	return (struct mac){{0x33, 0x33, b[12], b[13], b[14], b[15]}};
}

/* ---- records ---- */

static bool
is_multicast(const uint8_t *group, bool v6)
{
	return v6 ? group[0] == 0xff : group[0] >> 4 == 0xe;
}

/* For all hosts of the link, always. */
static bool
is_of_link(const uint8_t *group, bool v6)
{
	static const uint8_t all_nodes[16] = {0xff, 0x02, [15] = 1};

	if (v6)
		return (group[1] & 15) < 2 || memcmp(group, all_nodes, sizeof(all_nodes)) == 0;
	return group[0] == 224 && !group[1] && !group[2];
}

static int
add_record(struct mcast_message *m, const uint8_t *group, bool leaves)
{
	struct mcast_record *r = &m->records[m->count];

	if (!is_multicast(group, m->v6))
		return -EBADMSG;
	if (is_of_link(group, m->v6))
		return 0;
	if (m->count == MCAST_RECORDS_MAX)
		return -EBADMSG;
	memset(r, 0, sizeof(*r));
	if (m->v6) {
		memcpy(r->group.b, group, 16);
	} else {
		r->group.b[10] = r->group.b[11] = 0xff;
		memcpy(r->group.b + 12, group, 4);
	}
	r->leaves = leaves;
	m->count++;
	return 0;
}

/* Group records of IGMPv3 and MLDv2: type, words behind, number of sources, group, sources. */
static int
read_records(struct mcast_message *m, const uint8_t *p, size_t size, unsigned count)
{
	const size_t address = m->v6 ? 16 : 4;

	for (; count; count--) {
		size_t need = 4 + address;
		unsigned type, sources;
		int rc;

		if (size < need)
			return -EBADMSG;
		type = p[0];
		sources = load16(p + 2);
		need += sources * address + p[1] * 4u;
		if (size < need || type < 1 || type > 6)
			return -EBADMSG;
		/* Sources are not told apart: no source wanted is the group not wanted. */
		if (type != 6 && !(type == 5 && !sources)) {
			rc = add_record(m, p + 4, (type == 1 || type == 3) && !sources);
			if (rc)
				return rc;
		}
		p += need;
		size -= need;
	}
	return 0;
}

/* ---- IGMP ---- */

static int
read_igmp(struct mcast_message *m, const uint8_t *p, size_t size)
{
	static const uint8_t none[4];

	if (size < 8 || fold(sum(p, size, 0)))
		return -EBADMSG;
	switch (p[0]) {
	case 0x11:
		m->kind = MCAST_QUERY;
		if (size > 8 && (size < 12 || size < 12 + load16(p + 10) * 4u))
			return -EBADMSG;
		return memcmp(p + 4, none, 4) == 0 || is_multicast(p + 4, false) ? 0 : -EBADMSG;
	case 0x12:
	case 0x16:
	case 0x17:
		m->kind = MCAST_REPORT;
		return add_record(m, p + 4, p[0] == 0x17);
	case 0x22:
		m->kind = MCAST_REPORT;
		return read_records(m, p + 8, size - 8, load16(p + 6));
	default:
		return -EBADMSG;
	}
}

static int
read_v4(struct mcast_message *m, const uint8_t *ip, size_t size)
{
	static const uint8_t none[4];
	size_t header, total;

	if (size < 20 || ip[0] >> 4 != 4)
		return -EBADMSG;
	header = (ip[0] & 15) * 4u;
	total = load16(ip + 2);
	if (header < 20 || total < header || total > size)
		return -EBADMSG;
	/* Not cut in pieces, not through a router, IGMP, to a group. */
	if (load16(ip + 6) & 0x3fff || ip[8] != 1 || ip[9] != 2 || !is_multicast(ip + 16, false) ||
		fold(sum(ip, header, 0)))
		return -EBADMSG;
	m->v6 = false;
	m->from_nobody = memcmp(ip + 12, none, 4) == 0;
	return read_igmp(m, ip + header, total - header);
}

/* ---- MLD ---- */

static int
read_mld(struct mcast_message *m, const uint8_t *p, size_t size)
{
	static const uint8_t none[16];

	if (size < 8)
		return -EBADMSG;
	switch (p[0]) {
	case 130:
		m->kind = MCAST_QUERY;
		if (size < 24 || (size > 24 && (size < 28 || size < 28 + load16(p + 26) * 16u)))
			return -EBADMSG;
		return memcmp(p + 8, none, 16) == 0 || is_multicast(p + 8, true) ? 0 : -EBADMSG;
	case 131:
	case 132:
		m->kind = MCAST_REPORT;
		return size < 24 ? -EBADMSG : add_record(m, p + 8, p[0] == 132);
	case 143:
		m->kind = MCAST_REPORT;
		return read_records(m, p + 8, size - 8, load16(p + 6));
	default:
		return -EBADMSG;
	}
}

/* Is there a router alert among the options (RFC 2711)? */
static bool
has_alert(const uint8_t *option, const uint8_t *end)
{
	while (option < end) {
		if (*option == 0) {
			option++;
			continue;
		}
		if (end - option < 2 || end - option < 2 + option[1])
			return false;
		if (option[0] == 5 && option[1] == 2)
			return true;
		option += 2 + option[1];
	}
	return false;
}

static int
read_v6(struct mcast_message *m, const uint8_t *ip, size_t size)
{
	static const uint8_t none[16];
	size_t payload, options;
	uint32_t pseudo;
	bool link_local;

	if (size < 48 || ip[0] >> 4 != 6)
		return -EBADMSG;
	payload = load16(ip + 4);
	options = 8u + ip[41] * 8u;
	if (payload > size - 40 || options > payload)
		return -EBADMSG;
	m->v6 = true;
	m->from_nobody = memcmp(ip + 8, none, 16) == 0;
	link_local = ip[8] == 0xfe && (ip[9] & 0xc0) == 0x80;
	/* Hop-by-hop with an alert, then ICMP; not through a router, from the link, to a group. */
	if (ip[6] != 0 || ip[40] != 58 || ip[7] != 1 || !is_multicast(ip + 24, true) ||
		!(link_local || m->from_nobody) || !has_alert(ip + 42, ip + 40 + options))
		return -EBADMSG;
	pseudo = sum(ip + 8, 32, (uint32_t)(payload - options) + 58);
	if (fold(sum(ip + 40 + options, payload - options, pseudo)))
		return -EBADMSG;
	return read_mld(m, ip + 40 + options, payload - options);
}

int
mcast_message_read(const uint8_t *frame, size_t size, struct mcast_message *m)
{
	m->count = 0;
	if (size < ETHERNET || !(frame[0] & 1))
		return -EBADMSG;
	switch (load16(frame + 12)) {
	case 0x0800:
		return read_v4(m, frame + ETHERNET, size - ETHERNET);
	case 0x86dd:
		return read_v6(m, frame + ETHERNET, size - ETHERNET);
	default:
		return -EBADMSG;
	}
}

/* ---- queries ---- */

static size_t
write_igmp(uint8_t *ip)
{
	static const uint8_t header[24] = {0x46, 0xc0, 0, 36, 0, 0, 0x40, 0, 1, 2, 0, 0, 0, 0, 0, 0,
		224, 0, 0, 1, 0x94, 4, 0, 0};
	uint8_t *igmp = ip + sizeof(header);

	memcpy(ip, header, sizeof(header));
	store16(ip + 10, fold(sum(ip, sizeof(header), 0)));
	igmp[0] = 0x11;
	igmp[1] = RESPONSE;
	igmp[8] = 2; /* robustness */
	igmp[9] = INTERVAL;
	store16(igmp + 2, fold(sum(igmp, 12, 0)));
	return sizeof(header) + 12;
}

static size_t
write_mld(uint8_t *ip, const struct mac *source)
{
	static const uint8_t header[48] = {0x60, 0, 0, 0, 0, 36, 0, 1, [8] = 0xfe,
		0x80, [24] = 0xff, 0x02, [39] = 1, [40] = 58, 0, 5, 2, 0, 0, 1, 0};
	uint8_t *icmp = ip + sizeof(header);

	memcpy(ip, header, sizeof(header));
	/* fe80::/64 and the modified EUI-64 of the address (RFC 4291). */
	memcpy(ip + 16, source->b, 3);
	ip[16] ^= 2;
	ip[19] = 0xff;
	ip[20] = 0xfe;
	memcpy(ip + 21, source->b + 3, 3);
	icmp[0] = 130;
	store16(icmp + 4, RESPONSE * 100);
	icmp[24] = 2;
	icmp[25] = INTERVAL;
	store16(icmp + 2, fold(sum(icmp, 28, sum(ip + 8, 32, 28 + 58))));
	return sizeof(header) + 28;
}

size_t
mcast_query_write(bool v6, const struct mac *source, uint8_t frame[MCAST_QUERY_MAX])
{
	static const uint8_t targets[2][MAC_LEN] = {
		{0x01, 0x00, 0x5e, 0, 0, 1}, {0x33, 0x33, 0, 0, 0, 1}};
	size_t size;

	memset(frame, 0, MCAST_QUERY_MAX);
	memcpy(frame, targets[v6], MAC_LEN);
	memcpy(frame + MAC_LEN, source->b, MAC_LEN);
	store16(frame + 12, v6 ? 0x86dd : 0x0800);
	size = ETHERNET + (v6 ? write_mld(frame + ETHERNET, source) : write_igmp(frame + ETHERNET));
	return size < 60 ? 60 : size;
}
