/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pcapng: writes captured frames as pcapng (draft-ietf-opsawg-pcapng), Ethernet, times in
 * nanoseconds, whole blocks only: into memory, from which the caller writes them where they shall go.
 */
#ifndef LIB_PCAPNG_H
#define LIB_PCAPNG_H

#include <stddef.h>
#include <stdint.h>

#define PCAPNG_INBOUND  1
#define PCAPNG_OUTBOUND 2

/* Blocks that wait to be written; zeroed at first. */
struct pcapng {
	uint8_t *bytes; /* bytes[0..used) */
	size_t used, size;
};

struct pcapng_frame {
	unsigned interface; /* counted from 0 in the order of pcapng_interface() */
	uint64_t time_ns;   /* since 1970 */
	const uint8_t *bytes;
	uint32_t captured, len;
	unsigned direction;  /* PCAPNG_..., 0 = not said */
	uint64_t lost;       /* frames of the interface not recorded since the one before */
	const char *comment; /* NULL = none */
};

/* Each appends a block: 0, or -ENOMEM with nothing appended. */
int pcapng_section(struct pcapng *file, const char *application);
/* filter: the expression that frames match, NULL = none. */
int pcapng_interface(struct pcapng *file, const char *name, uint32_t snaplen, const char *filter);
int pcapng_frame(struct pcapng *file, const struct pcapng_frame *frame);
/* What was counted of an interface; comment may be NULL. */
int pcapng_statistics(struct pcapng *file, unsigned interface, uint64_t time_ns, uint64_t received,
	uint64_t lost, const char *comment);

/* Frees the memory. */
void pcapng_free(struct pcapng *file);

#endif
