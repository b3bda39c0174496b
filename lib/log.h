/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * log: lines on standard error, "program: text".
 *
 * Under systemd (JOURNAL_STREAM names our standard error) each line begins with the priority prefix
 * of sd-daemon(3).  Every call site may write LOG_SITE_LINES lines per second; the first line after
 * that says how many were held back, so that a hostile peer cannot fill the disk.
 *
 * Threads: any, except on the packet path.  A line is one write(2) and never waits for a reader
 * longer than that call does.
 */
#ifndef LIB_LOG_H
#define LIB_LOG_H

#include <stdint.h>

#define LOG_LINE_MAX   1024 /* longer ones are cut */
#define LOG_SITE_LINES 10

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

/* The "error warning info debug" of a command line, in the order of the enumeration. */
extern const char *const log_level_names[];
#define LOG_LEVEL_COUNT 4

/* What a call site has written; one static object behind each log_...(). */
struct log_site {
	uint64_t second;
	unsigned lines, suppressed;
};

/* Name in front of each line and the least important level written.  The name is not copied. */
void log_start(const char *program, enum log_level level);

/* -EINVAL when text is none of log_level_names. */
int log_level_parse(const char *text, enum log_level *level);

void log_write(struct log_site *site, enum log_level level, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

#define log_at(level, ...)                                       \
	do {                                                     \
		static struct log_site log_site_here;            \
		log_write(&log_site_here, (level), __VA_ARGS__); \
	} while (0)
#define log_error(...)   log_at(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_at(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_info(...)    log_at(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...)   log_at(LOG_LEVEL_DEBUG, __VA_ARGS__)

#endif
