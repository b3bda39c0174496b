/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A guest that reads and writes PCI configuration, ports, device windows and its own memory in any
 * order, with a rng, a balloon and a console behind them.  KVM is not there: what it would be told
 * fails.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "launcher/balloon.h"
#include "launcher/console.h"
#include "launcher/layout.h"
#include "launcher/rng.h"
#include "lib/log.h"

#define MEMORY (1u << 20)
#define STEPS  512

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct {
	struct ram ram;
	struct bus bus;
	struct wish wish;
	struct pci pci;
	struct kvm kvm;
	struct rng rng;
	struct balloon balloon;
	struct console console;
} t;

struct step {
	uint8_t kind, device, length;
	uint16_t offset;
	uint32_t value;
} __attribute__((packed));

static void
wants_input(void *arg, bool wants)
{
}

static void
begin(void)
{
	const struct ram_options options = {.size = MEMORY};
	const struct virtio_place place = {
		.pci = &t.pci, .bus = &t.bus, .kvm = &t.kvm, .ram = &t.ram};

	log_start("fuzz", LOG_LEVEL_ERROR);
	t.kvm = (struct kvm){.device = -1, .vm = -1};
	bus_init(&t.bus);
	if (ram_create(&t.ram, &options, NULL) || wish_open(&t.wish))
		abort();
	pci_init(&t.pci, &t.bus, &t.wish);
	t.console = (struct console){.in = -1, .out = -1, .wants_input = wants_input};
	if (rng_init(&t.rng, &place, NULL) || balloon_init(&t.balloon, &place, &t.ram, NULL) ||
		console_init(&t.console, &place, NULL))
		abort();
}

static void
perform(const struct step *s)
{
	static void (*const serve[])(void *) = {rng_serve, balloon_serve, console_serve};
	static void *const devices[] = {&t.rng, &t.balloon, &t.console};
	const struct pci_device *const pci[] = {
		&t.rng.device.pci, &t.balloon.device.pci, &t.console.device.pci};
	unsigned device = s->device % 3, length = 1u << (s->length & 3);
	uint64_t window = pci[device]->base + (s->offset & 0x7fff);
	uint64_t config = LAYOUT_ECAM + ((uint64_t)(device + 1) << 15) + (s->offset & 0x1ff);

	switch (s->kind % 8) {
	case 0:
		bus_read(&t.bus, true, window, length);
		break;
	case 1:
	case 2:
		bus_write(&t.bus, true, window, length, s->value);
		break;
	case 3:
		bus_write(&t.bus, true, config, length, s->value);
		bus_read(&t.bus, true, config, length);
		break;
	case 4:
		bus_write(&t.bus, false, PORT_PCI + (s->offset & 7), length, s->value);
		bus_read(&t.bus, false, PORT_PCI + (s->offset & 7), length);
		break;
	case 5:
	case 6:
		memcpy(t.ram.host + s->offset, &s->value, sizeof(s->value));
		break;
	case 7:
		serve[device](devices[device]);
		break;
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (!t.ram.host)
		begin();
	pci_reset(&t.pci);
	for (unsigned i = 0; i < STEPS && size >= sizeof(struct step); i++) {
		struct step step;

		memcpy(&step, data, sizeof(step));
		perform(&step);
		data += sizeof(step);
		size -= sizeof(step);
	}
	virtio_device_quiesce(&t.rng.device);
	virtio_device_quiesce(&t.balloon.device);
	virtio_device_quiesce(&t.console.device);
	wish_take(&t.wish);
	return 0;
}
