/* SPDX-License-Identifier: BSD-3-Clause */
#include <search.h>
#include <stdlib.h>
#include <string.h>

#include "datapath/xdp/addresses.h"

struct address {
	struct mac mac;
	unsigned times;
};

struct walk {
	void (*visit)(const struct mac *mac, void *arg);
	void *arg;
};

static int
compare(const void *a, const void *b)
{
	return memcmp(&((const struct address *)a)->mac, &((const struct address *)b)->mac,
		sizeof(struct mac));
}

static bool
add(struct addresses *set, const struct mac *mac)
{
	struct address *address = malloc(sizeof(*address));

	if (!address)
		return false;
	*address = (struct address){.mac = *mac, .times = 1};
	if (!tsearch(address, &set->tree, compare)) {
		free(address);
		return false;
	}
	set->count++;
	return true;
}

bool
addresses_change(struct addresses *set, const struct mac *mac, bool present)
{
	const struct address key = {.mac = *mac};
	struct address **node = tfind(&key, &set->tree, compare), *address;

	if (!node)
		return present && add(set, mac);
	address = *node;
	address->times += present ? 1 : -1u;
	if (address->times)
		return false;
	tdelete(&key, &set->tree, compare);
	free(address);
	set->count--;
	return true;
}

bool
addresses_has(const struct addresses *set, const struct mac *mac)
{
	const struct address key = {.mac = *mac};

	return tfind(&key, &set->tree, compare) != NULL;
}

static void
visit_node(const void *node, VISIT visit, void *arg)
{
	const struct address *address = *(const struct address *const *)node;
	const struct walk *walk = arg;

	if (visit == postorder || visit == leaf)
		walk->visit(&address->mac, walk->arg);
}

void
addresses_walk(
	const struct addresses *set, void (*visit)(const struct mac *mac, void *arg), void *arg)
{
	struct walk walk = {visit, arg};

	twalk_r(set->tree, visit_node, &walk);
}

void
addresses_clear(struct addresses *set)
{
	tdestroy(set->tree, free);
	*set = (struct addresses){0};
}
