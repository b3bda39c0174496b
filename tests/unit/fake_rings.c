/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/fake_rings.h"
#include "vhost/inflight.h"

struct fakes fakes;

#define CONTRACT(holds)                                                                     \
	do {                                                                                \
		if (!(holds)) {                                                             \
			fprintf(stderr, "%s:%d: broken contract: %s\n", __FILE__, __LINE__, \
				#holds);                                                    \
			abort();                                                            \
		}                                                                           \
	} while (0)

void
fakes_reset(void)
{
	memset(&fakes, 0, sizeof(fakes));
	for (unsigned i = 0; i < PORT_QUEUES_MAX; i++)
		fakes.watched[i] = -1;
}

static bool
fd_is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

/* Reads one byte of every page the ring says it may use; faults when one is not mapped. */
static void
memory_touch(const struct vring *vr)
{
	const struct vring_setup *s = &vr->setup;
	volatile const uint8_t *desc = s->desc, *avail = s->avail, *used = s->used;
	bool packed = s->features & VIRTIO_BIT(VIRTIO_F_RING_PACKED);

	for (size_t i = 0; i < 16u * s->size; i += 4096)
		(void)desc[i];
	(void)desc[16u * s->size - 1];
	(void)avail[0];
	(void)avail[packed ? 3 : 5 + 2u * s->size];
	(void)used[0];
	(void)used[packed ? 3 : 5 + 8u * s->size];
	for (unsigned i = 0; i < s->memory->count; i++) {
		volatile const uint8_t *host = s->memory->regions[i].host;

		(void)host[0];
		(void)host[s->memory->regions[i].size - 1];
	}
	if (s->log) {
		volatile const uint8_t *bits = s->log->bits;

		(void)bits[0];
		(void)bits[s->log->size - 1];
	}
	if (s->inflight) {
		volatile const uint16_t *version = &s->inflight->version;

		(void)*version;
	}
}

/* ---- vhost/vring.h ---- */

int
vring_create(struct vring **vring, const struct vring_setup *setup)
{
	bool packed = setup->features & VIRTIO_BIT(VIRTIO_F_RING_PACKED);
	struct vring *vr;

	CONTRACT(setup->size && setup->size <= VHOST_RING_SIZE_MAX);
	CONTRACT(packed ? setup->next < setup->size : !(setup->size & (setup->size - 1)));
	CONTRACT(setup->memory && setup->memory->count);
	if (fakes.create_failures) {
		fakes.create_failures--;
		return -ENOMEM;
	}
	vr = calloc(1, sizeof(*vr));
	if (!vr)
		return -ENOMEM;
	vr->setup = *setup;
	vr->call_fd = setup->call_fd;
	fakes.vrings++;
	*vring = vr;
	return 0;
}

void
vring_destroy(struct vring *vring)
{
	if (!vring)
		return;
	fakes.vrings--;
	free(vring);
}

uint16_t
vring_next(const struct vring *vring, bool *wrap)
{
	*wrap = vring->setup.next_wrap;
	return vring->setup.next;
}

void
vring_set_call(struct vring *vring, int call_fd)
{
	CONTRACT(call_fd < 0 || fd_is_open(call_fd));
	vring->call_fd = call_fd;
}

enum vring_broken
vring_broken(const struct vring *vring)
{
	return vring->broken;
}

const char *
vring_broken_text(enum vring_broken reason)
{
	return reason == VRING_BROKEN_AVAIL ? "available index" : "chain";
}

void
vring_counters(const struct vring *vring, struct vring_counters *counters)
{
	*counters = (struct vring_counters){.calls = vring->calls};
}

/* ---- vhost/port_vhost.h ---- */

const struct port_ops vhost_rings_ops = {.type = "vhost-user"};

unsigned
vhost_accepts(uint64_t features)
{
	return features >> VIRTIO_NET_F_GUEST_CSUM & 1;
}

void
vhost_rings_start(struct vhost_rings *rings, unsigned index, struct vring *vring)
{
	CONTRACT(index < VHOST_RINGS_MAX && vring);
	CONTRACT(!atomic_load(&rings->ring[index]));
	CONTRACT(vring->call_fd < 0 || fd_is_open(vring->call_fd));
	memory_touch(vring);
	atomic_store(&rings->ring[index], vring);
	fakes.published++;
}

int
vhost_rings_stop(struct vhost_rings *rings, uint32_t mask, struct vring *stopped[VHOST_RINGS_MAX])
{
	for (unsigned i = 0; i < VHOST_RINGS_MAX; i++) {
		stopped[i] = NULL;
		if (!(mask >> i & 1))
			continue;
		stopped[i] = atomic_exchange(&rings->ring[i], NULL);
		if (!stopped[i])
			continue;
		memory_touch(stopped[i]);
		CONTRACT(stopped[i]->call_fd < 0 || fd_is_open(stopped[i]->call_fd));
		fakes.published--;
	}
	fakes.graces++;
	return fakes.hang ? -ETIMEDOUT : 0;
}

/* ---- datapath/datapath.h ---- */

static struct kept {
	void (*release)(void *arg);
	void *arg;
} kept[256];
static unsigned kept_count;

void
datapath_release(void (*release)(void *arg), void *arg)
{
	if (!fakes.hang) {
		release(arg);
		return;
	}
	CONTRACT(kept_count < sizeof(kept) / sizeof(kept[0]));
	kept[kept_count++] = (struct kept){release, arg};
}

void
fakes_come_back(void)
{
	fakes.hang = false;
	for (unsigned i = 0; i < kept_count; i++)
		kept[i].release(kept[i].arg);
	kept_count = 0;
}

int
datapath_port_watch(struct port *port, unsigned queue, int fd)
{
	CONTRACT(queue < PORT_QUEUES_MAX);
	CONTRACT(fakes.watched[queue] < 0 || fd_is_open(fakes.watched[queue]));
	CONTRACT(fd < 0 || fd_is_open(fd));
	fakes.watched[queue] = fd;
	return 0;
}

int
datapath_synchronize(void)
{
	fakes.graces++;
	return 0;
}

void
datapath_port_flush(struct port *port)
{
	fakes.flushes++;
}

int
datapath_inject(struct port *port, const uint8_t *bytes, unsigned len)
{
	CONTRACT(len >= FRAME_LEN_MIN && len <= DATAPATH_INJECT_MAX);
	memcpy(fakes.injected, bytes, len);
	fakes.injected_len = len;
	return 0;
}
