/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdio.h>

#include "control/bond_internal.h"
#include "lib/parse.h"

/* The names of IEEE 802.1AX, in the order of the bits. */
static json_t *
describe_state(uint8_t state)
{
	static const char *const names[] = {"activity", "timeout", "aggregation", "synchronization",
		"collecting", "distributing", "defaulted", "expired"};
	json_t *list = json_array();

	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (state & 1u << i)
			json_array_append_new(list, json_string(names[i]));
	return list;
}

static json_t *
describe_party(const struct lacp_party *party)
{
	char mac[MAC_TEXT_SIZE];

	return json_pack("{s:s, s:i, s:i, s:i, s:i, s:o}", "system",
		mac_format(&party->system, mac), "system_priority", party->system_priority, "key",
		party->key, "port", party->port, "port_priority", party->port_priority, "state",
		describe_state(party->state));
}

static void
add_lacp(json_t *member, const struct lacp *lacp, unsigned place)
{
	static const char *const receive[] = {
		[LACP_RX_DISABLED] = "disabled",
		[LACP_RX_EXPIRED] = "expired",
		[LACP_RX_DEFAULTED] = "defaulted",
		[LACP_RX_CURRENT] = "current",
	};
	static const char *const mux[] = {
		[LACP_MUX_DETACHED] = "detached",
		[LACP_MUX_WAITING] = "waiting",
		[LACP_MUX_ATTACHED] = "attached",
		[LACP_MUX_COLLECTING] = "collecting",
		[LACP_MUX_DISTRIBUTING] = "distributing",
	};
	struct lacp_status s;

	lacp_status(lacp, place, &s);
	json_object_update_new(
		member, json_pack("{s:s, s:s, s:b, s:b, s:I, s:I}", "receive_machine",
				receive[s.receive], "mux_machine", mux[s.mux], "selected",
				(int)s.selected, "looped", (int)s.looped, "lacpdus_received",
				(json_int_t)s.received, "lacpdus_sent", (json_int_t)s.sent));
	json_object_set_new(member, "actor", describe_party(&s.actor));
	json_object_set_new(member, "partner", describe_party(&s.partner));
}

static json_t *
describe_members(const struct bond *b)
{
	json_t *members = json_object();

	for (unsigned i = 0; i < BOND_MEMBERS_MAX; i++) {
		const struct bond_place *place = &b->places[i];
		json_t *member;

		if (!place->name[0])
			continue;
		member = json_pack("{s:s, s:b, s:b}", "link", place->up ? "up" : "down", "receives",
			(int)place->receives, "sends", (int)place->sends);
		if (b->lacp) {
			add_lacp(member, b->lacp, i);
			json_object_set_new(member, "markers_answered",
				json_integer((json_int_t)place->markers));
		}
		json_object_set_new(members, place->name, member);
	}
	return members;
}

static void
say_why(const struct bond *b, char *text, size_t size)
{
	bool link = false, looped = false;
	struct lacp_status s;

	for (unsigned i = 0; i < BOND_MEMBERS_MAX; i++) {
		link |= b->places[i].up;
		if (!b->lacp)
			continue;
		lacp_status(b->lacp, i, &s);
		looped |= s.looped;
	}
	if (!link)
		snprintf(text, size, "no member has a link");
	else if (looped)
		snprintf(
			text, size, "a member hears what another sends: a cable from here to here");
	else if (b->lacp && lacp_alone(b->lacp))
		snprintf(text, size,
			"nobody answers by LACP: does the switch outside have it on for these links? "
			"lacp_fallback=yes uses one of them meanwhile");
	else
		snprintf(text, size, "LACP is being negotiated");
}

void
bond_port_status(const struct port *port, struct port_state *state)
{
	const struct bond *b = bond_owner(port);
	const struct lacp_party *partner = b->lacp ? lacp_partner(b->lacp) : NULL;
	bool one = b->active >= 0 && b->places[b->active].sends &&
		   (b->config.bond_mode == BOND_MODE_ACTIVE_BACKUP || !partner);
	char mac[MAC_TEXT_SIZE];

	state->up = atomic_load(&port->tx_queues) > 0;
	state->queues = 1;
	state->mtu = port->mtu;
	if (!state->up)
		say_why(b, state->reason, sizeof(state->reason));
	state->title = "bond";
	state->detail = json_object();
	if (one)
		json_object_set_new(
			state->detail, "active", json_string(b->places[b->active].name));
	if (partner)
		json_object_set_new(
			state->detail, "partner", json_string(mac_format(&partner->system, mac)));
	json_object_set_new(state->detail, "failovers", json_integer((json_int_t)b->failovers));
	json_object_set_new(state->detail, "members", describe_members(b));
}
