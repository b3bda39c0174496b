/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * runtime: where sockets are.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "api/schema.h"

int
api_runtime_dir(char *buffer, size_t size)
{
	const char *dir = getenv("XDG_RUNTIME_DIR"), *own = getenv("PATCHBAY_RUNTIME_DIR");
	int n;

	if (own && own[0] == '/')
		n = snprintf(buffer, size, "%s", own);
	/* Root's daemon serves the whole host, from whatever session it was started. */
	else if (geteuid() != 0 && dir && dir[0] == '/')
		n = snprintf(buffer, size, "%s/patchbay", dir);
	else
		n = snprintf(buffer, size, "%s", API_SYSTEM_DIR);
	return n < 0 || (size_t)n >= size ? -ENAMETOOLONG : 0;
}
