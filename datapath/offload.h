/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * offload: does for a receiver without an offload what the sender left undone: completes
 * checksums and cuts large frames (TCP over IPv4 and IPv6, UDP datagrams, IPv4 and IPv6 fragments
 * for UFO), with or without VLAN tags.
 *
 * Threat model: frame and offload request come from a guest that may lie about everything.  A frame
 * is first copied, once, into private memory; all parsing, summing and cutting happens there, with
 * every length checked against the copy.  hdr_len is not believed, headers are parsed.  The number
 * of segments is bounded by OFFLOAD_SEGMENTS_MAX.  rte_gso is not used: it trusts the header lengths
 * it is given (CVE-2026-100236).
 *
 * Specifications: RFC 1071 (sum), RFC 9293 and RFC 3168 (TCP flags: FIN and PSH on the last segment,
 * CWR on the first), RFC 791 / RFC 8200 (fragments), virtio 1.2 section 5.1.6.2 (request).
 *
 * Threads: a struct offload belongs to one worker.  No allocation after offload_create().
 */
#ifndef DATAPATH_OFFLOAD_H
#define DATAPATH_OFFLOAD_H

#include "datapath/frame.h"

#define OFFLOAD_SEGMENTS_MAX 128

struct offload; /* private copies and the frames made from them */

int offload_create(struct offload **offload); /* -ENOMEM */
void offload_destroy(struct offload *offload);

/*
 * Checks an offload request against the private head of the frame, before anything trusts it:
 * csum_start and csum_offset inside the frame and behind the Ethernet header, gso_size not 0 and the
 * segment count within bounds, gso type fits the IP version and protocol that the head shows (when
 * the head shows it).  Returns 0 or -EINVAL; the frame is not changed.
 */
int offload_check(const struct frame *frame);

/*
 * Makes from `in` frames that need nothing beyond `accepts`.
 * On success *out points to *count >= 1 frames, valid until the next call with this offload.
 * They have headroom FRAME_HEADROOM in front of data like any frame, the same VLAN fields, and
 * their payload in segments that lead into private memory.
 * -EINVAL: the frame is not what its request says; -E2BIG: more than OFFLOAD_SEGMENTS_MAX.
 * A csum-only request for a protocol that cannot be parsed is still completed generically: the
 * 16-bit sum from csum_start to the end, stored at csum_start + csum_offset (that is what the
 * request means); a UDP sum of 0 is stored as 0xffff.
 */
int offload_complete(struct offload *offload, const struct frame *in, unsigned accepts,
	struct frame **out, unsigned *count);

/* The parts, for tests, fuzzers and the bench's own traffic. */
uint32_t offload_sum(
	const void *bytes, size_t len, uint32_t sum); /* not folded, big endian order kept */
uint16_t offload_fold(uint32_t sum);                  /* complement of the folded sum */

#endif
