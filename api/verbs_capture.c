/* SPDX-License-Identifier: BSD-3-Clause */
#include "api/verbs_capture.h"

/* clang-format off */

#define END       \
	{         \
		0 \
	}

/* Of both. */
#define CAPTURE_PARAMS                                                                             \
	{"port", VALUE_NAME, 0, 0, NULL, "a port, or a bridge: all its ports", true, true},        \
	{"expression", VALUE_STRING, 0, 4095, NULL,                                                \
		"frames that match this only (pcap-filter(7)), in quotes", true, false},           \
	{"direction", VALUE_ENUM, 0, 0, "in out inout",                                            \
		"in: received from the port, out: sent to it; not given: both", false, false, 'Q'}, \
	{"snaplen", VALUE_U32, 1, 262144, NULL,                                                    \
		"most bytes recorded of a frame; not given: all, of text 2048", false, false, 's'}, \
	{"drops", VALUE_BOOL, 0, 0, NULL, "frames that the switch drops only, with the reason",    \
		false, false}

const struct param capture_run_params[] = {
	CAPTURE_PARAMS,
	{"count", VALUE_U32, 1, UINT32_MAX, NULL, "end after so many frames", false, false, 'c'},
	{"write", VALUE_STRING, 0, 4095, NULL,
		"write pcapng into this file, - for standard output; not given: text", false, false, 'w'},
	END,
};

const struct param daemon_capture_params[] = {
	CAPTURE_PARAMS,
	END,
};
