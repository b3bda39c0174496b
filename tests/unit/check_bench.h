/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * check_bench: a worker, two ports and a burst, for tests that call a check by hand.  The test says
 * what time it is (check_worker->tsc, in TSC cycles).
 */
#ifndef TESTS_UNIT_CHECK_BENCH_H
#define TESTS_UNIT_CHECK_BENCH_H

#include "datapath/check.h"

extern struct worker *check_worker;
/* What a snapshot holds of two ports; generations and meters are set. */
extern struct snapshot_port check_ports[2];

/* cmocka group fixtures: the environment, for the clock's rate. */
int check_bench_start(void **state);
int check_bench_stop(void **state);
/* cmocka fixture: empties burst, counters, ports and meters. */
int check_bench_clear(void **state);

/* Appends a frame whose private bytes are `head`, of `len` bytes altogether; returns it. */
struct frame *check_bench_add(const void *head, unsigned head_len, unsigned len);
/* Appends a frame of which head_len bytes are private and the others a segment of `bytes`. */
struct frame *check_bench_split(const void *bytes, unsigned head_len, unsigned len);
/* The mask of all frames. */
uint64_t check_bench_all(void);
uint64_t check_bench_drops(unsigned port, enum drop drop);

#endif
