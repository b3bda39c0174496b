/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/capture_file.h"
#include "lib/capture_ring.h"
#include "lib/fd.h"

#define LAST_WAIT_MS 1000 /* for the reader of a pipe, after Ctrl-C */

int
capture_file_open(struct capture_file *f, const char *path, uint32_t snaplen, const char *filter,
	const volatile sig_atomic_t *stopped, struct err *err)
{
	bool standard = strcmp(path, "-") == 0;

	memset(f, 0, sizeof(*f));
	f->name = standard ? "standard output" : path;
	f->standard = standard;
	f->snaplen = snaplen;
	f->filter = filter;
	f->stopped = stopped;
	if (standard && isatty(STDOUT_FILENO)) {
		f->fd = -1;
		return err_set(err, -EINVAL,
			"pcapng is nothing for a terminal: name a file, or pipe it into a program");
	}
	f->fd = standard ? fd_duplicate(STDOUT_FILENO)
			 : open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (f->fd < 0)
		return err_set(err, -errno, "cannot write %s: %s", f->name, strerror(errno));
	if (pcapng_section(&f->out, "patchbay " PATCHBAY_VERSION))
		return err_set(err, -ENOMEM, "out of memory");
	return 0;
}

/* The number of the port's interface, which appears with its first frame; negative errno. */
static int
interface_of(struct capture_file *f, const char *name)
{
	struct capture_port *ports;
	unsigned i = 0;

	while (i < f->port_count && strcmp(f->ports[i].name, name) != 0)
		i++;
	if (i < f->port_count)
		return (int)i;
	ports = realloc(f->ports, (i + 1) * sizeof(*ports));
	if (!ports)
		return -ENOMEM;
	f->ports = ports;
	if (pcapng_interface(&f->out, name, f->snaplen, f->filter))
		return -ENOMEM;
	memset(&ports[i], 0, sizeof(ports[i]));
	snprintf(ports[i].name, sizeof(ports[i].name), "%s", name);
	f->port_count++;
	return (int)i;
}

int
capture_file_port(struct capture_file *f, const char *port, struct err *err)
{
	return interface_of(f, port) < 0 ? err_set(err, -ENOMEM, "out of memory") : 0;
}

int
capture_file_add(struct capture_file *f, const struct capture_frame *frame, struct err *err)
{
	int interface = interface_of(f, frame->port);
	struct pcapng_frame block = {
		.interface = (unsigned)interface,
		.time_ns = frame->time_ns,
		.bytes = frame->bytes,
		.captured = frame->captured,
		.len = frame->len,
		.direction = frame->direction == CAPTURE_IN ? PCAPNG_INBOUND : PCAPNG_OUTBOUND,
		.lost = frame->lost,
	};
	char comment[256];

	if (frame->reason) {
		snprintf(comment, sizeof(comment), "dropped: %s: %s", frame->reason,
			frame->reason_text);
		block.comment = comment;
	}
	if (interface < 0 || pcapng_frame(&f->out, &block))
		return err_set(err, -ENOMEM, "out of memory");
	f->ports[interface].frames++;
	return 0;
}

/* The blocks of which all was written. */
static size_t
whole_blocks(const struct pcapng *out, size_t written)
{
	size_t at = 0;

	for (;;) {
		uint32_t length;

		if (at + 8 > written)
			return at;
		memcpy(&length, out->bytes + at + 4, sizeof(length));
		if (at + length > written)
			return at;
		at += length;
	}
}

/* After Ctrl-C a reader that takes nothing is not waited for much longer. */
static bool
may_go_on(const struct capture_file *f)
{
	struct pollfd p = {.fd = f->fd, .events = POLLOUT};

	return !*f->stopped || poll(&p, 1, LAST_WAIT_MS) > 0;
}

int
capture_file_flush(struct capture_file *f, struct err *err)
{
	size_t done = 0, whole;
	struct stat st;
	int error;

	if (f->failed)
		return 0;
	while (done < f->out.used) {
		ssize_t n = write(f->fd, f->out.bytes + done, f->out.used - done);

		if (n >= 0)
			done += (size_t)n;
		else if (errno != EINTR || !may_go_on(f))
			break;
	}
	error = errno;
	whole = whole_blocks(&f->out, done);
	f->size += whole;
	if (done == f->out.used) {
		f->out.used = 0;
		return 0;
	}
	f->failed = true;
	if (!f->standard && !fstat(f->fd, &st) && S_ISREG(st.st_mode) &&
		ftruncate(f->fd, (off_t)f->size))
		return err_set(err, -error, "cannot write %s: %s; its last frame is cut off",
			f->name, strerror(error));
	if (error == EINTR)
		return err_set(
			err, -error, "the reader of %s takes nothing: it got a part only", f->name);
	return err_set(err, -error, "cannot write %s: %s", f->name, strerror(error));
}

int
capture_file_finish(struct capture_file *f, uint64_t time_ns, uint64_t lost, struct err *err)
{
	char comment[64];

	snprintf(comment, sizeof(comment), "%llu frames of all ports together were lost",
		(unsigned long long)lost);
	for (unsigned i = 0; i < f->port_count && !f->failed; i++)
		if (pcapng_statistics(&f->out, i, time_ns, f->ports[i].frames,
			    f->port_count == 1 ? lost : 0,
			    f->port_count > 1 && lost && !i ? comment : NULL))
			return err_set(err, -ENOMEM, "out of memory");
	return capture_file_flush(f, err);
}

void
capture_file_close(struct capture_file *f)
{
	fd_close(&f->fd);
	pcapng_free(&f->out);
	free(f->ports);
	f->ports = NULL;
	f->port_count = 0;
}
