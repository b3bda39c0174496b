/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sandbox: takes rights away that running a guest does not need: capabilities, new privileges, and
 * all system calls but those a thread of this kind makes (seccomp(2)). A call that is not allowed ends
 * the process with SIGSYS.
 *
 * Threads: sandbox_process() and sandbox_prepare() the main thread before there are others;
 * sandbox_enter() each thread for itself, at its beginning.
 */
#ifndef LAUNCHER_SANDBOX_H
#define LAUNCHER_SANDBOX_H

#include <pthread.h>
#include <stdint.h>

#include "lib/err.h"

enum sandbox_role {
	SANDBOX_CPU,  /* runs a processor */
	SANDBOX_DISK, /* serves a disk */
	SANDBOX_CARD, /* keeps a network card's connection */
	SANDBOX_MAIN, /* the rest: starts the others */
	SANDBOX_ROLES
};

/* The filters of all roles, compiled: entering one needs no memory. */
struct sandbox {
	struct {
		uint16_t count; /* instructions */
		void *code;
	} filters[SANDBOX_ROLES];
};

/* No capabilities, no new privileges, no core dump that holds a guest's memory. */
int sandbox_process(struct err *err);
int sandbox_prepare(struct sandbox *sandbox, struct err *err);
void sandbox_free(struct sandbox *sandbox);
/* Negative errno. */
int sandbox_enter(const struct sandbox *sandbox, enum sandbox_role role);
/* Starts a thread that enters before it calls run(arg); one that cannot ends the process. */
int sandbox_thread(const struct sandbox *sandbox, enum sandbox_role role, pthread_t *thread,
	const char *name, void (*run)(void *arg), void *arg, struct err *err);

#endif
