/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Threat model: a guest names any page, any number of times.  Pages outside its memory are ignored;
 * giving back a page that it still uses harms only itself.
 */
#include <string.h>

#include "launcher/balloon.h"

#define CLASS_OTHER    0x00ff00
#define QUEUE_SIZE     128
#define PAGE_SHIFT     12
#define PAGE           (UINT64_C(1) << PAGE_SHIFT)
#define F_DEFLATE_OOM  2
#define F_REPORTING    5
#define PFNS_PER_VISIT 256
#define CHAIN_PFNS_MAX 65536

static void
balloon_start(void *owner)
{
	struct balloon *b = owner;

	for (unsigned i = 0; i < BALLOON_QUEUES; i++)
		virtq_start(&b->queues[i], &b->device, i);
	eventfd_write(b->device.queues[BALLOON_INFLATE].kick, 1);
}

static bool
balloon_stop(void *owner)
{
	struct balloon *b = owner;

	for (unsigned i = 0; i < BALLOON_QUEUES; i++)
		virtq_stop(&b->queues[i]);
	b->config.actual = 0;
	return true;
}

static void
balloon_configure(void *owner, unsigned offset, unsigned length, uint64_t value)
{
	struct balloon *b = owner;

	if (offset == offsetof(struct balloon_config, actual) && length == sizeof(uint32_t))
		b->config.actual = (uint32_t)value;
}

/* Neighbours are given back together. */
static uint32_t
inflate(void *arg, const struct virtq_chain *chain)
{
	struct balloon *b = arg;
	uint32_t pages[PFNS_PER_VISIT];
	uint64_t first = 0, end = 0;
	size_t skip = 0, n;

	while (skip < CHAIN_PFNS_MAX * sizeof(pages[0]) &&
		(n = virtq_read(chain, skip, pages, sizeof(pages)) / sizeof(pages[0]))) {
		for (size_t i = 0; i < n; i++) {
			uint64_t at = (uint64_t)pages[i] << PAGE_SHIFT;

			if (at != end) {
				if (end > first)
					ram_release(b->ram, first, end - first);
				first = at;
			}
			end = at + PAGE;
		}
		skip += n * sizeof(pages[0]);
	}
	if (end > first)
		ram_release(b->ram, first, end - first);
	return 0;
}

static uint32_t
deflate(void *arg, const struct virtq_chain *chain)
{
	return 0; /* the page is there again when it is used */
}

static uint32_t
report(void *arg, const struct virtq_chain *chain)
{
	struct balloon *b = arg;

	for (unsigned i = chain->readable; i < chain->parts; i++)
		ram_release_host(b->ram, chain->iov[i].iov_base, chain->iov[i].iov_len);
	return 0;
}

void
balloon_serve(void *owner)
{
	static const virtq_chain_cb each[BALLOON_QUEUES] = {[BALLOON_INFLATE] = inflate,
		[BALLOON_DEFLATE] = deflate,
		[BALLOON_REPORT] = report};
	struct balloon *b = owner;

	for (unsigned i = 0; i < BALLOON_QUEUES; i++)
		virtq_serve(&b->queues[i], &b->device, i, each[i], b);
}

void
balloon_set(struct balloon *b, uint64_t keep)
{
	b->config.wanted =
		keep < b->ram->size ? (uint32_t)((b->ram->size - keep) >> PAGE_SHIFT) : 0;
	virtio_device_changed(&b->device);
}

uint64_t
balloon_memory(const struct balloon *b)
{
	uint64_t held = (uint64_t)b->config.actual << PAGE_SHIFT;

	return held < b->ram->size ? b->ram->size - held : 0;
}

int
balloon_init(struct balloon *b, const struct virtio_place *place, struct ram *ram, struct err *err)
{
	static const struct virtio_ops ops = {
		.start = balloon_start, .stop = balloon_stop, .configure = balloon_configure};

	b->ram = ram;
	return virtio_device_init(&b->device, place,
		&(struct virtio_identity){.id = VIRTIO_ID_BALLOON,
			.class = CLASS_OTHER,
			.name = "balloon",
			.queues = BALLOON_QUEUES,
			.queue_size = QUEUE_SIZE,
			.features = 1u << F_DEFLATE_OOM | 1u << F_REPORTING,
			.config = &b->config,
			.config_size = sizeof(b->config),
			.ops = &ops,
			.owner = b},
		err);
}
