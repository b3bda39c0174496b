/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * features_text: what feature bits are called.
 */
#ifndef VHOST_FEATURES_TEXT_H
#define VHOST_FEATURES_TEXT_H

#include <stddef.h>
#include <stdint.h>

/* "packed in-order mergeable tso4 ...": a space separated list; NUL terminated. */
void vhost_features_text(uint64_t features, char *text, size_t size);

#endif
