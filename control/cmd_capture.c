/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <string.h>

#include "control/command.h"
#include "datapath/capture.h"
#include "lib/fd.h"

/* The port or bridge of that name. */
static int
find_target(struct state *state, const char *name, struct capture_settings *s, struct err *err)
{
	const struct live_port *port = live_port(state->live, name);
	const struct live_bridge *bridge = live_bridge(state->live, name);

	if (!port && !bridge)
		return err_set(err, -ENOENT,
			"there is no port or bridge \"%s\": see `patchbay port show`", name);
	s->port = port ? port->port : NULL;
	s->bridge = port ? 0 : bridge->bridge;
	return 0;
}

static unsigned
directions(const char *text)
{
	if (!text || strcmp(text, "inout") == 0)
		return CAPTURE_IN | CAPTURE_OUT;
	return strcmp(text, "in") == 0 ? CAPTURE_IN : CAPTURE_OUT;
}

static json_t *
describe(const struct capture_settings *s, struct err *err)
{
	json_t *reasons = json_array(), *result;
	struct worker_stats stats;

	datapath_worker_stats(0, &stats);
	for (unsigned d = 0; d < DROP_COUNT; d++)
		json_array_append_new(reasons,
			json_pack("{s:s, s:s}", "name", drop_name(d), "text", drop_text(d)));
	result = json_pack("{s:s, s:I, s:o}", "kind", s->port ? "port" : "bridge", "tsc_hz",
		(json_int_t)stats.tsc_hz, "reasons", reasons);
	return result ? result : command_no_memory(err);
}

static int
pass_descriptors(struct rpc_peer *peer, const struct capture *capture, struct err *err)
{
	int ours[2];

	capture_descriptors(capture, &ours[0], &ours[1]);
	for (unsigned i = 0; i < 2; i++) {
		int fd = fd_duplicate(ours[i]);

		if (fd < 0) {
			fds_close(peer->fds, peer->fd_count);
			peer->fd_count = 0;
			return err_set(err, fd, "no descriptor for a capture: %s", strerror(-fd));
		}
		peer->fds[peer->fd_count++] = fd;
	}
	return 0;
}

static void
on_gone(void *arg)
{
	capture_stop(arg);
}

static json_t *
daemon_capture(struct state *state, const json_t *params, struct rpc_peer *peer, struct err *err)
{
	const char *expression = param_text(params, "expression");
	struct capture_settings settings = {
		.directions = directions(param_text(params, "direction")),
		.drops_only = param_true(params, "drops"),
		.snaplen = (uint32_t)param_number(params, "snaplen", CAPTURE_BYTES_MAX),
		.expression = expression ? expression : "",
	};
	struct capture *capture = NULL;
	json_t *result;

	if (peer->gone) {
		err_set(err, -EBUSY, "this connection has a capture already: open another one");
		return NULL;
	}
	if (find_target(state, param_text(params, "port"), &settings, err) < 0)
		return NULL;
	result = describe(&settings, err);
	if (!result)
		return NULL;
	if (capture_start(&capture, &settings, err) < 0 ||
		pass_descriptors(peer, capture, err) < 0) {
		capture_stop(capture);
		json_decref(result);
		return NULL;
	}
	peer->gone = on_gone;
	peer->arg = capture;
	return result;
}

const struct command capture_commands[] = {
	{"daemon.capture", .attach = daemon_capture},
	{NULL},
};
