/* SPDX-License-Identifier: BSD-3-Clause */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/ip.h"
#include "lib/parse.h"

static bool
has_bits_behind(const struct ip_prefix *p)
{
	unsigned size = p->version == 4 ? 4 : 16;

	for (unsigned bit = p->len; bit < size * 8; bit++)
		if (p->bytes[bit / 8] & 0x80 >> bit % 8)
			return true;
	return false;
}

int
parse_ip_prefix(const char *text, struct ip_prefix *prefix)
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
	const char *slash = strchr(text, '/');
	size_t n = slash ? (size_t)(slash - text) : strlen(text);
	struct ip_prefix p = {.version = memchr(text, ':', n) ? 6 : 4};
	char address[INET6_ADDRSTRLEN];
	uint64_t len = p.version == 4 ? 32 : 128;

	if (n >= sizeof(address))
		return -EINVAL;
	memcpy(address, text, n);
	address[n] = '\0';
	if (inet_pton(p.version == 4 ? AF_INET : AF_INET6, address, p.bytes) != 1)
		return -EINVAL;
	if (slash && parse_u64(slash + 1, 0, len, &len))
		return -EINVAL;
	p.len = (uint8_t)len;
	if (has_bits_behind(&p) || (p.version == 6 && memcmp(p.bytes, mapped, sizeof(mapped)) == 0))
		return -EINVAL;
	*prefix = p;
	return 0;
}

char *
ip_prefix_format(const struct ip_prefix *p, char buffer[IP_TEXT_SIZE])
{
	char address[INET6_ADDRSTRLEN];

	inet_ntop(p->version == 4 ? AF_INET : AF_INET6, p->bytes, address, sizeof(address));
	if (ip_is_address(p))
		snprintf(buffer, IP_TEXT_SIZE, "%s", address);
	else
		snprintf(buffer, IP_TEXT_SIZE, "%s/%u", address, p->len);
	return buffer;
}

int
ip_list_add(struct ip_list *list, const struct ip_prefix *prefix)
{
	for (unsigned i = 0; i < list->count; i++)
		if (memcmp(&list->prefixes[i], prefix, sizeof(*prefix)) == 0)
			return -EINVAL;
	if (list->count == IP_LIST_MAX)
		return -ERANGE;
	list->prefixes[list->count++] = *prefix;
	return 0;
}

int
parse_ip_list(const char *text, struct ip_list *list)
{
	struct ip_list found = {0};
	struct ip_prefix prefix;
	char word[IP_TEXT_SIZE];
	int r = 0;

	for (;;) {
		size_t n = strcspn(text, ",");

		if (n >= sizeof(word))
			return -EINVAL;
		memcpy(word, text, n);
		word[n] = '\0';
		r = parse_ip_prefix(word, &prefix);
		if (r == 0)
			r = ip_list_add(&found, &prefix);
		if (r)
			return r;
		if (text[n] == '\0')
			break;
		text += n + 1;
	}
	*list = found;
	return 0;
}

bool
ip_prefix_covers(const struct ip_prefix *p, unsigned version, const uint8_t *address)
{
	unsigned whole = p->len / 8, rest = p->len % 8;

	if (p->version != version || memcmp(p->bytes, address, whole) != 0)
		return false;
	return !rest || !((p->bytes[whole] ^ address[whole]) & (0xff00 >> rest & 0xff));
}
