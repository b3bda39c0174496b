/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * IGMP and MLD messages: any bytes, as they are and with their checksums made right.  What is
 * believed names multicast groups only, and never more than there is room for.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "control/mcast_message.h"

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size);

#define REQUIRE(condition)        \
	do {                      \
		if (!(condition)) \
			abort();  \
	} while (0)

static void
read_one(const uint8_t *frame, size_t size)
{
	static struct mcast_message message;

	if (mcast_message_read(frame, size, &message) < 0)
		return;
	REQUIRE(message.count <= MCAST_RECORDS_MAX);
	REQUIRE(message.kind == MCAST_REPORT || message.count == 0);
	for (unsigned i = 0; i < message.count; i++) {
		const struct mcast_address *group = &message.records[i].group;

		REQUIRE(mcast_is_v4(group) ? group->b[12] >> 4 == 14 : group->b[0] == 0xff);
		REQUIRE(mcast_mac(group).b[0] & 1);
	}
}

/* Sums of 16-bit words; the checksum's own place must hold 0. */
static uint16_t
checksum(const uint8_t *p, size_t size, uint32_t sum)
{
	for (size_t i = 0; i < size; i++)
		sum += i % 2 ? p[i] : (uint32_t)p[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

static void
set(uint8_t *at, uint16_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

/* The input is an IGMP message, or an MLD message, behind good headers. */
static void
read_body(const uint8_t *body, size_t size, bool v6)
{
	static const struct mac source = {{2, 0, 0, 0, 0, 1}};
	size_t at = 14 + (v6 ? 48 : 24);
	uint8_t frame[MCAST_QUERY_MAX], *whole;

	if (size > 2000 || size < 8)
		return;
	mcast_query_write(v6, &source, frame);
	whole = malloc(at + size);
	REQUIRE(whole);
	memcpy(whole, frame, at);
	memcpy(whole + at, body, size);
	set(whole + at + 2, 0);
	if (v6) {
		uint8_t pseudo[40] = {0};

		set(whole + 14 + 4, (uint16_t)(8 + size));
		memcpy(pseudo, whole + 14 + 8, 32);
		set(pseudo + 34, (uint16_t)size);
		pseudo[39] = 58;
		set(whole + at + 2, checksum(whole + at, size, (uint16_t)~checksum(pseudo, 40, 0)));
	} else {
		set(whole + 14 + 2, (uint16_t)(24 + size));
		set(whole + 14 + 10, 0);
		set(whole + 14 + 10, checksum(whole + 14, 24, 0));
		set(whole + at + 2, checksum(whole + at, size, 0));
	}
	read_one(whole, at + size);
	free(whole);
}

int
LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
	read_one(input, size);
	read_body(input, size, false);
	read_body(input, size, true);
	return 0;
}
