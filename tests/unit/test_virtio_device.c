/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A driver that keeps the order of virtio, and one that does not: PCI configuration, the status
 * register, queues, chains.  No guest runs: what KVM would be told is refused by nobody.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "launcher/layout.h"
#include "launcher/rng.h"
#include "launcher/virtio_window.h"
#include "lib/log.h"
#include "vhost/virtio.h"

#define MEMORY (16u << 20)
#define DESC   0x100000u
#define AVAIL  0x101000u
#define USED   0x102000u
#define BUFFER 0x103000u
#define SIZE   8

static struct {
	struct ram ram;
	struct bus bus;
	struct wish wish;
	struct pci pci;
	struct kvm kvm;
	struct rng rng;
	uint64_t window;
} t;

static int
set_up(void **state)
{
	const struct ram_options options = {.size = MEMORY};
	struct virtio_place place = {.pci = &t.pci, .bus = &t.bus, .kvm = &t.kvm, .ram = &t.ram};

	log_start("test", LOG_LEVEL_ERROR);
	t.kvm = (struct kvm){.device = -1, .vm = -1};
	bus_init(&t.bus);
	if (ram_create(&t.ram, &options, NULL) || wish_open(&t.wish))
		return -1;
	pci_init(&t.pci, &t.bus, &t.wish);
	if (rng_init(&t.rng, &place, NULL))
		return -1;
	pci_reset(&t.pci);
	t.window = t.rng.device.pci.base;
	return 0;
}

static int
tear_down(void **state)
{
	virtio_device_free(&t.rng.device);
	ram_destroy(&t.ram);
	close(t.wish.fd);
	return 0;
}

static uint64_t
get(uint64_t at, unsigned length)
{
	return bus_read(&t.bus, true, t.window + at, length);
}

static void
set(uint64_t at, unsigned length, uint64_t value)
{
	bus_write(&t.bus, true, t.window + at, length, value);
}

static uint64_t
config(unsigned at, unsigned length)
{
	return bus_read(&t.bus, true, LAYOUT_ECAM + (1 << 15) + at, length);
}

static void
set_config(unsigned at, unsigned length, uint64_t value)
{
	bus_write(&t.bus, true, LAYOUT_ECAM + (1 << 15) + at, length, value);
}

static void
negotiate(void)
{
	set(20, 1, 1);
	set(20, 1, 3);
	set(8, 4, 1);
	set(12, 4, 1); /* VERSION_1 */
	set(20, 1, 11);
	assert_int_equal(get(20, 1), 11);
}

static void
describe_queue(unsigned size, uint64_t desc)
{
	set(22, 2, 0);
	set(24, 2, size);
	set(32, 4, desc);
	set(36, 4, desc >> 32);
	set(40, 8, AVAIL);
	set(48, 8, USED);
	set(28, 2, 1);
}

static void
test_configuration_space(void **state)
{
	assert_int_equal(config(0, 4), 0x10441af4);
	assert_int_equal(config(0, 2), 0x1af4);
	assert_int_equal((uint32_t)config(1, 2), UINT32_MAX); /* not aligned */
	assert_int_equal(
		bus_read(&t.bus, true, LAYOUT_ECAM + (9 << 15), 4) & UINT32_MAX, UINT32_MAX);
	set_config(0, 4, 0);
	assert_int_equal(config(0, 4), 0x10441af4);
	/* How large is the window? */
	set_config(PCI_BAR0, 4, UINT32_MAX);
	assert_int_equal((uint32_t)config(PCI_BAR0, 4), ~(uint32_t)(WINDOW_SIZE - 1));
	assert_int_equal((uint32_t)get(20, 4), UINT32_MAX);
	set_config(PCI_BAR0, 4, t.window + WINDOW_SIZE);
	t.window += WINDOW_SIZE;
	assert_int_equal(get(18, 2), 1);
	/* By ports. */
	bus_write(&t.bus, false, PORT_PCI, 4, 0x80000800);
	assert_int_equal(bus_read(&t.bus, false, PORT_PCI_DATA + 2, 2), 0x1044);
	bus_write(&t.bus, false, PORT_PCI, 4, 0x80010800);
	assert_int_equal((uint32_t)bus_read(&t.bus, false, PORT_PCI_DATA, 4), UINT32_MAX);
	bus_write(&t.bus, false, PORT_PCI + 1, 1, 6);
	assert_int_equal(wish_take(&t.wish), WISH_RESET);
	/* Memory that nobody decodes: outside the window that PCI has. */
	set_config(PCI_BAR0, 4, 0x10000000);
	assert_int_equal(t.rng.device.pci.base, 0);
}

static void
test_status_keeps_the_order(void **state)
{
	set(20, 1, 4);
	assert_int_equal(get(20, 1), 0); /* DRIVER_OK before all else */
	set(20, 1, 8);
	assert_int_equal(get(20, 1), 0);
	set(20, 1, 3);
	set(20, 1, 11);
	assert_int_equal(get(20, 1), 3); /* without VERSION_1 */
	set(8, 4, 0);
	set(12, 4, 1 << 5);
	set(8, 4, 1);
	set(12, 4, 1);
	set(20, 1, 11);
	assert_int_equal(get(20, 1), 3); /* a feature that was not offered */
	set(20, 1, 0);
	negotiate();
	set(12, 4, 0);
	assert_true(virtio_device_has(&t.rng.device, VIRTIO_F_VERSION_1)); /* fixed */
	set(20, 1, 1);
	assert_int_equal(get(20, 1), 11); /* bits do not go one by one */
	set(20, 1, 15);
	assert_int_equal(get(20, 1), 15);
	set(20, 1, 0);
	assert_int_equal(get(20, 1), 0);
}

static void
test_queue_is_fixed_once_enabled(void **state)
{
	describe_queue(SIZE, DESC);
	assert_int_equal(get(28, 2), 0); /* before FEATURES_OK */
	negotiate();
	describe_queue(SIZE, DESC);
	assert_int_equal(get(28, 2), 1);
	set(24, 2, 64);
	set(32, 8, 0);
	assert_int_equal(get(24, 2), SIZE);
	assert_int_equal(get(32, 4), DESC);
	set(20, 1, 15);
	set(24, 2, 64);
	assert_int_equal(get(24, 2), SIZE);
	set(22, 2, 77); /* no such queue */
	set(24, 2, 4);
	set(28, 2, 1);
	assert_int_equal(get(24, 2), 0);
	set(26, 2, 5);
	set(22, 2, 0);
	set(26, 2, 99); /* no such vector */
	assert_int_equal(get(26, 2), MSIX_NO_VECTOR);
	set(26, 2, 1);
	assert_int_equal(get(26, 2), 1);
}

static void
refused(unsigned size, uint64_t desc)
{
	set(20, 1, 0);
	negotiate();
	describe_queue(size, desc);
	assert_int_equal(get(28, 2), 0);
	assert_true(get(20, 1) & VIRTIO_STATUS_NEEDS_RESET);
	set(20, 1, 15);
	assert_false(get(20, 1) & VIRTIO_STATUS_DRIVER_OK);
}

static void
test_impossible_queues(void **state)
{
	refused(0, DESC);
	refused(7, DESC);
	refused(32768, DESC);
	refused(SIZE, DESC + 8);
	refused(SIZE, MEMORY - 16);
	refused(SIZE, UINT64_MAX - 15);
	refused(SIZE, LAYOUT_PCI_WINDOW);
}

static void
test_registers_beyond_the_end(void **state)
{
	for (uint64_t at = 0; at < WINDOW_SIZE; at += 4)
		for (unsigned length = 1; length <= 8; length *= 2) {
			get(at, length);
			set(at + 20 < WINDOW_SIZE ? at : 0, length, UINT64_MAX);
			set(20, 1, 0);
		}
	assert_int_equal((uint32_t)get(TABLE_AT + 12, 4), 1); /* of the control word, one bit */
}

/* ---- chains ---- */

static struct virtq_desc *desc;
static struct virtq_avail *avail;

static void
begin(void)
{
	set(20, 1, 0);
	desc = ram_at(&t.ram, DESC, SIZE * sizeof(*desc));
	avail = ram_at(&t.ram, AVAIL, 4096);
	memset(avail, 0, 64);
	negotiate();
	describe_queue(SIZE, DESC);
	set(20, 1, 15);
	assert_true(t.rng.queue.running);
}

static void
offer(void)
{
	avail->ring[avail->idx % SIZE] = 0;
	avail->idx++;
	rng_serve(&t.rng);
}

static void
test_chain_is_served(void **state)
{
	const struct virtq_used *used = ram_at(&t.ram, USED, 64);
	uint16_t before;

	memset(ram_at(&t.ram, USED, 64), 0, 64);
	begin();
	before = used->idx;
	desc[0] = (struct virtq_desc){BUFFER, 16, VIRTQ_DESC_F_WRITE | VIRTQ_DESC_F_NEXT, 3};
	desc[3] = (struct virtq_desc){BUFFER + 64, 8, VIRTQ_DESC_F_WRITE, 0};
	offer();
	assert_int_equal((uint16_t)(used->idx - before), 1);
	assert_int_equal(used->ring[0].len, 24);
}

static void
breaks(struct virtq_desc first)
{
	begin();
	desc[0] = first;
	offer();
	assert_true(get(20, 1) & VIRTIO_STATUS_NEEDS_RESET);
	assert_false(t.rng.queue.running);
}

static void
test_chains_that_break_the_rules(void **state)
{
	const uint16_t next = VIRTQ_DESC_F_NEXT, in = VIRTQ_DESC_F_WRITE;

	breaks((struct virtq_desc){MEMORY - 8, 16, in, 0});     /* over the end */
	breaks((struct virtq_desc){UINT64_MAX - 8, 16, in, 0}); /* around */
	breaks((struct virtq_desc){LAYOUT_ECAM, 16, in, 0});    /* a device's */
	breaks((struct virtq_desc){BUFFER, 0, in, 0});
	breaks((struct virtq_desc){BUFFER, 16, in | next, 0});    /* a circle */
	breaks((struct virtq_desc){BUFFER, 16, in | next, SIZE}); /* no such descriptor */
	breaks((struct virtq_desc){BUFFER, 24, VIRTQ_DESC_F_INDIRECT, 0});
	breaks((struct virtq_desc){BUFFER, 32, VIRTQ_DESC_F_INDIRECT | next, 1});
	begin();
	avail->idx = SIZE + 1; /* more than there are */
	rng_serve(&t.rng);
	assert_true(get(20, 1) & VIRTIO_STATUS_NEEDS_RESET);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_configuration_space, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_status_keeps_the_order, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			test_queue_is_fixed_once_enabled, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_impossible_queues, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_registers_beyond_the_end, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_chain_is_served, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			test_chains_that_break_the_rules, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
