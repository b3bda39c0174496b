/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * backend_side: a back end at one end of a socket pair and a front end (vhost_peer.h) at the other,
 * with rings that only remember (fake_rings.h, which aborts when memory or descriptors go away too
 * early).  backend_end() fails when a descriptor, a mapping or a ring is left.
 */
#ifndef TESTS_UNIT_BACKEND_SIDE_H
#define TESTS_UNIT_BACKEND_SIDE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/fake_rings.h"
#include "tests/unit/leaks.h"
#include "tests/unit/vhost_peer.h"
#include "vhost/backend.h"

#define STAYS  1 /* answered with an error, connection and state as before */
#define CLOSES -1

struct backend_side {
	int theirs, ours;
	unsigned fds; /* open at the beginning */
	struct peer peer;
	struct vhost_rings rings;
	struct backend backend;
	struct message_reader reader;
	struct err err; /* of the last say() */
	struct mac announced;
};

extern struct backend_side t;

void backend_begin(bool packed);
void backend_end(void);

/* Sends one message; what backend_serve() or the reader made of it. */
int say(const struct peer_message *m);
void say_ok(struct peer_message m);

/* The answer that must be there; its descriptors are closed, the first is given out when wanted. */
struct vhost_message hear(int *fd);
void silence(void);

/* A request whose answer is a number. */
uint64_t ask(struct peer_message m);

/* The first `steps` messages of the handshake; how many there were. */
unsigned shake(unsigned steps);
void shake_all(void);

/*
 * A message that must be refused, and say why: without and with a wish for an answer.  The state must
 * be as before.
 */
void refused(struct peer_message m, int with_reply, const char *why);

int backend_setup_split(void **state);
int backend_setup_packed(void **state);
int backend_teardown(void **state);

#define SPLIT(f) cmocka_unit_test_setup_teardown(f, backend_setup_split, backend_teardown)
#define PACKED(f)                                                               \
	{                                                                       \
#f " (packed)", f, backend_setup_packed, backend_teardown, NULL \
	}
#define BOTH(f) SPLIT(f), PACKED(f)

#endif
