/* SPDX-License-Identifier: BSD-3-Clause */
/* A network card: frames through the switch, the control queue, and rules of both broken. */
#include <linux/virtio_pci.h>
#include <string.h>

#include "launcher/virtio_device.h"
#include "tests/guest/virtio.h"

#define FRAMES     32
#define FRAME_SIZE 60
#define HEADER     12
#define REFUSED    1
#define NO_ANSWER  0xdead
#define OUT        1 /* queues */

/* A second ring: the card is not started with one queue only. */
static struct ring other __attribute__((aligned(4096)));

static void
start_card(struct driver *card, uint64_t features, unsigned used_queue)
{
	negotiate(card, features);
	memset(&ring, 0, sizeof(ring));
	memset(&other, 0, sizeof(other));
	card->next = card->seen = 0;
	card->queue = used_queue;
	for (unsigned i = 0; i < 2; i++) {
		struct ring *r = i == used_queue ? &ring : &other;

		describe(card, i, RING_SIZE, (uint64_t)r->desc, (uint64_t)r->driver,
			(uint64_t)r->device);
	}
	if (used_queue > 1)
		describe(card, used_queue, RING_SIZE, (uint64_t)ring.desc, (uint64_t)ring.driver,
			(uint64_t)ring.device);
	status_put(card, 15);
}

static void
send_frames(struct driver *card)
{
	static const uint8_t addresses[] = {2, 0, 0, 0, 0, 9, 2, 0, 0, 0, 0, 1, 0x88, 0xb5};
	unsigned back = 0;

	topic("card");
	expect("link", get(card->config + 6, 2) & 1, 1);
	start_card(card, 0, OUT);
	memset(buffer, 0, HEADER + FRAME_SIZE);
	memcpy(buffer + HEADER, addresses, sizeof(addresses));
	part(0, buffer, HEADER + FRAME_SIZE, 0, 0);
	for (unsigned n = 0; n < FRAMES; n++) {
		offer(card, 0);
		back += came_back(card);
	}
	expect("frames that were taken", back, FRAMES);
	status_put(card, 0);
}

/* ---- the control queue ---- */

/* The answer to a command of `length` bytes. */
static unsigned
command(struct driver *card, uint8_t class, uint8_t number, uint16_t value, unsigned length)
{
	const uint8_t bytes[] = {class, number, (uint8_t)value, (uint8_t)(value >> 8)};

	memcpy(buffer, bytes, sizeof(bytes));
	buffer[64] = 0xee;
	part(0, buffer, length, VIRTQ_DESC_F_NEXT, 1);
	part(1, buffer + 64, 1, VIRTQ_DESC_F_WRITE, 0);
	offer(card, 0);
	return came_back(card) ? buffer[64] : NO_ANSWER;
}

static void
control(struct driver *card)
{
	const uint64_t mq = VIRTIO_BIT(VIRTIO_NET_F_CTRL_VQ) | VIRTIO_BIT(VIRTIO_NET_F_MQ);
	unsigned pairs = (unsigned)get(card->config + 8, 2);

	topic("control queue");
	expect("queue pairs", pairs, 2);
	expect("queues", common_get(card, VIRTIO_PCI_COMMON_NUMQ, 2), 5);
	start_card(card, mq, 4);
	expect("a second pair", command(card, 4, 0, 2, 4), 0);
	expect("one again", command(card, 4, 0, 1, 4), 0);
	expect("no pair", command(card, 4, 0, 0, 4), REFUSED);
	expect("three pairs", command(card, 4, 0, 3, 4), REFUSED);
	expect("65535 pairs", command(card, 4, 0, 0xffff, 4), REFUSED);
	expect("half a number", command(card, 4, 0, 1, 3), REFUSED);
	expect("an unknown command of it", command(card, 4, 7, 1, 4), REFUSED);
	expect("an unknown class", command(card, 99, 0, 0, 4), REFUSED);
	expect("receive modes that were not negotiated", command(card, 0, 0, 1, 3), REFUSED);
	expect("a command of one byte", command(card, 4, 0, 0, 1), REFUSED);
	part(0, buffer, 64, VIRTQ_DESC_F_NEXT, 0);
	offer(card, 0);
	expect("a circle", wants_reset(card), 1);
	/* Without MQ it is another queue. */
	start_card(card, VIRTIO_BIT(VIRTIO_NET_F_CTRL_VQ), 2);
	expect("pairs without MQ", command(card, 4, 0, 1, 4), REFUSED);
	start_card(card, 0, 2);
	status_put(card, 0);
}

static void
break_rings(struct driver *card)
{
	uint64_t mac = get(card->config, 4);

	topic("card's configuration");
	put(card->config, 4, 0);
	put(card->config + 6, 2, 0xffff);
	expect("is read-only", get(card->config, 4), mac);
	topic("card");
	start_card(card, 0, OUT);
	for (unsigned n = 0; n < 64; n++) {
		part(n % RING_SIZE, (void *)(uintptr_t)(n * UINT64_C(0x123456789)), n << 26,
			(uint16_t)n, (uint16_t)(n * 7));
		offer(card, (uint16_t)(n * 5));
	}
	avail()->idx = (uint16_t)(avail()->idx + 0x4000);
	kick(card, OUT);
	expect("nonsense on the ring is the switch's to judge", status_get(card) & 0xf, 15);
	status_put(card, 0);
}

void
run_net(void)
{
	struct driver card;

	topic("card");
	if (!driver_find(&card, VIRTIO_ID_NET, 0)) {
		expect("is there", 0, 1);
		return;
	}
	send_frames(&card);
	control(&card);
	break_rings(&card);
	send_frames(&card);
}
