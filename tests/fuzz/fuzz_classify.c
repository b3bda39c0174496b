/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A frame of any bytes from one port to another, VLANs in any mode: first the two ports, then the
 * private beginning of the frame.  What leaves has its bytes inside its place, what stood behind the
 * tag is as it was, and an access port sends no tag that names a VLAN.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "datapath/classify.h"

#define PORT_BYTES 6
#define HEAD_MAX   128
#define LEN_MORE   1000 /* bytes that are not private */

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size);

#define REQUIRE(condition)        \
	do {                      \
		if (!(condition)) \
			abort();  \
	} while (0)

static struct snapshot_port
port_of(const uint8_t *bytes)
{
	static const enum vlan_mode modes[] = {VLAN_TRUNK, VLAN_ACCESS, VLAN_NATIVE_TAGGED,
		VLAN_NATIVE_UNTAGGED, VLAN_DOT1Q_TUNNEL};
	unsigned listed = (bytes[3] << 8 | bytes[4]) & VLAN_VID_MASK;
	struct snapshot_port port = {
		.vlan_mode = modes[bytes[0] % 5],
		.tag = (uint16_t)((bytes[1] << 8 | bytes[2]) & VLAN_VID_MASK),
		.all_vlans = bytes[5] & 1,
		.all_cvlans = bytes[5] >> 1 & 1,
		.priority_tags = (bytes[5] >> 2 & 3) % 3,
		.qinq_ethtype = bytes[5] & 16 ? ETHERTYPE_VLAN : ETHERTYPE_QINQ,
	};

	vlan_set_add(&port.trunks, listed);
	vlan_set_add(&port.cvlans, listed);
	classify_prepare(&port);
	return port;
}

static void
check_leaving(const struct snapshot_port *out, struct frame *f, struct frame_slot *slot)
{
	unsigned behind = f->tagged ? VLAN_TAG : 0;
	uint32_t payload = f->len - ETHERNET_TYPE_AT - behind;
	const uint8_t *rest = f->data + ETHERNET_TYPE_AT + behind;

	classify_form(out, f);
	REQUIRE(f->data >= slot->headroom && f->data + f->head_len <= slot->bytes + FRAME_WHOLE);
	REQUIRE(f->head_len <= f->len);
	behind = f->tagged ? VLAN_TAG : 0;
	REQUIRE(f->len - ETHERNET_TYPE_AT - behind == payload);
	REQUIRE(f->data + ETHERNET_TYPE_AT + behind == rest);
	if (out->vlan_mode == VLAN_ACCESS && f->tagged && f->head_len >= ETHERNET_HEADER + VLAN_TAG)
		REQUIRE(!(classify_load16(f->data + ETHERNET_HEADER) & VLAN_VID_MASK));
}

int
LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
	struct snapshot_port in, out;
	struct frame_slot *slot;
	struct frame f;
	uint32_t head;

	if (size < 2 * PORT_BYTES + FRAME_LEN_MIN)
		return 0;
	in = port_of(input);
	out = port_of(input + PORT_BYTES);
	input += 2 * PORT_BYTES;
	size -= 2 * PORT_BYTES;
	head = size < HEAD_MAX ? (uint32_t)size : HEAD_MAX;
	slot = aligned_alloc(64, sizeof(*slot));
	REQUIRE(slot);
	memcpy(slot->bytes, input, head);
	memset(slot->bytes + head, 0xa5, sizeof(slot->bytes) - head);
	frame_start(
		&f, slot->bytes, head == HEAD_MAX ? head + LEN_MORE : head, head, head == HEAD_MAX);
	if (classify_vlan(&in, &f) == DROP_COUNT) {
		for (unsigned layers = 2; layers <= 4; layers++)
			REQUIRE(classify_hash(&f, layers) == classify_hash(&f, layers));
		if (f.head_len >= CLASSIFY_BEGIN_LEN) {
			struct classify_begin begin = classify_begin(&f);

			REQUIRE(classify_begins(&begin, &f, begin.next_len));
		}
		if (classify_sends(&out, &f))
			check_leaving(&out, &f, slot);
	}
	free(slot);
	return 0;
}
