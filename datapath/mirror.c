/* SPDX-License-Identifier: BSD-3-Clause */
#include "datapath/check.h"
#include "datapath/classify.h"
#include "datapath/deliver.h"
#include "datapath/mirror.h"
#include "datapath/reserved.h"

/* Those of the frames that a mirror wants. */
static uint64_t
wanted(const struct worker *w, const struct snapshot_mirror *m, uint64_t frames)
{
	uint64_t some = 0;

	if (m->all_vlans && m->vlan < 0)
		return frames;
	while (frames) {
		unsigned i = check_next(&frames);
		const struct frame *f = &w->burst.frames[i];

		if (!m->all_vlans && !vlan_set_has(&m->vlans, f->vlan))
			continue;
		/* Switches on the way would take a BPDU in the mirror's VLAN for one of their own. */
		if (m->vlan >= 0 && reserved_address(f->data))
			continue;
		some |= UINT64_C(1) << i;
	}
	return some;
}

static void
note(struct worker *w, uint64_t mirrors, uint64_t frames)
{
	uint64_t all = 0;

	for (; mirrors; mirrors &= mirrors - 1) {
		unsigned n = (unsigned)__builtin_ctzll(mirrors);
		uint64_t some = wanted(w, &w->now->mirrors[n], frames);

		if (!some)
			continue;
		w->mirrored[n] |= some;
		w->mirrors |= UINT64_C(1) << n;
		all |= some;
	}
	while (all)
		pull_rest(w->pull, &w->burst, &w->burst.frames[check_next(&all)], &w->pulled);
}

uint64_t
mirror_in(struct worker *w, const struct snapshot_port *in, uint64_t frames)
{
	note(w, in->mirror_in, frames);
	return frames;
}

uint64_t
mirror_out(struct worker *w, const struct snapshot_port *out, uint64_t frames)
{
	note(w, out->mirror_out, frames);
	return frames;
}

/* All that these counters have lost so far. */
static uint64_t
losses(const struct port_counters *counters)
{
	uint64_t sum = 0;

	for (unsigned d = 0; d < DROP_COUNT; d++)
		sum += counters->drops[d];
	return sum;
}

void
mirror_begin(struct worker *w, unsigned noted, const struct port_counters *counters)
{
	w->copying = noted;
	w->copying_counters = counters;
	w->copying_losses = losses(counters);
}

void
mirror_end(struct worker *w)
{
	/* Copies that were on their way may be of a mirror that is gone. */
	if (w->copying && w->now->mirrors && w->now->mirrors[w->copying - 1].counters)
		w->now->mirrors[w->copying - 1].counters[w->id].dropped +=
			losses(w->copying_counters) - w->copying_losses;
	w->copying = 0;
}

/* Whoever sends the frame next gives it the tag of the VLAN that it is in then. */
static void
take_tag_off(struct frame *f)
{
	static const struct snapshot_port untagged = {.vlan_mode = VLAN_ACCESS};

	classify_form(&untagged, f);
}

/* Puts the copies' VLAN in place of the frames' own, which is kept in `own`. */
static void
enter_vlan(struct worker *w, const struct frame_list *list, unsigned vlan, uint64_t *own)
{
	for (unsigned k = 0; k < list->count; k++) {
		struct frame *f = &w->burst.frames[list->index[k]];

		take_tag_off(f);
		own[k] = f->tag;
		f->vlan = (uint16_t)vlan;
		f->tag_type = ETHERTYPE_VLAN;
	}
}

static void
leave_vlan(struct worker *w, uint64_t frames, const uint64_t *own)
{
	for (unsigned k = 0; frames; k++) {
		struct frame *f = &w->burst.frames[check_next(&frames)];

		take_tag_off(f);
		f->tag = own[k];
	}
}

static void
send_copies(struct worker *w, unsigned n, uint64_t frames)
{
	const struct snapshot_mirror *m = &w->now->mirrors[n];
	const struct snapshot_port *out = &w->now->ports[m->port];
	const struct port_counters *counters = &out->port->counters[w->id];
	struct frame_list *list = &w->lists[m->port];
	uint64_t own[FRAME_BURST];

	list->count = 0;
	list->settled = 0;
	list->plain = false;
	for (uint64_t left = frames; left;)
		list->index[list->count++] = (uint8_t)check_next(&left);
	m->counters[w->id].frames += list->count;
	mirror_begin(w, n + 1, counters);
	w->list_ports[0] = m->port;
	w->list_count = 1;
	if (m->vlan >= 0)
		enter_vlan(w, list, (unsigned)m->vlan, own);
	for (unsigned k = 0; k < list->count; k++) {
		struct frame *f = &w->burst.frames[list->index[k]];

		classify_form(out, f);
		m->counters[w->id].bytes += f->len;
	}
	deliver_copies(w, out, list);
	if (m->vlan >= 0)
		leave_vlan(w, frames, own);
	mirror_end(w);
	list->count = 0;
	list->settled = 0;
	w->list_count = 0;
}

void
mirror_deliver(struct worker *w)
{
	while (w->mirrors) {
		unsigned n = check_next(&w->mirrors);
		uint64_t frames = w->mirrored[n];

		w->mirrored[n] = 0;
		send_copies(w, n, frames);
	}
}

void
mirror_abandon(struct worker *w)
{
	mirror_end(w);
	while (w->mirrors) {
		unsigned n = check_next(&w->mirrors);
		struct mirror_counters *c = &w->now->mirrors[n].counters[w->id];
		unsigned count = (unsigned)__builtin_popcountll(w->mirrored[n]);

		c->frames += count;
		c->dropped += count;
		w->mirrored[n] = 0;
	}
}
