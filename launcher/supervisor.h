/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * supervisor: the process that looks after one virtual machine: takes its name, asks the switch for
 * its ports, starts the engine, keeps the console and its log, answers the command, and puts everything
 * back at the end.
 *
 * Who starts it holds the other end of a line (launcher/lines.h) that says, as JSON:
 *	{"note": text}				what a person wants to know meanwhile
 *	{"running": row of `vm show`}		once
 *	{"failed": {"code": errno, "text"}}	it could not be started; the last message
 *	{"ended": {"how", "text"}}		the last message, when nothing is left behind
 * and takes
 *	{"release": true}			from now on the virtual machine outlives the line
 *	{"stop": seconds}			as `vm stop`
 *	{"kill": true}
 * A line that ends unreleased kills the virtual machine.
 *
 * The control socket (launcher/vm_dir.h) takes JSON-RPC 2.0, one text per line: vm.show, vm.stop
 * {wait}, vm.kill, vm.pause, vm.resume; stop and kill are answered at the end.
 */
#ifndef LAUNCHER_SUPERVISOR_H
#define LAUNCHER_SUPERVISOR_H

#include "launcher/definition.h"

#define SUPERVISOR_STOP_SECONDS 30 /* when none are given */

struct supervisor_options {
	const struct vm_definition *def; /* complete */
	const char *socket;              /* of patchbayd; NULL = look for it */
	int line;                        /* taken */
	int console;                     /* a first client of the console, or -1; taken */
};

/* Does all of it in a process of its own, which must end with the result afterwards. */
int supervisor_run(const struct supervisor_options *options);

/* Starts such a process; the caller keeps the other ends: *line, and *console unless NULL. */
int supervisor_start(const struct vm_definition *def, const char *socket, int *line, int *console,
	struct err *err);

#endif
