/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "datapath/address_set.h"
#include "datapath/frame.h"
#include "lib/ethernet.h"

#define TYPE_AT   12
#define TYPE_IPV4 0x0800
#define TYPE_ARP  0x0806
#define TYPE_RARP 0x8035
#define TYPE_IPV6 0x86dd
#define TAG       4
#define TAGS_MAX  2

/* An address as a number, the first byte the most significant. */
__extension__ typedef unsigned __int128 number;

struct range {
	number from, to;
};

struct ranges {
	unsigned count;
	struct range *sorted;
};

enum { MAC, IPV4, IPV6, KINDS };

struct address_set {
	struct ranges kinds[KINDS];
};

static unsigned
kind_of(unsigned version)
{
	return version == 4 ? IPV4 : version == 6 ? IPV6 : MAC;
}

static unsigned
size_of(unsigned version)
{
	return version == 4 ? 4 : version == 6 ? 16 : MAC_LEN;
}

static number
load(const uint8_t *bytes, unsigned size)
{
	number n = 0;

	for (unsigned i = 0; i < size; i++)
		n = n << 8 | bytes[i];
	return n;
}

static int
compare(const void *a, const void *b)
{
	const struct range *x = a, *y = b;

	return x->from < y->from ? -1 : x->from > y->from;
}

/* Sorted, and those that touch or overlap made one. */
static void
join(struct ranges *r)
{
	unsigned kept = 0;

	qsort(r->sorted, r->count, sizeof(*r->sorted), compare);
	for (unsigned i = 0; i < r->count; i++) {
		struct range *last = kept ? &r->sorted[kept - 1] : NULL;

		if (last && (r->sorted[i].from <= last->to || r->sorted[i].from - last->to == 1)) {
			if (r->sorted[i].to > last->to)
				last->to = r->sorted[i].to;
			continue;
		}
		r->sorted[kept++] = r->sorted[i];
	}
	r->count = kept;
}

int
address_set_create(struct address_set **set, const struct ip_prefix *addresses, unsigned count)
{
	struct address_set *s = calloc(1, sizeof(*s));
	bool ok = s != NULL;

	for (unsigned k = 0; ok && k < KINDS; k++) {
		s->kinds[k].sorted = calloc(count + 1u, sizeof(*s->kinds[k].sorted));
		ok = s->kinds[k].sorted != NULL;
	}
	if (!ok) {
		address_set_destroy(s);
		return -ENOMEM;
	}
	for (unsigned i = 0; i < count; i++) {
		const struct ip_prefix *p = &addresses[i];
		struct ranges *r = &s->kinds[kind_of(p->version)];
		unsigned size = size_of(p->version), free_bits = size * 8 - p->len;
		number from = load(p->bytes, size), rest = 0;

		if (free_bits)
			rest = ~(number)0 >> (128 - free_bits);
		r->sorted[r->count++] = (struct range){from & ~rest, from | rest};
	}
	for (unsigned k = 0; k < KINDS; k++)
		join(&s->kinds[k]);
	*set = s;
	return 0;
}

void
address_set_destroy(struct address_set *set)
{
	if (!set)
		return;
	for (unsigned k = 0; k < KINDS; k++)
		free(set->kinds[k].sorted);
	free(set);
}

bool
address_set_has(const struct address_set *set, unsigned version, const uint8_t *address)
{
	const struct ranges *r = &set->kinds[kind_of(version)];
	const struct range *base = r->sorted;
	unsigned n = r->count;
	number wanted;

	if (!n)
		return false;
	wanted = load(address, size_of(version));
	/* The last that begins at or before the address stays in [base, base + n). */
	while (n > 1) {
		unsigned half = n / 2;

		base = base[half].from <= wanted ? base + half : base;
		n -= half;
	}
	return base->from <= wanted && wanted <= base->to;
}

static unsigned
load16(const uint8_t *p)
{
	return (unsigned)(p[0] << 8 | p[1]);
}

/* Where the source address of IPv4, IPv6 or ARP begins; *version as in ip_prefix. */
static const uint8_t *
find_source(const uint8_t *bytes, unsigned seen, unsigned *version, unsigned *to_target)
{
	unsigned at = TYPE_AT, type, sender;

	for (unsigned tags = 0; tags < TAGS_MAX && at + TAG + 2 <= seen; tags++) {
		type = load16(bytes + at);
		if (type != 0x8100 && type != 0x88a8)
			break;
		at += TAG;
	}
	if (at + 2 > seen)
		return NULL;
	type = load16(bytes + at);
	at += 2;
	*version = type == TYPE_IPV6 ? 6 : 4;
	*to_target = type == TYPE_IPV6 ? 16 : 4;
	if (type == TYPE_IPV4) {
		sender = 12;
	} else if (type == TYPE_IPV6) {
		sender = 8;
	} else if ((type == TYPE_ARP || type == TYPE_RARP) && at + 8 <= seen &&
		   load16(bytes + at + 2) == TYPE_IPV4 && bytes[at + 4] == MAC_LEN) {
		sender = 14;
		*to_target = 10;
	} else {
		return NULL;
	}
	return at + sender + *to_target + size_of(*version) <= seen ? bytes + at + sender : NULL;
}

bool
address_set_has_frame(
	const struct address_set *set, const uint8_t *bytes, unsigned seen, bool target)
{
	unsigned version, to_target;
	const uint8_t *source;

	if (seen < FRAME_LEN_MIN)
		return false;
	if (address_set_has(set, ADDRESS_SET_MAC, target ? bytes : bytes + MAC_LEN))
		return true;
	if (!set->kinds[IPV4].count && !set->kinds[IPV6].count)
		return false;
	source = find_source(bytes, seen, &version, &to_target);
	return source && address_set_has(set, version, target ? source + to_target : source);
}
