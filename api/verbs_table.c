/* SPDX-License-Identifier: BSD-3-Clause */
#include "api/verbs_table.h"

/* clang-format off */

#define END       \
	{         \
		0 \
	}

const struct column fdb_columns[] = {
	{"BRIDGE", "bridge", COLUMN_TEXT, "the bridge"},
	{"VLAN", "vlan", COLUMN_NUMBER, "the VLAN; 0 = none"},
	{"MAC", "mac", COLUMN_TEXT, "the address"},
	{"PORT", "port", COLUMN_TEXT, "the port behind which it is"},
	{"TYPE", "type", COLUMN_TEXT, "static or learnt"},
	{"AGE s", "age", COLUMN_NUMBER, "seconds since it was last seen"},
	END,
};

const struct column mdb_columns[] = {
	{"BRIDGE", "bridge", COLUMN_TEXT, "the bridge"},
	{"VLAN", "vlan", COLUMN_NUMBER, "the VLAN; 0 = none"},
	{"GROUP", "group", COLUMN_TEXT, "the multicast group"},
	{"PORT", "port", COLUMN_TEXT, "the port that wants it, or leads to a router"},
	{"TYPE", "type", COLUMN_TEXT, "member or router"},
	{"EXPIRES s", "expires", COLUMN_NUMBER, "seconds until it is forgotten"},
	END,
};

const struct column mirror_columns[] = {
	{"MIRROR", "name", COLUMN_TEXT, "name"},
	{"BRIDGE", "bridge", COLUMN_TEXT, "the bridge"},
	{"FROM", "from", COLUMN_TEXT, "the ports whose frames are copied; empty = all"},
	{"DIRECTION", "direction", COLUMN_TEXT, "received from them, sent to them, or both"},
	{"VLANS", "vlans", COLUMN_TEXT, "the VLANs whose frames are copied; empty = all"},
	{"TO", "to", COLUMN_TEXT, "the port that gets the copies"},
	{"VLAN", "vlan", COLUMN_NUMBER, "the copies' VLAN, if they have one of their own"},
	{"FRAMES", "frames", COLUMN_COUNTER, "copies made"},
	{"BYTES", "bytes", COLUMN_BYTES, "their bytes"},
	{"DROPPED", "dropped", COLUMN_COUNTER, "of them, those that were not delivered"},
	{"MISSING", "missing", COLUMN_TEXT, "ports of it that there are not at the moment"},
	END,
};

const struct column events_columns[] = {
	{"TIME", "time", COLUMN_TEXT, "when it happened, UTC"},
	{"LEVEL", "level", COLUMN_TEXT, "how bad it is: error, warning, info"},
	{"EVENT", "type", COLUMN_TEXT, "what kind of event it is"},
	{"TEXT", "text", COLUMN_TEXT, "what happened"},
	{"NUMBER", "number", COLUMN_HIDDEN, "its number since the daemon's start"},
	{"BRIDGE", "bridge", COLUMN_HIDDEN, "the bridge it is about"},
	{"PORT", "port", COLUMN_HIDDEN, "the port it is about"},
	{"MAC", "mac", COLUMN_HIDDEN, "the address it is about"},
	{"VLAN", "vlan", COLUMN_HIDDEN, "the VLAN it is about"},
	END,
};

const struct param fdb_show_params[] = {
	{"bridge", VALUE_NAME, 0, 0, NULL, "of this bridge only", true, false},
	{"port", VALUE_NAME, 0, 0, NULL, "behind this port only", false, false},
	{"vlan", VALUE_U32, 0, 4094, NULL, "in this VLAN only; 0 = no VLAN", false, false},
	{"mac", VALUE_MAC, 0, 0, NULL, "this address only", false, false},
	{"limit", VALUE_U32, 1, 16777216, NULL, "most rows; not given: 10000", false, false},
	END,
};

const struct param fdb_flush_params[] = {
	{"bridge", VALUE_NAME, 0, 0, NULL, "of this bridge only", true, false},
	{"port", VALUE_NAME, 0, 0, NULL, "behind this port only", false, false},
	{"vlan", VALUE_U32, 0, 4094, NULL, "in this VLAN only; 0 = no VLAN", false, false},
	{"mac", VALUE_MAC, 0, 0, NULL, "this address only", false, false},
	{"static", VALUE_BOOL, 0, 0, NULL, "static addresses too", false, false},
	END,
};

const struct param mdb_show_params[] = {
	{"bridge", VALUE_NAME, 0, 0, NULL, "of this bridge only", true, false},
	END,
};

const struct param mirror_show_params[] = {
	{"name", VALUE_NAME, 0, 0, NULL, "show this mirror only, in full", true, false},
	END,
};

const struct param events_show_params[] = {
	{"type", VALUE_STRING, 0, 31, NULL, "events of this type only", true, false},
	{"port", VALUE_NAME, 0, 0, NULL, "about this port only", false, false},
	{"bridge", VALUE_NAME, 0, 0, NULL, "about this bridge only", false, false},
	{"limit", VALUE_U32, 1, 1024, NULL, "the last so many only", false, false},
	{"since", VALUE_U32, 1, 4294967295, NULL, "from the event of this number on", false, false},
	END,
};
