/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * value: a value that a key may have, outside of any object.  Internal to api/.
 */
#ifndef API_VALUE_H
#define API_VALUE_H

#include "api/schema.h"

/* The member that the key's type says. */
struct value {
	const char *text; /* borrowed from the JSON it was read from */
	int64_t number;   /* of VALUE_SIZE too: no size is above INT64_MAX */
	bool boolean;
	struct mac mac;
	struct vlan_set vlans;
	struct mac_list macs;
	struct ip_list ips;
	struct name_list names;
};

/* Checks JSON against the key.  -EINVAL, -ERANGE; *value is then undefined. */
int value_read(const struct key *key, const json_t *json, struct value *value);

/* The canonical JSON of a value (new reference); NULL when memory is short. */
json_t *value_print(const struct key *key, const struct value *value);

/* The error of a JSON value that value_read() refused with `code`; returns code. */
int value_refuse(const struct key *key, const json_t *json, int code, struct err *err);

bool value_is_text(enum value_type type);

#endif
