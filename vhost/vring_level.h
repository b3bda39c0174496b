/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * vring_level: which vectors the packet path of rings uses.  The whole is built for x86-64-v2; the
 * work on rings is compiled for two higher levels too, and the highest that the processor has is
 * chosen at start.  Results are the same with each.
 */
#ifndef VHOST_VRING_LEVEL_H
#define VHOST_VRING_LEVEL_H

#include "lib/err.h"

/* The levels of the x86-64 psABI: SSE4.2, AVX2, AVX-512. */
enum vring_level {
	VRING_LEVEL_V2,
	VRING_LEVEL_V3,
	VRING_LEVEL_V4,
	VRING_LEVEL_COUNT,
};

/* "x86-64-v2"... */
const char *vring_level_name(enum vring_level level);

/* The highest that this processor and system have. */
enum vring_level vring_level_best(void);

/* The one that rings get which are created from now on; at first the best. */
enum vring_level vring_level(void);

/*
 * control thread: another one, by its name, or "auto" for the best.  -EINVAL with a text for what is
 * no level, -ENOTSUP for what the processor lacks.
 */
int vring_level_select(const char *name, struct err *err);

#endif
