/* SPDX-License-Identifier: BSD-3-Clause */
/* leaks: what this process holds at the moment, to be compared before and after. */
#ifndef TESTS_UNIT_LEAKS_H
#define TESTS_UNIT_LEAKS_H

#include <dirent.h>
#include <stdio.h>
#include <string.h>

/* Open descriptors. */
static inline unsigned
leaks_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned count = 0;

	while (dir && readdir(dir))
		count++;
	if (dir)
		closedir(dir);
	return count;
}

/* Mappings of files whose name holds `name`. */
static inline unsigned
leaks_maps(const char *name)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	unsigned count = 0;
	char line[1024];

	while (maps && fgets(line, sizeof(line), maps))
		count += strstr(line, name) != NULL;
	if (maps)
		fclose(maps);
	return count;
}

#endif
