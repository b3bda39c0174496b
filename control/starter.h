/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * starter: a process that can start this program again, with the arguments and the rights that this
 * one was started with.  It is made before the daemon gives up anything (lib/confine.h): afterwards
 * the daemon itself could neither execute a program nor give it rights.
 *
 * All that it does on request is that one thing, so a daemon that has been broken into gains a new
 * patchbayd, which checks what it takes over.  It ends when the daemon ends, however that happens.
 *
 * Threads: one.
 */
#ifndef CONTROL_STARTER_H
#define CONTROL_STARTER_H

#include "lib/err.h"

struct starter;

/*
 * To be called while the process has one thread.  argv ends with NULL; --takeover is added to it when
 * it is not there.  It is kept by the new process alone.
 */
int starter_create(struct starter **starter, char *const *argv, struct err *err);
void starter_destroy(struct starter *starter);

/* The pid of the new process, or negative errno with a text.  Waits a second at most. */
int starter_run(struct starter *starter, struct err *err);

#endif
