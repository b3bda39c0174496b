/* SPDX-License-Identifier: BSD-3-Clause */
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "control/events.h"
#include "lib/clock.h"
#include "lib/parse.h"

#define METERS 1024 /* a power of two */

struct event {
	uint64_t number;
	struct timespec time; /* CLOCK_REALTIME */
	enum event_type type;
	char bridge[EVENT_NAME_SIZE], port[EVENT_NAME_SIZE];
	bool has_mac;
	struct mac mac;
	int vlan;
	char text[EVENT_TEXT_SIZE];
};

/* How often a type was recorded about one object; those that share a place share the meter. */
struct meter {
	uint64_t period; /* number of the period */
	unsigned count, held_back;
};

static struct {
	uint64_t count; /* recorded so far; numbers count from 1 */
	struct event ring[EVENTS_MAX];
	struct meter meters[METERS];
} events;

static const struct {
	const char *identifier;
	enum log_level level;
	const char *meaning;
} types[EVENT_COUNT] = {
#define X(identifier, level, meaning) {#identifier, LOG_LEVEL_##level, meaning},
	EVENT_LIST(X)
#undef X
};

const char *
event_name(enum event_type type)
{
	static char names[EVENT_COUNT][EVENT_NAME_SIZE];
	char *name = names[type];

	if (!name[0])
		for (unsigned i = 0; types[type].identifier[i] && i < EVENT_NAME_SIZE - 1; i++) {
			char c = types[type].identifier[i];

			name[i] = c == '_' ? '-' : (char)tolower((unsigned char)c);
		}
	return name;
}

const char *
event_meaning(enum event_type type)
{
	return types[type].meaning;
}

/* FNV-1a over type and names. */
static struct meter *
find_meter(enum event_type type, const struct event_subject *subject)
{
	const char *names[] = {subject->bridge, subject->port};
	uint32_t hash = 2166136261u ^ (uint32_t)type;

	for (unsigned n = 0; n < 2; n++) {
		for (const char *c = names[n] ? names[n] : ""; *c; c++)
			hash = (hash ^ (uint8_t)*c) * 16777619u;
		hash = (hash ^ 0xff) * 16777619u;
	}
	return &events.meters[hash % METERS];
}

/* False: too many; *held_back is how many were, before this one. */
static bool
meter_admits(struct meter *meter, unsigned *held_back)
{
	uint64_t period = clock_ns() / UINT64_C(1000000000) / EVENTS_PERIOD_S + 1;

	*held_back = 0;
	if (meter->period != period) {
		*held_back = meter->held_back;
		*meter = (struct meter){.period = period};
	}
	if (meter->count == EVENTS_BURST) {
		meter->held_back++;
		return false;
	}
	meter->count++;
	return true;
}

void
events_add(enum event_type type, const struct event_subject *subject, const char *format, ...)
{
	struct event *e = &events.ring[events.count % EVENTS_MAX];
	unsigned held_back;
	va_list arguments;
	size_t used;

	if (!meter_admits(find_meter(type, subject), &held_back))
		return;
	memset(e, 0, sizeof(*e));
	e->number = ++events.count;
	clock_gettime(CLOCK_REALTIME, &e->time);
	e->type = type;
	e->vlan = subject->vlan;
	snprintf(e->bridge, sizeof(e->bridge), "%s", subject->bridge ? subject->bridge : "");
	snprintf(e->port, sizeof(e->port), "%s", subject->port ? subject->port : "");
	e->has_mac = subject->mac;
	if (subject->mac)
		e->mac = *subject->mac;
	va_start(arguments, format);
	vsnprintf(e->text, sizeof(e->text), format, arguments);
	va_end(arguments);
	used = strlen(e->text);
	if (held_back)
		snprintf(e->text + used, sizeof(e->text) - used, " (%u more of these before)",
			held_back);
	log_at(types[type].level, "%s: %s", event_name(type), e->text);
}

static json_t *
event_row(const struct event *e)
{
	char time[40], mac[MAC_TEXT_SIZE];
	struct tm tm;
	json_t *row;

	gmtime_r(&e->time.tv_sec, &tm);
	strftime(time, sizeof(time), "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(time + strlen(time), sizeof(time) - strlen(time), ".%03ldZ",
		e->time.tv_nsec / 1000000);
	row = json_pack("{s:I, s:s, s:s, s:s}", "number", (json_int_t)e->number, "time", time,
		"type", event_name(e->type), "level", log_level_names[types[e->type].level]);
	if (e->bridge[0])
		json_object_set_new(row, "bridge", json_string(e->bridge));
	if (e->port[0])
		json_object_set_new(row, "port", json_string(e->port));
	if (e->has_mac)
		json_object_set_new(row, "mac", json_string(mac_format(&e->mac, mac)));
	if (e->vlan >= 0)
		json_object_set_new(row, "vlan", json_integer(e->vlan));
	json_object_set_new(row, "text", json_string(e->text));
	return row;
}

static bool
wants(const struct event_query *q, const struct event *e)
{
	return (!q->type || strcmp(q->type, event_name(e->type)) == 0) &&
	       (!q->port || strcmp(q->port, e->port) == 0) &&
	       (!q->bridge || strcmp(q->bridge, e->bridge) == 0);
}

json_t *
events_list(const struct event_query *query)
{
	uint64_t oldest = events.count > EVENTS_MAX ? events.count - EVENTS_MAX + 1 : 1;
	/* A number from before a restart of the daemon may be too high. */
	uint64_t since = query->since <= events.count + 1 ? query->since : 1;
	uint64_t lost = since && since < oldest ? oldest - since : 0;
	uint64_t first = since < oldest ? oldest : since;
	json_t *rows = json_array();
	unsigned found = 0;

	/* From the last one back, so that `most` are the newest. */
	for (uint64_t n = events.count; n >= first && n; n--) {
		const struct event *e = &events.ring[(n - 1) % EVENTS_MAX];

		if (query->most && found == query->most)
			break;
		if (!wants(query, e))
			continue;
		json_array_insert_new(rows, 0, event_row(e));
		found++;
	}
	return json_pack("{s:o, s:I, s:I}", "rows", rows, "next", (json_int_t)(events.count + 1),
		"lost", (json_int_t)lost);
}

void
events_clear(void)
{
	memset(&events, 0, sizeof(events));
}
