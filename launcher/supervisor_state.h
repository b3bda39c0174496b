/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * supervisor_state: what the files of the supervisor share.  Internal to them.
 */
#ifndef LAUNCHER_SUPERVISOR_STATE_H
#define LAUNCHER_SUPERVISOR_STATE_H

#include <stdbool.h>
#include <stdint.h>

#include "launcher/console_hub.h"
#include "launcher/engine.h"
#include "launcher/lines.h"
#include "launcher/supervisor.h"
#include "launcher/switch_ports.h"
#include "launcher/vm_dir.h"

#define SUPERVISOR_CLIENTS_MAX 16

enum supervisor_phase { PHASE_STARTING, PHASE_RUNNING, PHASE_PAUSED, PHASE_STOPPING, PHASE_ENDING };

struct control;
struct event;

struct supervisor {
	struct event_base *loop;
	struct vm_definition def;
	const char *socket;
	struct vm_dir dir;
	int disks[CONFIG_VM_DISKS_MAX]; /* held open: their locks */
	struct lines *line;             /* NULL when it was released */
	struct control *control;
	struct console_hub *hub;
	int console; /* the first client, until there is a hub */
	struct switch_ports *ports;
	struct path_watch *watch; /* for a socket that is not there yet */
	const char *waiting_for;  /* its path */
	const struct engine_ops *ops;
	bool kvm;
	struct engine *engine;
	struct event *stop_timer, *signals[2];
	enum supervisor_phase phase;
	bool was_running;
	unsigned restarts, stop_seconds;
	uint64_t started_ns;
	/* How it ended, for those who ask. */
	enum vm_end end;
	struct err failure; /* code 0 = it did start */
	char end_text[ERR_TEXT_MAX];
};

/* ---- supervisor.c ---- */

void supervisor_stop(struct supervisor *s, unsigned seconds);
void supervisor_kill(struct supervisor *s);
/* It could not be started. */
void supervisor_fail(struct supervisor *s, const struct err *err);
/* The ports are there: waits for the sockets of other back ends, then starts the engine. */
void supervisor_go_on(void *supervisor);
void supervisor_on_ports(void *supervisor, const struct err *err);
void supervisor_on_removed(void *supervisor);
void supervisor_on_stop_timer(int fd, short what, void *supervisor);

/* ---- supervisor_describe.c ---- */

/* For the log, and for who started it. */
void supervisor_note(struct supervisor *s, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
json_t *supervisor_describe(const struct supervisor *s); /* the row of `vm show` */
json_t *supervisor_describe_end(const struct supervisor *s);

/* ---- supervisor_control.c ---- */

int control_create(struct control **control, struct supervisor *s, struct err *err);
/* The phase has changed: answers who waited for that. */
void control_tell(struct control *control);
/* It is over: answers everybody. */
void control_finish(struct control *control);
void control_destroy(struct control *control); /* NULL is fine */

/* ---- supervisor_disks.c ---- */

int disks_lock(struct supervisor *s, struct err *err);

#endif
