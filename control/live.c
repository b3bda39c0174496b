/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "control/bond.h"
#include "control/live.h"
#include "control/live_filter.h"
#include "control/live_mirror.h"
#include "control/loop_guard.h"
#include "control/mtu_check.h"
#include "control/port_types.h"
#include "control/snooping.h"
#include "lib/log.h"

/* datapath_on_broken() takes a function without context; there is one control thread. */
static struct live *listener;

struct live_port *
live_port(struct live *live, const char *name)
{
	for (unsigned i = 0; i < PORT_MAX; i++) {
		if (live->ports[i].name[0] && strcmp(live->ports[i].name, name) == 0)
			return &live->ports[i];
	}
	return NULL;
}

struct live_bridge *
live_bridge(struct live *live, const char *name)
{
	for (unsigned i = 0; i < BRIDGE_MAX; i++) {
		if (live->bridges[i].name[0] && strcmp(live->bridges[i].name, name) == 0)
			return &live->bridges[i];
	}
	return NULL;
}

static int
bridge_number(struct live *live, const char *name)
{
	const struct live_bridge *b = name[0] ? live_bridge(live, name) : NULL;

	return b ? (int)b->bridge : -1;
}

/* ---- bridges ---- */

static void
resolve_bridge(const struct bridge_config *config, struct bridge_settings *settings)
{
	*settings = (struct bridge_settings){
		.fdb_capacity = config->capacity,
		.ageing_s = config->ageing,
		.forward_bpdu = config->forward_bpdu,
		.flood_vlans = config->flood_vlans,
		.mac_moves = config->mac_moves,
		.loop_guard = config->loop_guard,
		.mcast_snooping = config->mcast_snooping,
	};
}

/* What the control thread itself does for a bridge. */
static int
serve_bridge(unsigned number, const struct bridge_config *config, struct err *err)
{
	struct mcast_settings mcast = {
		.snooping = config->mcast_snooping,
		.flood = config->mcast_flood,
		.fast_leave = config->mcast_fast_leave,
		.querier = config->mcast_querier,
		.ageing_s = config->mcast_ageing,
	};
	int rc = snooping_set(number, &mcast);

	loop_guard_set(number, config->loop_guard);
	return rc ? err_set(err, rc, "bridge \"%s\": out of memory", config->name) : 0;
}

static int
add_bridge(struct live *live, const struct bridge_config *config, struct err *err)
{
	struct bridge_settings settings;
	unsigned number;
	int rc;

	resolve_bridge(config, &settings);
	rc = datapath_bridge_add(&settings, &number, err);
	if (rc < 0)
		return err_prefix(err, "bridge \"%s\"", config->name);
	live->bridges[number].bridge = number;
	memcpy(live->bridges[number].name, config->name, sizeof(config->name));
	return serve_bridge(number, config, err);
}

static int
set_bridge(struct live *live, const struct bridge_config *config, struct err *err)
{
	struct bridge_settings settings;

	resolve_bridge(config, &settings);
	if (datapath_bridge_set((unsigned)bridge_number(live, config->name), &settings, err) < 0)
		return err_prefix(err, "bridge \"%s\"", config->name);
	return serve_bridge((unsigned)bridge_number(live, config->name), config, err);
}

static int
del_bridge(struct live *live, const struct bridge_config *config, struct err *err)
{
	struct live_bridge *b = live_bridge(live, config->name);
	int rc = datapath_bridge_del(b->bridge);

	if (rc < 0)
		return err_set(err, rc, "bridge \"%s\" cannot be deleted: %s", config->name,
			strerror(-rc));
	loop_guard_set(b->bridge, false);
	snooping_set(b->bridge, &(struct mcast_settings){0});
	memset(b, 0, sizeof(*b));
	return 0;
}

/* ---- ports ---- */

static void
end_port(struct live_port *p)
{
	struct port *port = p->port;

	loop_guard_forget(port);
	snooping_forget(port);
	bonds_port_going(port);
	if (p->type->close)
		p->type->close(port);
	datapath_port_del(port);
	datapath_port_destroy(port);
	memset(p, 0, sizeof(*p));
}

static int
add_port(struct live *live, const struct port_config *config, struct err *err)
{
	const struct port_kind *type = port_kind(config->type);
	struct port_settings settings;
	struct live_port *p;
	struct port *port;
	int rc = -EPERM;

	if (live->port_types >> config->type & 1)
		rc = type->create(live->loop, config, &port, err);
	else
		err_set(err, rc,
			"the daemon was started for other types of ports: add %s to its option "
			"--port-types",
			type->name);
	if (rc < 0)
		return err_prefix(err, "port \"%s\"", config->name);
	port_resolve(config, bridge_number(live, config->bridge), &settings);
	live_mirrors_of(live, config->name, config->bridge, &settings.mirrors);
	rc = live_filter_defaults(live, config, settings.filters, err);
	if (rc == 0)
		rc = datapath_port_add(port, &settings, err);
	if (rc < 0) {
		port->ops->destroy(port);
		return err_prefix(err, "port \"%s\"", config->name);
	}
	p = &live->ports[port->index];
	memcpy(p->name, config->name, sizeof(p->name));
	p->type = type;
	p->port = port;
	p->settings = settings;
	if (live->adopting && type->handover)
		return 0;
	rc = type->open ? type->open(port, err) : 0;
	if (rc < 0) {
		end_port(p);
		return err_prefix(err, "port \"%s\"", config->name);
	}
	bonds_port_added(p);
	mtu_check(live, p);
	return 0;
}

static int
set_port(struct live *live, const struct port_config *config, struct err *err)
{
	struct live_port *p = live_port(live, config->name);
	struct port_settings settings;
	int rc;

	port_resolve(config, bridge_number(live, config->bridge), &settings);
	live_mirrors_of(live, config->name, config->bridge, &settings.mirrors);
	rc = live_filter_defaults(live, config, settings.filters, err);
	if (rc == 0) {
		lease_apply(p, &settings);
		rc = datapath_port_set(p->port, &settings, err);
	}
	if (rc == 0)
		live_filter_settled(live, config);
	if (rc == 0 && p->type->set)
		rc = p->type->set(p->port, config, err);
	if (rc == 0)
		mtu_check(live, p);
	return rc < 0 ? err_prefix(err, "port \"%s\"", config->name) : 0;
}

/* ---- static addresses ---- */

static int
add_fdb(struct live *live, const struct fdb_config *config, struct err *err)
{
	const struct live_bridge *b = live_bridge(live, config->bridge);
	const struct live_port *p = live_port(live, config->port);
	int rc;

	/* Missing only where a change could not be taken back. */
	if (!b || !p)
		return err_set(err, -ENOENT, "its port or bridge is gone");
	rc = fdb_add_static(datapath_bridge_fdb(b->bridge),
		fdb_make_key(config->mac.b, config->vlan), p->port->index);
	if (rc < 0)
		return err_set(err, rc, "bridge \"%s\" has no room for a static address: %s",
			config->bridge, strerror(-rc));
	return 0;
}

static void
del_fdb(struct live *live, const struct fdb_config *config)
{
	int number = bridge_number(live, config->bridge);

	if (number >= 0)
		fdb_del(datapath_bridge_fdb((unsigned)number),
			fdb_make_key(config->mac.b, config->vlan));
}

int
live_perform(struct live *live, const struct step *step, struct err *err)
{
	switch (step->kind) {
	case STEP_ADD_BRIDGE:
		return add_bridge(live, step->to, err);
	case STEP_SET_BRIDGE:
		return set_bridge(live, step->to, err);
	case STEP_DEL_BRIDGE:
		return del_bridge(live, step->from, err);
	case STEP_ADD_PORT:
		return add_port(live, step->to, err);
	case STEP_SET_PORT:
		return set_port(live, step->to, err);
	case STEP_DEL_PORT:
		end_port(live_port(live, ((const struct port_config *)step->from)->name));
		return 0;
	case STEP_SET_FILTERS:
		return live_filter_set(live, step->from, step->to, err);
	case STEP_SET_SET:
		return live_set_set(live, step->from, step->to, err);
	case STEP_SET_MIRROR:
		return live_mirror_set(live, step->from, step->to, err);
	case STEP_ADD_FDB:
		return add_fdb(live, step->to, err);
	case STEP_DEL_FDB:
		del_fdb(live, step->from);
		return 0;
	case STEP_KIND_COUNT:
		break;
	}
	return err_set(err, -EINVAL, "not a step");
}

static void
on_broken(struct port *port, unsigned queue, unsigned reason)
{
	struct live_port *p = &listener->ports[port->index];

	if (p->port == port && p->type->broken)
		p->type->broken(port, queue, reason);
}

/* ---- from one process to the next ---- */

static const struct port_handover *
handover_of(const struct live_port *p)
{
	return p->port ? p->type->handover : NULL;
}

static void
hold_ports(struct live *live, bool senders)
{
	for (unsigned i = 0; i < PORT_MAX; i++) {
		if (handover_of(&live->ports[i]))
			handover_of(&live->ports[i])->hold(live->ports[i].port, senders);
	}
}

static void
resume_ports(struct live *live, bool senders)
{
	for (unsigned i = 0; i < PORT_MAX; i++) {
		if (handover_of(&live->ports[i]))
			handover_of(&live->ports[i])->resume(live->ports[i].port, senders);
	}
}

void
live_hold(struct live *live)
{
	hold_ports(live, true);
	datapath_drain();
	hold_ports(live, false);
	/* What was received up to here has asked to be learnt. */
	datapath_dispatch();
}

void
live_resume(struct live *live)
{
	resume_ports(live, false);
	resume_ports(live, true);
}

void
live_abandon(struct live *live)
{
	for (unsigned i = 0; i < PORT_MAX; i++) {
		struct live_port *p = &live->ports[i];

		if (handover_of(p))
			handover_of(p)->abandon(p->port);
		else if (p->port && p->type->leave)
			p->type->leave(p->port);
		if (p->port && !handover_of(p))
			end_port(p);
	}
}

void
live_adopt(struct live *live)
{
	for (unsigned i = 0; i < PORT_MAX; i++) {
		struct live_port *p = &live->ports[i];
		struct err err = {0};

		if (handover_of(p) && handover_of(p)->adopt(p->port, &err))
			log_error("port %s: %s", p->name, err.text);
	}
	live_resume(live);
}

/* ---- the whole ---- */

int
live_create(struct live **live, struct event_base *loop, unsigned port_types)
{
	*live = calloc(1, sizeof(**live));
	if (!*live)
		return -ENOMEM;
	(*live)->loop = loop;
	(*live)->port_types = port_types;
	listener = *live;
	datapath_on_broken(on_broken);
	loop_guard_start(*live);
	bonds_start(*live);
	if (snooping_start(*live, loop) < 0)
		return -ENOMEM;
	return lease_start(*live);
}

void
live_destroy(struct live *live)
{
	if (!live)
		return;
	for (unsigned i = 0; i < PORT_MAX; i++) {
		if (live->ports[i].port)
			end_port(&live->ports[i]);
	}
	for (unsigned i = 0; i < BRIDGE_MAX; i++) {
		if (live->bridges[i].name[0])
			datapath_bridge_del(live->bridges[i].bridge);
	}
	live_filters_clear(live);
	live_mirrors_clear(live);
	lease_stop(live);
	datapath_on_broken(NULL);
	loop_guard_start(NULL);
	bonds_start(NULL);
	snooping_stop();
	listener = NULL;
	free(live);
}
