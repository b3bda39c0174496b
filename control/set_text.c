/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "control/model.h"
#include "lib/parse.h"

#define SEPARATORS ", \t\r\n"

char *
set_address_format(const struct ip_prefix *address, char buffer[IP_TEXT_SIZE])
{
	struct mac mac;

	if (address->version != SET_MAC)
		return ip_prefix_format(address, buffer);
	memcpy(mac.b, address->bytes, sizeof(mac.b));
	return mac_format(&mac, buffer);
}

static int
parse_address(const char *text, struct ip_prefix *address)
{
	struct mac mac;

	if (parse_ip_prefix(text, address) == 0)
		return 0;
	if (parse_mac(text, &mac) < 0)
		return -EINVAL;
	memset(address, 0, sizeof(*address));
	address->version = SET_MAC;
	address->len = 48;
	memcpy(address->bytes, mac.b, sizeof(mac.b));
	return 0;
}

/* The next word; false at the end.  What stands behind '#' in a line is no word. */
static bool
next_word(const char **text, unsigned *line, const char **word, size_t *n)
{
	const char *p = *text;

	for (;;) {
		while (*p && strchr(SEPARATORS, *p))
			*line += *p++ == '\n';
		if (*p != '#')
			break;
		p += strcspn(p, "\n");
	}
	*word = p;
	*n = strcspn(p, SEPARATORS "#");
	*text = p + *n;
	return *n > 0;
}

int
set_addresses_parse(
	const char *text, struct ip_prefix **addresses, unsigned *count, struct err *err)
{
	unsigned line = 1, room = 0;
	const char *word;
	size_t n;

	*addresses = NULL;
	*count = 0;
	while (next_word(&text, &line, &word, &n)) {
		char one[IP_TEXT_SIZE];

		if (*count == room) {
			struct ip_prefix *more;

			room = room ? 2 * room : 64;
			more = reallocarray(*addresses, room, sizeof(*more));
			if (!more) {
				free(*addresses);
				return err_set(err, -ENOMEM, "out of memory");
			}
			*addresses = more;
		}
		if (n < sizeof(one)) {
			memcpy(one, word, n);
			one[n] = '\0';
		}
		if (n >= sizeof(one) || parse_address(one, &(*addresses)[*count]) < 0) {
			free(*addresses);
			return err_set(err, -EINVAL,
				"line %u: \"%.*s\" is no MAC address, IPv4 or IPv6 address or prefix "
				"(bits behind a prefix are 0)",
				line, (int)(n < 60 ? n : 60), word);
		}
		if (++*count > MODEL_SETS_MAX) {
			free(*addresses);
			return err_set(err, -ENOSPC, "more than %u addresses", MODEL_SETS_MAX);
		}
	}
	return 0;
}
