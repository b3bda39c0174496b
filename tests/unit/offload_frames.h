/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * offload_frames: large frames as a sender with offloads makes them, in scattered memory, for the
 * tests of software offloads; and the checksum by the book.
 */
#ifndef TESTS_UNIT_OFFLOAD_FRAMES_H
#define TESTS_UNIT_OFFLOAD_FRAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "datapath/offload.h"

#define TCP 6
#define UDP 17

struct spec {
	unsigned tags;     /* 0..3 */
	unsigned version;  /* 4, 6 */
	unsigned protocol; /* TCP, UDP */
	unsigned options;  /* IPv4 options, bytes, multiple of 4 */
	bool source_route; /* IPv4: the options hold one */
	unsigned hop, destination, routing, destination_last; /* IPv6: bytes, 0 or multiple of 8 */
	unsigned routing_left;                                /* segments left */
	unsigned tcp_options;
	unsigned payload;
	uint8_t needs;
	uint16_t gso_size;
	uint8_t flags;     /* TCP */
	uint16_t id, frag; /* IPv4 identification and flags */
	bool no_total;     /* the IP length is left 0 */
};

struct built {
	uint8_t bytes[FRAME_LEN_MAX + 1];
	unsigned len, l3, l4, payload;
	uint8_t final[16]; /* destination for the pseudo header */
	unsigned fragment; /* end of the unfragmentable part */
};

#define PIECES 40

/* The frame in guest memory: a head and random segments, each an allocation of its own. */
struct scattered {
	struct frame frame;
	struct frame_seg segs[PIECES];
	uint8_t *memory[PIECES + 1];
	unsigned used;
};

/* Makes the frame: random addresses and payload, checksum field as CHECKSUM_PARTIAL leaves it. */
void build(struct built *b, const struct spec *s);
/* Copies what was built into scattered memory, `head` bytes of it private, and adds the request. */
void scatter(struct scattered *x, const struct built *b, const struct spec *s, unsigned head);
void scattered_free(struct scattered *x);

/* A request that can be completed: any tags, headers, options, sizes. */
void random_spec(struct spec *s);
unsigned pick(unsigned n); /* 0..n-1 */
void fill_random(uint8_t *p, size_t len);

/* Sum by the book: big-endian words, one at a time. */
uint32_t naive_sum(const uint8_t *p, size_t len, uint32_t sum);
uint32_t naive_pseudo(const uint8_t *source, const uint8_t *final, unsigned address,
	unsigned protocol, unsigned len);

void put16(uint8_t *p, unsigned v);
unsigned get16(const uint8_t *p);
uint32_t get32(const uint8_t *p);

#endif
