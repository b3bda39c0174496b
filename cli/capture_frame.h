/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * capture_frame: a captured frame on its way to where it is recorded.
 */
#ifndef CLI_CAPTURE_FRAME_H
#define CLI_CAPTURE_FRAME_H

#include <stdint.h>
#include <stdio.h>

struct capture_frame {
	const char *port;
	uint64_t time_ns; /* since 1970 */
	const uint8_t *bytes;
	uint32_t captured, len;
	unsigned direction;      /* CAPTURE_IN or CAPTURE_OUT */
	const char *reason;      /* why it was dropped: "mac_lock"; NULL = it was not */
	const char *reason_text; /* in words */
	uint64_t lost;           /* frames that were not recorded since the one before */
};

/* "52:54:00:00:00:01 > 52:54:00:00:00:02, IPv4 10.0.0.1.80 > 10.0.0.2.1024 TCP, length 60", no newline. */
void capture_frame_describe(const struct capture_frame *frame, FILE *file);
/* "vlan 5 " for each tag that the frame has. */
void capture_frame_tags(const struct capture_frame *frame, FILE *file);

#endif
