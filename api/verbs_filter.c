/* SPDX-License-Identifier: BSD-3-Clause */
#include "api/verbs_filter.h"

/* clang-format off */

#define END       \
	{         \
		0 \
	}

const struct column filter_columns[] = {
	{"PORT", "port", COLUMN_TEXT, "the port"},
	{"DIRECTION", "direction", COLUMN_TEXT, "in: received from it, out: sent to it"},
	{"PRIORITY", "priority", COLUMN_TEXT,
		"place among the rules; default = where none matches"},
	{"ACTION", "action", COLUMN_TEXT, "what becomes of a frame"},
	{"SRC SET", "src_set", COLUMN_TEXT, "the source address is in this set"},
	{"DST SET", "dst_set", COLUMN_TEXT, "the destination address is in this set"},
	{"EXPRESSION", "expression", COLUMN_TEXT, "and the frame matches this"},
	{"PACKETS", "packets", COLUMN_COUNTER, "frames it decided"},
	{"BYTES", "bytes", COLUMN_BYTES, "their bytes"},
	END,
};

const struct column set_columns[] = {
	{"SET", "name", COLUMN_TEXT, "name"},
	{"ADDRESSES", "count", COLUMN_NUMBER, "how many there are"},
	{"LIST", "addresses", COLUMN_HIDDEN, "the addresses, when one set is named"},
	END,
};

const struct param filter_show_params[] = {
	{"port", VALUE_NAME, 0, 0, NULL, "of this port only", true, false},
	END,
};

const struct param set_show_params[] = {
	{"name", VALUE_NAME, 0, 0, NULL, "this set only, with its addresses", true, false},
	END,
};

const struct param set_change_params[] = {
	{"name", VALUE_NAME, 0, 0, NULL, "the set", true, true},
	{"addresses", VALUE_STRING, 0, 65535, NULL,
		"MAC addresses, IPv4 and IPv6 addresses and prefixes with commas between them", true, false},
	END,
};

const struct param set_load_params[] = {
	{"name", VALUE_NAME, 0, 0, NULL, "the set", true, true},
	{"text", VALUE_TEXT, 0, 0, NULL, "the addresses", true, true},
	{"source", VALUE_STRING, 0, 1023, NULL, "what error messages call it; default: the file's name",
		false, false},
	END,
};
