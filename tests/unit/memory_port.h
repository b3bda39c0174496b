/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * memory_port: a port whose frames a test puts in and takes out.
 */
#ifndef TESTS_UNIT_MEMORY_PORT_H
#define TESTS_UNIT_MEMORY_PORT_H

#include <rte_ring.h>

#include "datapath/datapath.h"

struct memory_frame {
	uint32_t len;
	unsigned queue;    /* it was sent by */
	struct frame meta; /* offload request and tag state; data and segs are meaningless */
	uint8_t bytes[];
};

struct memory_port {
	struct port port;
	struct rte_ring *in[PORT_QUEUES_MAX]; /* the test -> worker */
	struct rte_ring *out;                 /* worker -> the test */
	struct memory_frame *taken[PORT_QUEUES_MAX][FRAME_BURST];
	unsigned taken_count[PORT_QUEUES_MAX];
};

/* cmocka group fixtures: two workers, or one where the machine has one CPU. */
int memory_port_start(void **state);
int memory_port_stop(void **state);

struct memory_port *memory_port_create(const char *name, unsigned queues);
/* After datapath_port_del(). */
void memory_port_destroy(struct memory_port *mp);

/* A bridge with `count` ports of one queue, which may bring any number of addresses; 0 or -errno. */
int memory_ports_add(struct memory_port **ports, unsigned count, unsigned *bridge);
/* And away; a port that is NULL is gone already. */
int memory_ports_del(struct memory_port **ports, unsigned count, unsigned bridge);

void memory_port_put(struct memory_port *mp, unsigned queue, const void *bytes, uint32_t len);
/* As above with the offload fields of `meta`. */
void memory_port_put_offload(struct memory_port *mp, unsigned queue, const void *bytes,
	uint32_t len, const struct frame *meta);
/* The next frame sent to the port, waited for up to `ms`; NULL when none came.  free() it. */
struct memory_frame *memory_port_get(struct memory_port *mp, unsigned ms);

#endif
