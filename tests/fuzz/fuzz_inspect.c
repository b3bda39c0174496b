/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Headers that guards and the learning of leases look at, in a frame that a guest made up.
 *
 * Input: how many bytes are private at first, then the frame.
 *
 * Beyond memory errors: what is said of a part of a frame is said of all of it or is "more", and what
 * is found lies inside.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "control/dhcp.h"
#include "datapath/inspect.h"

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size);

#define REQUIRE(condition)        \
	do {                      \
		if (!(condition)) \
			abort();  \
	} while (0)

/* An allocation of its own, so that a read past its end is seen. */
static uint8_t *
copy_of(const uint8_t *bytes, size_t len)
{
	uint8_t *copy = malloc(len);

	REQUIRE(copy);
	memcpy(copy, bytes, len);
	return copy;
}

static void
check_inside(enum inspect_kind kind, const struct inspect *p, const uint8_t *bytes, unsigned len)
{
	if (kind != INSPECT_ARP && kind != INSPECT_IPV4 && kind != INSPECT_IPV6)
		return;
	REQUIRE(p->l3 >= bytes + FRAME_LEN_MIN && p->l3 + 20 <= bytes + len);
	if (kind == INSPECT_ARP)
		return;
	REQUIRE(!p->later == (p->l4 != NULL));
	REQUIRE(p->later || (p->l4 <= p->end && p->end <= bytes + len));
}

int
LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
	struct dhcp_answer answer;
	struct inspect some, all;
	enum inspect_kind before, kind;
	uint8_t *head, *whole;
	unsigned len, visible;

	if (size < 1 + FRAME_LEN_MIN || size > 1 + FRAME_LEN_MAX)
		return 0;
	len = (unsigned)size - 1;
	visible = input[0] < FRAME_LEN_MIN ? FRAME_LEN_MIN : input[0];
	if (visible > len)
		visible = len;
	head = copy_of(input + 1, visible);
	whole = copy_of(input + 1, len);
	before = inspect_bytes(head, visible, len, &some);
	kind = inspect_bytes(whole, len, len, &all);
	REQUIRE(kind != INSPECT_MORE);
	REQUIRE(before == kind || (before == INSPECT_MORE && visible < len));
	check_inside(before, &some, head, visible);
	check_inside(kind, &all, whole, len);
	if (dhcp_read(whole, len, &answer))
		REQUIRE(answer.count && answer.count <= DHCP_GRANTS_MAX);
	free(head);
	free(whole);
	return 0;
}
