/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * probe_frame: frames that say who they are: every frame, and every piece that a switch may cut it
 * into, carries a cell with stream, number, time and a pattern that follows from them.
 *
 * Plain frames use the local experimental EtherType 0x88b5 (IEEE 802); the others are UDP or TCP
 * over IPv4 or IPv6 with right lengths and checksums, or with an offload request in their place.
 */
#ifndef TESTS_TOOLS_PROBE_FRAME_H
#define TESTS_TOOLS_PROBE_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/ethernet.h"
#include "vhost/virtio.h"

#define PROBE_MAX 65553

enum probe_protocol { PROBE_PLAIN, PROBE_UDP4, PROBE_UDP6, PROBE_TCP4, PROBE_TCP6 };

struct probe {
	struct mac source, destination;
	enum probe_protocol protocol;
	bool csum;         /* leave the checksum to the switch */
	uint16_t gso_size; /* 0 = none; else TSO or USO, with csum */
	uint8_t stream;
};

/* Shortest frame that holds a cell. */
unsigned probe_min(const struct probe *probe);
/* Cells of a frame of len bytes: 1 without gso_size. */
unsigned probe_cells(const struct probe *probe, size_t len);

/* Writes frame and header; its cells are numbered from `number` on. */
void probe_build(const struct probe *probe, uint64_t number, uint64_t time_ns, uint8_t *frame,
	size_t len, struct virtio_net_hdr *header);

/* What a received frame says. */
struct probe_found {
	uint8_t stream;
	uint64_t number; /* of its first cell */
	unsigned cells;
	uint64_t time_ns;
};

/*
 * Reads and verifies a received frame: 1 = one of ours and intact, 0 = not one of ours, -EBADMSG =
 * one of ours and damaged; then *why says where.
 */
int probe_read(const uint8_t *frame, size_t len, const struct virtio_net_hdr *header,
	struct probe_found *found, const char **why);

#endif
