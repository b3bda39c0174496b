/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * offload: does for a receiver without an offload what the sender left undone: completes
 * checksums and cuts large frames (TCP over IPv4 and IPv6, UDP datagrams, IPv4 and IPv6 fragments
 * for UFO), with or without VLAN tags.
 *
 * Threat model: frame and offload request come from a guest that may lie about everything.  A frame
 * is first copied, once, into private memory; all parsing, summing and cutting happens there, with
 * every length checked against the copy.  hdr_len is not believed, headers are parsed.  The number
 * of segments is bounded by OFFLOAD_SEGMENTS_MAX.  rte_gso is not used: it trusts the header
 * lengths it is given (CVE-2026-100236).
 *
 * Specifications: RFC 1071 (sum), RFC 9293 and RFC 3168 (TCP flags: FIN and PSH on the last
 * segment, CWR on the first), RFC 791 / RFC 8200 (fragments), virtio 1.2 section 5.1.6.2 (request).
 *
 * Threads: a struct offload belongs to one worker.  No allocation after offload_create().
 */
#ifndef DATAPATH_OFFLOAD_H
#define DATAPATH_OFFLOAD_H

#include <stddef.h>
#include <stdint.h>

#include "datapath/frame.h"

#define OFFLOAD_SEGMENTS_MAX 128

struct offload; /* private copies and the frames made from them */

int offload_create(struct offload **offload); /* -ENOMEM */
void offload_destroy(struct offload *offload);

/*
 * Checks an offload request against the private head of the frame, before anything trusts it:
 * csum_start and csum_offset inside the frame and behind the Ethernet header; for a gso type, of
 * which there may be one: OFFLOAD_CSUM set as well (virtio 1.2, 5.1.6.2.1), gso_size not 0, IP
 * version, protocol and checksum position as the head shows them (when the head shows them).
 * Returns 0 or -EINVAL; the frame is not changed.  The number of segments is not bounded here: it
 * is nobody's business while the receiver takes the frame whole.
 */
int offload_check(const struct frame *frame);

/*
 * Makes from `in` frames that need nothing beyond `accepts`.
 * On success *out points to *count >= 1 frames, valid until the next call with this offload.
 * They have headroom FRAME_HEADROOM in front of data like any frame, the same VLAN fields, a
 * head_len of at most FRAME_WHOLE, and their payload in segments that lead into private memory.
 * Frames that had to be cut are complete: they need nothing, whatever the receiver accepts, and
 * their checksums are computed from the beginning, not from what the sender left in the field.
 * A receiver that accepts a gso type but not OFFLOAD_CSUM does not exist (virtio 1.2, 5.1.3.1) and
 * is treated as accepting neither.  A frame with OFFLOAD_ECN is cut for a receiver without it.
 * -EINVAL: the frame is not what its request says; -E2BIG: more than OFFLOAD_SEGMENTS_MAX.
 * A csum-only request for a protocol that cannot be parsed is still completed generically: the
 * 16-bit sum from csum_start to the end, stored at csum_start + csum_offset (that is what the
 * request means); a UDP sum of 0 is stored as 0xffff.
 */
int offload_complete(struct offload *offload, const struct frame *in, unsigned accepts,
	struct frame **out, unsigned *count);

/*
 * The parts, for tests, fuzzers and the bench's own traffic.  offload_sum() adds the bytes, as
 * 16-bit words as they lie in memory (an odd last byte is followed by a zero), to an earlier sum;
 * offload_fold() returns the complement of the sum folded to 16 bits, to be stored in a packet as
 * it is, without swapping bytes.
 */
uint32_t offload_sum(const void *bytes, size_t len, uint32_t sum);
uint16_t offload_fold(uint32_t sum);

#endif
