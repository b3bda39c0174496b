/* SPDX-License-Identifier: BSD-3-Clause */
#include <inttypes.h>
#include <linux/capability.h>

#include "control/giver.h"
#include "control/link_watch.h"
#include "control/port_types.h"
#include "control/rights.h"
#include "control/saver.h"
#include "datapath/capture.h"
#include "datapath/datapath.h"
#include "datapath/env.h"
#include "datapath/worker.h"
#include "lib/confine.h"
#include "lib/log.h"
#include "lib/unix_socket.h"

#define X(identifier, name, help) +1
enum { TYPES = 0 PORT_TYPE_LIST(X) };
#undef X

/* libevent. */
static const struct needs_call event_calls[] = {NEEDS_CALL(epoll_wait), NEEDS_CALL(epoll_pwait2),
	NEEDS_CALL(epoll_ctl), NEEDS_CALL(timerfd_settime), NEEDS_NO_MORE};
static const struct needs event_needs = {.calls = event_calls};

/*
 * A daemon that was not told what it is for gives sockets to other users and connects to theirs; one
 * that was told can do so with groups that it is a member of.
 */
static const struct needs_call no_calls[] = {NEEDS_NO_MORE};
static const struct needs owner_needs = {
	.capabilities = NEEDS_CAPABILITY(CAP_CHOWN) | NEEDS_CAPABILITY(CAP_FOWNER) |
			NEEDS_CAPABILITY(CAP_DAC_OVERRIDE),
	.calls = no_calls,
};

/* What every daemon needs, whatever its ports are. */
static const struct needs *const always[] = {&process_needs, &event_needs, &unix_socket_needs,
	&link_watch_needs, &saver_needs, &giver_needs, &env_needs, &worker_needs, &capture_needs};
#define ALWAYS (sizeof(always) / sizeof(always[0]))

int
rights_confine(unsigned types, struct err *err)
{
	const struct needs *needs[ALWAYS + 1 + TYPES];
	size_t count = 0;

	for (size_t i = 0; i < ALWAYS; i++)
		needs[count++] = always[i];
	if (types == RIGHTS_ALL_TYPES)
		needs[count++] = &owner_needs;
	for (int type = 0; type < TYPES; type++) {
		if (types >> type & 1 && port_kind(type)->needs)
			needs[count++] = port_kind(type)->needs;
	}
	return confine(needs, count, err);
}

void
rights_tick(void)
{
	char name[40];
	struct confine_refusal refusal;

	while (confine_refused(&refusal)) {
		confine_call_name(refusal.number, name, sizeof(name));
		log_error("system call %s (number %d, second argument %#" PRIx64
			  ") was refused, %u times: this daemon was not meant to make it; please "
			  "report it (--no-confine allows all)",
			name, refusal.number, refusal.argument, refusal.times);
	}
}
