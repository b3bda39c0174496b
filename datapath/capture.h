/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * capture: records of the frames of a port, or of all ports of a bridge, for a client that reads them
 * from memory (lib/capture_ring.h).
 *
 * Received frames are recorded as they came from the port, before a tag is pushed or popped, once it is
 * known whether they are dropped.  Sent ones are recorded in the form in which they leave, once the port
 * has taken or refused them, by the worker that owns the transmit queue; those that are dropped on the
 * way there, by the one that drops them.  A frame with offloads is recorded as it is: received whole,
 * sent whole or in the segments that software made of it.
 *
 * What lies behind a frame's private bytes is read from the sender's memory once, for the record and
 * for the receivers.  An expression sees what a filter sees (datapath/filter.h).
 *
 * Not recorded are frames that never became one (drops of a port's own receive side: bad_descriptor,
 * bad_offload, runt, too_long, rx_full, bad_checksum), frames lost because memory failed under
 * them, and why a kernel's socket refused a frame after it was handed to it.
 *
 * Threads: the control thread.
 */
#ifndef DATAPATH_CAPTURE_H
#define DATAPATH_CAPTURE_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/capture_ring.h"
#include "lib/err.h"
#include "lib/needs.h"

#define CAPTURE_MAX 8 /* at a time */

struct port;

struct capture_settings {
	const struct port *port; /* NULL = all ports of `bridge`, also those that join it later */
	unsigned bridge;
	unsigned directions; /* CAPTURE_IN | CAPTURE_OUT */
	bool drops_only;
	uint32_t snaplen;       /* most bytes recorded of a frame */
	const char *expression; /* "" = all frames */
};

struct capture;

/* System calls. */
extern const struct needs capture_needs;

/*
 * Starts.  The rings are empty at first; the client is given duplicates of the two descriptors, which
 * stay the capture's.  -EINVAL: an expression that libpcap refuses, with its message; -EUSERS:
 * CAPTURE_MAX run already; -ENOMEM.
 */
int capture_start(
	struct capture **capture, const struct capture_settings *settings, struct err *err);
void capture_descriptors(const struct capture *capture, int *records, int *progress);
/* Ends it.  NULL is fine.  What the client has mapped stays there for it to read. */
void capture_stop(struct capture *capture);

#endif
