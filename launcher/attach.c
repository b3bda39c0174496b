/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "launcher/attach.h"
#include "launcher/lines.h"

enum { SIGNALS, CONSOLE, LINE, INPUT, FD_COUNT };

struct session {
	struct attach *attach;
	struct escape escape;
	char *text; /* of the line, not yet whole */
	size_t used, size;
	int console; /* -1 = closed */
	bool input;  /* still open */
};

static bool
write_all(int fd, const void *data, size_t size)
{
	const char *p = data;

	while (size > 0) {
		ssize_t n = write(fd, p, size);
		struct pollfd wait = {.fd = fd, .events = POLLOUT};

		if (n >= 0) {
			p += n;
			size -= (size_t)n;
		} else if (errno == EAGAIN) {
			poll(&wait, 1, -1);
		} else if (errno != EINTR) {
			return false;
		}
	}
	return true;
}

/* ---- console -> screen ---- */

static void
take_console(struct session *s)
{
	char data[4096];
	ssize_t n = read(s->console, data, sizeof(data));

	if (n > 0)
		write_all(STDOUT_FILENO, data, (size_t)n);
	else if (n == 0 || (errno != EAGAIN && errno != EINTR))
		s->console = -1;
}

/* ---- keyboard -> console ---- */

/* True = leave. */
static bool
take_key(struct session *s, uint8_t key)
{
	enum escape_action action;
	struct escape_output out;

	action = escape_take(&s->escape, key, &out);
	switch (action) {
	case ESCAPE_PASS:
		if (s->console >= 0)
			write_all(s->console, out.bytes, out.count);
		return false;
	case ESCAPE_LEAVE:
		return true;
	case ESCAPE_HELP:
		fputs("\r\n" ESCAPE_HELP_TEXT "\r\n", stderr);
		return false;
	case ESCAPE_STOP:
	case ESCAPE_KILL:
		s->attach->action(s->attach->arg, action);
		return false;
	case ESCAPE_NONE:
		break;
	}
	return false;
}

static bool
take_input(struct session *s)
{
	uint8_t data[512];
	ssize_t n = read(STDIN_FILENO, data, sizeof(data));

	if (n <= 0) {
		s->input = n < 0 && (errno == EAGAIN || errno == EINTR);
		return false;
	}
	if (!s->attach->use_escape) {
		if (s->console >= 0)
			write_all(s->console, data, (size_t)n);
		return false;
	}
	for (ssize_t i = 0; i < n; i++)
		if (take_key(s, data[i]))
			return true;
	return false;
}

/* ---- the line ---- */

/* Whole lines; true = done. */
static bool
take_messages(struct session *s)
{
	char *begin = s->text, *end;
	bool done = false;

	while (!done && (end = memchr(begin, '\n', s->used - (size_t)(begin - s->text)))) {
		json_t *message = json_loadb(begin, (size_t)(end - begin), 0, NULL);

		if (message)
			done = s->attach->message(s->attach->arg, message);
		json_decref(message);
		begin = end + 1;
	}
	s->used -= (size_t)(begin - s->text);
	memmove(s->text, begin, s->used);
	return done;
}

/* 1 = done, 0 = go on, -1 = closed. */
static int
take_line(struct session *s)
{
	ssize_t n;

	if (s->used == s->size) {
		size_t size = s->size ? 2 * s->size : 4096;
		char *text = size <= LINES_MAX ? realloc(s->text, size) : NULL;

		if (!text)
			return -1;
		s->text = text;
		s->size = size;
	}
	n = read(s->attach->line, s->text + s->used, s->size - s->used);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n <= 0)
		return -1;
	s->used += (size_t)n;
	return take_messages(s) ? 1 : 0;
}

/* ---- the whole ---- */

/* The last words of the guest, which came before the last message. */
static void
drain_console(struct session *s)
{
	struct pollfd p = {.fd = s->console, .events = POLLIN};

	while (s->console >= 0 && poll(&p, 1, 0) > 0)
		take_console(s);
}

/* Another signal, message or key; false = *end holds. */
static bool
turn(struct session *s, enum attach_end *end)
{
	struct attach *a = s->attach;
	struct pollfd p[FD_COUNT] = {
		[SIGNALS] = {.fd = a->signals, .events = POLLIN},
		[CONSOLE] = {.fd = s->console, .events = POLLIN},
		[LINE] = {.fd = a->line, .events = POLLIN},
		[INPUT] = {.fd = s->input && a->use_input ? STDIN_FILENO : -1, .events = POLLIN},
	};
	int number, r;

	if (poll(p, FD_COUNT, -1) < 0 && errno != EINTR) {
		*end = ATTACH_FAILED;
		return false;
	}
	while (p[SIGNALS].revents && (number = terminal_signal()))
		if (a->signal(a->arg, number)) {
			*end = ATTACH_LEFT;
			return false;
		}
	if (p[CONSOLE].revents)
		take_console(s);
	if (p[INPUT].revents && take_input(s)) {
		*end = ATTACH_LEFT;
		return false;
	}
	r = p[LINE].revents ? take_line(s) : 0;
	if (r) {
		drain_console(s);
		*end = r > 0 ? ATTACH_DONE : ATTACH_LINE_CLOSED;
		return false;
	}
	*end = ATTACH_CONSOLE_CLOSED;
	return s->console >= 0 || a->line >= 0;
}

enum attach_end
attach_run(struct attach *a)
{
	struct session s = {.attach = a, .console = a->console, .input = true};
	enum attach_end end;

	while (turn(&s, &end))
		;
	free(s.text);
	return end;
}
