/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * parse: strict conversion between text and values.
 *
 * Nothing is skipped, guessed or left over: no white space, no sign, no "0x", no second meaning of
 * a leading zero, no dependence on the locale.  Results are stored on success only.  Functions may
 * be called by any thread.
 *
 * Errors: -EINVAL the text is not of the form; -ERANGE it is, but the value is out of range.
 */
#ifndef LIB_PARSE_H
#define LIB_PARSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/ethernet.h"

/* The longest text of a VLAN set is 2048 separate numbers. */
#define VLANS_TEXT_SIZE 10240

/* Decimal digits, without leading zeros, min..max. */
int parse_u64(const char *text, uint64_t min, uint64_t max, uint64_t *value);

/* Octal digits, with or without leading zeros ("660", "0660"), min..max. */
int parse_octal(const char *text, uint64_t min, uint64_t max, uint64_t *value);

/* Decimal digits and K, M, G or T for so many times 1024, min..max: "512M" is 536870912. */
int parse_size(const char *text, uint64_t min, uint64_t max, uint64_t *value);

/* yes, no, true, false, on, off; lower case. */
int parse_bool(const char *text, bool *value);

/* "52:54:00:12:34:56": six pairs of hexadecimal digits in either case.  Any address. */
int parse_mac(const char *text, struct mac *mac);
/* The same in lower case; returns buffer. */
char *mac_format(const struct mac *mac, char buffer[MAC_TEXT_SIZE]);

/* Addresses with commas between them, none of them zero, a group address or given twice.  -ERANGE:
 * more than MAC_LIST_MAX. */
int parse_macs(const char *text, struct mac_list *list);
/* Appends.  -EINVAL: zero, a group address or there already; -ERANGE: the list is full. */
int mac_list_add(struct mac_list *list, const struct mac *mac);

/*
 * A decimal number with k, M, G or T (powers of 1000) behind it or nothing: "64k", "2.5G", "1500".
 * A fraction needs a unit that makes it whole.
 */
int parse_scaled(const char *text, uint64_t min, uint64_t max, uint64_t *value);
/* The same with the largest unit that leaves no fraction. */
#define SCALED_TEXT_SIZE 24
char *scaled_format(uint64_t value, char buffer[SCALED_TEXT_SIZE]);

/* "1,5,100-200": numbers and ascending ranges in any order, 0..4094.  Not empty. */
int parse_vlans(const char *text, struct vlan_set *set);
/* The same, ascending, as short as possible; "" for the empty set.  -ENOSPC. */
int vlans_format(const struct vlan_set *set, char *buffer, size_t size);

/*
 * "0,2-3": numbers and ascending ranges of CPUs in the order given, without repetition.  -ENOSPC
 * when they are more than max; -EEXIST when one is named twice.
 */
int parse_cpus(const char *text, uint16_t *cpus, unsigned max, unsigned *count);

/* 1..size-1 of [A-Za-z0-9._-], not starting with '-' or '.'. */
bool name_is_valid(const char *text, size_t size);

/* What the kernel takes as the name of a network interface: 1..15 bytes, none of them '/', ':',
 * space or unprintable, not "." or "..". */
bool ifname_is_valid(const char *text);

#endif
