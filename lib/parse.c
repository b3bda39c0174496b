/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "lib/parse.h"

#define IFNAME_SIZE 16 /* IFNAMSIZ */
#define CPU_LIMIT   65536

/* Digits of `base` up to the first other character; -EINVAL when there is none, -ERANGE when the
 * number has no place in 64 bits. */
static int
read_digits(const char **text, unsigned base, uint64_t *value)
{
	const char *p = *text;
	uint64_t v = 0;

	for (; *p >= '0' && *p < (char)('0' + base); p++) {
		unsigned digit = (unsigned)(*p - '0');

		if (v > (UINT64_MAX - digit) / base)
			return -ERANGE;
		v = v * base + digit;
	}
	if (p == *text)
		return -EINVAL;
	*text = p;
	*value = v;
	return 0;
}

/* A decimal number without leading zeros. */
static int
read_decimal(const char **text, uint64_t *value)
{
	const char *p = *text;

	if (p[0] == '0' && p[1] >= '0' && p[1] <= '9')
		return -EINVAL;
	return read_digits(text, 10, value);
}

static int
parse_number(const char *text, unsigned base, uint64_t min, uint64_t max, uint64_t *value)
{
	const char *p = text;
	uint64_t v = 0;
	int r = base == 10 ? read_decimal(&p, &v) : read_digits(&p, base, &v);

	/* A number that is too large may still be followed by what makes it none. */
	if (r == -ERANGE)
		return p[strspn(p, "0123456789")] == '\0' ? -ERANGE : -EINVAL;
	if (r)
		return r;
	if (*p != '\0')
		return -EINVAL;
	if (v < min || v > max)
		return -ERANGE;
	*value = v;
	return 0;
}

int
parse_u64(const char *text, uint64_t min, uint64_t max, uint64_t *value)
{
	return parse_number(text, 10, min, max, value);
}

int
parse_octal(const char *text, uint64_t min, uint64_t max, uint64_t *value)
{
	return parse_number(text, 8, min, max, value);
}

int
parse_size(const char *text, uint64_t min, uint64_t max, uint64_t *value)
{
	static const char units[] = "KMGT";
	const char *unit;
	unsigned shift = 0;
	uint64_t v;
	int r = read_decimal(&text, &v);

	if (r)
		return r;
	if (*text) {
		unit = strchr(units, *text);
		if (!unit || text[1])
			return -EINVAL;
		shift = 10 * (unsigned)(unit - units + 1);
	}
	if (v > UINT64_MAX >> shift || v << shift < min || v << shift > max)
		return -ERANGE;
	*value = v << shift;
	return 0;
}

int
parse_bool(const char *text, bool *value)
{
	static const char *const yes[] = {"yes", "true", "on"}, *const no[] = {
									"no", "false", "off"};

	for (unsigned i = 0; i < 3; i++) {
		if (strcmp(text, yes[i]) == 0) {
			*value = true;
			return 0;
		}
		if (strcmp(text, no[i]) == 0) {
			*value = false;
			return 0;
		}
	}
	return -EINVAL;
}

static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

int
parse_mac(const char *text, struct mac *mac)
{
	struct mac m;

	for (unsigned i = 0; i < MAC_LEN; i++) {
		int high = hex_digit(text[0]), low = high < 0 ? -1 : hex_digit(text[1]);

		if (low < 0 || text[2] != (i == MAC_LEN - 1 ? '\0' : ':'))
			return -EINVAL;
		m.b[i] = (uint8_t)(high << 4 | low);
		text += 3;
	}
	*mac = m;
	return 0;
}

char *
mac_format(const struct mac *mac, char buffer[MAC_TEXT_SIZE])
{
	const uint8_t *b = mac->b;

	snprintf(buffer, MAC_TEXT_SIZE, "%02x:%02x:%02x:%02x:%02x:%02x", b[0], b[1], b[2], b[3],
		b[4], b[5]);
	return buffer;
}

int
mac_list_add(struct mac_list *list, const struct mac *mac)
{
	if (mac_is_zero(mac) || mac_is_multicast(mac))
		return -EINVAL;
	for (unsigned i = 0; i < list->count; i++)
		if (memcmp(&list->macs[i], mac, sizeof(*mac)) == 0)
			return -EINVAL;
	if (list->count == MAC_LIST_MAX)
		return -ERANGE;
	list->macs[list->count++] = *mac;
	return 0;
}

int
parse_macs(const char *text, struct mac_list *list)
{
	struct mac_list found = {0};
	char word[MAC_TEXT_SIZE];
	struct mac mac;
	int r;

	for (;; text += MAC_TEXT_SIZE) {
		size_t n = strcspn(text, ",");

		if (n != MAC_TEXT_SIZE - 1)
			return -EINVAL;
		memcpy(word, text, n);
		word[n] = '\0';
		r = parse_mac(word, &mac);
		if (r == 0)
			r = mac_list_add(&found, &mac);
		if (r)
			return r;
		if (text[n] == '\0')
			break;
	}
	*list = found;
	return 0;
}

static const char scale_units[] = "kMGT";

int
parse_scaled(const char *text, uint64_t min, uint64_t max, uint64_t *value)
{
	const char *p = text, *unit;
	uint64_t v, scale = 1, fraction = 0, place = 1;
	int r = read_decimal(&p, &v);

	if (r == -EINVAL)
		return r;
	if (r)
		return p[strspn(p, "0123456789")] == '\0' ? r : -EINVAL;
	if (*p == '.') {
		for (p++; *p >= '0' && *p <= '9' && place < UINT64_C(1000000000000); p++) {
			fraction = fraction * 10 + (uint64_t)(*p - '0');
			place *= 10;
		}
		if (place == 1)
			return -EINVAL;
	}
	unit = *p ? strchr(scale_units, *p) : NULL;
	if (unit) {
		for (const char *u = scale_units; u <= unit; u++)
			scale *= 1000;
		p++;
	}
	/* Below 10^24: places and units are both at most 10^12. */
	if (*p != '\0' || (unsigned __int128)fraction * scale % place)
		return -EINVAL;
	fraction = (uint64_t)((unsigned __int128)fraction * scale / place);
	if (v > (UINT64_MAX - fraction) / scale)
		return -ERANGE;
	v = v * scale + fraction;
	if (v < min || v > max)
		return -ERANGE;
	*value = v;
	return 0;
}

char *
scaled_format(uint64_t value, char buffer[SCALED_TEXT_SIZE])
{
	unsigned units = 0;

	for (; value && value % 1000 == 0 && units < sizeof(scale_units) - 1; units++)
		value /= 1000;
	snprintf(buffer, SCALED_TEXT_SIZE, "%" PRIu64 "%.1s", value,
		units ? &scale_units[units - 1] : "");
	return buffer;
}

/*
 * One element of a list, "5" or "5-7", and the comma behind it.  *text then stands at the next
 * element, or is NULL when this was the last one.
 */
static int
read_range(const char **text, uint64_t max, uint64_t *first, uint64_t *last)
{
	const char *p = *text;
	int r = read_decimal(&p, first);

	if (r)
		return r;
	*last = *first;
	if (*p == '-') {
		p++;
		r = read_decimal(&p, last);
		if (r)
			return r;
	}
	if (*p != ',' && *p != '\0')
		return -EINVAL;
	if (*last < *first)
		return -EINVAL;
	if (*last > max)
		return -ERANGE;
	*text = *p == ',' ? p + 1 : NULL;
	return 0;
}

int
parse_vlans(const char *text, struct vlan_set *set)
{
	struct vlan_set s = {0};
	uint64_t first, last;

	while (text) {
		int r = read_range(&text, VLAN_COUNT - 2, &first, &last);

		if (r)
			return r;
		for (uint64_t v = first; v <= last; v++)
			vlan_set_add(&s, (unsigned)v);
	}
	*set = s;
	return 0;
}

int
vlans_format(const struct vlan_set *set, char *buffer, size_t size)
{
	size_t used = 0;

	if (size == 0)
		return -ENOSPC;
	buffer[0] = '\0';
	for (unsigned v = 0; v < VLAN_COUNT; v++) {
		unsigned first = v;
		int n;

		if (!vlan_set_has(set, v))
			continue;
		while (v + 1 < VLAN_COUNT && vlan_set_has(set, v + 1))
			v++;
		if (v == first)
			n = snprintf(buffer + used, size - used, "%s%u", used ? "," : "", v);
		else
			n = snprintf(
				buffer + used, size - used, "%s%u-%u", used ? "," : "", first, v);
		if (n < 0 || (size_t)n >= size - used)
			return -ENOSPC;
		used += (size_t)n;
	}
	return 0;
}

int
parse_cpus(const char *text, uint16_t *cpus, unsigned max, unsigned *count)
{
	uint64_t seen[CPU_LIMIT / 64] = {0};
	const char *p = text;
	uint64_t first, last;
	unsigned n = 0;

	while (p) {
		int r = read_range(&p, CPU_LIMIT - 1, &first, &last);

		if (r)
			return r;
		for (uint64_t cpu = first; cpu <= last; cpu++, n++) {
			if (seen[cpu / 64] >> (cpu & 63) & 1)
				return -EEXIST;
			seen[cpu / 64] |= UINT64_C(1) << (cpu & 63);
			if (n == max)
				return -ENOSPC;
		}
	}

	/* The text is known to be good: store. */
	*count = n;
	n = 0;
	for (p = text; p;) {
		if (read_range(&p, CPU_LIMIT - 1, &first, &last))
			return -EINVAL;
		for (uint64_t cpu = first; cpu <= last; cpu++)
			cpus[n++] = (uint16_t)cpu;
	}
	return 0;
}

static bool
is_name_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '.' || c == '_' || c == '-';
}

bool
name_is_valid(const char *text, size_t size)
{
	size_t n = 0;

	if (text[0] == '-' || text[0] == '.')
		return false;
	for (; text[n] != '\0'; n++) {
		if (!is_name_char(text[n]) || n + 1 >= size)
			return false;
	}
	return n > 0;
}

bool
ifname_is_valid(const char *text)
{
	size_t n = 0;

	if (strcmp(text, ".") == 0 || strcmp(text, "..") == 0)
		return false;
	for (; text[n] != '\0'; n++) {
		unsigned char c = (unsigned char)text[n];

		if (n + 1 >= IFNAME_SIZE || c <= ' ' || c == 0x7f || c == '/' || c == ':')
			return false;
	}
	return n > 0;
}
