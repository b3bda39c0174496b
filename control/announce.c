/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <event2/event.h>

#include "control/announce.h"
#include "datapath/datapath.h"
#include "vhost/rarp.h"

#define PAUSE_US 1000 /* the workers take what waits meanwhile */

struct address {
	struct mac mac;
	uint16_t vlan;
};

struct announce {
	struct port *port;
	struct event *more;
	struct address *list;
	unsigned count, capacity, next;
};

/* Addresses that memory is too short for are announced by their next frame. */
static bool
collect(const struct fdb_record *record, void *arg)
{
	struct announce *a = arg;

	if (record->port == a->port->index)
		return true;
	if (a->count == a->capacity) {
		unsigned capacity = a->capacity ? 2 * a->capacity : 64;
		struct address *list = realloc(a->list, capacity * sizeof(*list));

		if (!list)
			return false;
		a->list = list;
		a->capacity = capacity;
	}
	a->list[a->count++] = (struct address){record->mac, record->vlan};
	return true;
}

static void
send_some(evutil_socket_t fd, short what, void *arg)
{
	const struct timeval pause = {.tv_usec = PAUSE_US};
	struct announce *a = arg;

	(void)fd;
	(void)what;
	for (; a->next < a->count; a->next++) {
		uint8_t frame[RARP_FRAME_SIZE];

		rarp_build(frame, &a->list[a->next].mac);
		if (datapath_send(a->port, a->list[a->next].vlan, frame, sizeof(frame)) ==
			-EAGAIN) {
			event_add(a->more, &pause);
			return;
		}
	}
}

struct announce *
announce_create(struct event_base *loop, struct port *port)
{
	struct announce *a = calloc(1, sizeof(*a));

	if (!a)
		return NULL;
	a->port = port;
	a->more = evtimer_new(loop, send_some, a);
	if (!a->more) {
		free(a);
		return NULL;
	}
	return a;
}

void
announce_destroy(struct announce *a)
{
	if (!a)
		return;
	event_free(a->more);
	free(a->list);
	free(a);
}

void
announce_start(struct announce *a)
{
	int bridge = datapath_port_bridge(a->port);

	evtimer_del(a->more);
	a->count = 0;
	a->next = 0;
	if (bridge >= 0)
		fdb_walk(datapath_bridge_fdb((unsigned)bridge), datapath_now_s(), collect, a);
	send_some(-1, 0, a);
}
