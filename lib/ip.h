/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ip: IPv4 and IPv6 addresses and prefixes as plain values, and their text (RFC 4632, RFC 4291,
 * printed as RFC 5952 says).
 *
 * Parsing is strict (lib/parse.h): no leading zeros in IPv4, no zone, no IPv4-mapped IPv6 address.
 */
#ifndef LIB_IP_H
#define LIB_IP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define IP_TEXT_SIZE      50 /* 45 of an address, "/128", the NUL */
#define IP_LIST_MAX       32
/* IP_LIST_MAX texts and the commas between them. */
#define IP_LIST_TEXT_SIZE (IP_LIST_MAX * IP_TEXT_SIZE)

/* Bits behind the prefix are 0; bytes behind an IPv4 address, too. */
struct ip_prefix {
	uint8_t bytes[16];
	uint8_t version; /* 4 or 6 */
	uint8_t len;     /* bits that count: 32 or 128 for an address */
};

struct ip_list {
	uint32_t count;
	struct ip_prefix prefixes[IP_LIST_MAX]; /* those behind count are zero */
};

static inline bool
ip_is_address(const struct ip_prefix *p)
{
	return p->len == (p->version == 4 ? 32 : 128);
}

/* "10.0.0.1", "10.0.0.0/24", "2001:db8::/32".  -EINVAL; also for bits set behind the prefix. */
int parse_ip_prefix(const char *text, struct ip_prefix *prefix);
/* The same, an address without its length; returns buffer. */
char *ip_prefix_format(const struct ip_prefix *prefix, char buffer[IP_TEXT_SIZE]);

/* Prefixes with commas between them, none twice.  -EINVAL; -ERANGE: more than IP_LIST_MAX. */
int parse_ip_list(const char *text, struct ip_list *list);
/* Appends.  -EINVAL: it is there already; -ERANGE: the list is full. */
int ip_list_add(struct ip_list *list, const struct ip_prefix *prefix);

/* Does the prefix cover the address (4 or 16 bytes)? */
bool ip_prefix_covers(const struct ip_prefix *prefix, unsigned version, const uint8_t *address);

#endif
