/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/fd.h"
#include "vhost/dirty.h"
#include "vhost/frontend_state.h"

/* ---- memory ---- */

static int
region_message(struct frontend *f, uint32_t request, unsigned region, struct err *err)
{
	const struct driver_memory *memory = f->options.memory;
	struct vhost_message message = {
		.header = {.request = request, .size = sizeof(struct vhost_memory_single)},
		.payload.single.region = memory->regions[region]};

	return request_set(f, &message, &memory->fd, request == VHOST_ADD_MEM_REG, err);
}

int
frontend_add_region(struct frontend *f, unsigned region, struct err *err)
{
	return region_message(f, VHOST_ADD_MEM_REG, region, err);
}

int
frontend_remove_region(struct frontend *f, unsigned region, struct err *err)
{
	return region_message(f, VHOST_REM_MEM_REG, region, err);
}

static int
send_memory(struct frontend *f, struct err *err)
{
	const struct driver_memory *memory = f->options.memory;
	struct vhost_message message = {.header.request = VHOST_SET_MEM_TABLE};
	int fds[VHOST_REGIONS_MESSAGE], rc = 0;

	if (f->mem_slots) {
		if (memory->count > f->mem_slots)
			return err_set(err, -ENOTSUP,
				"%u memory regions, the back end at %s takes %u", memory->count,
				f->options.path, (unsigned)f->mem_slots);
		for (unsigned i = 0; i < memory->count && !rc && !f->memory_sent; i++)
			rc = frontend_add_region(f, i, err);
		f->memory_sent = !rc;
		return rc;
	}
	if (memory->count > VHOST_REGIONS_MESSAGE)
		return err_set(err, -ENOTSUP,
			"%u memory regions, the back end at %s takes %d (CONFIGURE_MEM_SLOTS is "
			"not negotiated)",
			memory->count, f->options.path, VHOST_REGIONS_MESSAGE);
	for (unsigned i = 0; i < memory->count; i++) {
		message.payload.memory.regions[i] = memory->regions[i];
		fds[i] = memory->fd;
	}
	message.payload.memory.nregions = memory->count;
	message.header.size = (uint32_t)(offsetof(struct vhost_memory_table, regions) +
					 memory->count * sizeof(struct vhost_memory_region));
	return request_set(f, &message, fds, memory->count, err);
}

/* ---- in-flight region ---- */

static int
inflight_get(struct frontend *f, struct err *err)
{
	struct vhost_message message = {.header = {.request = VHOST_GET_INFLIGHT_FD,
						.size = sizeof(struct vhost_inflight)}};
	struct vhost_inflight in = {.num_queues = (uint16_t)f->ring_count};
	struct stat st;
	int rc;

	for (unsigned i = 0; i < f->ring_count; i++)
		if (f->rings[i].size > in.queue_size)
			in.queue_size = f->rings[i].size;
	message.payload.inflight = in;
	rc = request_get(f, &message, sizeof(in), err);
	if (rc)
		return rc;
	in = message.payload.inflight;
	if (!in.mmap_size)
		return 0; /* the back end wants none */
	if (f->reader.fd_count != 1 || fstat(f->reader.fds[0], &st) < 0 ||
		in.mmap_offset > (uint64_t)st.st_size ||
		in.mmap_size > (uint64_t)st.st_size - in.mmap_offset)
		return err_set(err, -EPROTO,
			"GET_INFLIGHT_FD to %s: the answer's size and descriptor do not fit",
			f->options.path);
	f->inflight_fd = fd_take(&f->reader.fds[0]);
	f->inflight = in;
	f->inflight_map_size = in.mmap_size;
	f->inflight_map = mmap(NULL, in.mmap_size, PROT_READ | PROT_WRITE, MAP_SHARED,
		f->inflight_fd, (off_t)in.mmap_offset);
	if (f->inflight_map != MAP_FAILED)
		return 0;
	f->inflight_map = NULL;
	fd_close(&f->inflight_fd);
	return err_set(err, -errno, "in-flight region of %s: %s", f->options.path, strerror(errno));
}

/* Asked for once; the same region goes to every later back end, which continues from it. */
static int
inflight_send(struct frontend *f, struct err *err)
{
	struct vhost_message message = {.header = {.request = VHOST_SET_INFLIGHT_FD,
						.size = sizeof(struct vhost_inflight)}};
	int rc = 0;

	if (!has_protocol(f, VHOST_PROTOCOL_F_INFLIGHT_SHMFD))
		return 0;
	if (f->inflight_fd < 0)
		rc = inflight_get(f, err);
	if (rc || f->inflight_fd < 0)
		return rc;
	message.payload.inflight = f->inflight;
	return request_set(f, &message, &f->inflight_fd, 1, err);
}

void *
frontend_inflight(const struct frontend *f, size_t *bytes)
{
	*bytes = f->inflight_map_size;
	return f->inflight_map;
}

/* ---- rings ---- */

void
frontend_set_ring(struct frontend *f, unsigned index, const struct frontend_ring *ring)
{
	f->rings[index] = *ring;
	if (index >= f->ring_count)
		f->ring_count = index + 1;
}

uint32_t
frontend_ring_base(const struct frontend *f, unsigned index)
{
	return f->rings[index].base;
}

static int
send_addr(struct frontend *f, unsigned index, struct err *err)
{
	const struct frontend_ring *ring = &f->rings[index];
	struct vhost_message message = {.header = {.request = VHOST_SET_VRING_ADDR,
						.size = sizeof(struct vhost_vring_addr)},
		.payload.addr = {.index = index,
			.flags = f->logging ? 1u << VHOST_VRING_F_LOG : 0,
			.desc_user_addr = (uintptr_t)ring->desc,
			.avail_user_addr = (uintptr_t)ring->driver,
			.used_user_addr = (uintptr_t)ring->device,
			.log_guest_addr = driver_memory_gpa(f->options.memory, ring->device)}};

	return request_set(f, &message, NULL, 0, err);
}

static int
start_ring(struct frontend *f, unsigned index, struct err *err)
{
	const struct frontend_ring *ring = &f->rings[index];
	int rc = request_set_state(f, VHOST_SET_VRING_NUM, index, ring->size, err);

	if (!rc)
		rc = request_set_state(f, VHOST_SET_VRING_BASE, index, ring->base, err);
	if (!rc)
		rc = send_addr(f, index, err);
	if (!rc)
		rc = request_set_ring_fd(f, VHOST_SET_VRING_CALL, index, ring->call_fd, err);
	if (!rc)
		rc = request_set_ring_fd(f, VHOST_SET_VRING_KICK, index, ring->kick_fd, err);
	return rc;
}

/* Without PROTOCOL_FEATURES rings are enabled by being started. */
int
frontend_enable(struct frontend *f, unsigned index, bool enable, struct err *err)
{
	if (!(f->features & VIRTIO_BIT(VHOST_USER_F_PROTOCOL_FEATURES)))
		return 0;
	return request_set_state(f, VHOST_SET_VRING_ENABLE, index, enable, err);
}

static int
set_status(struct frontend *f, unsigned status, struct err *err)
{
	if (!has_protocol(f, VHOST_PROTOCOL_F_STATUS))
		return 0;
	return request_set_u64(f, VHOST_SET_STATUS, status, err);
}

int
frontend_start(struct frontend *f, struct err *err)
{
	unsigned status = VIRTIO_STATUS_ACKNOWLEDGE | VIRTIO_STATUS_DRIVER;
	int rc = set_status(f, status, err);

	f->started_once = true;
	if (!rc)
		rc = request_set_u64(f, VHOST_SET_FEATURES, f->features, err);
	if (!rc)
		rc = set_status(f, status |= VIRTIO_STATUS_FEATURES_OK, err);
	if (!rc)
		rc = send_memory(f, err);
	if (!rc)
		rc = inflight_send(f, err);
	for (unsigned i = 0; i < f->ring_count && !rc; i++)
		rc = start_ring(f, i, err);
	for (unsigned i = 0; i < f->ring_count && !rc; i++)
		rc = frontend_enable(f, i, !f->rings[i].disabled, err);
	if (!rc)
		rc = set_status(f, status |= VIRTIO_STATUS_DRIVER_OK, err);
	return rc ? rc : request_barrier(f, err);
}

int
frontend_stop(struct frontend *f, struct err *err)
{
	for (unsigned i = 0; i < f->ring_count; i++) {
		struct vhost_message message = {.header = {.request = VHOST_GET_VRING_BASE,
							.size = sizeof(struct vhost_vring_state)},
			.payload.state.index = i};
		int rc = request_get(f, &message, sizeof(struct vhost_vring_state), err);

		if (rc)
			return rc;
		if (message.payload.state.index != i) {
			frontend_disconnect(f);
			return err_set(err, -EPROTO, "GET_VRING_BASE %u to %s: answered for %u", i,
				f->options.path, message.payload.state.index);
		}
		f->rings[i].base = message.payload.state.num;
	}
	return 0;
}

int
frontend_reset(struct frontend *f, struct err *err)
{
	if (has_protocol(f, VHOST_PROTOCOL_F_RESET_DEVICE))
		return request_set_nothing(f, VHOST_RESET_DEVICE, err);
	if (has_protocol(f, VHOST_PROTOCOL_F_STATUS))
		return set_status(f, 0, err);
	return err_set(err, -ENOTSUP, "the back end at %s offers no reset", f->options.path);
}

int
frontend_set_mtu(struct frontend *f, uint16_t mtu, struct err *err)
{
	if (!has_protocol(f, VHOST_PROTOCOL_F_NET_MTU))
		return err_set(err, -ENOTSUP, "NET_MTU is not negotiated with %s", f->options.path);
	return request_set_u64(f, VHOST_NET_SET_MTU, mtu, err);
}

int
frontend_send_rarp(struct frontend *f, uint64_t mac, struct err *err)
{
	if (!has_protocol(f, VHOST_PROTOCOL_F_RARP))
		return err_set(err, -ENOTSUP, "RARP is not negotiated with %s", f->options.path);
	return request_set_u64(f, VHOST_SEND_RARP, mac, err);
}

/* ---- dirty log ---- */

static int
log_create(struct frontend *f, struct err *err)
{
	const struct driver_memory *memory = f->options.memory;
	const struct vhost_memory_region *last = &memory->regions[memory->count - 1];
	uint64_t pages = (last->guest_phys_addr + last->memory_size) / DIRTY_PAGE;

	f->log_size = (pages / 8 + DIRTY_PAGE) & ~(size_t)(DIRTY_PAGE - 1);
	f->log_fd = memfd_create("dirty-log", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (f->log_fd < 0 || ftruncate(f->log_fd, (off_t)f->log_size) < 0)
		return err_set(err, -errno, "dirty log: %s", strerror(errno));
	f->log = mmap(NULL, f->log_size, PROT_READ | PROT_WRITE, MAP_SHARED, f->log_fd, 0);
	if (f->log != MAP_FAILED)
		return 0;
	f->log = NULL;
	fd_close(&f->log_fd);
	return err_set(err, -errno, "dirty log: %s", strerror(errno));
}

/* SET_LOG_BASE is always answered, with or without REPLY_ACK. */
static int
log_send(struct frontend *f, struct err *err)
{
	struct vhost_message message = {.header = {.request = VHOST_SET_LOG_BASE,
						.flags = VHOST_VERSION,
						.size = sizeof(struct vhost_log)},
		.payload.log = {.mmap_size = f->log_size}};

	return frontend_request(f, &message, &f->log_fd, 1, true, err);
}

int
frontend_set_logging(struct frontend *f, bool on, struct err *err)
{
	uint64_t features = f->features & ~VIRTIO_BIT(VHOST_F_LOG_ALL);
	int rc = 0;

	if (!has_protocol(f, VHOST_PROTOCOL_F_LOG_SHMFD) ||
		!(f->offered & VIRTIO_BIT(VHOST_F_LOG_ALL)))
		return err_set(
			err, -ENOTSUP, "the back end at %s offers no dirty log", f->options.path);
	if (on && f->log_fd < 0)
		rc = log_create(f, err);
	if (!rc && on)
		rc = log_send(f, err);
	f->logging = on;
	if (!rc)
		rc = request_set_u64(f, VHOST_SET_FEATURES,
			features | (on ? VIRTIO_BIT(VHOST_F_LOG_ALL) : 0), err);
	for (unsigned i = 0; i < f->ring_count && !rc; i++)
		rc = send_addr(f, i, err);
	return rc ? rc : request_barrier(f, err);
}

const uint8_t *
frontend_log(const struct frontend *f, size_t *bytes)
{
	*bytes = f->log_size;
	return f->log;
}
