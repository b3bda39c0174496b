/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Threat model: frames are whatever guests send.  Only bytes that were captured are looked at, and
 * nothing but numbers made of them is printed.
 */
#include <arpa/inet.h>
#include <stdbool.h>

#include "cli/capture_frame.h"

#define TAGS_MAX     2
#define TYPE_AT      12
#define TYPE_IPV4    0x0800
#define TYPE_ARP     0x0806
#define TYPE_IPV6    0x86dd
#define TYPE_VLAN    0x8100
#define TYPE_QINQ    0x88a8
#define LENGTHS_MAX  1500 /* up to there the type is a length */
#define PROTO_ICMP   1
#define PROTO_TCP    6
#define PROTO_UDP    17
#define PROTO_ICMPV6 58
#define FRAGMENT     0x1fff

static unsigned
load16(const uint8_t *p)
{
	return (unsigned)p[0] << 8 | p[1];
}

static bool
is_tag(unsigned type)
{
	return type == TYPE_VLAN || type == TYPE_QINQ;
}

/* Where the type behind the tags stands; the tags are printed. */
static uint32_t
put_tags(const struct capture_frame *f, FILE *file)
{
	uint32_t at = TYPE_AT;

	for (unsigned n = 0; n < TAGS_MAX && at + 6 <= f->captured && is_tag(load16(f->bytes + at));
		n++, at += 4)
		if (file)
			fprintf(file, "vlan %u ", load16(f->bytes + at + 2) & 0xfff);
	return at;
}

void
capture_frame_tags(const struct capture_frame *f, FILE *file)
{
	put_tags(f, file);
}

static void
put_mac(FILE *file, const uint8_t *mac)
{
	fprintf(file, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3], mac[4],
		mac[5]);
}

static void
put_protocol(FILE *file, unsigned protocol)
{
	switch (protocol) {
	case PROTO_TCP:
		fputs(" TCP", file);
		break;
	case PROTO_UDP:
		fputs(" UDP", file);
		break;
	case PROTO_ICMP:
	case PROTO_ICMPV6:
		fputs(" ICMP", file);
		break;
	default:
		fprintf(file, " protocol %u", protocol);
	}
}

/* Addresses, ports where there are some, protocol. */
static void
put_ip(FILE *file, int family, const uint8_t *source, const uint8_t *target, unsigned protocol,
	const uint8_t *ports)
{
	char text[INET6_ADDRSTRLEN];
	bool has_ports = ports && (protocol == PROTO_TCP || protocol == PROTO_UDP);

	fputs(inet_ntop(family, source, text, sizeof(text)), file);
	if (has_ports)
		fprintf(file, ".%u", load16(ports));
	fprintf(file, " > %s", inet_ntop(family, target, text, sizeof(text)));
	if (has_ports)
		fprintf(file, ".%u", load16(ports + 2));
	put_protocol(file, protocol);
}

static void
put_payload(FILE *file, unsigned type, const uint8_t *p, uint32_t left)
{
	const uint8_t *end = p + left, *ports;

	if (type == TYPE_IPV4 && left >= 20) {
		ports = p + (p[0] & 15) * 4;
		if (load16(p + 6) & FRAGMENT || end - p < (p[0] & 15) * 4 + 4)
			ports = NULL;
		fputs("IPv4 ", file);
		put_ip(file, AF_INET, p + 12, p + 16, p[9], ports);
	} else if (type == TYPE_IPV6 && left >= 40) {
		fputs("IPv6 ", file);
		put_ip(file, AF_INET6, p + 8, p + 24, p[6], left >= 44 ? p + 40 : NULL);
	} else if (type == TYPE_ARP) {
		fputs("ARP", file);
	} else if (type <= LENGTHS_MAX) {
		fputs("802.3", file);
	} else {
		fprintf(file, "ethertype 0x%04x", type);
	}
}

void
capture_frame_describe(const struct capture_frame *f, FILE *file)
{
	uint32_t at = put_tags(f, NULL);

	if (f->captured >= TYPE_AT) {
		put_mac(file, f->bytes + 6);
		fputs(" > ", file);
		put_mac(file, f->bytes);
		fputs(", ", file);
	}
	if (f->captured >= at + 2) {
		put_payload(file, load16(f->bytes + at), f->bytes + at + 2, f->captured - at - 2);
		fputs(", ", file);
	}
	fprintf(file, "length %u", f->len);
}
