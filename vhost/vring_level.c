/* SPDX-License-Identifier: BSD-3-Clause */
#include <cpuid.h>
#include <errno.h>
#include <string.h>

#include "vhost/vring_impl.h"
#include "vhost/vring_level.h"

static const struct {
	const char *name;
	const struct vring_path *path;
} levels[VRING_LEVEL_COUNT] = {
	[VRING_LEVEL_V2] = {"x86-64-v2", vring_path_v2},
	[VRING_LEVEL_V3] = {"x86-64-v3", vring_path_v3},
	[VRING_LEVEL_V4] = {"x86-64-v4", vring_path_v4},
};

static int chosen = -1;

const char *
vring_level_name(enum vring_level level)
{
	return levels[level].name;
}

/* What level 3 has beside vectors, and compilers do not all have a name for. */
static bool
has_v3_rest(void)
{
	unsigned a, b, c, d;

	if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_MOVBE) || !(c & bit_F16C))
		return false;
	return __get_cpuid(0x80000001, &a, &b, &c, &d) && c & bit_LZCNT;
}

/* Asks for the system's support too: vector registers must be saved for us. */
enum vring_level
vring_level_best(void)
{
	__builtin_cpu_init();
	if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("bmi") ||
		!__builtin_cpu_supports("bmi2") || !__builtin_cpu_supports("fma") || !has_v3_rest())
		return VRING_LEVEL_V2;
	if (!__builtin_cpu_supports("avx512f") || !__builtin_cpu_supports("avx512bw") ||
		!__builtin_cpu_supports("avx512cd") || !__builtin_cpu_supports("avx512dq") ||
		!__builtin_cpu_supports("avx512vl"))
		return VRING_LEVEL_V3;
	return VRING_LEVEL_V4;
}

enum vring_level
vring_level(void)
{
	if (chosen < 0)
		chosen = (int)vring_level_best();
	return (enum vring_level)chosen;
}

int
vring_level_select(const char *name, struct err *err)
{
	enum vring_level best = vring_level_best();
	unsigned level;

	if (strcmp(name, "auto") == 0) {
		chosen = (int)best;
		return 0;
	}
	for (level = 0; level < VRING_LEVEL_COUNT; level++)
		if (strcmp(name, levels[level].name) == 0)
			break;
	if (level == VRING_LEVEL_COUNT)
		return err_set(err, -EINVAL,
			"%s: no such level; there are auto, x86-64-v2, x86-64-v3 and x86-64-v4",
			name);
	if (level > best)
		return err_set(err, -ENOTSUP, "this processor has %s at most, not %s",
			levels[best].name, name);
	chosen = (int)level;
	return 0;
}

const struct vring_path *
vring_level_path(bool packed)
{
	return &levels[vring_level()].path[packed];
}
