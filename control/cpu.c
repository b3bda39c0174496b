/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <string.h>

#include "control/cpu.h"

static const char *const needed[] = {"sse3", "ssse3", "sse4.1", "sse4.2", "popcnt"};

bool
cpu_has(const char *name)
{
	__builtin_cpu_init();
	/* The argument has to be a literal. */
	if (strcmp(name, "sse3") == 0)
		return __builtin_cpu_supports("sse3");
	if (strcmp(name, "ssse3") == 0)
		return __builtin_cpu_supports("ssse3");
	if (strcmp(name, "sse4.1") == 0)
		return __builtin_cpu_supports("sse4.1");
	if (strcmp(name, "sse4.2") == 0)
		return __builtin_cpu_supports("sse4.2");
	if (strcmp(name, "popcnt") == 0)
		return __builtin_cpu_supports("popcnt");
	return false;
}

int
cpu_check(cpu_probe has, struct err *err)
{
	for (unsigned i = 0; i < sizeof(needed) / sizeof(needed[0]); i++) {
		if (!has(needed[i]))
			return err_set(err, -ENOTSUP,
				"this CPU lacks %s: patchbayd needs x86-64-v2 (any x86 server since 2009); in a "
				"virtual machine choose a CPU model that has it, for instance `-cpu host`",
				needed[i]);
	}
	return 0;
}
