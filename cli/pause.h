/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pause: waiting between questions, ended by Ctrl-C.
 */
#ifndef CLI_PAUSE_H
#define CLI_PAUSE_H

#include <signal.h>
#include <stdint.h>

/* From now on SIGINT and SIGTERM set what is returned; the second one of a kind ends the process. */
const volatile sig_atomic_t *pause_catch_signals(void);

/* Waits until `next`, a time of clock_ns(), or until a signal has come. */
void pause_until(uint64_t next);

#endif
