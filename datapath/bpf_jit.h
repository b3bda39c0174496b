/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * bpf_jit: classic BPF programs (datapath/expression.h) as machine code, by rte_bpf.
 *
 * The frame is looked at in private memory only.  A program sees what libpcap's bpf_filter() sees:
 * numbers of 32 bits, `len` is the length of the frame, and a load behind its end ends the program
 * without a match.  rte_bpf's own loads are not used: they compute offsets in 64 bits with a sign,
 * which a sender can choose, and follow the segments of an mbuf.
 *
 * Threads: created and destroyed on the control thread, run by any.
 */
#ifndef DATAPATH_BPF_JIT_H
#define DATAPATH_BPF_JIT_H

#include <stdint.h>
#include <string.h>

#include "lib/err.h"

#define BPF_JIT_ROOM 8 /* writable bytes in front of a frame that is judged */
#define BPF_JIT_MORE 0x40000000u

struct bpf_program; /* of <pcap/bpf.h> */
struct rte_bpf;

struct bpf_jit {
	struct rte_bpf *bpf;
	uint64_t (*run)(void *arg);
};

/* -ENOMEM, -EINVAL, -E2BIG.  The program is borrowed. */
int bpf_jit_create(struct bpf_jit *jit, const struct bpf_program *program, struct err *err);
/*
 * For a quick first look: 0 = it does not match, 1 = perhaps it does.  It never asks for more, but says
 * perhaps where it sees too little.
 */
int bpf_jit_create_quick(struct bpf_jit *jit, const struct bpf_program *program, struct err *err);
/* Idempotent; a zeroed structure is fine. */
void bpf_jit_destroy(struct bpf_jit *jit);

/* rte_bpf's interpreter, where no memory may become executable. */
uint64_t bpf_jit_interpret(const struct bpf_jit *jit, void *arg);

/*
 * Runs it on the first `seen` bytes of a frame of `len` bytes.  The BPF_JIT_ROOM bytes in front of
 * `bytes` are overwritten.  Returns 1 when it matches, 0 when not, or BPF_JIT_MORE: the answer is
 * behind the bytes that are there (never when seen == len).
 */
static inline uint32_t
bpf_jit_run(const struct bpf_jit *jit, uint8_t *bytes, uint32_t seen, uint32_t len)
{
	uint32_t *head = (uint32_t *)(void *)(bytes - BPF_JIT_ROOM);
	uint32_t lengths[2] = {seen, len};

	memcpy(head, lengths, sizeof(lengths));
	return (uint32_t)(__builtin_expect(jit->run != NULL, 1) ? jit->run(head)
								: bpf_jit_interpret(jit, head));
}

#endif
