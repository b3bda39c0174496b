/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The dirty log while rings work: every page that the device side writes is marked, after it was
 * written.  The migration that reads along is the worst there can be: it takes every mark in the
 * moment it is made and copies the page then, so that its copy lacks what is written to a page after
 * the page's last mark.  For that the log is write-protected and each mark is single-stepped.
 */
#include <signal.h>
#include <sys/mman.h>
#include <ucontext.h>

#include "tests/unit/vring_side.h"

#define MEMORY_SIZE (UINT64_C(1) << 20)
#define LONGEST     20000
#define LOG_SIZE    4096
#define TRAP_FLAG   0x100 /* of RFLAGS: a SIGTRAP after the next instruction */

static uint8_t sent[LONGEST], received[LONGEST];
static struct burst burst;

/* ---- the migration ---- */

static struct {
	struct dirty_log log;
	const uint8_t *memory; /* from DRIVER_MEMORY_GPA on */
	uint8_t copy[MEMORY_SIZE];
	unsigned marks;
	unsigned strays; /* of them outside the memory */
} migration;

static void
log_protect(bool protect)
{
	if (mprotect(migration.log.bits, LOG_SIZE, protect ? PROT_READ : PROT_READ | PROT_WRITE))
		abort();
}

static void
on_mark(int signum, siginfo_t *info, void *context)
{
	ucontext_t *c = context;

	if ((uintptr_t)info->si_addr - (uintptr_t)migration.log.bits >= LOG_SIZE) {
		signal(signum, SIG_DFL); /* not ours: again, and to the end */
		return;
	}
	log_protect(false);
	c->uc_mcontext.gregs[REG_EFL] |= TRAP_FLAG;
}

static void
page_take(uint64_t page)
{
	uint64_t offset = page * DIRTY_PAGE - DRIVER_MEMORY_GPA;

	migration.marks++;
	if (offset >= MEMORY_SIZE)
		migration.strays++;
	else
		memcpy(migration.copy + offset, migration.memory + offset, DIRTY_PAGE);
}

static void
on_marked(int signum, siginfo_t *info, void *context)
{
	ucontext_t *c = context;

	(void)signum;
	(void)info;
	for (unsigned byte = 0; byte < LOG_SIZE; byte++) {
		uint8_t bits = migration.log.bits[byte];

		for (unsigned bit = 0; bits >> bit; bit++)
			if (bits >> bit & 1)
				page_take(8 * byte + bit);
		if (bits)
			migration.log.bits[byte] = 0;
	}
	log_protect(true);
	c->uc_mcontext.gregs[REG_EFL] &= ~TRAP_FLAG;
}

static int
migration_prepare(void **state)
{
	(void)state;
	migration.log.bits =
		mmap(NULL, LOG_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	migration.log.size = LOG_SIZE;
	for (unsigned i = 0; i < sizeof(sent); i++)
		sent[i] = (uint8_t)(i * 2654435761u >> 24);
	return migration.log.bits == MAP_FAILED;
}

/* In each test: cmocka has handlers of its own, for as long as a test runs. */
static void
migration_catch(void)
{
	const struct sigaction mark = {.sa_sigaction = on_mark, .sa_flags = SA_SIGINFO};
	const struct sigaction marked = {.sa_sigaction = on_marked, .sa_flags = SA_SIGINFO};

	assert_int_equal(sigaction(SIGSEGV, &mark, NULL), 0);
	assert_int_equal(sigaction(SIGTRAP, &marked, NULL), 0);
}

/* The device side is about to work. */
static void
migration_begin(const struct side *side)
{
	migration.memory = side->memory->host;
	memcpy(migration.copy, migration.memory, MEMORY_SIZE);
	migration.marks = migration.strays = 0;
	log_protect(true);
}

/* The device side has done something: is all of it in the copy? */
static void
migration_end(const char *what, uint64_t features)
{
	uint64_t at = 0;

	log_protect(false);
	assert_int_equal(migration.strays, 0);
	if (!memcmp(migration.copy, migration.memory, MEMORY_SIZE))
		return;
	while (migration.copy[at] == migration.memory[at])
		at++;
	fail_msg(
		"features 0x%llx, %s: byte 0x%llx of page 0x%llx was written after the last mark, or "
		"its page was not marked at all",
		(unsigned long long)features, what, (unsigned long long)(at % DIRTY_PAGE),
		(unsigned long long)((DRIVER_MEMORY_GPA + at) / DIRTY_PAGE));
}

/* ---- guests ---- */

#define F(name) VIRTIO_BIT(VIRTIO_##name)

static uint64_t
features_of(unsigned bits)
{
	static const uint64_t each[] = {F(F_RING_PACKED), F(RING_F_EVENT_IDX), F(F_IN_ORDER),
		F(NET_F_MRG_RXBUF), F(RING_F_INDIRECT_DESC)};
	uint64_t features = F(F_VERSION_1);

	for (unsigned i = 0; i < 5; i++)
		if (bits >> i & 1)
			features |= each[i];
	return features;
}

static void
guest_open(struct side *guest, struct driver_net_options *options)
{
	side_open(guest, options, MEMORY_SIZE, 1);
	driver_net_fill(guest->net, 0);
	migration_begin(guest);
	side_log(guest, &migration.log);
	migration_end("start", options->features);
}

/* The guest sends itself a frame. */
static void
guest_forward(struct side *guest, uint32_t len)
{
	int got;

	assert_int_equal(driver_net_send(guest->net, 0, NULL, sent, len), 0);
	driver_net_flush(guest->net, 0);
	migration_begin(guest);
	assert_int_equal(side_forward(guest, guest, &burst), 1);
	migration_end("frame", guest->features);
	assert_true(migration.marks >= 2 + len / DIRTY_PAGE);
	assert_int_equal(driver_net_reclaim(guest->net, 0), 0);
	got = driver_net_receive(guest->net, 0, NULL, received, sizeof(received));
	if (got != (int)len || memcmp(received, sent, len))
		fail_msg("features 0x%llx: %u bytes arrived as %d: %s",
			(unsigned long long)guest->features, len, got,
			driver_net_error(guest->net));
	driver_net_flush(guest->net, 0);
}

static void
guest_sleep(struct side *guest)
{
	struct port *port = &guest->device.port;

	migration_begin(guest);
	assert_false(vhost_rings_ops.rx_arm(port, 0));
	migration_end("arming", guest->features);
	migration_begin(guest);
	vhost_rings_ops.rx_disarm(port, 0);
	migration_end("disarming", guest->features);
}

static void
guest_work(struct driver_net_options *options)
{
	static const uint32_t lens[] = {60, 1514, 300, 9014, LONGEST};
	struct side guest;

	guest_open(&guest, options);
	for (unsigned i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
		guest_forward(&guest, lens[i]);
		guest_sleep(&guest);
	}
	assert_int_equal(side_drops(&guest), 0);
	side_close(&guest);
}

/* Every form of ring and of buffers. */
static void
test_frames(void **state)
{
	(void)state;
	migration_catch();
	for (unsigned bits = 0; bits < 32; bits++) {
		struct driver_net_options options = {.features = features_of(bits),
			.rx_size = 16,
			.tx_size = 16,
			.tx_buffer = LONGEST};

		options.indirect = options.features & F(RING_F_INDIRECT_DESC);
		for (unsigned layout = 0; layout < 4; layout++) {
			options.rx_header_apart = options.tx_header_apart = layout & 1;
			options.rx_pieces = options.tx_pieces = layout & 2 ? 3 : 1;
			options.rx_buffer = LONGEST + VIRTIO_NET_HDR_LEN;
			guest_work(&options);
		}
		/* Frames in several buffers. */
		if (!(options.features & F(NET_F_MRG_RXBUF)))
			continue;
		options.rx_pieces = options.tx_pieces = 1;
		options.rx_header_apart = false;
		options.rx_buffer = 2048;
		guest_work(&options);
	}
}

/* Rings of several pages, where one page ends: what is at their ends is marked there. */
static void
test_large_rings(void **state)
{
	(void)state;
	migration_catch();
	for (unsigned bits = 0; bits < 8; bits++) {
		bool packed = features_of(bits) & F(F_RING_PACKED);
		struct driver_net_options options = {.features = features_of(bits),
			.rx_size = 1024,
			.tx_size = 1024,
			.rx_fill = 8,
			.rx_buffer = 256,
			.tx_buffer = 256,
			.start_set = true,
			.start = packed ? DRIVER_RING_START(true) + 250 : 505};
		struct side guest;

		guest_open(&guest, &options);
		for (unsigned i = 0; i < 16; i++) {
			guest_sleep(&guest);
			guest_forward(&guest, 60);
		}
		side_close(&guest);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_frames),
		cmocka_unit_test(test_large_rings),
	};

	return cmocka_run_group_tests(tests, migration_prepare, side_forget);
}
