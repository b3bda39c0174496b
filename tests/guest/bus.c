/* SPDX-License-Identifier: BSD-3-Clause */
/* A guest that reads and writes ports, configuration space, windows and tables where it should not. */
#include <linux/virtio_pci.h>
#include <string.h>

#include "launcher/legacy.h"
#include "launcher/msix.h"
#include "launcher/virtio_window.h"
#include "tests/guest/virtio.h"

#define NO_SLOT   29
#define ELSEWHERE (LAYOUT_PCI_WINDOW + 0x1000000)
#define HIGHEST   (LAYOUT_PCI_WINDOW + LAYOUT_PCI_SIZE - WINDOW_SIZE)

static void
use_ports(void)
{
	static const uint16_t spared[] = {PORT_POWER, PORT_POWER + 1, PORT_POWER + 2,
		PORT_POWER + 3, PORT_I8042 + 4, PORT_PCI + 1};
	unsigned silent = 0;

	topic("ports");
	for (unsigned port = 0x5000; port < 0x5010; port++)
		for (unsigned length = 1; length <= 4; length *= 2)
			silent += port_get((uint16_t)port, length) == ones(length);
	expect("nobody's read as ones", silent, 16 * 3);
	/* Every port that somebody has, in every length, but for those that end the machine. */
	for (unsigned port = 0; port < 0x1000; port++) {
		bool spare = port >= PORT_COM1 && port < PORT_COM1 + 8;

		for (unsigned i = 0; i < sizeof(spared) / sizeof(spared[0]); i++)
			spare |= port == spared[i] || port + 1 == spared[i] ||
				 (port + 3 >= spared[i] && port <= spared[i]);
		for (unsigned length = 1; length <= 4; length *= 2) {
			port_get((uint16_t)port, length);
			if (!spare && port > 0xff)
				port_put((uint16_t)port, length, 0xffffff00);
		}
	}
	port_put(PORT_COM1 + 7, 1, 0x21);
	port_put(PORT_COM1 + 7, 2, 0xffff);
	expect("a register is one byte", port_get(PORT_COM1 + 7, 1), 0x21);
	expect("two at once are none", port_get(PORT_COM1 + 6, 2), 0xffff);
}

static void
use_configuration(struct driver *rng)
{
	unsigned slot = rng->slot, odd = 0, changed = 0;
	uint8_t before[PCI_CONFIG_SIZE];

	topic("configuration space");
	expect("no such device", config_get(NO_SLOT, 0, 4), UINT32_MAX);
	expect("no such function", get(pci_place(slot, 0) + 0x1000, 4), UINT32_MAX);
	expect("no such bus", config_get_by_ports(CONFIG_ADDRESS(1, slot, 0), 0, 4), UINT32_MAX);
	expect("not enabled", config_get_by_ports(slot << 11, 0, 4), UINT32_MAX);
	expect("behind 256 bytes", get(pci_place(slot, 0x100), 4), 0);
	expect("eight bytes", get(pci_place(slot, 0), 8), UINT64_MAX);
	for (unsigned at = 0; at < 16; at++)
		for (unsigned length = 2; length <= 4; length *= 2)
			odd += at % length && config_get(slot, at, length) != ones(length);
	expect("across a boundary", odd, 0);
	for (unsigned at = 0; at < PCI_CONFIG_SIZE; at++)
		before[at] = (uint8_t)config_get(slot, at, 1);
	for (unsigned at = 0; at < PCI_CONFIG_SIZE; at += 4)
		for (unsigned n = 0; n < 2; n++) {
			config_put(slot, at, 4, n ? 0 : UINT32_MAX);
			put(pci_place(slot, at), 8, n ? 0 : UINT64_MAX);
			config_put(NO_SLOT, at, 4, UINT32_MAX);
		}
	for (unsigned at = 0; at < PCI_CONFIG_SIZE; at++)
		config_put(slot, at, 1, before[at]);
	for (unsigned at = 0; at < PCI_CONFIG_SIZE; at++)
		changed += config_get(slot, at, 1) != before[at];
	expect("as before when all was written back", changed, 0);
	config_put(slot, PCI_VENDOR, 4, 0);
	config_put(slot, PCI_CLASS, 1, 7);
	config_put(slot, PCI_CAPABILITIES, 1, 0);
	config_put(slot, before[PCI_CAPABILITIES], 4, 0);
	for (unsigned at = 0; at < PCI_CONFIG_SIZE; at++)
		changed += config_get(slot, at, 1) != before[at];
	expect("read-only", changed, 0);
}

/* ---- windows ---- */

static void
move(struct driver *d, uint64_t to)
{
	config_put(d->slot, PCI_BAR0, 4, to);
}

static void
shift(struct driver *d, uint64_t by)
{
	uint64_t *const places[] = {
		&d->common, &d->notify, &d->isr, &d->config, &d->table, &d->pending};

	for (unsigned i = 0; i < 6; i++)
		*places[i] += by;
}

static void
move_window(struct driver *rng, struct driver *balloon)
{
	uint64_t home = config_get(rng->slot, PCI_BAR0, 4) & ~15u, at = rng->common;
	static const uint64_t bad[] = {
		0, 0x300000, LAYOUT_ECAM, LAYOUT_LAPIC, LAYOUT_IOAPIC, HIGHEST + WINDOW_SIZE};
	unsigned decoded = 0;

	topic("window");
	move(rng, UINT32_MAX);
	expect("size", config_get(rng->slot, PCI_BAR0, 4), (uint32_t)-WINDOW_SIZE);
	expect("gone meanwhile", get(at + VIRTIO_PCI_COMMON_NUMQ, 2), 0xffff);
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		move(rng, bad[i]);
		put(0x300000 + VIRTIO_PCI_COMMON_NUMQ, 2, 77);
		decoded += get(0x300000 + VIRTIO_PCI_COMMON_NUMQ, 2) != 77;
		decoded += get(at + VIRTIO_PCI_COMMON_NUMQ, 2) != 0xffff;
	}
	expect("not over memory, tables or controllers", decoded, 0);
	expect("which are still there", config_get(0, PCI_VENDOR, 4) != UINT32_MAX, 1);
	move(rng, HIGHEST);
	expect("at the highest place", get(HIGHEST + VIRTIO_PCI_COMMON_NUMQ, 2), 1);
	/* On another's: either may answer, and both are there again afterwards. */
	move(rng, config_get(balloon->slot, PCI_BAR0, 4) & ~15u);
	kick(balloon, 0);
	put(balloon->common + VIRTIO_PCI_COMMON_Q_SELECT, 2, 0);
	move(rng, home);
	expect("at home", get(at + VIRTIO_PCI_COMMON_NUMQ, 2), 1);
	config_put(rng->slot, PCI_COMMAND, 2, 0);
	expect("switched off", get(at + VIRTIO_PCI_COMMON_NUMQ, 2), 0xffff);
	config_put(rng->slot, PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
	expect("switched on", get(at + VIRTIO_PCI_COMMON_NUMQ, 2), 1);
	expect_works(rng);
	topic("window of the other");
	expect_works(balloon);
}

static void
move_under_requests(struct driver *rng)
{
	uint64_t home = config_get(rng->slot, PCI_BAR0, 4) & ~15u;
	unsigned lost = 0;

	topic("window that moves under requests");
	start_device(rng, 0);
	part(0, buffer, 4096, VIRTQ_DESC_F_WRITE, 0);
	for (unsigned n = 0; n < 8; n++) {
		offer(rng, 0);
		move(rng, n % 2 ? home : ELSEWHERE);
		shift(rng, n % 2 ? home - ELSEWHERE : ELSEWHERE - home);
		offer(rng, 0);
		lost += !came_back(rng);
		lost += !came_back(rng);
	}
	expect("none is lost", lost, 0);
	expect("as many came back", used()->idx, 16);
	status_put(rng, 0);
}

/* Every place of the window in every length; what a device is asked to do meanwhile is its guess. */
static void
use_every_register(struct driver *d, const char *name)
{
	static const uint64_t values[] = {0, 1, UINT64_MAX, 0x5555555555555555};
	uint64_t base = config_get(d->slot, PCI_BAR0, 4) & ~15u;

	topic(name);
	for (unsigned part_at = 0; part_at < WINDOW_SIZE; part_at += PART_SIZE)
		for (unsigned at = 0; at < (part_at ? 24 : 72); at++)
			for (unsigned length = 1; length <= 8; length *= 2) {
				get(base + part_at + at, length);
				put(base + part_at + at, length, values[(at + length) % 4]);
				get(base + part_at + PART_SIZE - 8 + at % 8, length);
			}
	expect("nothing crossed the end", get(base + WINDOW_SIZE - 4, 8) == 1, 0);
	expect_works(d);
}

/* ---- interrupts ---- */

static void
use_vectors(struct driver *rng)
{
	unsigned at = (unsigned)config_get(rng->slot, PCI_CAPABILITIES, 1);
	uint64_t behind = rng->table + 2 * MSIX_ENTRY_SIZE; /* a queue and the configuration */

	topic("interrupts");
	start_device(rng, 0);
	common_put(rng, VIRTIO_PCI_COMMON_Q_SELECT, 2, 0);
	common_put(rng, VIRTIO_PCI_COMMON_Q_MSIX, 2, 2);
	expect("a vector that is not there", common_get(rng, VIRTIO_PCI_COMMON_Q_MSIX, 2), 0xffff);
	common_put(rng, VIRTIO_PCI_COMMON_MSIX, 2, 0x7ff);
	expect("one for the configuration", common_get(rng, VIRTIO_PCI_COMMON_MSIX, 2), 0xffff);
	put(behind, 4, 0x1234);
	expect("an entry behind the table", get(behind, 4), UINT32_MAX);
	put(rng->pending, 8, UINT64_MAX);
	expect("pending bits cannot be written", get(rng->pending, 8), 0);
	/* A message to nowhere. */
	for (unsigned i = 0; i < 4; i++)
		put(rng->table + 4 * i, 4, i == 3 ? 0 : UINT32_MAX);
	config_put(rng->slot, at + 2, 2, 0x8000);
	common_put(rng, VIRTIO_PCI_COMMON_Q_MSIX, 2, 0);
	part(0, buffer, 64, VIRTQ_DESC_F_WRITE, 0);
	offer(rng, 0);
	expect("with a message to nowhere", came_back(rng), 1);
	for (unsigned n = 0; n < 64; n++) {
		put(rng->table + 4 * (n % 4), 4, n * 0x01010101u);
		config_put(rng->slot, at + 2, 2, n % 3 << 14);
		common_put(rng, VIRTIO_PCI_COMMON_Q_MSIX, 2, n % 3);
		offer(rng, 0);
	}
	config_put(rng->slot, at + 2, 2, 0);
	expect_works(rng);
}

void
run_bus(void)
{
	struct driver rng, balloon, disk;

	topic("devices");
	expect("are there",
		driver_find(&rng, VIRTIO_ID_RNG, 0) &&
			driver_find(&balloon, VIRTIO_ID_BALLOON, 0) &&
			driver_find(&disk, VIRTIO_ID_BLOCK, 0),
		1);
	use_ports();
	use_configuration(&rng);
	move_window(&rng, &balloon);
	move_under_requests(&rng);
	use_every_register(&rng, "every register of rng");
	use_every_register(&balloon, "every register of balloon");
	use_every_register(&disk, "every register of disk");
	use_vectors(&rng);
}
