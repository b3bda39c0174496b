/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Threat model: what wrote the records may be faulty or another program.  Everything is copied before
 * it is looked at, and every length is checked against what was written and what has room.
 */
#include <errno.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "lib/capture_reader.h"

static int
not_a_capture(struct err *err)
{
	return err_set(err, -EPROTO, "the daemon's records cannot be understood");
}

static bool
is_sound(const struct capture_area *area, size_t size)
{
	uint32_t lanes = area->lanes, lane_size = area->lane_size;

	return area->magic == CAPTURE_MAGIC && area->version == CAPTURE_VERSION && lanes &&
	       lanes <= CAPTURE_LANES_MAX && lane_size >= CAPTURE_LANE_MIN &&
	       lane_size <= CAPTURE_LANE_MAX && !(lane_size & (lane_size - 1)) &&
	       size == CAPTURE_BYTES_AT + (size_t)lanes * lane_size;
}

int
capture_reader_open(struct capture_reader *r, int records, int progress, struct err *err)
{
	struct stat st, st_progress;
	void *area, *tails;

	r->area = NULL;
	if (fstat(records, &st) || fstat(progress, &st_progress) || st.st_size < CAPTURE_BYTES_AT ||
		st_progress.st_size < (off_t)sizeof(struct capture_progress))
		return not_a_capture(err);
	area = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, records, 0);
	if (area == MAP_FAILED)
		return err_set(err, -errno, "cannot map the daemon's records: %s", strerror(errno));
	tails = mmap(NULL, sizeof(struct capture_progress), PROT_READ | PROT_WRITE, MAP_SHARED,
		progress, 0);
	if (tails == MAP_FAILED || !is_sound(area, (size_t)st.st_size)) {
		munmap(area, (size_t)st.st_size);
		if (tails != MAP_FAILED)
			munmap(tails, sizeof(struct capture_progress));
		return not_a_capture(err);
	}
	r->area = area;
	r->area_size = (size_t)st.st_size;
	r->progress = tails;
	r->lanes = r->area->lanes;
	r->lane_size = r->area->lane_size;
	for (unsigned l = 0; l < r->lanes; l++)
		r->heads[l] = r->tails[l] = 0;
	return 0;
}

void
capture_reader_close(struct capture_reader *r)
{
	if (!r->area)
		return;
	munmap((void *)(uintptr_t)r->area, r->area_size);
	munmap(r->progress, sizeof(*r->progress));
	r->area = NULL;
}

static void
copy_out(const struct capture_reader *r, unsigned lane, uint64_t at, void *to, size_t n)
{
	const uint8_t *bytes =
		(const uint8_t *)r->area + CAPTURE_BYTES_AT + (size_t)lane * r->lane_size;
	uint64_t offset = at & (r->lane_size - 1), first = r->lane_size - offset;

	if (first > n)
		first = n;
	memcpy(to, bytes + offset, first);
	memcpy((uint8_t *)to + first, bytes, n - first);
}

/* The header of a lane's next record: 1, 0 when there is none, -EPROTO. */
static int
look(struct capture_reader *r, unsigned lane, struct capture_record *record)
{
	uint64_t there;

	if (r->heads[lane] == r->tails[lane])
		r->heads[lane] =
			atomic_load_explicit(&r->area->states[lane].head, memory_order_acquire);
	there = r->heads[lane] - r->tails[lane];
	if (!there)
		return 0;
	if (there > r->lane_size || there < sizeof(*record))
		return -EPROTO;
	copy_out(r, lane, r->tails[lane], record, sizeof(*record));
	if (record->captured > CAPTURE_BYTES_MAX || record->captured > record->len ||
		record->size != capture_record_size(record->captured) || record->size > there ||
		(record->direction != CAPTURE_IN && record->direction != CAPTURE_OUT) ||
		!memchr(record->port, '\0', sizeof(record->port)))
		return -EPROTO;
	return 1;
}

int
capture_reader_next(struct capture_reader *r, uint64_t until, struct capture_record *record)
{
	struct capture_record candidate;
	unsigned oldest = CAPTURE_LANES_MAX;

	for (unsigned l = 0; l < r->lanes; l++) {
		int rc = look(r, l, &candidate);

		if (rc < 0)
			return rc;
		if (!rc || candidate.tsc > until)
			continue;
		if (oldest == CAPTURE_LANES_MAX || candidate.tsc < record->tsc) {
			oldest = l;
			*record = candidate;
		}
	}
	if (oldest == CAPTURE_LANES_MAX)
		return 0;
	copy_out(r, oldest, r->tails[oldest] + sizeof(*record), r->bytes, record->captured);
	r->tails[oldest] += record->size;
	atomic_store_explicit(
		&r->progress->lanes[oldest].tail, r->tails[oldest], memory_order_release);
	return 1;
}

uint64_t
capture_reader_lost(const struct capture_reader *r)
{
	uint64_t lost = 0;

	for (unsigned l = 0; l < r->lanes; l++)
		lost += atomic_load_explicit(&r->area->states[l].lost, memory_order_relaxed);
	return lost;
}

enum capture_over
capture_reader_over(const struct capture_reader *r)
{
	return (enum capture_over)atomic_load_explicit(&r->area->over, memory_order_acquire);
}
