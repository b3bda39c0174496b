/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * err: an error code together with the sentence a person gets to read.
 *
 * Functions return 0 or a negative errno.  Those whose failure a person has to mend also fill a
 * `struct err`: the text names the thing and the cure ("bridge \"br1\" does not exist: add it with
 * `patchbay bridge add br1`").  Whoever gives the error to the outside prints it, once.
 */
#ifndef LIB_ERR_H
#define LIB_ERR_H

#define ERR_TEXT_MAX 512

struct err {
	int code;                /* negative errno; 0 = no error */
	char text[ERR_TEXT_MAX]; /* one sentence, no newline */
};

/* Stores code and text, returns code.  err may be NULL: then only the code is returned. */
int err_set(struct err *err, int code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* Puts "prefix: " in front of the text that is already there; returns err->code. */
int err_prefix(struct err *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
