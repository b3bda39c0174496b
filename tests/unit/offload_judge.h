/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * offload_judge: what offload_complete() made, judged by a checker of its own kind: it parses every
 * resulting frame byte by byte from the RFCs, sums naively, and puts the payload together again.
 */
#ifndef TESTS_UNIT_OFFLOAD_JUDGE_H
#define TESTS_UNIT_OFFLOAD_JUDGE_H

#include "tests/unit/offload_frames.h"

/* The frame's bytes in one piece; checks its description. */
unsigned flatten(const struct frame *f, uint8_t *to);
/* Fails the test unless the frames are what a receiver without any offload must get. */
void check_result(const struct built *b, const struct spec *s, struct frame *out, unsigned count);

#endif
