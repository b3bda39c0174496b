/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Threat model: the client may be hostile within what it was given.  It can't write what the workers
 * write, nor make either file shorter, so that no access of theirs can fail; what it writes itself
 * is judged by capture_lane_reserve().
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <pcap/pcap.h>

#include "datapath/capture_impl.h"
#include "datapath/expression.h"
#include "datapath/topology.h"
#include "lib/fd.h"

static const struct needs_call capture_calls[] = {
	NEEDS_CALL(memfd_create), NEEDS_CALL(fallocate), NEEDS_NO_MORE};

const struct needs capture_needs = {
	.calls = capture_calls,
};

#define ALL_LANES_MAX \
	(64u << 20) /* bytes of all lanes of a capture, if each has CAPTURE_LANE_MIN */

_Static_assert(WORKER_MAX <= CAPTURE_LANES_MAX, "a lane per worker");
_Static_assert(PORT_NAME_SIZE == CAPTURE_NAME_SIZE, "a port's name fits");
_Static_assert(DROP_COUNT < CAPTURE_DELIVERED, "a reason fits");
_Static_assert(CAPTURE_MAX <= 8, "snapshot_port has 8 bits");

/* A file of memory that stays as long as it is; with pages, so that workers need not wait for them. */
static int
create_file(const char *name, size_t size, int *fd, void **map)
{
	*fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (*fd < 0)
		return -errno;
	if (fallocate(*fd, 0, 0, (off_t)size))
		return -errno;
	*map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, *fd, 0);
	if (*map == MAP_FAILED) {
		*map = NULL;
		return -errno;
	}
	return fcntl(*fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) ? -errno : 0;
}

static uint32_t
lane_size(unsigned workers)
{
	uint32_t size = CAPTURE_LANE_MAX;

	while (size > CAPTURE_LANE_MIN && size > ALL_LANES_MAX / workers)
		size /= 2;
	return size;
}

static int
create_lanes(struct capture *c, unsigned workers)
{
	uint32_t size = lane_size(workers);
	void *area = NULL, *progress = NULL;
	int r;

	c->area_size = CAPTURE_BYTES_AT + (size_t)workers * size;
	r = create_file("patchbay-capture", c->area_size, &c->records_fd, &area);
	c->area = area;
	/* Ours was mapped before; nobody else's can be written through. */
	if (!r && fcntl(c->records_fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE | F_SEAL_SEAL))
		r = -errno;
	if (!r)
		r = create_file("patchbay-capture-progress", sizeof(*c->progress), &c->progress_fd,
			&progress);
	c->progress = progress;
	if (r)
		return r;
	c->lanes = aligned_alloc(alignof(struct capture_lane), workers * sizeof(*c->lanes));
	if (!c->lanes)
		return -ENOMEM;
	for (unsigned w = 0; w < workers; w++)
		c->lanes[w] = (struct capture_lane){
			.state = &c->area->states[w],
			.progress = &c->progress->lanes[w].tail,
			.bytes = (uint8_t *)c->area + CAPTURE_BYTES_AT + (size_t)w * size,
			.size = size,
		};
	c->area->version = CAPTURE_VERSION;
	c->area->lanes = workers;
	c->area->lane_size = size;
	c->area->magic = CAPTURE_MAGIC;
	return 0;
}

static int
compile(struct capture *c, const char *expression, struct err *err)
{
	struct bpf_program program;
	int r;

	if (!expression[0])
		return 0;
	r = expression_compile(expression, &program, err);
	if (r)
		return r;
	r = bpf_jit_create(&c->jit, &program, err);
	expression_free(&program);
	return r;
}

static void
capture_free(void *arg)
{
	struct capture *c = arg;

	bpf_jit_destroy(&c->jit);
	if (c->area)
		munmap(c->area, c->area_size);
	if (c->progress)
		munmap((void *)(uintptr_t)c->progress, sizeof(*c->progress));
	fd_close(&c->records_fd);
	fd_close(&c->progress_fd);
	free(c->lanes);
	free(c);
}

static int
create(struct capture **capture, const struct capture_settings *s, struct err *err)
{
	struct capture *c = calloc(1, sizeof(*c));
	int r;

	if (!c)
		return err_set(err, -ENOMEM, "out of memory");
	c->records_fd = c->progress_fd = -1;
	c->directions = s->directions;
	c->drops_only = s->drops_only;
	c->snaplen = s->snaplen < CAPTURE_BYTES_MAX ? s->snaplen : CAPTURE_BYTES_MAX;
	c->generation = s->port ? topology_live->ports[s->port->index].generation : 0;
	c->bridge = s->port ? -1 : (int)s->bridge;
	r = compile(c, s->expression, err);
	if (!r) {
		r = create_lanes(c, topology_live->workers);
		if (r)
			err_set(err, r, "no memory for the records of a capture: %s", strerror(-r));
	}
	if (r)
		capture_free(c);
	else
		*capture = c;
	return r;
}

int
capture_start(struct capture **capture, const struct capture_settings *s, struct err *err)
{
	struct capture **slot = topology_live->captures, *c = NULL;
	int r;

	while (slot < topology_live->captures + CAPTURE_MAX && *slot)
		slot++;
	if (slot == topology_live->captures + CAPTURE_MAX)
		return err_set(err, -EUSERS, "%d captures run already: end one of them first",
			CAPTURE_MAX);
	r = create(&c, s, err);
	if (r)
		return r;
	*slot = c;
	r = topology_publish();
	if (r) {
		*slot = NULL;
		capture_free(c);
		return err_set(err, r, "no memory for a capture: %s", strerror(-r));
	}
	*capture = c;
	return 0;
}

void
capture_descriptors(const struct capture *c, int *records, int *progress)
{
	*records = c->records_fd;
	*progress = c->progress_fd;
}

void
capture_stop(struct capture *c)
{
	if (!c)
		return;
	for (unsigned i = 0; i < CAPTURE_MAX; i++)
		if (topology_live->captures[i] == c)
			topology_live->captures[i] = NULL;
	/* Without memory to publish the workers go on with it: then it is never freed. */
	if (!topology_publish())
		datapath_release(capture_free, c);
}

void
capture_describe(
	struct snapshot_port *p, const struct port_slot *slot, const struct topology *topology)
{
	for (unsigned i = 0; i < CAPTURE_MAX; i++) {
		const struct capture *c = topology->captures[i];

		if (!c || (c->generation ? c->generation != slot->generation
					 : c->bridge < 0 || c->bridge != slot->settings.bridge))
			continue;
		if (c->directions & CAPTURE_IN)
			p->captures_in |= (uint8_t)(1u << i);
		if (c->directions & CAPTURE_OUT)
			p->captures_out |= (uint8_t)(1u << i);
	}
}

void
capture_forget(struct topology *topology, const struct port_slot *port, unsigned bridge)
{
	for (unsigned i = 0; i < CAPTURE_MAX; i++) {
		struct capture *c = topology->captures[i];

		if (!c || (port ? c->generation != port->generation
				: c->generation || c->bridge != (int)bridge))
			continue;
		c->bridge = -1;
		atomic_store_explicit(&c->area->over, CAPTURE_TARGET_GONE, memory_order_release);
	}
}
