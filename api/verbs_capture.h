/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * verbs_capture: what `capture` takes.  Internal to api/.
 *
 * daemon.capture {port, direction?, snaplen?, drops, expression?} -> {
 *	kind		"port" or "bridge": what was found under the name; a port first
 *	tsc_hz		of the processor's time stamp counter, in which records have their time
 *	reasons		list of {"name", "text"}: what the numbers of drops mean
 * }		with two descriptors (lib/capture_ring.h): records and progress.  The capture
 *		lasts as long as the connection; there is one for each.
 *
 * capture.run, the client's, with --json -> {
 *	captured, drops, lost	frames recorded; of these dropped by the switch; not recorded
 *	end		"count", "interrupted", "port gone", "daemon gone" or "output"
 * }
 */
#ifndef API_VERBS_CAPTURE_H
#define API_VERBS_CAPTURE_H

#include "api/schema.h"

extern const struct param capture_run_params[], daemon_capture_params[];

#endif
