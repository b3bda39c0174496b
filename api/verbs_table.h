/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * verbs_table: parameters and columns of the verbs that show what a bridge has learnt, and what
 * happened; rows of the table in api/verbs.c.  The results, member by member:
 *
 * fdb.show {bridge?, port?, vlan?, mac?, limit?} -> {"rows": [{
 *	bridge, vlan (0 = none), mac, port, type "static"|"learnt", age (s since last seen; learnt)
 * }], "truncated": true when there are more than the limit}
 * fdb.flush {bridge?, port?, vlan?, mac?, static} -> {"flushed": count}
 *
 * mdb.show {bridge?} -> {"rows": [{
 *	bridge, vlan, port, type "member"|"router", group (of a member), expires (s)
 * }]}
 *
 * mirror.show {name?} -> {"time_ns", "rows": [{
 *	name, bridge, to, from, direction, vlans, vlan	as configured, when given or default
 *	frames, bytes, dropped	copies made since the mirror was added, those not delivered
 *	missing		names of its ports that there are not at the moment, with commas; absent if none
 * }]}		mirror.add, .set, .del: {}
 *
 * events.show {since?, limit?, type?, port?, bridge?} -> {"rows": [{
 *	number		counts from 1 since the daemon's start
 *	time		UTC, "2026-01-31T23:59:59.123Z"
 *	type		docs/events.md lists them
 *	level		"error", "warning" or "info"
 *	bridge, port, mac, vlan		what it is about, as far as it is about one
 *	text		a sentence
 * }], "next": the number to ask `since` the next time, "lost": events since `since` that are kept no
 * more}
 *
 * The verbs of `vm` are the client's; it asks the supervisors of the virtual machines.
 * vm.list, vm.show {name} -> {"rows": [{
 *	name, state ("starting", "running", "paused", "stopping", "lost"), engine, pid, uptime (s),
 *	restarts, cpus, memory (bytes), kernel, nets [{mac, bridge, port, socket, queues}],
 *	disks [{file, ro}], console (path of its socket), log (path of the boot log)
 * }]}		-ENOENT when the virtual machine that was named does not run
 * vm.stop, .kill -> {"how": "shutdown", "reboot", "crash" or "kill", "text": in words}
 * vm.pause, .resume -> {}
 */
#ifndef API_VERBS_TABLE_H
#define API_VERBS_TABLE_H

#include "api/schema.h"

extern const struct column fdb_columns[];
extern const struct column mdb_columns[];
extern const struct column mirror_columns[];
extern const struct column events_columns[];
extern const struct param fdb_show_params[];
extern const struct param fdb_flush_params[];
extern const struct param mdb_show_params[];
extern const struct param mirror_show_params[];
extern const struct param events_show_params[];

#endif
