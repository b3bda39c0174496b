/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Threat model: the frame may come from anybody who can send to the port.  It is a private copy;
 * every option is checked against the end of what contains it before it is read, and the nesting of
 * DHCPv6 options is followed two levels deep only.
 */
#include <string.h>

#include "control/dhcp.h"
#include "datapath/inspect.h"

#define UDP_HEADER 8

/* RFC 2131, figure 1 */
#define BOOT_REPLY       2
#define BOOT_HLEN        2
#define BOOT_YIADDR      16
#define BOOT_CHADDR      28
#define BOOT_COOKIE      236
#define BOOT_OPTIONS     240
#define OPTION_PAD       0
#define OPTION_LEASE     51
#define OPTION_TYPE      53
#define OPTION_END       255
#define TYPE_ACK         5
#define DHCP_CLIENT_PORT 68

/* RFC 8415, sections 7.3 and 21 */
#define DHCP6_CLIENT_PORT 546
#define DHCP6_REPLY       7
#define DHCP6_HEADER      4
#define OPTION6_NA        3
#define OPTION6_TA        4
#define OPTION6_ADDRESS   5
#define OPTION6_PD        25
#define OPTION6_PREFIX    26

static uint32_t
load32(const uint8_t *p)
{
	return (uint32_t)inspect_load16(p) << 16 | inspect_load16(p + 2);
}

static void
grant_add(struct dhcp_answer *answer, const struct dhcp_grant *grant)
{
	if (answer->count < DHCP_GRANTS_MAX)
		answer->grants[answer->count++] = *grant;
}

static bool
read_v4(const uint8_t *p, const uint8_t *end, struct dhcp_answer *answer)
{
	struct dhcp_grant grant = {
		.prefix = {.version = 4, .len = 32}, .lifetime_s = DHCP_FOR_EVER};
	unsigned type = 0;

	if (end - p < BOOT_OPTIONS || p[0] != BOOT_REPLY || p[BOOT_HLEN] != MAC_LEN ||
		load32(p + BOOT_COOKIE) != 0x63825363 || !load32(p + BOOT_YIADDR))
		return false;
	memcpy(&answer->client, p + BOOT_CHADDR, MAC_LEN);
	memcpy(grant.prefix.bytes, p + BOOT_YIADDR, 4);
	for (const uint8_t *o = p + BOOT_OPTIONS; o < end && *o != OPTION_END;) {
		if (*o == OPTION_PAD) {
			o++;
			continue;
		}
		if (end - o < 2 || end - o < 2 + o[1])
			return false;
		if (o[0] == OPTION_TYPE && o[1] == 1)
			type = o[2];
		else if (o[0] == OPTION_LEASE && o[1] == 4)
			grant.lifetime_s = load32(o + 2);
		o += 2 + o[1];
	}
	if (type != TYPE_ACK)
		return false;
	grant_add(answer, &grant);
	return true;
}

/* One address (RFC 8415, 21.6) or prefix (21.22) of an association. */
static bool
read_v6_grant(unsigned code, const uint8_t *p, unsigned len, struct dhcp_answer *answer)
{
	struct dhcp_grant grant = {.prefix = {.version = 6, .len = 128}};
	const uint8_t *address = p;

	if (code == OPTION6_ADDRESS && len >= 24) {
		grant.lifetime_s = load32(p + 20);
	} else if (code == OPTION6_PREFIX && len >= 25) {
		grant.lifetime_s = load32(p + 4);
		grant.prefix.len = p[8];
		address = p + 9;
	} else {
		return false;
	}
	if (!grant.prefix.len || grant.prefix.len > 128)
		return false;
	memcpy(grant.prefix.bytes, address, (grant.prefix.len + 7u) / 8);
	if (grant.prefix.len % 8)
		grant.prefix.bytes[grant.prefix.len / 8] &=
			(uint8_t)(0xff00 >> grant.prefix.len % 8);
	grant_add(answer, &grant);
	return true;
}

/* Options between p and end; those of associations are looked into. */
static bool
read_v6_options(const uint8_t *p, const uint8_t *end, bool inside, struct dhcp_answer *answer)
{
	while (p < end) {
		unsigned code, len, skip;
		const uint8_t *body = p + 4;

		if (end - p < 4 || end - body < inspect_load16(p + 2))
			return false;
		code = inspect_load16(p);
		len = inspect_load16(p + 2);
		skip = code == OPTION6_TA ? 4 : 12;
		if (inside && (code == OPTION6_ADDRESS || code == OPTION6_PREFIX)) {
			if (!read_v6_grant(code, body, len, answer))
				return false;
		} else if (!inside &&
			   (code == OPTION6_NA || code == OPTION6_TA || code == OPTION6_PD)) {
			if (len < skip || !read_v6_options(body + skip, body + len, true, answer))
				return false;
		}
		p = body + len;
	}
	return true;
}

bool
dhcp_read(const uint8_t *bytes, unsigned len, struct dhcp_answer *answer)
{
	struct inspect p;
	enum inspect_kind kind = inspect_bytes(bytes, len, len, &p);
	const uint8_t *body;
	unsigned udp_len;

	memset(answer, 0, sizeof(*answer));
	if ((kind != INSPECT_IPV4 && kind != INSPECT_IPV6) || p.protocol != INSPECT_UDP || !p.l4 ||
		p.fragmented)
		return false;
	udp_len = inspect_load16(p.l4 + 4);
	if (udp_len < UDP_HEADER || p.l4 + udp_len > bytes + len)
		return false;
	body = p.l4 + UDP_HEADER;
	if (kind == INSPECT_IPV4)
		return inspect_load16(p.l4 + 2) == DHCP_CLIENT_PORT &&
		       read_v4(body, p.l4 + udp_len, answer);
	memcpy(&answer->client, bytes, MAC_LEN);
	return inspect_load16(p.l4 + 2) == DHCP6_CLIENT_PORT && udp_len >= UDP_HEADER + 4 &&
	       body[0] == DHCP6_REPLY &&
	       read_v6_options(body + DHCP6_HEADER, p.l4 + udp_len, false, answer) && answer->count;
}
