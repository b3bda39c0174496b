/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * events: what happened that somebody may want to know of, the last EVENTS_MAX of it, for `patchbay
 * events` and as lines of the log.
 *
 * An event is numbered; a reader remembers the number to ask from (`next`) and is told how many it
 * missed.  One kind of event about one port (or bridge) is recorded EVENTS_BURST times in
 * EVENTS_PERIOD_S at most; the first one after that says how many were held back: a guest cannot
 * push out what others did.
 *
 * Threads: the control thread.  There is one list per process.
 */
#ifndef CONTROL_EVENTS_H
#define CONTROL_EVENTS_H

#include <stdint.h>

#include <jansson.h>

#include "lib/ethernet.h"
#include "lib/log.h"

#define EVENTS_MAX      1024
#define EVENTS_BURST    5
#define EVENTS_PERIOD_S 10
#define EVENT_NAME_SIZE 32
#define EVENT_TEXT_SIZE 256

/* X(identifier, level, meaning); the name users see has "-" for "_" and lower case. */
#define EVENT_LIST(X)                                                                           \
	X(LEASE_REFUSED, WARNING, "a DHCP server gave a port an address that it cannot have")   \
	X(PORT_DOWN, WARNING, "the interface of a port is gone, or cannot be used")             \
	X(PORT_UP, INFO, "the interface of a port is back")                                     \
	X(PORT_BLOCKED, WARNING, "a port takes no part in its bridge for a while: a loop")      \
	X(BOND_MEMBER_IDLE, WARNING, "a member of a bond is no longer used")                    \
	X(BOND_MEMBER_USED, INFO, "a member of a bond is used")                                 \
	X(GROUPS_FULL, WARNING, "a port asks for more multicast groups than there is room for") \
	X(MTU_DIFFERS, WARNING, "a port takes shorter packets than another of its bridge")      \
	X(MAC_PINNED, WARNING,                                                                  \
		"an address changes its port too often; it stays where it was for a while")     \
	X(MAC_STUCK, WARNING, "an address of a sticky port was heard on another port")          \
	X(PORT_UNBLOCKED, INFO, "a port that was blocked takes part again")                     \
	X(QUEUE_STALLED, WARNING, "a queue has had work for a second and has not moved")        \
	X(QUEUE_MOVES, INFO, "a queue that stood still moves again, or was stopped")            \
	X(WORKER_STALLED, WARNING, "a worker has finished no turn for a second")                \
	X(WORKER_MOVES, INFO, "a worker that stood still moves again")

enum event_type {
#define X(identifier, level, meaning) EVENT_##identifier,
	EVENT_LIST(X)
#undef X
		EVENT_COUNT
};

/* What an event is about; members may be NULL, vlan -1. */
struct event_subject {
	const char *bridge, *port;
	const struct mac *mac;
	int vlan;
};

/* Records an event and logs its text. */
void events_add(enum event_type type, const struct event_subject *subject, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* Which events a reader wants. */
struct event_query {
	uint64_t since;                   /* number of the first; 0 = all that are kept */
	unsigned most;                    /* the last so many of them; 0 = all */
	const char *type, *port, *bridge; /* NULL = any */
};

/*
 * {"rows": [{number, time, type, level, bridge?, port?, mac?, vlan?, text}], "next": number to ask
 * from the next time, "lost": events since `since` that are kept no more}.  NULL = no memory.
 */
json_t *events_list(const struct event_query *query);

const char *event_name(enum event_type type); /* "port-blocked" */
const char *event_meaning(enum event_type type);

/* Forgets all; for tests. */
void events_clear(void);

#endif
