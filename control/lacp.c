/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Threat model: the partner may say anything, at any rate that the packet path lets through.  What it
 * says is compared, recorded and shown; it decides which members are one aggregate, and no more: all
 * members can be made idle by it, which whoever holds the cable can do as well.  A member sends no
 * more than LACP_SENT_MAX frames a second, whatever it is told.
 */
#include <stdlib.h>
#include <string.h>

#include "control/lacp.h"

/* What of a state must be equal for two views of it to be so. */
#define VIEW_BITS (LACP_ACTIVITY | LACP_TIMEOUT | LACP_SYNC | LACP_AGGREGATION)
/* Runs of the machines until nothing changes any more: each has a few states and goes forward. */
#define RUNS_MAX  16

struct member {
	bool up, selected, looped;
	bool tell; /* NTT, "need to transmit" */
	enum lacp_receive receive;
	enum lacp_mux mux;
	struct lacp_party actor, partner; /* operational */
	uint64_t current_end;             /* current_while_timer */
	uint64_t wait_end;                /* wait_while_timer */
	uint64_t periodic_due;            /* LACP_NEVER: no periodic transmission */
	bool periodic_fast;
	uint64_t sent_at[LACP_SENT_MAX]; /* the last ones, the oldest at sent % LACP_SENT_MAX */
	uint64_t received, sent;
};

struct lacp {
	struct lacp_options options;
	struct lacp_party in_use; /* the partner of the aggregate that is used */
	bool used;
	struct member members[LACP_MEMBERS_MAX];
};

/* ---- parties ---- */

static bool
same_system(const struct lacp_party *a, const struct lacp_party *b)
{
	return a->system_priority == b->system_priority &&
	       memcmp(&a->system, &b->system, sizeof(a->system)) == 0;
}

/* Everything by which one link is told from another. */
static bool
same_link(const struct lacp_party *a, const struct lacp_party *b)
{
	return same_system(a, b) && a->key == b->key && a->port == b->port &&
	       a->port_priority == b->port_priority &&
	       (a->state & LACP_AGGREGATION) == (b->state & LACP_AGGREGATION);
}

/* Are links to them links of one aggregate?  A partner that does not aggregate is one of its own. */
static bool
same_aggregate(const struct lacp_party *a, const struct lacp_party *b)
{
	if (a->state & b->state & LACP_AGGREGATION)
		return same_system(a, b) && a->key == b->key;
	return same_link(a, b);
}

static void
set_bits(struct member *m, uint8_t bits, bool on)
{
	m->actor.state = (uint8_t)(on ? m->actor.state | bits : m->actor.state & ~bits);
}

/* ---- receive machine ---- */

static void
become_expired(struct member *m, uint64_t now)
{
	m->receive = LACP_RX_EXPIRED;
	m->partner.state = (uint8_t)((m->partner.state & ~LACP_SYNC) | LACP_TIMEOUT);
	m->current_end = now + LACP_SHORT_TIMEOUT_MS;
	set_bits(m, LACP_EXPIRED, true);
	m->tell = true;
}

static void
become_defaulted(struct member *m)
{
	m->receive = LACP_RX_DEFAULTED;
	memset(&m->partner, 0, sizeof(m->partner));
	set_bits(m, LACP_EXPIRED, false);
	set_bits(m, LACP_DEFAULTED, true);
	m->tell = true;
}

static void
forget(struct member *m)
{
	m->receive = LACP_RX_DISABLED;
	m->partner.state &= (uint8_t)~LACP_SYNC;
	m->looped = false;
	m->tell = false;
	set_bits(m, LACP_EXPIRED, false);
}

/* Does the partner say of us what we say of ourselves?  What it says decides whether it is in sync. */
static void
record(struct lacp *l, struct member *m, const struct lacp_pdu *pdu)
{
	bool knows_us = same_link(&pdu->partner, &m->actor);
	bool speaks = pdu->actor.state & LACP_ACTIVITY ||
		      (!l->options.passive && pdu->partner.state & LACP_ACTIVITY);

	if (!knows_us || (pdu->partner.state ^ m->actor.state) & VIEW_BITS)
		m->tell = true;
	m->partner = pdu->actor;
	if (!speaks || !(knows_us || !(pdu->actor.state & LACP_AGGREGATION)))
		m->partner.state &= (uint8_t)~LACP_SYNC;
	set_bits(m, LACP_EXPIRED | LACP_DEFAULTED, false);
}

void
lacp_link(struct lacp *l, unsigned member, bool up, uint16_t port, uint64_t now)
{
	struct member *m = &l->members[member];

	if (m->up == up)
		return;
	m->up = up;
	if (!up) {
		forget(m);
		return;
	}
	m->actor.port = port;
	become_expired(m, now);
}

void
lacp_received(struct lacp *l, unsigned member, const struct lacp_pdu *pdu, uint64_t now)
{
	struct member *m = &l->members[member];

	if (!m->up)
		return;
	m->received++;
	m->looped = same_system(&pdu->actor, &m->actor);
	/* A cable from here to here is no way out. */
	if (m->looped) {
		become_defaulted(m);
		m->tell = false;
		return;
	}
	record(l, m, pdu);
	m->receive = LACP_RX_CURRENT;
	m->current_end = now + (l->options.fast ? LACP_SHORT_TIMEOUT_MS : LACP_LONG_TIMEOUT_MS);
}

static void
run_receive(struct member *m, uint64_t now)
{
	if (!m->up || now < m->current_end)
		return;
	if (m->receive == LACP_RX_CURRENT)
		become_expired(m, now);
	else if (m->receive == LACP_RX_EXPIRED)
		become_defaulted(m);
}

/* ---- selection ---- */

static bool
has_partner(const struct member *m)
{
	return m->up && (m->receive == LACP_RX_CURRENT || m->receive == LACP_RX_EXPIRED) &&
	       !mac_is_zero(&m->partner.system);
}

static unsigned
size_of(const struct lacp *l, const struct lacp_party *partner)
{
	unsigned size = 0;

	for (unsigned i = 0; i < LACP_MEMBERS_MAX; i++)
		size += has_partner(&l->members[i]) &&
			same_aggregate(&l->members[i].partner, partner);
	return size;
}

static void
run_selection(struct lacp *l)
{
	unsigned most = l->used ? size_of(l, &l->in_use) : 0;

	if (!most)
		l->used = false;
	for (unsigned i = 0; !l->used && i < LACP_MEMBERS_MAX; i++) {
		unsigned size =
			has_partner(&l->members[i]) ? size_of(l, &l->members[i].partner) : 0;

		if (size > most) {
			most = size;
			l->in_use = l->members[i].partner;
		}
	}
	l->used = most > 0;
	for (unsigned i = 0; i < LACP_MEMBERS_MAX; i++) {
		struct member *m = &l->members[i];

		m->selected = l->used && has_partner(m) && same_aggregate(&m->partner, &l->in_use);
	}
}

/* ---- mux machine ---- */

static void
go(struct member *m, enum lacp_mux to, uint64_t now)
{
	m->mux = to;
	set_bits(m, LACP_SYNC, to >= LACP_MUX_ATTACHED);
	set_bits(m, LACP_COLLECTING, to >= LACP_MUX_COLLECTING);
	set_bits(m, LACP_DISTRIBUTING, to == LACP_MUX_DISTRIBUTING);
	if (to == LACP_MUX_WAITING)
		m->wait_end = now + LACP_AGGREGATE_WAIT_MS;
	else
		m->tell = true;
}

/* All that wait for the aggregate have waited long enough: a change comes once, not for each link. */
static bool
is_ready(const struct lacp *l, uint64_t now)
{
	for (unsigned i = 0; i < LACP_MEMBERS_MAX; i++) {
		const struct member *m = &l->members[i];

		if (m->mux == LACP_MUX_WAITING && m->selected && now < m->wait_end)
			return false;
	}
	return true;
}

/* One step; false: it stays. */
static bool
run_mux(const struct lacp *l, struct member *m, uint64_t now)
{
	bool in_sync = m->partner.state & LACP_SYNC, hears = m->partner.state & LACP_COLLECTING;
	enum lacp_mux to = m->mux;

	switch (m->mux) {
	case LACP_MUX_DETACHED:
		if (m->selected)
			to = LACP_MUX_WAITING;
		break;
	case LACP_MUX_WAITING:
		if (m->selected && is_ready(l, now))
			to = LACP_MUX_ATTACHED;
		break;
	case LACP_MUX_ATTACHED:
		if (in_sync)
			to = LACP_MUX_COLLECTING;
		break;
	case LACP_MUX_COLLECTING:
		if (!in_sync)
			to = LACP_MUX_ATTACHED;
		else if (hears)
			to = LACP_MUX_DISTRIBUTING;
		break;
	case LACP_MUX_DISTRIBUTING:
		if (!in_sync || !hears)
			to = LACP_MUX_COLLECTING;
		break;
	}
	if (!m->selected)
		to = LACP_MUX_DETACHED;
	if (to == m->mux)
		return false;
	go(m, to, now);
	return true;
}

/* ---- periodic transmission, and transmission ---- */

static void
run_periodic(const struct lacp *l, struct member *m, uint64_t now)
{
	bool fast = m->partner.state & LACP_TIMEOUT;

	if (!m->up || (l->options.passive && !(m->partner.state & LACP_ACTIVITY))) {
		m->periodic_due = LACP_NEVER;
		return;
	}
	if (m->periodic_due == LACP_NEVER || fast != m->periodic_fast || now >= m->periodic_due) {
		/* From slow to fast, one is due at once. */
		if (m->periodic_due != LACP_NEVER && (fast || fast == m->periodic_fast))
			m->tell = true;
		m->periodic_due = now + (fast ? LACP_FAST_MS : LACP_SLOW_MS);
		m->periodic_fast = fast;
	}
}

/* When the member may send: at most LACP_SENT_MAX in LACP_FAST_MS. */
static uint64_t
may_send(const struct member *m)
{
	return m->sent < LACP_SENT_MAX ? 0 : m->sent_at[m->sent % LACP_SENT_MAX] + LACP_FAST_MS;
}

static void
transmit(const struct lacp *l, unsigned member, struct member *m, uint64_t now)
{
	const struct lacp_pdu pdu = {.actor = m->actor, .partner = m->partner};

	m->sent_at[m->sent++ % LACP_SENT_MAX] = now;
	m->tell = false;
	l->options.send(l->options.owner, member, &pdu);
}

static void
earlier(uint64_t *end, uint64_t other)
{
	if (other < *end)
		*end = other;
}

uint64_t
lacp_run(struct lacp *l, uint64_t now)
{
	uint64_t next = LACP_NEVER;
	bool more = true;

	for (unsigned i = 0; i < LACP_MEMBERS_MAX; i++)
		run_receive(&l->members[i], now);
	run_selection(l);
	for (unsigned run = 0; more && run < RUNS_MAX; run++) {
		more = false;
		for (unsigned i = 0; i < LACP_MEMBERS_MAX; i++)
			more |= run_mux(l, &l->members[i], now);
	}
	for (unsigned i = 0; i < LACP_MEMBERS_MAX; i++) {
		struct member *m = &l->members[i];

		run_periodic(l, m, now);
		if (!m->up)
			continue;
		if (m->tell && m->periodic_due != LACP_NEVER && now >= may_send(m))
			transmit(l, i, m, now);
		if (m->tell && m->periodic_due != LACP_NEVER)
			earlier(&next, may_send(m));
		earlier(&next, m->periodic_due);
		if (m->receive == LACP_RX_CURRENT || m->receive == LACP_RX_EXPIRED)
			earlier(&next, m->current_end);
		/* One that has waited long enough waits for the others. */
		if (m->mux == LACP_MUX_WAITING && m->wait_end > now)
			earlier(&next, m->wait_end);
	}
	return next;
}

/* ---- life, and what is to be known ---- */

struct lacp *
lacp_create(const struct lacp_options *options)
{
	struct lacp *l = calloc(1, sizeof(*l));

	if (!l)
		return NULL;
	l->options = *options;
	for (unsigned i = 0; i < LACP_MEMBERS_MAX; i++) {
		struct member *m = &l->members[i];

		m->periodic_due = LACP_NEVER;
		m->actor = (struct lacp_party){
			.system_priority = options->system_priority,
			.system = options->system,
			.key = options->key,
			.port_priority = 0xff,
			.state = (uint8_t)(LACP_AGGREGATION | LACP_DEFAULTED |
					   (options->passive ? 0 : LACP_ACTIVITY) |
					   (options->fast ? LACP_TIMEOUT : 0)),
		};
	}
	return l;
}

void
lacp_destroy(struct lacp *l)
{
	free(l);
}

bool
lacp_collects(const struct lacp *l, unsigned member)
{
	return l->members[member].mux >= LACP_MUX_COLLECTING;
}

bool
lacp_distributes(const struct lacp *l, unsigned member)
{
	return l->members[member].mux == LACP_MUX_DISTRIBUTING;
}

bool
lacp_alone(const struct lacp *l)
{
	for (unsigned i = 0; i < LACP_MEMBERS_MAX; i++)
		if (l->members[i].up && l->members[i].receive != LACP_RX_DEFAULTED)
			return false;
	return true;
}

const struct lacp_party *
lacp_partner(const struct lacp *l)
{
	return l->used ? &l->in_use : NULL;
}

void
lacp_status(const struct lacp *l, unsigned member, struct lacp_status *status)
{
	const struct member *m = &l->members[member];

	*status = (struct lacp_status){
		.actor = m->actor,
		.partner = m->partner,
		.receive = m->receive,
		.mux = m->mux,
		.selected = m->selected,
		.looped = m->looped,
		.received = m->received,
		.sent = m->sent,
	};
}
