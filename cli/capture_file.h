/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * capture_file: captured frames as a pcapng file, each port an interface of it.
 */
#ifndef CLI_CAPTURE_FILE_H
#define CLI_CAPTURE_FILE_H

#include <signal.h>
#include <stdbool.h>

#include "cli/capture_frame.h"
#include "lib/err.h"
#include "lib/pcapng.h"

struct capture_port {
	char name[32];
	uint64_t frames;
};

struct capture_file {
	int fd;
	const char *name; /* what errors call it */
	bool standard;    /* standard output, of which only the end is ours */
	bool failed;      /* it takes no more */
	const volatile sig_atomic_t *stopped;
	uint32_t snaplen;
	const char *filter; /* NULL = none */
	uint64_t size;      /* bytes written, of whole blocks */
	struct pcapng out;
	struct capture_port *ports; /* by the number of their interface */
	unsigned port_count;
};

/* Opens it anew, "-" is standard output.  `stopped` ends a wait for a reader that takes nothing. */
int capture_file_open(struct capture_file *file, const char *path, uint32_t snaplen,
	const char *filter, const volatile sig_atomic_t *stopped, struct err *err);
/* A port that shall be in the file also without frames. */
int capture_file_port(struct capture_file *file, const char *port, struct err *err);
int capture_file_add(struct capture_file *file, const struct capture_frame *frame, struct err *err);
/*
 * Writes what was added.  When that fails, what of the last block has been written is taken back where
 * that is possible: the file ends with a whole one.
 */
int capture_file_flush(struct capture_file *file, struct err *err);
/* Adds what was counted, and flushes.  lost: frames of all ports that were not recorded. */
int capture_file_finish(
	struct capture_file *file, uint64_t time_ns, uint64_t lost, struct err *err);
/* Idempotent; a zeroed structure with fd -1 is fine. */
void capture_file_close(struct capture_file *file);

#endif
