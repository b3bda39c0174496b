/* SPDX-License-Identifier: BSD-3-Clause */
/* What a driver that keeps the rules finds; and the ways in which a guest ends. */
#include <linux/virtio_blk.h>
#include <linux/virtio_pci.h>
#include <string.h>

#include "launcher/legacy.h"
#include "launcher/msix.h"
#include "launcher/virtio_device.h"
#include "tests/guest/virtio.h"

#define SCRATCH   (PORT_COM1 + 7)
#define CMOS_D    13
#define CMOS_OURS 64 /* memory that stays over a restart */

#define APIC_SPURIOUS 0xf0
#define APIC_ENABLE   0x1ff
#define APIC_REQUESTS 0x200 /* 8 registers, 16 bytes apart */
#define VECTOR        0x41
#define MESSAGE       0xfee00000

static uint8_t
cmos_get(uint8_t index)
{
	port_put(PORT_CMOS, 1, index);
	return (uint8_t)port_get(PORT_CMOS + 1, 1);
}

static void
cmos_put(uint8_t index, uint8_t value)
{
	port_put(PORT_CMOS, 1, index);
	port_put(PORT_CMOS + 1, 1, value);
}

static void
look_at_ports(void)
{
	topic("ports");
	port_put(SCRATCH, 1, 0x5a);
	expect("scratch register of the serial port", port_get(SCRATCH, 1), 0x5a);
	expect("the clock is valid", cmos_get(CMOS_D), 0x80);
	cmos_put(CMOS_OURS + 1, 0xa5);
	expect("memory of the clock", cmos_get(CMOS_OURS + 1), 0xa5);
	expect("a port that nobody has", port_get(0x5550, 4), UINT32_MAX);
}

static void
look_at_slots(void)
{
	unsigned different = 0, present = 0;

	topic("pci");
	for (unsigned slot = 0; slot < PCI_SLOTS; slot++) {
		uint32_t id = (uint32_t)config_get(slot, PCI_VENDOR, 4);

		present += id != UINT32_MAX;
		different += id != config_get_by_ports(CONFIG_ADDRESS(0, slot, 0), 0, 4);
		different += id >> 16 != config_get_by_ports(CONFIG_ADDRESS(0, slot, 0), 2, 2);
	}
	expect("bridge, disk, rng, balloon and console", present, 5);
	expect("ports and memory agree", different, 0);
	expect("the bridge's class", config_get(0, 0x0a, 2), 0x0600);
}

/* ---- rng, and interrupts ---- */

static void
ask_rng(struct driver *rng)
{
	uint64_t sum = 0;

	topic("rng");
	memset(buffer, 0, 256);
	start_device(rng, 0);
	expect("status", status_get(rng), 15);
	expect("notify offset", common_get(rng, VIRTIO_PCI_COMMON_Q_NOFF, 2), 0);
	part(0, buffer, 64, VIRTQ_DESC_F_WRITE | VIRTQ_DESC_F_NEXT, 5);
	part(5, buffer + 64, 63, VIRTQ_DESC_F_WRITE, 0);
	offer(rng, 0);
	expect("a request comes back", came_back(rng), 1);
	expect("its bytes", used()->ring[0].len, 127);
	for (unsigned i = 0; i < 127; i++)
		sum += buffer[i];
	expect("they are random", sum > 1000, 1);
	expect("and no more than they", buffer[127], 0);
	for (unsigned n = 0; n < 3 * RING_SIZE; n++) {
		offer(rng, 0);
		if (!came_back(rng))
			break;
	}
	expect("round the ring", used()->idx, 3 * RING_SIZE + 1);
	status_put(rng, 0);
}

static bool
is_pending(void *arg)
{
	return get(((struct driver *)arg)->pending, 4) & 1;
}

static bool
is_requested(void *arg)
{
	return get(LAYOUT_LAPIC + APIC_REQUESTS + VECTOR / 32 * 16, 4) & 1u << VECTOR % 32;
}

static void
put_entry(struct driver *d, unsigned vector, uint64_t address, uint32_t data, uint32_t control)
{
	const uint32_t words[] = {(uint32_t)address, (uint32_t)(address >> 32), data, control};

	for (unsigned i = 0; i < 4; i++)
		put(d->table + vector * MSIX_ENTRY_SIZE + i * 4, 4, words[i]);
}

static unsigned
msix_control(struct driver *d)
{
	return d->slot << 8 | (unsigned)config_get(d->slot, PCI_CAPABILITIES, 1);
}

static void
take_interrupt(struct driver *rng)
{
	unsigned at = msix_control(rng) & 0xff;

	topic("msix");
	expect("the first capability", config_get(rng->slot, at, 1), 0x11);
	start_device(rng, 0);
	put(LAYOUT_LAPIC + APIC_SPURIOUS, 4, APIC_ENABLE);
	put_entry(rng, 0, MESSAGE, VECTOR, 1);
	config_put(rng->slot, at + 2, 2, 0x8000);
	expect("enabled", config_get(rng->slot, at + 2, 2), 0x8001);
	common_put(rng, VIRTIO_PCI_COMMON_Q_SELECT, 2, 0);
	common_put(rng, VIRTIO_PCI_COMMON_Q_MSIX, 2, 0);
	expect("the queue has its vector", common_get(rng, VIRTIO_PCI_COMMON_Q_MSIX, 2), 0);
	part(0, buffer, 64, VIRTQ_DESC_F_WRITE, 0);
	offer(rng, 0);
	expect("a request comes back", came_back(rng), 1);
	expect("masked: pending", await(is_pending, rng), 1);
	expect("masked: not delivered", is_requested(NULL), 0);
	put_entry(rng, 0, MESSAGE, VECTOR, 0);
	expect("unmasked: delivered", await(is_requested, NULL), 1);
	expect("and not pending", is_pending(rng), 0);
	config_put(rng->slot, at + 2, 2, 0);
	status_put(rng, 0);
}

/* ---- disk ---- */

/* The status; the data is at buffer + 1024. */
static unsigned
ask_disk(struct driver *disk, unsigned type, uint64_t sector, uint32_t length)
{
	bool in = type == VIRTIO_BLK_T_IN || type == VIRTIO_BLK_T_GET_ID;

	*(struct virtio_blk_outhdr *)(void *)buffer =
		(struct virtio_blk_outhdr){.type = type, .sector = sector};
	buffer[512] = 0xee;
	part(0, buffer, sizeof(struct virtio_blk_outhdr), VIRTQ_DESC_F_NEXT, length ? 1 : 2);
	part(1, buffer + 1024, length, VIRTQ_DESC_F_NEXT | (in ? VIRTQ_DESC_F_WRITE : 0), 2);
	part(2, buffer + 512, 1, VIRTQ_DESC_F_WRITE, 0);
	offer(disk, 0);
	return came_back(disk) ? buffer[512] : 0xdead;
}

static unsigned
ask_range(struct driver *disk, unsigned type, uint64_t sector, uint32_t sectors, uint32_t flags)
{
	*(struct virtio_blk_discard_write_zeroes *)(void *)(buffer + 1024) =
		(struct virtio_blk_discard_write_zeroes){sector, sectors, flags};
	return ask_disk(disk, type, 0, sizeof(struct virtio_blk_discard_write_zeroes));
}

static void
read_and_write(struct driver *disk)
{
	expect("read", ask_disk(disk, VIRTIO_BLK_T_IN, 3, 1024), VIRTIO_BLK_S_OK);
	expect("bytes that it says it wrote", used()->ring[(disk->seen - 1) % RING_SIZE].len, 1025);
	expect("what the host has put there", *(uint32_t *)(void *)(buffer + 1024), 3);
	expect("the sector after it", *(uint32_t *)(void *)(buffer + 1536), 4);
	memset(buffer + 1024, 0x77, 512);
	expect("write", ask_disk(disk, VIRTIO_BLK_T_OUT, 5, 512), VIRTIO_BLK_S_OK);
	expect("flush", ask_disk(disk, VIRTIO_BLK_T_FLUSH, 0, 0), VIRTIO_BLK_S_OK);
	memset(buffer + 1024, 0, 512);
	expect("read again", ask_disk(disk, VIRTIO_BLK_T_IN, 5, 512), VIRTIO_BLK_S_OK);
	expect("what was written", *(uint32_t *)(void *)(buffer + 1024), 0x77777777);
	expect("write zeroes", ask_range(disk, VIRTIO_BLK_T_WRITE_ZEROES, 5, 1, 0),
		VIRTIO_BLK_S_OK);
	expect("read them", ask_disk(disk, VIRTIO_BLK_T_IN, 5, 512), VIRTIO_BLK_S_OK);
	expect("zeros", *(uint32_t *)(void *)(buffer + 1024), 0);
	expect("discard", ask_range(disk, VIRTIO_BLK_T_DISCARD, 8, 8, 0), VIRTIO_BLK_S_OK);
	expect("name", ask_disk(disk, VIRTIO_BLK_T_GET_ID, 0, 20), VIRTIO_BLK_S_OK);
	expect("the last sector", ask_disk(disk, VIRTIO_BLK_T_IN, get(disk->config, 8) - 1, 512),
		VIRTIO_BLK_S_OK);
}

static void
read_indirectly(struct driver *disk)
{
	struct virtq_desc *table = (struct virtq_desc *)(void *)(buffer + 8192);

	*(struct virtio_blk_outhdr *)(void *)buffer =
		(struct virtio_blk_outhdr){.type = VIRTIO_BLK_T_IN, .sector = 7};
	table[0] = (struct virtq_desc){
		(uint64_t)buffer, sizeof(struct virtio_blk_outhdr), VIRTQ_DESC_F_NEXT, 2};
	table[2] = (struct virtq_desc){
		(uint64_t)buffer + 1024, 512, VIRTQ_DESC_F_WRITE | VIRTQ_DESC_F_NEXT, 1};
	table[1] = (struct virtq_desc){(uint64_t)buffer + 512, 1, VIRTQ_DESC_F_WRITE, 0};
	part(0, table, 3 * sizeof(*table), VIRTQ_DESC_F_INDIRECT, 0);
	offer(disk, 0);
	expect("indirect descriptors", came_back(disk), 1);
	expect("what they read", *(uint32_t *)(void *)(buffer + 1024), 7);
}

static void
ask_second_queue(struct driver *disk)
{
	/* The same ring, as the other queue of the same device. */
	negotiate(disk, VIRTIO_BIT(VIRTIO_BLK_F_MQ));
	disk->next = disk->seen = 0;
	memset(ring.driver, 0, 256);
	memset(ring.device, 0, 1024);
	disk->queue = 1;
	describe(disk, 1, RING_SIZE, (uint64_t)ring.desc, (uint64_t)ring.driver,
		(uint64_t)ring.device);
	status_put(disk, 15);
	part(0, buffer, sizeof(struct virtio_blk_outhdr), VIRTQ_DESC_F_NEXT, 1);
	part(1, buffer + 1024, 513, VIRTQ_DESC_F_WRITE, 0);
	offer(disk, 0);
	expect("the second processor's queue", came_back(disk), 1);
	disk->queue = 0;
	status_put(disk, 0);
}

void
run_honest(void)
{
	struct driver rng, disk, balloon;
	bool found;

	look_at_ports();
	look_at_slots();
	topic("devices");
	found = driver_find(&rng, VIRTIO_ID_RNG, 0) && driver_find(&disk, VIRTIO_ID_BLOCK, 0) &&
		driver_find(&balloon, VIRTIO_ID_BALLOON, 0);
	expect("capabilities of rng, disk and balloon", found, 1);
	if (!found)
		return;
	ask_rng(&rng);
	take_interrupt(&rng);
	topic("disk");
	expect("a queue for each processor", common_get(&disk, VIRTIO_PCI_COMMON_NUMQ, 2), 2);
	start_device(&disk,
		VIRTIO_BIT(VIRTIO_RING_F_INDIRECT_DESC) | VIRTIO_BIT(VIRTIO_BLK_F_FLUSH) |
			VIRTIO_BIT(VIRTIO_BLK_F_DISCARD) | VIRTIO_BIT(VIRTIO_BLK_F_WRITE_ZEROES));
	read_and_write(&disk);
	read_indirectly(&disk);
	ask_second_queue(&disk);
	topic("disk");
	expect_works(&disk);
	topic("balloon");
	start_device(&balloon, 0);
	*(uint32_t *)(void *)buffer = 0x1800; /* a page at 24 MiB */
	put(0x1800000, 4, 0x12345678);
	part(0, buffer, 4, 0, 0);
	offer(&balloon, 0);
	expect("a page is taken", came_back(&balloon), 1);
	expect("and reads as zero", get(0x1800000, 4), 0);
	status_put(&balloon, 0);
}

/* ---- ends ---- */

/* Starts again in each of the ways, then switches off. */
void
run_reboot(void)
{
	uint8_t turn = cmos_get(CMOS_OURS);

	topic("start");
	expect("number", turn < 3 ? turn : 3, turn);
	expect("memory is empty", get(0x1800000, 8), 0);
	put(0x1800000, 8, UINT64_MAX);
	cmos_put(CMOS_OURS, turn + 1);
	if (turn == 0)
		port_put(PORT_POWER + POWER_RESET, 1, POWER_RESET_VALUE);
	else if (turn == 1)
		port_put(PORT_PCI + 1, 1, 6);
	else if (turn == 2)
		port_put(PORT_I8042 + 4, 1, 0xfe);
	else
		return;
	stand_still();
}

/* A fault that nobody handles, and a fault about that. */
void
run_crash(void)
{
	const struct {
		uint16_t limit;
		uint64_t base;
	} __attribute__((packed)) none = {0, 0};

	__asm__ volatile("lidt %0; ud2" : : "m"(none));
}

/* Goes on where there is no memory. */
void
run_lost(void)
{
	((void (*)(void))(uintptr_t)LAYOUT_PCI_WINDOW)();
}
