/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Threat model: tcpdump parses what guests send, and may be brought to say or do anything that its user
 * can; what it says is printed without control characters.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "cli/capture_text.h"
#include "lib/capture_ring.h"
#include "lib/clock.h"
#include "lib/fd.h"

#define LINE_SIZE    65536
#define LAST_WAIT_MS 5000
#define PCAP_NS      0xa1b23c4d
#define ETHERNET     1

extern char **environ;

/* The layout of a savefile of libpcap (pcap-savefile(5)). */
struct file_header {
	uint32_t magic;
	uint16_t major, minor;
	uint32_t zone, accuracy, snaplen, linktype;
};

struct packet_header {
	uint32_t seconds, ns, captured, len;
};

static int
no_memory(struct err *err)
{
	return err_set(err, -ENOMEM, "out of memory");
}

/* Bytes for tcpdump. */
static int
put(struct capture_text *t, const void *bytes, size_t n, struct err *err)
{
	char *more;

	if (t->out_done == t->out_used)
		t->out_done = t->out_used = 0;
	while (t->out_size - t->out_used < n) {
		more = realloc(t->out, t->out_size ? 2 * t->out_size : LINE_SIZE);
		if (!more)
			return no_memory(err);
		t->out = more;
		t->out_size = t->out_size ? 2 * t->out_size : LINE_SIZE;
	}
	memcpy(t->out + t->out_used, bytes, n);
	t->out_used += n;
	return 0;
}

/* Its own group: Ctrl-C is for us, who then let it finish. */
static int
spawn(struct capture_text *t, int in, int out)
{
	char *argv[] = {"tcpdump", "-r", "-", "-n", "-l", "-t", "--number", NULL};
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	sigset_t defaults;
	int r;

	sigemptyset(&defaults);
	sigaddset(&defaults, SIGPIPE);
	posix_spawnattr_init(&attributes);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF);
	posix_spawnattr_setpgroup(&attributes, 0);
	posix_spawnattr_setsigdefault(&attributes, &defaults);
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, in, STDIN_FILENO);
	posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
	posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
	r = posix_spawnp(&t->child, argv[0], &actions, &attributes, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	posix_spawnattr_destroy(&attributes);
	if (r)
		t->child = 0;
	return -r;
}

int
capture_text_open(struct capture_text *t, struct err *err)
{
	const struct file_header header = {
		.magic = PCAP_NS, .major = 2, .minor = 4, .snaplen = 262144, .linktype = ETHERNET};
	int in[2] = {-1, -1}, out[2] = {-1, -1}, r = 0;

	memset(t, 0, sizeof(*t));
	t->to = t->from = -1;
	if (pipe2(in, O_CLOEXEC) || pipe2(out, O_CLOEXEC))
		r = err_set(err, -errno, "no pipe to tcpdump: %s", strerror(errno));
	if (!r && spawn(t, in[0], out[1]) == 0) {
		t->to = fd_take(&in[1]);
		t->from = fd_take(&out[0]);
		fd_set_nonblocking(t->to);
		fd_set_nonblocking(t->from);
		t->line = malloc(LINE_SIZE);
		r = t->line ? put(t, &header, sizeof(header), err) : no_memory(err);
	}
	fds_close(in, 2);
	fds_close(out, 2);
	return r;
}

bool
capture_text_takes(const struct capture_text *t)
{
	return t->given - t->told < CAPTURE_TEXT_WAITING;
}

/* "12:34:56.123456789 vm1  In  vlan 5 ", " [dropped: mac_lock]". */
static void
put_before(const struct capture_frame *f, FILE *file)
{
	time_t seconds = (time_t)(f->time_ns / 1000000000);
	struct tm local;
	char text[16];

	localtime_r(&seconds, &local);
	strftime(text, sizeof(text), "%H:%M:%S", &local);
	if (f->lost)
		fprintf(file, "(%llu frames are missing here)\n", (unsigned long long)f->lost);
	fprintf(file, "%s.%09u %s %-3s ", text, (unsigned)(f->time_ns % 1000000000), f->port,
		f->direction == CAPTURE_IN ? "In" : "Out");
	capture_frame_tags(f, file);
}

static void
put_behind(const struct capture_frame *f, FILE *file)
{
	if (f->reason)
		fprintf(file, " [dropped: %s]", f->reason);
}

static char *
make_words(
	void (*put_words)(const struct capture_frame *f, FILE *file), const struct capture_frame *f)
{
	char *text = NULL;
	size_t size;
	FILE *file = open_memstream(&text, &size);

	if (!file)
		return NULL;
	put_words(f, file);
	return fclose(file) ? NULL : text;
}

int
capture_text_add(struct capture_text *t, const struct capture_frame *f, struct err *err)
{
	struct packet_header header = {(uint32_t)(f->time_ns / 1000000000),
		(uint32_t)(f->time_ns % 1000000000), f->captured, f->len};
	struct capture_words *words = &t->words[t->given % CAPTURE_TEXT_WAITING];

	if (!t->child) {
		put_before(f, stdout);
		capture_frame_describe(f, stdout);
		put_behind(f, stdout);
		putchar('\n');
		return 0;
	}
	words->before = make_words(put_before, f);
	words->behind = make_words(put_behind, f);
	t->given++;
	if (!words->before || !words->behind)
		return no_memory(err);
	if (put(t, &header, sizeof(header), err))
		return err->code;
	return put(t, f->bytes, f->captured, err);
}

/* The text behind the number of the next frame; NULL when the line goes on with an earlier one. */
static const char *
behind_number(const struct capture_text *t, const char *line)
{
	char *end;
	unsigned long long number;

	while (*line == ' ')
		line++;
	number = strtoull(line, &end, 10);
	if (end == line || number != t->told + 1 || t->told == t->given || strncmp(end, "  ", 2))
		return NULL;
	return end + 2;
}

static void
print_line(struct capture_text *t, char *line)
{
	struct capture_words *words;
	const char *text;

	for (char *p = line; *p; p++)
		if (((unsigned char)*p < 0x20 && *p != '\t') || *p == 0x7f)
			*p = '?';
	text = behind_number(t, line);
	if (!text) {
		puts(line);
		return;
	}
	words = &t->words[t->told++ % CAPTURE_TEXT_WAITING];
	printf("%s%s%s\n", words->before, text, words->behind);
	free(words->before);
	free(words->behind);
	words->before = words->behind = NULL;
}

/* Prints whole lines; one that is longer than any of tcpdump's is cut. */
static void
print_lines(struct capture_text *t, bool last)
{
	char *begin = t->line, *end;

	while ((end = memchr(begin, '\n', t->line_used - (size_t)(begin - t->line)))) {
		*end = '\0';
		print_line(t, begin);
		begin = end + 1;
	}
	t->line_used -= (size_t)(begin - t->line);
	memmove(t->line, begin, t->line_used);
	if (t->line_used == LINE_SIZE - 1 || (last && t->line_used)) {
		t->line[t->line_used] = '\0';
		print_line(t, t->line);
		t->line_used = 0;
	}
}

/* What tcpdump says.  1 = more may be there. */
static int
hear(struct capture_text *t)
{
	ssize_t n;

	if (t->from < 0)
		return 0;
	n = read(t->from, t->line + t->line_used, LINE_SIZE - 1 - t->line_used);
	if (n < 0)
		return errno == EINTR;
	if (n == 0) {
		print_lines(t, true);
		fd_close(&t->from);
		return 0;
	}
	t->line_used += (size_t)n;
	print_lines(t, false);
	return 1;
}

int
capture_text_turn(struct capture_text *t, struct err *err)
{
	while (t->to >= 0 && t->out_done < t->out_used) {
		ssize_t n = write(t->to, t->out + t->out_done, t->out_used - t->out_done);

		if (n > 0)
			t->out_done += (size_t)n;
		else if (errno == EPIPE)
			return err_set(err, -EPIPE, "tcpdump has ended");
		else if (errno != EINTR)
			break;
	}
	while (hear(t))
		;
	if (t->child && t->from < 0)
		return err_set(err, -EPIPE, "tcpdump has ended");
	if (fflush(stdout))
		return err_set(err, -errno, "cannot write to standard output: %s", strerror(errno));
	return 0;
}

unsigned
capture_text_poll(const struct capture_text *t, struct pollfd *fds)
{
	unsigned n = 0;

	if (t->from >= 0)
		fds[n++] = (struct pollfd){.fd = t->from, .events = POLLIN};
	if (t->to >= 0 && t->out_done < t->out_used)
		fds[n++] = (struct pollfd){.fd = t->to, .events = POLLOUT};
	return n;
}

int
capture_text_finish(struct capture_text *t, struct err *err)
{
	uint64_t end = clock_ns() + LAST_WAIT_MS * UINT64_C(1000000);
	struct pollfd fds[2];
	struct err late;

	while (t->from >= 0 && clock_ns() < end) {
		if (t->to >= 0 && t->out_done == t->out_used)
			fd_close(&t->to);
		poll(fds, capture_text_poll(t, fds), 100);
		if (capture_text_turn(t, &late))
			break;
	}
	if (fflush(stdout))
		return err_set(err, -errno, "cannot write to standard output: %s", strerror(errno));
	return 0;
}

void
capture_text_close(struct capture_text *t)
{
	if (t->child) {
		fd_close(&t->to);
		fd_close(&t->from);
		kill(t->child, SIGKILL);
		waitpid(t->child, NULL, 0);
		t->child = 0;
	}
	for (; t->told < t->given; t->told++) {
		free(t->words[t->told % CAPTURE_TEXT_WAITING].before);
		free(t->words[t->told % CAPTURE_TEXT_WAITING].behind);
	}
	free(t->out);
	free(t->line);
	t->out = t->line = NULL;
}
