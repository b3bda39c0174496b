/* SPDX-License-Identifier: BSD-3-Clause */
#include <string.h>

#include "datapath/pull.h"

/* Copies `more` bytes from the segments; *used whole ones and *rest bytes of the next are taken. */
static void
take(const struct frame *f, uint8_t *to, unsigned more, unsigned *used, uint32_t *rest)
{
	unsigned s = 0;

	while (more) {
		uint32_t n = f->segs[s].len < more ? f->segs[s].len : more;

		/* The first may be of an earlier pull and stand here already. */
		memmove(to, f->segs[s].addr, n);
		to += n;
		more -= n;
		*rest = n;
		if (n < f->segs[s].len)
			break;
		*rest = 0;
		s++;
	}
	*used = s;
}

const uint8_t *
pull(struct pull *area, struct burst *burst, struct frame *f, unsigned wanted)
{
	uint8_t *bytes = area->frames[f - burst->frames].bytes;
	struct frame_seg *segs = &burst->segs[burst->segs_used];
	unsigned used, left;
	uint32_t rest = 0;

	if (wanted > f->len)
		wanted = f->len;
	if (wanted > PULL_MAX)
		wanted = PULL_MAX;
	if (wanted <= f->head_len)
		return f->data;
	/* What an earlier pull has made private stays together. */
	if (f->segs[0].addr >= bytes && f->segs[0].addr < bytes + sizeof(area->frames[0].bytes) &&
		wanted < f->head_len + f->segs[0].len)
		wanted = f->head_len + f->segs[0].len;
	if (burst->segs_used + f->seg_count + 1u > FRAME_SEGS)
		return NULL;
	take(f, bytes + f->head_len, wanted - f->head_len, &used, &rest);
	memcpy(bytes, f->data, f->head_len);
	left = f->seg_count - used;
	segs[0] = (struct frame_seg){.addr = bytes + f->head_len, .len = wanted - f->head_len};
	memcpy(&segs[1], &f->segs[used], left * sizeof(*segs));
	if (left) {
		segs[1].addr += rest;
		segs[1].len -= rest;
	}
	f->segs = segs;
	f->seg_count = (uint16_t)(left + 1);
	burst->segs_used = (uint16_t)(burst->segs_used + left + 1);
	return bytes;
}

/* Are all of the frame's segments copies that were made here? */
static bool
is_private(const struct pull *area, const struct frame *f)
{
	const uint8_t *begin = (const uint8_t *)area, *end = begin + sizeof(*area);

	for (unsigned s = 0; s < f->seg_count; s++)
		if (f->segs[s].addr < begin || f->segs[s].addr >= end)
			return false;
	return true;
}

void
pull_rest(struct pull *area, struct burst *burst, struct frame *f, uint32_t *used)
{
	uint32_t len = f->len - f->head_len;
	uint8_t *to = area->rest + *used;
	struct frame_seg *seg;
	unsigned segs;
	uint32_t part;

	if (is_private(area, f) || len > sizeof(area->rest) - *used)
		return;
	take(f, to, len, &segs, &part);
	/* The first of its own segments has room for the one that is left. */
	seg = &burst->segs[f->segs - burst->segs];
	*seg = (struct frame_seg){.addr = to, .len = len};
	f->seg_count = 1;
	*used += len;
}

bool
pull_private(
	struct pull *area, struct burst *burst, struct frame *f, unsigned wanted, uint32_t *used)
{
	if (wanted <= f->head_len || is_private(area, f))
		return true;
	if (wanted <= PULL_MAX)
		return pull(area, burst, f, wanted) != NULL;
	pull_rest(area, burst, f, used);
	return is_private(area, f);
}
