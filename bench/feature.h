/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * feature: names of the virtio features that the guests of bench use.
 */
#ifndef BENCH_FEATURE_H
#define BENCH_FEATURE_H

#include <stdint.h>

/* The index-th feature, NULL behind the last; *bit is its bit. */
const char *feature_name(unsigned index, unsigned *bit);

/* The lowest feature of a set, for error texts; NULL when it has no name here. */
const char *feature_first(uint64_t set);

#endif
