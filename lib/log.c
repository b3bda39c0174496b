/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/log.h"

const char *const log_level_names[] = {"error", "warning", "info", "debug"};

/* sd-daemon(3): SD_ERR, SD_WARNING, SD_INFO, SD_DEBUG. */
static const char *const priority_prefixes[] = {"<3>", "<4>", "<6>", "<7>"};

static struct {
	pthread_mutex_t lock; /* of the call sites */
	const char *program;
	enum log_level level;
	bool journal;
} state = {PTHREAD_MUTEX_INITIALIZER, "patchbay", LOG_LEVEL_INFO, false};

/* $JOURNAL_STREAM holds device and inode of the journal's socket; is it our standard error? */
static bool
stderr_is_journal(void)
{
	const char *text = getenv("JOURNAL_STREAM");
	unsigned long long device, inode;
	struct stat st;

	if (!text || sscanf(text, "%llu:%llu", &device, &inode) != 2)
		return false;
	return fstat(STDERR_FILENO, &st) == 0 && st.st_dev == device && st.st_ino == inode;
}

void
log_start(const char *program, enum log_level level)
{
	state.program = program;
	state.level = level;
	state.journal = stderr_is_journal();
}

int
log_level_parse(const char *text, enum log_level *level)
{
	for (unsigned i = 0; i < LOG_LEVEL_COUNT; i++) {
		if (strcmp(text, log_level_names[i]) == 0) {
			*level = (enum log_level)i;
			return 0;
		}
	}
	return -EINVAL;
}

/* Counts a line of a site; false when it is over the limit.  *suppressed: those held back before. */
static bool
site_admits(struct log_site *site, unsigned *suppressed)
{
	uint64_t second = clock_ns() / UINT64_C(1000000000);
	bool admitted;

	*suppressed = 0;
	pthread_mutex_lock(&state.lock);
	if (site->second != second) {
		site->second = second;
		site->lines = 0;
	}
	admitted = site->lines < LOG_SITE_LINES;
	if (admitted) {
		site->lines++;
		*suppressed = site->suppressed;
		site->suppressed = 0;
	} else {
		site->suppressed++;
	}
	pthread_mutex_unlock(&state.lock);
	return admitted;
}

/* Texts may quote what a peer sent: control characters must not reach a terminal. */
static void
neutralise(char *text)
{
	for (unsigned char *c = (unsigned char *)text; *c; c++) {
		if (*c < 0x20 || *c == 0x7f)
			*c = '?';
	}
}

void
log_write(struct log_site *site, enum log_level level, const char *format, ...)
{
	char text[LOG_LINE_MAX], line[LOG_LINE_MAX + 128], note[40] = "";
	unsigned suppressed;
	va_list args;
	ssize_t written;
	int n, saved = errno;

	if (level > state.level || !site_admits(site, &suppressed))
		return;
	errno = saved;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	neutralise(text);
	if (suppressed)
		snprintf(note, sizeof(note), " (suppressed %u)", suppressed);
	n = snprintf(line, sizeof(line), "%s%.32s: %s%s%s\n",
		state.journal ? priority_prefixes[level] : "", state.program,
		level == LOG_LEVEL_WARNING ? "warning: " : "", text, note);
	written = write(STDERR_FILENO, line, (size_t)n);
	(void)written; /* nowhere to complain to */
	errno = saved;
}
