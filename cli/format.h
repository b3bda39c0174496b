/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * format: numbers and JSON values as people read them.  Nothing that comes out can move a
 * terminal's cursor or change its state.
 */
#ifndef CLI_FORMAT_H
#define CLI_FORMAT_H

#include <stddef.h>

#include <jansson.h>

/* All return buffer. */
char *format_count(double value, char *buffer, size_t size);   /* "1,234,567" */
char *format_bytes(double value, char *buffer, size_t size);   /* "1.21 GiB" */
char *format_bits(double value, char *buffer, size_t size);    /* "9.87 G" */
char *format_decimal(double value, char *buffer, size_t size); /* "12.5" */

/* A value as one line of text that the caller frees: lists joined by ", ", objects "name value";
 * "-" for nothing.  NULL when memory is short. */
char *format_json(const json_t *value);

#endif
