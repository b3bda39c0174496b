/* SPDX-License-Identifier: BSD-3-Clause */
#include <stddef.h>

#include "control/counters.h"
#include "datapath/drop.h"

static const struct {
	const char *name;
	size_t offset;
} fields[] = {
#define FIELD(name)                                         \
	{                                                   \
#name, offsetof(struct port_counters, name) \
	}
	FIELD(rx_packets),
	FIELD(rx_bytes),
	FIELD(tx_packets),
	FIELD(tx_bytes),
	FIELD(rx_forwarded),
	FIELD(rx_flooded),
	FIELD(rx_copies),
	FIELD(rx_joined),
	FIELD(tx_segmented),
	FIELD(tx_csum),
#undef FIELD
};

#define FIELDS (sizeof(fields) / sizeof(fields[0]))

json_t *
counters_json(const struct port_counters *counters)
{
	json_t *row = json_object(), *drops = json_object();

	for (size_t i = 0; i < FIELDS; i++) {
		uint64_t value = *(
			const uint64_t *)(const void *)((const char *)counters + fields[i].offset);

		json_object_set_new(row, fields[i].name, json_integer((json_int_t)value));
	}
	for (unsigned d = 0; d < DROP_COUNT; d++) {
		if (counters->drops[d])
			json_object_set_new(drops, drop_name((enum drop)d),
				json_integer((json_int_t)counters->drops[d]));
	}
	json_object_set_new(row, "drops", drops);
	return row;
}

static uint64_t
number(const json_t *members, const char *name)
{
	json_int_t value = json_integer_value(json_object_get(members, name));

	return value > 0 ? (uint64_t)value : 0;
}

void
counters_parse(const json_t *members, struct port_counters *counters)
{
	const json_t *drops = json_object_get(members, "drops");

	for (size_t i = 0; i < FIELDS; i++)
		*(uint64_t *)(void *)((char *)counters + fields[i].offset) =
			number(members, fields[i].name);
	for (unsigned d = 0; d < DROP_COUNT; d++)
		counters->drops[d] = number(drops, drop_name((enum drop)d));
}
