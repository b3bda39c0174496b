/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * fake_rings: rings and a datapath that only remember, for tests and fuzzing of the protocol side.
 *
 * They hold the back end to its part of the contracts, and abort when it breaks it: a ring is
 * published once, its memory can be read from its start to its stop, and descriptors stay open as
 * long as somebody may use them.
 */
#ifndef TESTS_UNIT_FAKE_RINGS_H
#define TESTS_UNIT_FAKE_RINGS_H

#include "datapath/datapath.h"
#include "vhost/port_vhost.h"

struct vring {
	struct vring_setup setup;
	int call_fd;
	enum vring_broken broken;
	uint64_t calls;
};

struct fakes {
	unsigned vrings;          /* that exist */
	unsigned published;       /* of them */
	unsigned graces;          /* grace periods waited for */
	unsigned flushes;         /* of learnt addresses */
	unsigned create_failures; /* that many vring_create() more return -ENOMEM */
	bool hang;                /* a worker is inside, until fakes_come_back() */
	int watched[PORT_QUEUES_MAX];
	uint8_t injected[DATAPATH_INJECT_MAX]; /* the last frame */
	unsigned injected_len;
};

extern struct fakes fakes;

/* What was kept for a worker that was inside is released. */
void fakes_come_back(void);

/* Nothing exists, nothing is watched. */
void fakes_reset(void);

#endif
