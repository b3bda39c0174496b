/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>

#include "control/command.h"
#include "lib/clock.h"
#include "vhost/vring_level.h"

static json_t *
queue_list(struct state *state, unsigned worker)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < PORT_MAX; i++) {
		const struct live_port *p = &state->live->ports[i];

		for (unsigned q = 0; p->port && q < p->port->rx_queues; q++) {
			if (datapath_queue_worker(p->port, q) == worker)
				json_array_append_new(list,
					json_pack("{s:s, s:i}", "port", p->name, "queue", (int)q));
		}
	}
	return list;
}

static json_t *
worker_row(struct state *state, unsigned worker)
{
	struct worker_stats s;
	double total, busy = 0, cycles = 0;
	json_t *row;

	datapath_worker_stats(worker, &s);
	total = (double)s.busy_cycles + (double)s.idle_cycles;
	if (total > 0)
		busy = 100.0 * (double)s.busy_cycles / total;
	if (s.packets)
		cycles = (double)s.busy_cycles / (double)s.packets;
	row = json_pack("{s:i, s:i, s:i, s:f, s:f, s:I, s:I, s:b, s:s}", "worker", (int)worker,
		"cpu", (int)s.cpu, "queues", (int)s.queues, "busy_percent", busy,
		"cycles_per_packet", cycles, "packets", (json_int_t)s.packets, "wakeups",
		(json_int_t)s.wakeups, "sleeping", (int)s.sleeping, "vectors",
		vring_level_name(vring_level()));
	json_object_set_new(row, "queue_list", queue_list(state, worker));
	return row;
}

static json_t *
worker_show(struct state *state, const json_t *params, struct err *err)
{
	json_t *rows = json_array(), *result;

	(void)params;
	for (unsigned w = 0; w < datapath_worker_count(); w++)
		json_array_append_new(rows, worker_row(state, w));
	result = command_rows(rows, err);
	json_object_set_new(result, "time_ns", json_integer((json_int_t)clock_ns()));
	return result;
}

static int
check_worker(json_int_t worker, struct err *err)
{
	if (worker < (json_int_t)datapath_worker_count())
		return 0;
	return err_set(err, -ENOENT, "worker %d does not exist: there are %u, counted from 0",
		(int)worker, datapath_worker_count());
}

static json_t *
worker_reset(struct state *state, const json_t *params, struct err *err)
{
	json_int_t only = param_number(params, "worker", -1);

	(void)state;
	if (check_worker(only, err) < 0)
		return NULL;
	for (unsigned w = 0; w < datapath_worker_count(); w++) {
		if (only < 0 || only == (json_int_t)w)
			datapath_worker_reset(w);
	}
	return command_done(0, err);
}

static json_t *
worker_set(struct state *state, const json_t *params, struct err *err)
{
	const char *name = param_text(params, "port");
	const struct live_port *p = live_port(state->live, name);
	json_int_t worker = param_number(params, "worker", 0),
		   queue = param_number(params, "queue", 0);

	if (check_worker(worker, err) < 0)
		return NULL;
	if (!p) {
		err_set(err, -ENOENT, "port \"%s\" does not exist: see `patchbay port show`", name);
		return NULL;
	}
	if (queue >= p->port->rx_queues) {
		err_set(err, -ENOENT, "port \"%s\" has no queue %d: it has %u, counted from 0",
			name, (int)queue, p->port->rx_queues);
		return NULL;
	}
	return command_done(
		datapath_queue_move(p->port, (unsigned)queue, (unsigned)worker, err), err);
}

const struct command worker_commands[] = {
	{"worker.show", worker_show},
	{"worker.reset", worker_reset},
	{"worker.set", worker_set},
	{NULL},
};
