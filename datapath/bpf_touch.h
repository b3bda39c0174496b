/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * bpf_touch: what a program looks at; above all the bytes of a frame that it looked at before it said
 * that the frame does not match.  Another frame of the same length that has the same bytes there goes
 * the same way through it.
 *
 * Threads: any.
 */
#ifndef DATAPATH_BPF_TOUCH_H
#define DATAPATH_BPF_TOUCH_H

#include <stdbool.h>
#include <stdint.h>

#define BPF_TOUCH_MAX 64 /* bytes from the frame's beginning that can be told apart */

struct bpf_program; /* of <pcap/bpf.h> */

/*
 * Runs the program as bpf_filter() would, on `seen` bytes of a frame of `len`.  True: it does not
 * match, and looked at nothing but the bytes that *touched has a bit for.  False: it matches, or that
 * cannot be said.
 */
bool bpf_touch(const struct bpf_program *program, const uint8_t *bytes, uint32_t seen, uint32_t len,
	uint64_t *touched);

/* A bit for each word of its memory that the program uses. */
unsigned bpf_memory_used(const struct bpf_program *program);
/* Where the farthest of its loads at a constant place ends that ends at or before `near`. */
uint32_t bpf_farthest(const struct bpf_program *program, uint32_t near);

#endif
