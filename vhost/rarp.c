/* SPDX-License-Identifier: BSD-3-Clause */
#include <string.h>

#include "vhost/rarp.h"

void
rarp_build(uint8_t frame[RARP_FRAME_SIZE], const struct mac *mac)
{
	/* Ethernet type; hardware 1, protocol IPv4, lengths 6 and 4, operation 3. */
	static const uint8_t head[] = {0x80, 0x35, 0, 1, 0x08, 0x00, MAC_LEN, 4, 0, 3};
	uint8_t *arp = frame + 2 * MAC_LEN + sizeof(head);

	memset(frame, 0, RARP_FRAME_SIZE);
	memset(frame, 0xff, MAC_LEN);
	memcpy(frame + MAC_LEN, mac->b, MAC_LEN);
	memcpy(frame + 2 * MAC_LEN, head, sizeof(head));
	memcpy(arp, mac->b, MAC_LEN);
	memcpy(arp + MAC_LEN + 4, mac->b, MAC_LEN);
}
