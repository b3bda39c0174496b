/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Threat model: the file was written by this user's daemon, perhaps of another version, perhaps not
 * to its end.  Lengths are bounded, numbers are checked against the lists, and the tables take only
 * what they would learn from a frame.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "control/counters.h"
#include "control/tables.h"
#include "lib/file.h"

#define VERSION 1
#define BATCH   4096 /* records written and read at once */

struct record {
	uint64_t key; /* fdb_key */
	uint16_t port, bridge;
	uint32_t age_s;
};

_Static_assert(sizeof(struct record) == 16, "as the file has it");

/* ---- write ---- */

static json_int_t
count_entries(const struct live *live)
{
	json_int_t sum = 0;

	for (unsigned b = 0; b < BRIDGE_MAX; b++) {
		struct fdb_counts counts;

		if (!live->bridges[b].name[0])
			continue;
		fdb_get_counts(datapath_bridge_fdb(b), &counts);
		sum += counts.entries - counts.statics;
	}
	return sum;
}

/* The lists hold every slot, so that their numbers are the datapath's. */
static json_t *
make_head(const struct live *live)
{
	json_t *bridges = json_array(), *ports = json_array();

	for (unsigned b = 0; b < BRIDGE_MAX; b++)
		json_array_append_new(bridges, json_string(live->bridges[b].name));
	for (unsigned p = 0; p < PORT_MAX; p++) {
		struct port_counters counters;
		json_t *row = json_object(), *leases;

		if (live->ports[p].port) {
			datapath_port_counters(live->ports[p].port, &counters);
			json_decref(row);
			row = counters_json(&counters);
			json_object_set_new(row, "name", json_string(live->ports[p].name));
			json_object_set_new(row, "pairs",
				json_integer(atomic_load_explicit(
					&live->ports[p].port->tx_queues, memory_order_relaxed)));
			leases = lease_show(&live->ports[p]);
			if (leases)
				json_object_set_new(row, "leases", leases);
		}
		json_array_append_new(ports, row);
	}
	return json_pack("{s:i, s:o, s:o, s:I}", "version", VERSION, "bridges", bridges, "ports",
		ports, "entries", count_entries(live));
}

struct writer {
	int fd, rc;
	uint16_t bridge;
	unsigned count;
	json_int_t left; /* the number that the head has promised */
	struct record records[BATCH];
};

static void
writer_flush(struct writer *w)
{
	if (!w->rc)
		w->rc = file_write(w->fd, w->records, w->count * sizeof(w->records[0]));
	w->count = 0;
}

static bool
write_entry(const struct fdb_record *entry, void *arg)
{
	struct writer *w = arg;

	if (entry->is_static)
		return true;
	if (!w->left || w->rc)
		return false;
	w->left--;
	w->records[w->count++] = (struct record){
		.key = fdb_make_key(entry->mac.b, entry->vlan),
		.port = entry->port,
		.bridge = w->bridge,
		.age_s = entry->age_s,
	};
	if (w->count == BATCH)
		writer_flush(w);
	return true;
}

int
tables_write(int fd, const struct live *live)
{
	json_t *head = make_head(live);
	char *text = head ? json_dumps(head, JSON_COMPACT) : NULL;
	struct writer *w = calloc(1, sizeof(*w));
	int rc = -ENOMEM;

	if (text && w) {
		w->fd = fd;
		w->left = json_integer_value(json_object_get(head, "entries"));
		w->rc = file_write(fd, text, strlen(text));
		if (!w->rc)
			w->rc = file_write(fd, "\n", 1);
		for (unsigned b = 0; b < BRIDGE_MAX; b++) {
			w->bridge = (uint16_t)b;
			if (live->bridges[b].name[0])
				fdb_walk(datapath_bridge_fdb(b), datapath_now_s(), write_entry, w);
		}
		writer_flush(w);
		rc = w->rc;
	}
	free(w);
	free(text);
	json_decref(head);
	return rc;
}

/* ---- read ---- */

/* Where the numbers of a file lead here; NULL = nowhere. */
struct reader {
	struct live *live;
	struct live_bridge *bridges[BRIDGE_MAX];
	struct live_port *ports[PORT_MAX];
};

static ssize_t
read_at(int fd, void *bytes, size_t size, off_t at)
{
	size_t done = 0;

	while (done < size) {
		ssize_t n = pread(fd, (char *)bytes + done, size - done, at + (off_t)done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (!n)
			break;
		done += (size_t)n;
	}
	return (ssize_t)done;
}

/* The first line, parsed; *size is its length with the newline. */
static json_t *
read_head(int fd, size_t *size, struct err *err)
{
	char *text = malloc(TABLES_HEAD_MAX), *end;
	ssize_t n = text ? read_at(fd, text, TABLES_HEAD_MAX, 0) : -ENOMEM;
	json_t *head = NULL;

	end = n > 0 ? memchr(text, '\n', (size_t)n) : NULL;
	if (end) {
		*size = (size_t)(end - text) + 1;
		head = json_loadb(text, (size_t)(end - text), 0, NULL);
	}
	free(text);
	if (!head || json_integer_value(json_object_get(head, "version")) != VERSION) {
		err_set(err, -EINVAL, "not a file of learnt addresses and counters");
		json_decref(head);
		return NULL;
	}
	return head;
}

static void
read_lists(struct reader *r, const json_t *head)
{
	const json_t *bridges = json_object_get(head, "bridges");
	const json_t *ports = json_object_get(head, "ports");

	for (size_t i = 0; i < BRIDGE_MAX && i < json_array_size(bridges); i++) {
		const char *name = json_string_value(json_array_get(bridges, i));

		r->bridges[i] = name && name[0] ? live_bridge(r->live, name) : NULL;
	}
	for (size_t i = 0; i < PORT_MAX && i < json_array_size(ports); i++) {
		const json_t *row = json_array_get(ports, i);
		const char *name = json_string_value(json_object_get(row, "name"));
		struct port_counters counters = {0};

		r->ports[i] = name ? live_port(r->live, name) : NULL;
		if (!r->ports[i])
			continue;
		r->ports[i]->had_pairs =
			(unsigned)json_integer_value(json_object_get(row, "pairs"));
		counters_parse(row, &counters);
		datapath_port_restore(r->ports[i]->port, &counters);
		lease_restore(r->live, r->ports[i], json_object_get(row, "leases"));
	}
}

/* What a frame would have taught the bridge, unless it is known better by now. */
static void
read_entry(const struct reader *r, const struct record *record, uint32_t now_s)
{
	const struct live_bridge *b =
		record->bridge < BRIDGE_MAX ? r->bridges[record->bridge] : NULL;
	const struct live_port *p = record->port < PORT_MAX ? r->ports[record->port] : NULL;
	struct mac mac;
	uint32_t value;
	struct fdb *fdb;

	fdb_key_mac(record->key, &mac);
	if (!b || !p || mac_is_zero(&mac) || mac_is_multicast(&mac) || (record->key & 0xf000) ||
		record->age_s > now_s || datapath_port_bridge(p->port) != (int)b->bridge)
		return;
	fdb = datapath_bridge_fdb(b->bridge);
	if (!fdb_lookup(fdb, fdb_hash(fdb, record->key), record->key, &value))
		fdb_learn(fdb, record->key, p->port->index, now_s - record->age_s);
}

int
tables_read(int fd, struct live *live, struct err *err)
{
	struct reader *r = calloc(1, sizeof(*r));
	struct record *records = malloc(BATCH * sizeof(*records));
	size_t at = 0;
	json_t *head = r && records ? read_head(fd, &at, err) : NULL;
	json_int_t left;
	int rc = 0;

	if (!head) {
		free(r);
		free(records);
		return records ? -EINVAL : err_set(err, -ENOMEM, "out of memory");
	}
	r->live = live;
	read_lists(r, head);
	left = json_integer_value(json_object_get(head, "entries"));
	while (left > 0 && !rc) {
		size_t want = left < BATCH ? (size_t)left : BATCH;
		ssize_t n = read_at(fd, records, want * sizeof(*records), (off_t)at);

		if (n < 0 || (size_t)n < want * sizeof(*records))
			rc = err_set(err, -EINVAL, "the file is cut off");
		for (size_t i = 0; n > 0 && i < (size_t)n / sizeof(*records); i++)
			read_entry(r, &records[i], datapath_now_s());
		at += want * sizeof(*records);
		left -= (json_int_t)want;
	}
	json_decref(head);
	free(records);
	free(r);
	return rc;
}
