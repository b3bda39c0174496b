/* SPDX-License-Identifier: BSD-3-Clause */
/* A driver that breaks the order in which a device is set up, and describes impossible queues. */
#include <linux/virtio_pci.h>
#include <string.h>

#include "launcher/virtio_device.h"
#include "tests/guest/virtio.h"

#define RESET_ASKED VIRTIO_STATUS_NEEDS_RESET

/* ---- status ---- */

struct status_row {
	const char *what;
	uint8_t steps[6]; /* written one after the other; 0 ends them */
	uint8_t left;     /* what the register says then */
};

static const struct status_row status_rows[] = {
	{"DRIVER_OK before all else", {4}, 0},
	{"FEATURES_OK before DRIVER", {1, 9}, 1},
	{"FEATURES_OK without VERSION_1", {1, 3, 11}, 3},
	{"DRIVER_OK without FEATURES_OK", {1, 3, 7}, 3},
	{"all at once", {15}, 3},
	{"a bit that goes", {1, 3, 2}, 3},
	{"a bit that there is not", {1, 3, 0x33}, 3},
	{"NEEDS_RESET by the driver", {1, 0x41}, 1},
	{"FAILED is the end", {1, 0x81, 0x83}, 0x81},
};

static void
break_status(struct driver *d)
{
	topic("status");
	for (unsigned i = 0; i < sizeof(status_rows) / sizeof(status_rows[0]); i++) {
		const struct status_row *row = &status_rows[i];

		status_put(d, 0);
		for (unsigned n = 0; row->steps[n]; n++)
			status_put(d, row->steps[n]);
		expect(row->what, status_get(d), row->left);
	}
	expect_works(d);
}

static void
break_features(struct driver *d)
{
	topic("features");
	status_put(d, 0);
	status_put(d, 1);
	status_put(d, 3);
	common_put(d, VIRTIO_PCI_COMMON_GFSELECT, 4, 1);
	common_put(d, VIRTIO_PCI_COMMON_GF, 4, 0x21); /* VERSION_1, and one that is not offered */
	status_put(d, 11);
	expect("one that was not offered", status_get(d), 3);
	common_put(d, VIRTIO_PCI_COMMON_GFSELECT, 4, 7);
	common_put(d, VIRTIO_PCI_COMMON_GF, 4, UINT32_MAX);
	expect("bits that there are not", common_get(d, VIRTIO_PCI_COMMON_GF, 4), 0);
	negotiate(d, 0);
	common_put(d, VIRTIO_PCI_COMMON_GFSELECT, 4, 0);
	common_put(d, VIRTIO_PCI_COMMON_GF, 4, UINT32_MAX);
	expect("after FEATURES_OK", common_get(d, VIRTIO_PCI_COMMON_GF, 4), 0);
	expect_works(d);
}

/* ---- queues ---- */

struct queue_row {
	const char *what;
	unsigned size;
	uint64_t desc, driver, device; /* 0 = as it should be */
};

static const struct queue_row queue_rows[] = {
	{"of size 0", 0, 0, 0, 0},
	{"of a size that is no power of two", 3, 0, 0, 0},
	{"larger than possible", 0x8000, 0, 0, 0},
	{"with descriptors that are not aligned", 8, 0x300008, 0, 0},
	{"with an available ring that is not aligned", 8, 0, 0x300001, 0},
	{"with a used ring that is not aligned", 8, 0, 0, 0x300002},
	{"with descriptors outside of memory", 8, 0x4000000, 0, 0},
	{"with descriptors that go over its end", 8, 0x1fffff0, 0, 0},
	{"with an available ring at its end", 8, 0, 0x1fffffe, 0},
	{"with a used ring far away", 8, 0, 0, UINT64_C(1) << 62},
	{"with descriptors that wrap around", 8, UINT64_MAX - 15, 0, 0},
	{"with descriptors in a window", 8, LAYOUT_PCI_WINDOW, 0, 0},
	{"with a used ring in the APIC", 8, 0, 0, LAYOUT_LAPIC},
	{"with descriptors in configuration space", 8, LAYOUT_ECAM, 0, 0},
	{"with descriptors between 3 and 4 GiB", 8, 0xfffff000, 0, 0},
};

static void
break_queues(struct driver *d)
{
	topic("queue");
	for (unsigned i = 0; i < sizeof(queue_rows) / sizeof(queue_rows[0]); i++) {
		const struct queue_row *row = &queue_rows[i];

		negotiate(d, 0);
		describe(d, 0, row->size, row->desc ? row->desc : (uint64_t)ring.desc,
			row->driver ? row->driver : (uint64_t)ring.driver,
			row->device ? row->device : (uint64_t)ring.device);
		expect(row->what, status_get(d), 11 | RESET_ASKED);
		expect("is not enabled", common_get(d, VIRTIO_PCI_COMMON_Q_ENABLE, 2), 0);
		status_put(d, 15);
		expect("nor started", status_get(d), 11 | RESET_ASKED);
	}
	expect_works(d);
}

static void
break_order(struct driver *d)
{
	topic("queue order");
	status_put(d, 0);
	memset(&ring, 0, sizeof(ring));
	describe(d, 0, 8, (uint64_t)ring.desc, (uint64_t)ring.driver, (uint64_t)ring.device);
	expect("before FEATURES_OK", common_get(d, VIRTIO_PCI_COMMON_Q_ENABLE, 2), 0);
	negotiate(d, 0);
	common_put(d, VIRTIO_PCI_COMMON_Q_SELECT, 2, 0);
	common_put(d, VIRTIO_PCI_COMMON_Q_ENABLE, 2, 2);
	expect("enabled by 2", common_get(d, VIRTIO_PCI_COMMON_Q_ENABLE, 2), 0);
	describe(d, 9, 8, (uint64_t)ring.desc, (uint64_t)ring.driver, (uint64_t)ring.device);
	expect("that is not there", common_get(d, VIRTIO_PCI_COMMON_Q_SIZE, 2), 0);
	describe(d, 0xffff, 8, 0, 0, 0);
	expect("nor that", common_get(d, VIRTIO_PCI_COMMON_Q_ENABLE, 2), 0);
	describe(d, 0, 8, (uint64_t)ring.desc, (uint64_t)ring.driver, (uint64_t)ring.device);
	expect("enabled", common_get(d, VIRTIO_PCI_COMMON_Q_ENABLE, 2), 1);
	describe(d, 0, 64, 0x300000, 0x300000, 0x300000);
	expect("described again: size", common_get(d, VIRTIO_PCI_COMMON_Q_SIZE, 2), 8);
	expect("described again: place", common_get(d, VIRTIO_PCI_COMMON_Q_DESCLO, 4),
		(uint64_t)ring.desc);
	status_put(d, 15);
	common_put(d, VIRTIO_PCI_COMMON_Q_ENABLE, 2, 0);
	describe(d, 0, 32, 0, 0, 0);
	expect("after DRIVER_OK: size", common_get(d, VIRTIO_PCI_COMMON_Q_SIZE, 2), 8);
	expect("after DRIVER_OK: on", common_get(d, VIRTIO_PCI_COMMON_Q_ENABLE, 2), 1);
	expect("after DRIVER_OK: status", status_get(d), 15);
	/* A device without a queue, and signals of queues that there are not. */
	negotiate(d, 0);
	status_put(d, 15);
	for (unsigned queue = 0; queue < 1000; queue += 37)
		kick(d, queue);
	expect("started without a queue", status_get(d), 15);
	expect_works(d);
}

/* ---- configuration ---- */

static void
write_configuration(struct driver *disk, struct driver *balloon)
{
	uint64_t capacity = get(disk->config, 8);

	topic("configuration");
	put(disk->config, 8, UINT64_MAX);
	put(disk->config, 4, 0);
	expect("a disk's size is read-only", get(disk->config, 8), capacity);
	expect("behind its end", get(disk->config + 0x800, 4), 0);
	put(disk->config + 0x800, 4, 1);
	put(balloon->config, 4, 0x1000);
	expect("what a balloon shall hold is read-only", get(balloon->config, 4), 0);
	put(balloon->config + 4, 4, UINT32_MAX);
	put(balloon->config + 4, 2, 1);
	put(balloon->config + 5, 1, 1);
	expect("what it holds is the driver's", get(balloon->config + 4, 4), UINT32_MAX);
	put(balloon->config + 4, 4, 0);
	expect_works(disk);
}

void
run_driver(void)
{
	struct driver rng, disk, balloon;

	topic("devices");
	expect("are there",
		driver_find(&rng, VIRTIO_ID_RNG, 0) && driver_find(&disk, VIRTIO_ID_BLOCK, 0) &&
			driver_find(&balloon, VIRTIO_ID_BALLOON, 0),
		1);
	break_status(&rng);
	break_features(&rng);
	break_queues(&rng);
	break_order(&rng);
	break_order(&disk);
	write_configuration(&disk, &balloon);
}
