/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/events.h"
#include "control/port_types.h"
#include "control/stall_watch.h"

static struct pulse {
	uint64_t cycles;
	bool stalled;
} pulses[WORKER_MAX];

static void
tell(struct port *port, const struct vhost_stall *stall, bool begins, void *arg)
{
	const struct event_subject subject = {.port = port->name, .vlan = -1};

	(void)arg;
	events_add(begins ? EVENT_QUEUE_STALLED : EVENT_QUEUE_MOVES, &subject, "port %s: %s",
		port->name, stall->text);
}

static void
look_at_worker(unsigned worker)
{
	static const struct event_subject nothing = {.vlan = -1};
	struct pulse *pulse = &pulses[worker];
	struct worker_stats stats;
	uint64_t cycles;
	bool stalled;

	datapath_worker_stats(worker, &stats);
	cycles = stats.busy_cycles + stats.idle_cycles;
	stalled = !stats.sleeping && cycles == pulse->cycles;
	pulse->cycles = cycles;
	if (stalled == pulse->stalled)
		return;
	pulse->stalled = stalled;
	if (stalled)
		events_add(EVENT_WORKER_STALLED, &nothing,
			"worker %u has finished no turn for a second: it is stuck, or others keep "
			"CPU %u busy",
			worker, stats.cpu);
	else
		events_add(EVENT_WORKER_MOVES, &nothing, "worker %u moves again", worker);
}

void
stall_watch_tick(struct live *live)
{
	for (unsigned w = 0; w < datapath_worker_count(); w++)
		look_at_worker(w);
	for (unsigned i = 0; i < PORT_MAX; i++) {
		const struct live_port *p = &live->ports[i];

		if (p->port && p->type->check)
			p->type->check(p->port, tell, NULL);
	}
}
