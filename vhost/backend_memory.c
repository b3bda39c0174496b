/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Threat model: see vhost/memory.h.  A table is built beside the one in use; the rings stop for the
 * moment of the exchange, so that no worker can hold an address of memory that goes away, and their
 * own addresses are translated again.
 */
#include <errno.h>

#include "vhost/backend_state.h"

/* Puts the table in the place of the old one.  A ring that the new one does not hold waits. */
static int
memory_switch(struct backend *b, struct guest_memory *memory, struct err *err)
{
	backend_rings_stop(b, BACKEND_RINGS_ALL);
	backend_memory_replace(b, memory);
	return backend_rings_start(b, err);
}

int
backend_set_mem_table(struct backend *b, struct exchange *x, struct err *err)
{
	const struct vhost_memory_table *table = &x->payload->memory;
	uint32_t count = table->nregions;
	struct guest_memory *memory;
	int rc;

	if (!count || count > VHOST_REGIONS_MESSAGE || count != x->request->fd_count)
		return err_set(err, -EINVAL, "%u regions with %u descriptors", count,
			x->request->fd_count);
	if (x->request->message.header.size != 8 + count * sizeof(table->regions[0]))
		return err_set(err, -EINVAL, "%u bytes for %u regions",
			x->request->message.header.size, count);
	rc = guest_memory_create(&memory, table->regions, x->request->fds, count, err);
	return rc ? rc : memory_switch(b, memory, err);
}

int
backend_get_max_mem_slots(struct backend *b, struct exchange *x, struct err *err)
{
	x->reply.u64 = VHOST_MEM_SLOTS;
	return 0;
}

int
backend_add_mem_reg(struct backend *b, struct exchange *x, struct err *err)
{
	struct guest_memory *memory;
	int rc = guest_memory_add(
		&memory, b->memory, &x->payload->single.region, x->request->fds[0], err);

	return rc ? rc : memory_switch(b, memory, err);
}

int
backend_rem_mem_reg(struct backend *b, struct exchange *x, struct err *err)
{
	struct guest_memory *memory;
	int rc = guest_memory_remove(&memory, b->memory, &x->payload->single.region, err);

	if (rc)
		return rc;
	if (!memory->count) {
		guest_memory_release(memory);
		memory = NULL;
	}
	return memory_switch(b, memory, err);
}
