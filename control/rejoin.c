/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>

#include <event2/event.h>

#include "control/port_types.h"
#include "control/rejoin.h"
#include "lib/clock.h"
#include "lib/log.h"

#define LOOK_MS 2

static struct {
	struct live *live;
	struct event *look;
	uint64_t until_ns;
} rejoin;

static bool
is_awaited(const struct live_port *p)
{
	return p->port && p->had_pairs && p->type->handover;
}

static unsigned
count_missing(const struct live *live)
{
	unsigned missing = 0;

	for (unsigned i = 0; i < PORT_MAX; i++) {
		const struct live_port *p = &live->ports[i];

		if (is_awaited(p) && atomic_load_explicit(&p->port->tx_queues,
					     memory_order_relaxed) < p->had_pairs)
			missing++;
	}
	return missing;
}

/* Returns how many ports that is. */
static unsigned
mute(struct live *live, bool on)
{
	unsigned count = 0;

	for (unsigned i = 0; i < PORT_MAX; i++) {
		struct live_port *p = &live->ports[i];

		if (!is_awaited(p))
			continue;
		count++;
		p->type->handover->mute(p->port, on);
		if (!on)
			p->had_pairs = 0;
	}
	return count;
}

static void
look(evutil_socket_t fd, short what, void *arg)
{
	unsigned missing = count_missing(rejoin.live);

	(void)fd;
	(void)what;
	(void)arg;
	if (missing && clock_ns() < rejoin.until_ns)
		return;
	if (missing)
		log_info("%u ports that were up are not back yet: the others go on", missing);
	mute(rejoin.live, false);
	rejoin_stop();
}

int
rejoin_start(struct live *live)
{
	static const struct timeval interval = {.tv_usec = LOOK_MS * 1000};

	rejoin.live = live;
	rejoin.until_ns = clock_ns() + (uint64_t)REJOIN_MS * 1000000;
	rejoin.look = event_new(live->loop, -1, EV_PERSIST, look, NULL);
	if (!rejoin.look || event_add(rejoin.look, &interval)) {
		rejoin_stop();
		return -ENOMEM;
	}
	if (!mute(live, true))
		rejoin_stop();
	return 0;
}

void
rejoin_stop(void)
{
	if (rejoin.look)
		event_free(rejoin.look);
	rejoin.look = NULL;
}
