/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Both sides of a virtqueue against each other: what one guest's driver sends must come out of
 * another guest's driver, byte for byte and in order, with every ring format, layout and size, and
 * neither side may sleep through the other's work.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/fault.h"
#include "tests/unit/vring_side.h"

#define PATTERN_SIZE (1u << 20)
#define TEXT_SIZE    160

static uint8_t pattern[PATTERN_SIZE];
static uint8_t received[DRIVER_NET_FRAME_MAX];
static struct burst burst;

static uint64_t random_state = 0x2545f4914f6cdd1dull;

static uint32_t
random_below(uint32_t limit)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (uint32_t)(random_state >> 32) % limit;
}

static int
fill_pattern(void **state)
{
	(void)state;
	for (unsigned i = 0; i < PATTERN_SIZE; i += 4) {
		uint32_t word = random_below(UINT32_MAX);

		memcpy(pattern + i, &word, 4);
	}
	return 0;
}

/* Other bytes in each row: memory is used again, and must not hold the right ones already. */
static uint32_t salt;

/* The content of frame `number`: a stretch of random bytes. */
static const uint8_t *
content(uint32_t number, uint32_t len)
{
	return pattern + ((number + salt) * UINT32_C(2654435761) >> 8) % (PATTERN_SIZE - len);
}

/* ---- the matrix ---- */

struct row {
	uint64_t features;
	uint16_t size, start;
	bool header_apart, indirect;
	unsigned pieces;    /* descriptors of the data, both ways */
	uint32_t rx_buffer; /* 0 = any frame fits one */
	unsigned regions;
};

static void
row_text(const struct row *row, char *text)
{
	snprintf(text, TEXT_SIZE,
		"features 0x%llx size %u start 0x%x header %s indirect %d pieces %u buffer %u",
		(unsigned long long)row->features, row->size, row->start,
		row->header_apart ? "apart" : "along", row->indirect, row->pieces, row->rx_buffer);
}

static void
row_open(struct side *side, const struct row *row)
{
	const struct driver_net_options options = {
		.features = row->features,
		.rx_size = row->size,
		.tx_size = row->size,
		.start_set = true,
		.start = row->start,
		.rx_buffer =
			row->rx_buffer ? row->rx_buffer : DRIVER_NET_FRAME_MAX + VIRTIO_NET_HDR_LEN,
		.rx_pieces = row->pieces,
		.rx_header_apart = row->header_apart,
		.tx_pieces = row->pieces,
		.tx_header_apart = row->header_apart,
		.indirect = row->indirect,
	};
	uint64_t slots = 2 * (uint64_t)row->size * (DRIVER_NET_FRAME_MAX + 4096);

	salt += 7919;
	side_open(side, &options, slots + (UINT64_C(4) << 20), row->regions);
	driver_net_fill(side->net, 0);
}

/* Buffers a frame takes at this receiver. */
static unsigned
buffers_for(const struct row *row, uint32_t len)
{
	uint32_t bytes = len + VIRTIO_NET_HDR_LEN;

	return row->rx_buffer ? (bytes + row->rx_buffer - 1) / row->rx_buffer : 1;
}

/* Sends as many of the frames as the ring takes, forwards, and compares what arrived. */
static uint32_t
exchange(struct side *a, struct side *b, const struct row *row, const uint32_t *lens,
	uint32_t first, uint32_t count, const char *text)
{
	struct virtio_net_hdr header;
	uint32_t sent = 0, buffers = 0, got = 0, forwarded = 0;
	int len;

	while (sent < count) {
		unsigned need = buffers_for(row, lens[first + sent]);

		if (buffers + need >
			row->size / (row->indirect ? 1 : row->pieces + row->header_apart))
			break;
		if (driver_net_send(a->net, 0, NULL, content(first + sent, lens[first + sent]),
			    lens[first + sent]))
			break;
		buffers += need;
		sent++;
	}
	assert_true(sent > 0);
	driver_net_flush(a->net, 0);
	while (forwarded < sent) {
		unsigned n = side_forward(a, b, &burst);

		if (!n)
			fail_msg("%s: %u of %u frames seen", text, forwarded, sent);
		forwarded += n;
	}
	assert_int_equal(driver_net_reclaim(a->net, 0), 0);
	while ((len = driver_net_receive(b->net, 0, &header, received, sizeof(received)))) {
		uint32_t want = lens[first + got];

		if (len < 0)
			fail_msg("%s: frame %u of %u bytes: %s", text, first + got, want,
				driver_net_error(b->net));
		if ((uint32_t)len != want || memcmp(received, content(first + got, want), want))
			fail_msg("%s: frame %u of %u bytes arrived as %d others", text, first + got,
				want, len);
		assert_int_equal(header.flags | header.gso_type, 0);
		assert_int_equal(header.num_buffers, buffers_for(row, want));
		got++;
	}
	driver_net_flush(b->net, 0);
	if (got != sent || side_drops(a) || side_drops(b))
		fail_msg("%s: %u of %u frames arrived", text, got, sent);
	return sent;
}

static const uint32_t edge_sizes[] = {14, 15, 59, 60, 64, 65, 127, 128, 129, 243, 244, 245, 255,
	256, 257, 258, 300, 1023, 1500, 1514, 1518, 2035, 2036, 2037, 2048, 4083, 4084, 4085, 9014,
	16384, 65535, 65549, 65552, 65553};

/* Short frames until each ring has gone round, with the edge sizes among them. */
static void
run_row(const struct row *row)
{
	unsigned edges = sizeof(edge_sizes) / sizeof(edge_sizes[0]);
	uint32_t total = edges + 2u * row->size + 64, next = 0;
	uint32_t *lens = calloc(total, sizeof(*lens));
	char text[TEXT_SIZE];
	struct side a, b;

	assert_non_null(lens);
	row_text(row, text);
	for (uint32_t i = 0; i < total; i++)
		lens[i] = 14 + random_below(1600);
	for (unsigned i = 0; i < edges; i++)
		lens[i * total / edges] = edge_sizes[i];
	row_open(&a, row);
	row_open(&b, row);
	while (next < total)
		next += exchange(&a, &b, row, lens, next, total - next, text);
	assert_int_equal(a.counters.rx_packets, total);
	assert_int_equal(b.counters.tx_packets, total);
	assert_int_equal(a.counters.rx_bytes, b.counters.tx_bytes);
	side_close(&a);
	side_close(&b);
	free(lens);
}

#define F(name) VIRTIO_BIT(VIRTIO_##name)

/* Every combination of the features that change how a ring is used. */
static uint64_t
features_of(unsigned bits)
{
	static const uint64_t each[] = {F(F_RING_PACKED), F(F_IN_ORDER), F(NET_F_MRG_RXBUF),
		F(RING_F_INDIRECT_DESC), F(RING_F_EVENT_IDX)};
	uint64_t features = F(F_VERSION_1);

	for (unsigned i = 0; i < 5; i++)
		if (bits >> i & 1)
			features |= each[i];
	return features;
}

static void
run_layouts(unsigned bits, uint16_t size, uint16_t start)
{
	struct row row = {.features = features_of(bits), .size = size, .start = start};

	row.indirect = row.features & F(RING_F_INDIRECT_DESC);
	for (unsigned layout = 0; layout < 4; layout++) {
		row.header_apart = layout & 1;
		row.pieces = layout & 2 ? 3 : 1;
		run_row(&row);
	}
	/* Merged buffers of 2,048 bytes, where the largest frame fits the ring. */
	if (!(row.features & F(NET_F_MRG_RXBUF)) || size < 64)
		return;
	row.rx_buffer = 2048;
	row.header_apart = true;
	row.pieces = 1;
	run_row(&row);
}

static void
run_sizes(unsigned first_bits, const uint16_t *sizes, unsigned count)
{
	for (unsigned bits = first_bits; bits < 32; bits += 2) {
		bool packed = features_of(bits) & F(F_RING_PACKED);

		for (unsigned i = 0; i < count; i++) {
			run_layouts(bits, sizes[i], DRIVER_RING_START(packed));
			run_layouts(bits, sizes[i], packed ? (uint16_t)(sizes[i] - 3) : 65536 - 5);
		}
	}
}

static void
test_split(void **state)
{
	static const uint16_t sizes[] = {8, 256, 1024};

	(void)state;
	run_sizes(0, sizes, 3);
}

static void
test_packed(void **state)
{
	static const uint16_t sizes[] = {8, 7, 256, 100, 1024};

	(void)state;
	run_sizes(1, sizes, 5);
}

/* A split index and a packed ring that wrap many times with chains of varying length. */
static void
test_many_laps(void **state)
{
	(void)state;
	for (unsigned bits = 0; bits < 4; bits++) {
		struct row row = {.features = features_of(bits | 4), .size = 16, .start = 65000};
		static uint32_t lens[64];
		char text[TEXT_SIZE];
		struct side a, b;

		if (bits & 1)
			row.start = DRIVER_RING_START(true);
		row.pieces = 3;
		row_text(&row, text);
		row_open(&a, &row);
		row_open(&b, &row);
		for (unsigned round = 0; round < 30000; round++) {
			unsigned count = 1 + random_below(5);

			for (unsigned i = 0; i < count; i++)
				lens[i] = 14 + random_below(200);
			for (unsigned i = 0; i < count;)
				i += exchange(&a, &b, &row, lens, i, count - i, text);
		}
		assert_true(a.counters.rx_packets > 65536 || bits & 1);
		side_close(&a);
		side_close(&b);
	}
}

/* Buffers and rings that lie across the ends of adjacent regions. */
static void
test_adjacent_regions(void **state)
{
	(void)state;
	for (unsigned bits = 0; bits < 32; bits++) {
		struct row row = {
			.features = features_of(bits), .size = 16, .pieces = 2, .regions = 500};

		row.indirect = row.features & F(RING_F_INDIRECT_DESC);
		row.start = DRIVER_RING_START(row.features & F(F_RING_PACKED));
		run_row(&row);
	}
}

/* Without VERSION_1 and MRG_RXBUF the header has 10 bytes. */
static void
test_legacy_header(void **state)
{
	struct row row = {.features = F(F_ANY_LAYOUT), .size = 64, .pieces = 1};

	(void)state;
	run_row(&row);
	row.header_apart = true;
	run_row(&row);
	row.features = F(NET_F_MRG_RXBUF);
	row.rx_buffer = 1526;
	row.header_apart = false;
	run_row(&row);
}

/* ---- offload requests ---- */

/* The header of a TSO frame arrives as it was sent, whatever the descriptors are. */
static void
test_offload_header(void **state)
{
	const uint64_t offloads = F(NET_F_CSUM) | F(NET_F_GUEST_CSUM) | F(NET_F_HOST_TSO4) |
				  F(NET_F_GUEST_TSO4) | F(NET_F_HOST_ECN) | F(NET_F_GUEST_ECN);
	const struct virtio_net_hdr want = {.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		.gso_type = VIRTIO_NET_HDR_GSO_TCPV4 | VIRTIO_NET_HDR_GSO_ECN,
		.hdr_len = 54,
		.gso_size = 1448,
		.csum_start = 34,
		.csum_offset = 16};
	static const uint16_t lies[] = {0, 1, 33, 53, 20001, 65535};
	static uint8_t frame[20000];

	(void)state;
	memcpy(frame, content(5, sizeof(frame)), sizeof(frame));
	/* Ethernet, IPv4 with 20 bytes of header, TCP with 20. */
	memcpy(frame + 12, "\x08\x00\x45\x00\x4e\x12", 6);
	memcpy(frame + 20, "\x00\x00\x40\x06", 4);
	frame[46] = 0x50;
	for (unsigned bits = 0; bits < 32; bits++) {
		struct row row = {.features = features_of(bits) | offloads, .size = 64};
		struct virtio_net_hdr header;
		struct side a, b;

		row.indirect = row.features & F(RING_F_INDIRECT_DESC);
		row.header_apart = bits & 1;
		row.pieces = bits & 2 ? 5 : 1;
		row.start = DRIVER_RING_START(row.features & F(F_RING_PACKED));
		row_open(&a, &row);
		row_open(&b, &row);
		assert_int_equal(driver_net_send(a.net, 0, &want, frame, sizeof(frame)), 0);
		driver_net_flush(a.net, 0);
		assert_int_equal(side_forward(&a, &b, &burst), 1);
		assert_int_equal(burst.frames[0].needs, OFFLOAD_CSUM | OFFLOAD_TSO4 | OFFLOAD_ECN);
		assert_int_equal(driver_net_receive(b.net, 0, &header, received, sizeof(received)),
			sizeof(frame));
		assert_memory_equal(received, frame, sizeof(frame));
		assert_int_equal(header.num_buffers, 1);
		header.num_buffers = 0;
		assert_memory_equal(&header, &want, sizeof(want));
		/* The length of the headers is a hint (5.1.6.2); the receiver is told no wrong one. */
		for (unsigned i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
			struct virtio_net_hdr lie = want;

			lie.hdr_len = lies[i];
			assert_int_equal(driver_net_send(a.net, 0, &lie, frame, sizeof(frame)), 0);
			driver_net_flush(a.net, 0);
			assert_int_equal(side_forward(&a, &b, &burst), 1);
			assert_int_equal(
				driver_net_receive(b.net, 0, &header, received, sizeof(received)),
				sizeof(frame));
			assert_int_equal(header.hdr_len, 54);
		}
		side_close(&a);
		side_close(&b);
	}
}

/* What was not negotiated is refused, and the buffer comes back. */
static void
test_offload_refused(void **state)
{
	static const struct virtio_net_hdr requests[] = {
		{.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .csum_start = 34, .csum_offset = 16},
		{.gso_type = VIRTIO_NET_HDR_GSO_TCPV4, .gso_size = 1448},
		{.gso_type = VIRTIO_NET_HDR_GSO_ECN},
		{.gso_type = 77},
	};

	(void)state;
	for (unsigned bits = 0; bits < 2; bits++) {
		struct row row = {.features = features_of(bits), .size = 8, .pieces = 1};
		struct side a, b;

		row.start = DRIVER_RING_START(bits & 1);
		row_open(&a, &row);
		row_open(&b, &row);
		for (unsigned i = 0; i < 4; i++) {
			assert_int_equal(
				driver_net_send(a.net, 0, &requests[i], content(i, 1000), 1000), 0);
			driver_net_flush(a.net, 0);
			assert_int_equal(side_forward(&a, &b, &burst), 0);
			assert_int_equal(a.counters.drops[DROP_BAD_OFFLOAD], i + 1);
			assert_int_equal(driver_net_reclaim(a.net, 0), 0);
		}
		side_close(&a);
		side_close(&b);
	}
}

/* ---- too little room ---- */

/* A receiver whose buffers are all in use: the rest is dropped, counted, and traffic goes on. */
static void
test_no_buffers(void **state)
{
	(void)state;
	for (unsigned bits = 0; bits < 32; bits++) {
		struct row row = {.features = features_of(bits), .size = 16, .pieces = 1};
		struct driver_net_options o = {
			.features = row.features, .rx_size = 8, .tx_size = 16};
		struct side a, b;

		row.start = DRIVER_RING_START(row.features & F(F_RING_PACKED));
		row_open(&a, &row);
		o.rx_fill = 5;
		o.rx_buffer = DRIVER_NET_FRAME_MAX + VIRTIO_NET_HDR_LEN;
		side_open(&b, &o, UINT64_C(4) << 20, 1);
		for (unsigned round = 0; round < 20; round++) {
			/* In the first round nothing was posted at all. */
			unsigned room = round ? 5 : 0;

			for (unsigned i = 0; i < 12; i++)
				assert_int_equal(
					driver_net_send(a.net, 0, NULL, content(i, 100), 100), 0);
			driver_net_flush(a.net, 0);
			assert_int_equal(side_forward(&a, &b, &burst), 12);
			assert_int_equal(driver_net_reclaim(a.net, 0), 0);
			for (unsigned i = 0; i < room; i++) {
				assert_int_equal(driver_net_receive(b.net, 0, NULL, received,
							 sizeof(received)),
					100);
				assert_memory_equal(received, content(i, 100), 100);
			}
			assert_int_equal(
				driver_net_receive(b.net, 0, NULL, received, sizeof(received)), 0);
			driver_net_fill(b.net, 0);
		}
		assert_int_equal(b.counters.drops[DROP_NO_BUFFER], 12 + 19 * 7);
		assert_int_equal(side_drops(&b), 12 + 19 * 7);
		assert_int_equal(b.counters.tx_packets, 19 * 5);
		side_close(&a);
		side_close(&b);
	}
}

/* Merged frames when buffers run out in the middle: whole frames only, no stale half. */
static void
test_merge_runs_out(void **state)
{
	(void)state;
	for (unsigned bits = 4; bits < 32; bits++) {
		struct row row = {.features = features_of(bits), .size = 64, .pieces = 1};
		struct driver_net_options o = {
			.features = row.features, .rx_size = 16, .tx_size = 16, .rx_buffer = 512};
		unsigned got = 0;
		struct side a, b;
		int len;

		if (!(row.features & F(NET_F_MRG_RXBUF)))
			continue;
		row.start = DRIVER_RING_START(row.features & F(F_RING_PACKED));
		row_open(&a, &row);
		side_open(&b, &o, UINT64_C(4) << 20, 1);
		driver_net_fill(b.net, 0);
		for (unsigned i = 0; i < 40; i++)
			assert_int_equal(
				driver_net_send(a.net, 0, NULL, content(i, 1500), 1500), 0);
		driver_net_flush(a.net, 0);
		assert_int_equal(side_forward(&a, &b, &burst), 40);
		/* 16 buffers of 512 hold five frames of 1,512 bytes, three buffers each. */
		while ((len = driver_net_receive(b.net, 0, NULL, received, sizeof(received)))) {
			assert_int_equal(len, 1500);
			assert_memory_equal(received, content(got, 1500), 1500);
			got++;
		}
		assert_int_equal(got, 5);
		assert_int_equal(b.counters.drops[DROP_NO_BUFFER], 35);
		side_close(&a);
		side_close(&b);
	}
}

/* Frames that no buffer can hold are dropped; shorter ones behind them still arrive. */
static void
test_buffers_too_small(void **state)
{
	(void)state;
	for (unsigned bits = 0; bits < 32; bits++) {
		struct row row = {.features = features_of(bits), .size = 16, .pieces = 1};
		struct side a, b;
		unsigned got = 0;
		int len;

		if (row.features & F(NET_F_MRG_RXBUF))
			continue;
		row.start = DRIVER_RING_START(row.features & F(F_RING_PACKED));
		row.rx_buffer = 512;
		row_open(&a, &row);
		row_open(&b, &row);
		for (unsigned i = 0; i < 8; i++)
			assert_int_equal(
				driver_net_send(a.net, 0, NULL, content(i, 600), i % 2 ? 500 : 501),
				0);
		driver_net_flush(a.net, 0);
		assert_int_equal(side_forward(&a, &b, &burst), 8);
		while ((len = driver_net_receive(b.net, 0, NULL, received, sizeof(received)))) {
			assert_int_equal(len, 500);
			got++;
		}
		assert_int_equal(got, 4);
		assert_int_equal(b.counters.drops[DROP_BUFFER_TOO_SMALL], 4);
		assert_int_equal(side_drops(&b), 4);
		side_close(&a);
		side_close(&b);
	}
}

/* ---- notifications ---- */

#define PINGS   3000
#define WAKE_MS 3000

/* A worker that sleeps whenever nothing is there, between guests that do the same. */
struct sleepy {
	struct side *sides; /* [2] */
	int stop_fd;
	atomic_bool failed;
	uint64_t kicks;
};

static void *
sleepy_worker(void *arg)
{
	static struct burst worker_burst;
	struct sleepy *s = arg;
	struct frontend_ring ring[2];
	struct pollfd fds[3] = {{.fd = s->stop_fd, .events = POLLIN}};

	for (unsigned i = 0; i < 2; i++) {
		driver_net_ring(s->sides[i].net, 1, &ring[i]);
		fds[i + 1] = (struct pollfd){.fd = ring[i].kick_fd, .events = POLLIN};
	}
	for (;;) {
		bool there = false;
		eventfd_t count;
		int n;

		for (unsigned i = 0; i < 2; i++)
			while (side_forward(&s->sides[i], &s->sides[!i], &worker_burst))
				;
		for (unsigned i = 0; i < 2; i++)
			there |= vhost_rings_ops.rx_arm(&s->sides[i].device.port, 0);
		n = there ? 0 : poll(fds, 3, WAKE_MS);
		for (unsigned i = 0; i < 2; i++)
			vhost_rings_ops.rx_disarm(&s->sides[i].device.port, 0);
		if (fds[0].revents)
			return NULL;
		if (!there && n <= 0)
			atomic_store(&s->failed, true);
		for (unsigned i = 0; i < 2; i++)
			if (!eventfd_read(ring[i].kick_fd, &count))
				s->kicks += count;
	}
}

/* Sends each frame that comes back out again. */
static void *
sleepy_echo(void *arg)
{
	static uint8_t frame[2048];
	struct sleepy *s = arg;
	struct side *side = &s->sides[1];

	for (unsigned echoed = 0; echoed < PINGS;) {
		int len = driver_net_receive(side->net, 0, NULL, frame, sizeof(frame));

		if (len < 0)
			break;
		if (!len) {
			driver_net_flush(side->net, 0);
			if (!driver_net_wait(side->net, 0, WAKE_MS))
				break;
			continue;
		}
		while (driver_net_send(side->net, 0, NULL, frame, (size_t)len) == -EAGAIN)
			driver_net_flush(side->net, 0);
		driver_net_flush(side->net, 0);
		echoed++;
	}
	return NULL;
}

/* Bursts of one to four frames go round; every wait in the circle is for an event. */
static void
run_sleepy(unsigned bits)
{
	struct row row = {.features = features_of(bits), .size = 8, .pieces = 1};
	struct side sides[2];
	struct sleepy s = {.sides = sides, .stop_fd = eventfd(0, EFD_CLOEXEC)};
	pthread_t worker, echo;
	struct driver_net_counters counters;
	unsigned sent = 0, got = 0;

	row.start = DRIVER_RING_START(bits & 1);
	row_open(&sides[0], &row);
	row_open(&sides[1], &row);
	assert_int_equal(pthread_create(&worker, NULL, sleepy_worker, &s), 0);
	assert_int_equal(pthread_create(&echo, NULL, sleepy_echo, &s), 0);
	while (got < PINGS) {
		unsigned ahead = 1 + random_below(4);
		int len;

		while (sent < PINGS && sent - got < ahead) {
			assert_int_equal(
				driver_net_send(sides[0].net, 0, NULL, content(sent, 100), 100), 0);
			sent++;
		}
		driver_net_flush(sides[0].net, 0);
		len = driver_net_receive(sides[0].net, 0, NULL, received, sizeof(received));
		if (!len && !driver_net_wait(sides[0].net, 0, WAKE_MS))
			fail_msg("features 0x%llx: frame %u of %u never came back",
				(unsigned long long)row.features, got, sent);
		if (!len)
			continue;
		assert_int_equal(len, 100);
		assert_memory_equal(received, content(got, 100), 100);
		got++;
	}
	pthread_join(echo, NULL);
	eventfd_write(s.stop_fd, 1);
	pthread_join(worker, NULL);
	assert_false(atomic_load(&s.failed));
	driver_net_counters(sides[0].net, 0, &counters);
	assert_true(counters.kicks > 0 && counters.calls > 0);
	close(s.stop_fd);
	side_close(&sides[0]);
	side_close(&sides[1]);
}

static void
test_no_lost_wakeup(void **state)
{
	(void)state;
	for (unsigned bits = 0; bits < 32; bits++)
		if (!(bits & 8)) /* indirect changes nothing here */
			run_sleepy(bits);
}

/* While both sides poll, neither pays for notifications. */
static void
test_no_needless_notice(void **state)
{
	(void)state;
	for (unsigned bits = 0; bits < 32; bits++) {
		struct row row = {.features = features_of(bits), .size = 64, .pieces = 1};
		struct driver_net_counters counters;
		struct vring_counters device;
		struct side a, b;

		row.start = DRIVER_RING_START(bits & 1);
		row_open(&a, &row);
		row_open(&b, &row);
		for (unsigned i = 0; i < 1000; i++) {
			assert_int_equal(driver_net_send(a.net, 0, NULL, content(i, 100), 100), 0);
			driver_net_flush(a.net, 0);
			assert_int_equal(side_forward(&a, &b, &burst), 1);
			assert_int_equal(
				driver_net_receive(b.net, 0, NULL, received, sizeof(received)),
				100);
			driver_net_flush(b.net, 0);
		}
		driver_net_counters(a.net, 0, &counters);
		/* Event indexes cannot be switched off: one may be crossed where it began. */
		assert_true(counters.kicks <= 2);
		vring_counters(a.vring[1], &device);
		assert_true(device.calls <= 1);
		assert_int_equal(device.chains, 1000);
		vring_counters(b.vring[0], &device);
		assert_true(device.calls <= 1);
		assert_int_equal(device.chains, 1000);
		side_close(&a);
		side_close(&b);
	}
}

/* ---- merged frames appear whole ---- */

#define MERGED_FIRST   255 /* last descriptor of the ring's first page */
#define MERGED_BUFFERS 18  /* of 512 bytes, for 9,000 */

/* The device's mapping of the first page of a descriptor ring, write-protected. */
static struct {
	uint8_t *page;
	const struct virtq_packed_desc *desc; /* the driver's mapping */
	volatile sig_atomic_t hits, missing;
} trap;

/* Runs when the device is about to write the frame's first descriptor. */
static void
trap_hit(int signo, siginfo_t *info, void *context)
{
	(void)signo;
	(void)context;
	if ((uint8_t *)info->si_addr < trap.page || (uint8_t *)info->si_addr >= trap.page + 4096)
		_exit(99);
	for (unsigned i = 1; i < MERGED_BUFFERS; i++)
		if (!(trap.desc[MERGED_FIRST + i].flags & VIRTQ_PACKED_F_USED))
			trap.missing++;
	trap.hits++;
	mprotect(trap.page, 4096, PROT_READ | PROT_WRITE);
}

/*
 * 5.1.6.4: a driver that finds the first buffer of a frame finds them all; Linux throws a frame away
 * of which it does not.  A split ring shows them with one index; in a packed ring the first
 * descriptor has to be written last, and the first one here stands on a page of its own.
 */
static void
test_merged_at_once(void **state)
{
	(void)state;
	for (unsigned bits = 1; bits < 4; bits += 2) {
		struct sigaction action = {.sa_sigaction = trap_hit, .sa_flags = SA_SIGINFO}, old;
		struct row row = {.features = features_of(bits | 4),
			.size = 512,
			.pieces = 1,
			.rx_buffer = 512,
			.start = MERGED_FIRST | VIRTQ_EVENT_WRAP};
		struct frontend_ring ring;
		struct side a, b;
		uint64_t reach;

		row_open(&a, &row);
		row_open(&b, &row);
		driver_net_ring(b.net, 0, &ring);
		/* The driver takes ring memory first: it begins with the memory, on a page. */
		assert_ptr_equal(ring.desc, b.memory->host);
		trap.page = guest_memory_at(b.table, DRIVER_MEMORY_GPA, &reach);
		trap.desc = ring.desc;
		trap.hits = trap.missing = 0;
		assert_int_equal(sigaction(SIGSEGV, &action, &old), 0);
		assert_int_equal(mprotect(trap.page, 4096, PROT_READ), 0);
		assert_int_equal(driver_net_send(a.net, 0, NULL, content(1, 9000), 9000), 0);
		driver_net_flush(a.net, 0);
		assert_int_equal(side_forward(&a, &b, &burst), 1);
		assert_int_equal(sigaction(SIGSEGV, &old, NULL), 0);
		assert_int_equal(trap.hits, 1);
		assert_int_equal(trap.missing, 0);
		assert_int_equal(
			driver_net_receive(b.net, 0, NULL, received, sizeof(received)), 9000);
		assert_memory_equal(received, content(1, 9000), 9000);
		side_close(&a);
		side_close(&b);
	}
}

/* Takes what arrived, up to `most` frames in order. */
static unsigned
take(struct side *side, unsigned most)
{
	unsigned got = 0;

	while (driver_net_receive(side->net, 0, NULL, received, sizeof(received))) {
		assert_true(got < most);
		assert_memory_equal(received, content(got, 300), 300);
		got++;
	}
	driver_net_flush(side->net, 0);
	return got;
}

/* ---- what the control thread sees of entries ---- */

static void
test_entries_are_seen(void **state)
{
	(void)state;
	for (unsigned bits = 0; bits < 32; bits++) {
		struct row row = {.features = features_of(bits), .size = 16};
		struct side a, b;

		row_open(&a, &row);
		row_open(&b, &row);
		/* More than twice round the ring: the wrap counters are looked at as well. */
		for (unsigned i = 0; i < 40; i++) {
			assert_false(vring_has_entries(a.vring[1]));
			assert_true(vring_has_entries(b.vring[0]));
			assert_int_equal(driver_net_send(a.net, 0, NULL, content(0, 300), 300), 0);
			driver_net_flush(a.net, 0);
			assert_true(vring_has_entries(a.vring[1]));
			assert_int_equal(side_forward(&a, &b, &burst), 1);
			assert_int_equal(take(&b, 1), 1);
		}
		side_close(&a);
		side_close(&b);
	}
}

/* ---- a sender whose memory goes away ---- */

/* Sends `count` frames of 300 bytes; the last one's end is in memory that is gone if `lost`. */
static bool
send_or_fail(struct side *to, unsigned count, const uint8_t *lost)
{
	static const uint8_t list[] = {0, 1, 2};
	struct fault_guard guard = {0};
	struct frame frames[3] = {0};
	struct frame_seg segs[3] = {0};

	if (FAULT_CAUGHT(&guard))
		return false;
	for (unsigned i = 0; i < count; i++) {
		uint8_t *bytes = (uint8_t *)(uintptr_t)content(i, 300);

		segs[i].addr = lost && i + 1 == count ? lost : bytes + FRAME_PREFIX;
		segs[i].len = 300 - FRAME_PREFIX;
		frames[i] = (struct frame){.data = bytes,
			.len = 300,
			.head_len = FRAME_PREFIX,
			.segs = &segs[i],
			.seg_count = 1};
	}
	vhost_rings_ops.tx(&to->device.port, 0, frames, list, count, &to->counters);
	fault_end(&guard);
	vhost_rings_ops.tx_flush(&to->device.port, 0);
	return true;
}

/* The receiver has no part in it: its ring stands between two frames, and goes on from there. */
static void
test_sender_lost(void **state)
{
	int fd = memfd_create("lost", MFD_CLOEXEC);
	const uint8_t *lost = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);

	(void)state;
	assert_ptr_not_equal(lost, MAP_FAILED);
	assert_int_equal(fault_install(), 0);
	for (unsigned bits = 0; bits < 32; bits++) {
		struct row row = {.features = features_of(bits), .size = 16};
		struct side b;

		row.indirect = row.features & F(RING_F_INDIRECT_DESC);
		row.start = DRIVER_RING_START(bits & 1);
		row.pieces = bits & 8 ? 2 : 1;
		row_open(&b, &row);
		for (unsigned round = 0; round < 30; round++) {
			assert_false(send_or_fail(&b, 3, lost));
			take(&b, 2);
			assert_true(send_or_fail(&b, 2, NULL));
			assert_int_equal(take(&b, 2), 2);
		}
		assert_int_equal(side_drops(&b), 0);
		side_close(&b);
	}
	signal(SIGBUS, SIG_DFL);
	munmap((void *)(uintptr_t)lost, 4096);
	close(fd);
}

/* ---- stop and go on ---- */

/* The rings are given to another device in the middle; nothing is lost or doubled. */
static void
test_continued(void **state)
{
	(void)state;
	for (unsigned bits = 0; bits < 32; bits++) {
		struct row row = {.features = features_of(bits), .size = 16, .pieces = 2};
		struct side a, b, *sides[2] = {&a, &b};

		row.indirect = row.features & F(RING_F_INDIRECT_DESC);
		row.start = bits & 1 ? 13 : 65530;
		row_open(&a, &row);
		row_open(&b, &row);
		for (unsigned round = 0; round < 200; round++) {
			for (unsigned i = 0; i < 5; i++)
				assert_int_equal(
					driver_net_send(a.net, 0, NULL, content(i, 300), 300), 0);
			driver_net_flush(a.net, 0);
			for (unsigned i = 0; i < 4; i++) {
				struct side *side = sides[i / 2];
				struct vring *stopped[VHOST_RINGS_MAX];
				struct frontend_ring ring;
				bool wrap;

				vhost_rings_stop(&side->device, 1u << (i & 1), stopped);
				driver_net_ring(side->net, i & 1, &ring);
				ring.base = vring_next(stopped[i & 1], &wrap);
				if (row.features & F(F_RING_PACKED))
					ring.base |= (uint32_t)wrap << 15;
				/* What the driver would say if the device had died. */
				driver_net_reclaim(side->net, 0);
				assert_int_equal(ring.base,
					driver_ring_base(driver_net_driver_ring(side->net, i & 1)) &
						0xffff);
				vring_destroy(stopped[i & 1]);
				side->vring[i & 1] = side_vring(side, &ring);
				vhost_rings_start(&side->device, i & 1, side->vring[i & 1]);
			}
			assert_int_equal(side_forward(&a, &b, &burst), 5);
			for (unsigned i = 0; i < 5; i++) {
				assert_int_equal(driver_net_receive(b.net, 0, NULL, received,
							 sizeof(received)),
					300);
				assert_memory_equal(received, content(i, 300), 300);
			}
			assert_int_equal(
				driver_net_receive(b.net, 0, NULL, received, sizeof(received)), 0);
			driver_net_flush(b.net, 0);
		}
		side_close(&a);
		side_close(&b);
	}
}

/* A visit takes 64 frames of 1,500 bytes, but only one of 64 KiB: others wait for their turn. */
static void
test_visit_budget(void **state)
{
	(void)state;
	for (unsigned bits = 0; bits < 16; bits++) {
		struct row row = {.features = features_of((bits & 1) | (bits & 2 ? 8 : 0)),
			.size = 256,
			.indirect = bits & 2,
			.header_apart = bits & 4,
			.pieces = bits & 8 ? 3 : 1};
		const uint32_t lens[] = {60, 65000, 65000, 60, 60};
		struct side a, b;

		row.start = DRIVER_RING_START(row.features & F(F_RING_PACKED));
		row_open(&a, &row);
		row_open(&b, &row);
		for (unsigned i = 0; i < 5; i++)
			assert_int_equal(
				driver_net_send(a.net, 0, NULL, content(i, lens[i]), lens[i]), 0);
		driver_net_flush(a.net, 0);
		/* The second large one takes the short ones behind it along. */
		assert_int_equal(side_forward(&a, &b, &burst), 2);
		assert_int_equal(side_forward(&a, &b, &burst), 3);
		assert_int_equal(side_forward(&a, &b, &burst), 0);
		for (unsigned i = 0; i < 5; i++)
			assert_int_equal(
				driver_net_receive(b.net, 0, NULL, received, sizeof(received)),
				lens[i]);
		driver_net_flush(b.net, 0);
		assert_int_equal(driver_net_reclaim(a.net, 0), 0);
		for (unsigned i = 0; i < 50; i++)
			assert_int_equal(
				driver_net_send(a.net, 0, NULL, content(i, 1500), 1500), 0);
		driver_net_flush(a.net, 0);
		assert_int_equal(side_forward(&a, &b, &burst), 50);
		side_close(&a);
		side_close(&b);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_split),
		cmocka_unit_test(test_packed),
		cmocka_unit_test(test_many_laps),
		cmocka_unit_test(test_adjacent_regions),
		cmocka_unit_test(test_legacy_header),
		cmocka_unit_test(test_offload_header),
		cmocka_unit_test(test_offload_refused),
		cmocka_unit_test(test_no_buffers),
		cmocka_unit_test(test_merge_runs_out),
		cmocka_unit_test(test_buffers_too_small),
		cmocka_unit_test(test_no_lost_wakeup),
		cmocka_unit_test(test_no_needless_notice),
		cmocka_unit_test(test_merged_at_once),
		cmocka_unit_test(test_entries_are_seen),
		cmocka_unit_test(test_sender_lost),
		cmocka_unit_test(test_continued),
		cmocka_unit_test(test_visit_budget),
	};

	return cmocka_run_group_tests_name("vring", tests, fill_pattern, side_forget);
}
