/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the supervisor tells of its virtual machine.
 */
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "api/schema.h"
#include "launcher/process.h"
#include "launcher/supervisor_state.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/parse.h"

void
supervisor_note(struct supervisor *s, const char *format, ...)
{
	char text[ERR_TEXT_MAX];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	log_info("%s", text);
	lines_send(s->line, json_pack("{s:s}", "note", text));
}

static json_t *
describe_nets(const struct vm_definition *def)
{
	json_t *nets = json_array();

	for (unsigned i = 0; i < def->net_count; i++) {
		const struct definition_net *net = &def->nets[i];
		char mac[MAC_TEXT_SIZE];
		json_t *row = json_pack("{s:s, s:i, s:s}", "mac", mac_format(&net->set.mac, mac),
			"queues", (int)net->set.queues, "socket", net->path);

		if (net->port[0]) {
			json_object_set_new(row, "bridge", json_string(net->set.bridge));
			json_object_set_new(row, "port", json_string(net->port));
		}
		json_array_append_new(nets, row);
	}
	return nets;
}

json_t *
supervisor_describe(const struct supervisor *s)
{
	static const char *const names[] = {
		"starting", "running", "paused", "stopping", "stopping"};
	char console[PATH_MAX], log[PATH_MAX];
	json_t *disks = json_array();

	for (unsigned i = 0; i < s->def.disk_count; i++)
		json_array_append_new(
			disks, schema_store(&noun_disk, &s->def.disks[i], true, true));
	snprintf(log, sizeof(log), "%s.console", s->dir.log);
	return json_pack("{s:s, s:s, s:s, s:i, s:I, s:i, s:I, s:i, s:i, s:s, s:o, s:o, s:s, s:s}",
		"name", s->def.vm.name, "state", names[s->phase], "engine",
		s->ops ? s->ops->name : "none", "cpus", (int)s->def.vm.cpus, "memory",
		(json_int_t)s->def.vm.memory, "pid",
		s->engine ? (int)process_pid(s->engine->process) : 0, "uptime",
		(json_int_t)((clock_ns() - s->started_ns) / 1000000000), "restarts",
		(int)s->restarts, "supervisor", (int)getpid(), "kernel", s->def.vm.kernel, "nets",
		describe_nets(&s->def), "disks", disks, "console",
		vm_dir_file(&s->dir, "console.sock", console, sizeof(console)), "log", log);
}

json_t *
supervisor_describe_end(const struct supervisor *s)
{
	return json_pack("{s:s, s:s}", "how", vm_end_names[s->end], "text", s->end_text);
}
