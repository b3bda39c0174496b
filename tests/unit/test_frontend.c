/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The front end of a vhost-user connection against a back end that follows a script: which requests
 * come in which order with what in them, and what the front end makes of a back end that refuses,
 * answers nonsense, falls silent or goes away, at each request in turn.
 */
#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/clock.h"
#include "lib/fd.h"
#include "lib/unix_socket.h"
#include "vhost/driver_net.h"
#include "vhost/message.h"

#define LOG_MAX 256

#define P(name) VIRTIO_BIT(VHOST_PROTOCOL_F_##name)
#define F(name) VIRTIO_BIT(VIRTIO_##name)

enum fault {
	FAULT_NONE,
	FAULT_CLOSE,         /* instead of an answer */
	FAULT_SILENT,        /* no answer */
	FAULT_OTHER_REQUEST, /* an answer to something else */
	FAULT_NO_REPLY_FLAG,
	FAULT_SIZE, /* an answer of 4 bytes */
	FAULT_HALF, /* half of a header, then the end */
	FAULT_REFUSE,
	FAULT_COUNT,
};

struct backend {
	char path[64];
	uint64_t features, protocol_features;
	uint32_t base;     /* answer of GET_VRING_BASE */
	unsigned fault_at; /* the n-th request that has an answer */
	enum fault fault;

	struct unix_socket listener;
	pthread_t thread;
	struct vhost_message log[LOG_MAX];
	unsigned fds[LOG_MAX], count, answers;
};

static void
answer(int fd, struct backend *b, struct vhost_message *message, const int *fds, unsigned fd_count)
{
	enum fault fault = b->answers++ == b->fault_at ? b->fault : FAULT_NONE;

	message->header.flags = VHOST_VERSION | VHOST_FLAG_REPLY;
	if (fault == FAULT_CLOSE || fault == FAULT_HALF) {
		if (fault == FAULT_HALF)
			assert_int_equal(send(fd, message, 6, MSG_NOSIGNAL), 6);
		shutdown(fd, SHUT_RDWR);
	}
	if (fault == FAULT_CLOSE || fault == FAULT_HALF || fault == FAULT_SILENT)
		return;
	if (fault == FAULT_OTHER_REQUEST)
		message->header.request = VHOST_GET_STATUS;
	if (fault == FAULT_NO_REPLY_FLAG)
		message->header.flags = VHOST_VERSION;
	if (fault == FAULT_SIZE)
		message->header.size = 4;
	if (fault == FAULT_REFUSE)
		message->payload.u64 = 1;
	message_write_wait(fd, message, fds, fd_count, 1000);
}

static void
handle(int fd, struct backend *b, struct message_reader *reader)
{
	struct vhost_message message = reader->message;
	bool need_reply = message.header.flags & VHOST_FLAG_NEED_REPLY;
	int memfd = -1;

	if (b->count < LOG_MAX) {
		b->fds[b->count] = reader->fd_count;
		b->log[b->count++] = message;
	}
	message.header.size = sizeof(uint64_t);
	switch (message.header.request) {
	case VHOST_GET_FEATURES:
		message.payload.u64 = b->features;
		break;
	case VHOST_GET_PROTOCOL_FEATURES:
		message.payload.u64 = b->protocol_features;
		break;
	case VHOST_GET_QUEUE_NUM:
		message.payload.u64 = 4;
		break;
	case VHOST_GET_MAX_MEM_SLOTS:
		message.payload.u64 = 64;
		break;
	case VHOST_GET_VRING_BASE:
		message.payload.state.num = b->base + message.payload.state.index;
		break;
	case VHOST_GET_INFLIGHT_FD:
		memfd = memfd_create("inflight", MFD_CLOEXEC);
		assert_int_equal(ftruncate(memfd, 8192), 0);
		message.payload.inflight.mmap_size = 8192;
		message.header.size = sizeof(struct vhost_inflight);
		break;
	case VHOST_SET_LOG_BASE:
		message.payload.u64 = 0;
		break;
	default:
		if (!need_reply)
			return;
		message.payload.u64 = 0;
	}
	answer(fd, b, &message, &memfd, memfd >= 0);
	fd_close(&memfd);
}

static void
serve(struct backend *b, int fd)
{
	struct message_reader reader;
	struct err err;

	message_reader_init(&reader);
	while (message_read_wait(fd, &reader, 2000, &err) == 1) {
		handle(fd, b, &reader);
		message_reader_reset(&reader);
	}
	message_reader_reset(&reader);
	close(fd);
}

static void *
listen_run(void *arg)
{
	struct backend *b = arg;
	uint64_t deadline = clock_ns() + UINT64_C(3000000000);
	int fd;

	while (unix_socket_accept(&b->listener, &fd) && clock_ns() < deadline)
		usleep(200);
	if (clock_ns() < deadline)
		serve(b, fd);
	return NULL;
}

static void *
connect_run(void *arg)
{
	struct backend *b = arg;
	uint64_t deadline = clock_ns() + UINT64_C(3000000000);
	struct err err;
	int fd;

	while (unix_socket_connect(b->path, &fd, &err) && clock_ns() < deadline)
		usleep(200);
	if (clock_ns() < deadline)
		serve(b, fd);
	return NULL;
}

static void
backend_open(struct backend *b, bool connects)
{
	struct unix_socket_options options = {
		.path = b->path, .owner = (uid_t)-1, .group = (gid_t)-1};
	struct err err;

	snprintf(b->path, sizeof(b->path), "/tmp/test_frontend.%d", (int)getpid());
	b->listener.fd = -1;
	b->count = b->answers = 0;
	if (!connects && unix_socket_listen(&b->listener, &options, &err))
		fail_msg("%s", err.text);
	assert_int_equal(
		pthread_create(&b->thread, NULL, connects ? connect_run : listen_run, b), 0);
}

/* The front end has hung up; the script ends. */
static void
backend_close(struct backend *b)
{
	pthread_join(b->thread, NULL);
	if (b->listener.fd >= 0)
		unix_socket_close(&b->listener);
}

/* The requests in the order of their arrival, by name. */
static void
log_text(const struct backend *b, char *text, size_t size)
{
	size_t at = 0;

	text[0] = 0;
	for (unsigned i = 0; i < b->count; i++) {
		char name[24];

		at += (size_t)snprintf(text + at, size - at, "%s%s", i ? " " : "",
			message_name(b->log[i].header.request, name));
	}
}

static const struct vhost_message *
log_find(const struct backend *b, uint32_t request, unsigned nth)
{
	for (unsigned i = 0; i < b->count; i++)
		if (b->log[i].header.request == request && !nth--)
			return &b->log[i];
	fail_msg("request %u never came", request);
	return NULL;
}

static unsigned
open_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned n = 0;

	assert_non_null(dir);
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

/* ---- a guest ---- */

struct guest {
	struct driver_memory *memory;
	struct driver_net *net;
	struct frontend *frontend;
};

static int
guest_open(struct guest *g, struct backend *b, struct frontend_options *options, unsigned regions,
	struct err *err)
{
	struct driver_memory_options mo = {.size = 4 << 20, .regions = regions};
	struct driver_net_options no = {
		.rx_size = 16, .tx_size = 32, .pairs = 1, .rx_buffer = 2048, .tx_buffer = 2048};

	memset(g, 0, sizeof(*g));
	assert_int_equal(driver_memory_create(&g->memory, &mo, err), 0);
	options->path = b->path;
	options->memory = g->memory;
	assert_int_equal(frontend_create(&g->frontend, options, err), 0);
	no.memory = g->memory;
	no.features = F(F_VERSION_1);
	assert_int_equal(driver_net_create(&g->net, &no, err), 0);
	return frontend_connect(g->frontend, err);
}

static int
guest_start(struct guest *g, struct err *err)
{
	for (unsigned i = 0; i < 2; i++) {
		struct frontend_ring ring;

		driver_net_ring(g->net, i, &ring);
		frontend_set_ring(g->frontend, i, &ring);
	}
	return frontend_start(g->frontend, err);
}

static void
guest_close(struct guest *g)
{
	frontend_destroy(g->frontend);
	driver_net_destroy(g->net);
	driver_memory_destroy(g->memory);
}

static const uint64_t all_protocol = P(MQ) | P(REPLY_ACK) | P(CONFIGURE_MEM_SLOTS) |
				     P(INFLIGHT_SHMFD) | P(STATUS) | P(LOG_SHMFD) |
				     P(RESET_DEVICE) | P(NET_MTU) | P(RARP);
static const uint64_t all_features = F(F_VERSION_1) | F(F_IN_ORDER) | VIRTIO_BIT(VHOST_F_LOG_ALL) |
				     VIRTIO_BIT(VHOST_USER_F_PROTOCOL_FEATURES);

/* ---- the order of things ---- */

static void
test_plain_handshake(void **state)
{
	struct backend b = {.features = F(F_VERSION_1), .base = 100};
	struct frontend_options o = {.features = all_features, .protocol_features = all_protocol};
	struct err err = {0};
	char text[2048];
	struct guest g;

	(void)state;
	backend_open(&b, false);
	assert_int_equal(guest_open(&g, &b, &o, 1, &err), 0);
	assert_int_equal(frontend_features(g.frontend), F(F_VERSION_1));
	assert_int_equal(frontend_queue_pairs(g.frontend), 1);
	assert_int_equal(guest_start(&g, &err), 0);
	assert_int_equal(frontend_stop(g.frontend, &err), 0);
	assert_int_equal(frontend_ring_base(g.frontend, 1), 101);
	assert_int_equal(frontend_reset(g.frontend, &err), -ENOTSUP);
	guest_close(&g);
	backend_close(&b);
	log_text(&b, text, sizeof(text));
	assert_string_equal(text,
		"SET_OWNER GET_FEATURES SET_FEATURES SET_MEM_TABLE "
		"SET_VRING_NUM SET_VRING_BASE SET_VRING_ADDR SET_VRING_CALL SET_VRING_KICK "
		"SET_VRING_NUM SET_VRING_BASE SET_VRING_ADDR SET_VRING_CALL SET_VRING_KICK "
		"GET_FEATURES GET_VRING_BASE GET_VRING_BASE");
}

static void
test_full_handshake(void **state)
{
	struct backend b = {.features = all_features, .protocol_features = all_protocol};
	struct frontend_options o = {.features = all_features,
		.protocol_features = all_protocol,
		.mem_slots = true,
		.inflight = true};
	struct vhost_memory_region region;
	struct err err = {0};
	char text[2048];
	struct guest g;
	size_t bytes;

	(void)state;
	backend_open(&b, false);
	assert_int_equal(guest_open(&g, &b, &o, 2, &err), 0);
	assert_int_equal(frontend_queue_pairs(g.frontend), 4);
	assert_int_equal(guest_start(&g, &err), 0);
	assert_non_null(frontend_inflight(g.frontend, &bytes));
	assert_int_equal(bytes, 8192);
	assert_int_equal(frontend_set_mtu(g.frontend, 1500, &err), 0);
	assert_int_equal(frontend_send_rarp(g.frontend, 0x563412005452, &err), 0);
	assert_int_equal(frontend_set_logging(g.frontend, true, &err), 0);
	assert_non_null(frontend_log(g.frontend, &bytes));
	assert_int_equal(frontend_set_logging(g.frontend, false, &err), 0);
	assert_int_equal(frontend_stop(g.frontend, &err), 0);
	assert_int_equal(frontend_reset(g.frontend, &err), 0);
	region = g.memory->regions[1];
	guest_close(&g);
	backend_close(&b);
	log_text(&b, text, sizeof(text));
	assert_string_equal(text,
		"SET_OWNER GET_FEATURES GET_PROTOCOL_FEATURES SET_PROTOCOL_FEATURES GET_QUEUE_NUM "
		"GET_MAX_MEM_SLOTS SET_STATUS SET_FEATURES SET_STATUS ADD_MEM_REG ADD_MEM_REG "
		"GET_INFLIGHT_FD SET_INFLIGHT_FD "
		"SET_VRING_NUM SET_VRING_BASE SET_VRING_ADDR SET_VRING_CALL SET_VRING_KICK "
		"SET_VRING_NUM SET_VRING_BASE SET_VRING_ADDR SET_VRING_CALL SET_VRING_KICK "
		"SET_VRING_ENABLE SET_VRING_ENABLE SET_STATUS NET_SET_MTU SEND_RARP "
		"SET_LOG_BASE SET_FEATURES SET_VRING_ADDR SET_VRING_ADDR "
		"SET_FEATURES SET_VRING_ADDR SET_VRING_ADDR "
		"GET_VRING_BASE GET_VRING_BASE RESET_DEVICE");
	assert_memory_equal(&log_find(&b, VHOST_ADD_MEM_REG, 1)->payload.single.region, &region,
		sizeof(region));
	assert_int_equal(
		log_find(&b, VHOST_SET_FEATURES, 0)->payload.u64 >> VHOST_F_LOG_ALL & 1, 1);
	assert_int_equal(
		log_find(&b, VHOST_SET_FEATURES, 2)->payload.u64 >> VHOST_F_LOG_ALL & 1, 0);
	assert_int_equal(log_find(&b, VHOST_SET_VRING_ADDR, 2)->payload.addr.flags, 1);
	assert_int_equal(log_find(&b, VHOST_SET_VRING_ADDR, 4)->payload.addr.flags, 0);
	assert_int_equal(log_find(&b, VHOST_SET_VRING_NUM, 1)->payload.state.num, 32);
	assert_int_equal(log_find(&b, VHOST_NET_SET_MTU, 0)->payload.u64, 1500);
}

/* Regions, their descriptors, and rings that lie in them. */
static void
test_memory_table(void **state)
{
	struct backend b = {.features = F(F_VERSION_1)};
	struct frontend_options o = {.features = all_features};
	const struct vhost_message *table, *addr;
	struct err err = {0};
	struct guest g;

	(void)state;
	backend_open(&b, false);
	assert_int_equal(guest_open(&g, &b, &o, 8, &err), 0);
	assert_int_equal(guest_start(&g, &err), 0);
	table = log_find(&b, VHOST_SET_MEM_TABLE, 0);
	addr = log_find(&b, VHOST_SET_VRING_ADDR, 1);
	assert_int_equal(table->payload.memory.nregions, 8);
	assert_int_equal(table->header.size, 8 + 8 * 32);
	for (unsigned i = 0; i < b.count; i++)
		if (b.log[i].header.request == VHOST_SET_MEM_TABLE)
			assert_int_equal(b.fds[i], 8);
	for (unsigned i = 0; i < 8; i++) {
		struct vhost_memory_region r = table->payload.memory.regions[i];

		assert_int_equal(r.memory_size, 4u << 17);
		assert_int_equal(r.guest_phys_addr, DRIVER_MEMORY_GPA + i * r.memory_size);
		assert_int_equal(r.mmap_offset, i * r.memory_size);
		assert_int_equal(r.userspace_addr, (uintptr_t)g.memory->host + r.mmap_offset);
	}
	assert_in_range(addr->payload.addr.desc_user_addr, (uintptr_t)g.memory->host,
		(uintptr_t)g.memory->host + g.memory->size);
	guest_close(&g);
	backend_close(&b);

	backend_open(&b, false);
	assert_int_equal(guest_open(&g, &b, &o, 9, &err), 0);
	assert_int_equal(guest_start(&g, &err), -ENOTSUP);
	guest_close(&g);
	backend_close(&b);
}

static void
test_listen(void **state)
{
	struct backend b = {.features = all_features, .protocol_features = all_protocol};
	struct frontend_options o = {
		.features = all_features, .protocol_features = all_protocol, .listen = true};
	struct err err = {0};
	struct guest g;

	(void)state;
	backend_open(&b, true);
	assert_int_equal(guest_open(&g, &b, &o, 1, &err), 0);
	assert_int_equal(guest_start(&g, &err), 0);
	assert_true(frontend_alive(g.frontend));
	assert_int_equal(frontend_stop(g.frontend, &err), 0);
	guest_close(&g);
	backend_close(&b);
	assert_int_equal(access(b.path, F_OK), -1);
}

/* ---- a back end that is not there, or lacks something ---- */

static void
test_nobody(void **state)
{
	struct backend b = {.path = "/tmp/test_frontend.nobody"};
	struct frontend_options o = {.features = all_features, .timeout_ms = 30};
	struct err err = {0};
	struct guest g;

	(void)state;
	assert_int_equal(guest_open(&g, &b, &o, 1, &err), -ENOENT);
	assert_non_null(strstr(err.text, b.path));
	assert_int_equal(guest_start(&g, &err), -ENOTCONN);
	assert_false(frontend_alive(g.frontend));
	guest_close(&g);
	o.listen = true;
	assert_int_equal(guest_open(&g, &b, &o, 1, &err), -ETIMEDOUT);
	guest_close(&g);
}

static void
test_lacks_feature(void **state)
{
	struct backend b = {.features = F(F_VERSION_1)};
	struct frontend_options o = {.features = F(F_VERSION_1) | F(F_RING_PACKED),
		.required = F(F_VERSION_1) | F(F_RING_PACKED)};
	struct err err = {0};
	struct guest g;

	(void)state;
	backend_open(&b, false);
	assert_int_equal(guest_open(&g, &b, &o, 1, &err), -ENOTSUP);
	assert_non_null(strstr(err.text, "packed"));
	guest_close(&g);
	backend_close(&b);
}

/* Rings that run need what they were negotiated with. */
static void
test_comes_back_with_less(void **state)
{
	struct backend b = {.features = F(F_VERSION_1) | F(F_IN_ORDER)};
	struct frontend_options o = {.features = F(F_VERSION_1) | F(F_IN_ORDER)};
	struct err err = {0};
	struct guest g;

	(void)state;
	backend_open(&b, false);
	assert_int_equal(guest_open(&g, &b, &o, 1, &err), 0);
	assert_int_equal(guest_start(&g, &err), 0);
	frontend_disconnect(g.frontend);
	backend_close(&b);
	/* More than before is not taken up, */
	b.features |= F(F_RING_PACKED);
	backend_open(&b, false);
	assert_int_equal(frontend_connect(g.frontend, &err), 0);
	assert_int_equal(frontend_features(g.frontend), F(F_VERSION_1) | F(F_IN_ORDER));
	assert_int_equal(frontend_start(g.frontend, &err), 0);
	frontend_disconnect(g.frontend);
	backend_close(&b);
	/* less is refused. */
	b.features = F(F_VERSION_1);
	backend_open(&b, false);
	assert_int_equal(frontend_connect(g.frontend, &err), -ENOTSUP);
	assert_non_null(strstr(err.text, "in-order"));
	guest_close(&g);
	backend_close(&b);
}

/* ---- faults at every request ---- */

/* The whole life of a connection; the first error, and nothing after it. */
static int
whole_life(struct backend *b, struct err *err)
{
	struct frontend_options o = {.features = all_features,
		.protocol_features = all_protocol,
		.timeout_ms = 40,
		.mem_slots = true,
		.inflight = true};
	struct guest g;
	int rc;

	backend_open(b, false);
	rc = guest_open(&g, b, &o, 2, err);
	if (!rc)
		rc = guest_start(&g, err);
	if (!rc)
		rc = frontend_set_logging(g.frontend, true, err);
	if (!rc)
		rc = frontend_stop(g.frontend, err);
	if (!rc)
		rc = frontend_reset(g.frontend, err);
	guest_close(&g);
	backend_close(b);
	return rc;
}

static void
test_faults(void **state)
{
	static const int want[FAULT_COUNT] = {[FAULT_CLOSE] = -ENODATA,
		[FAULT_SILENT] = -ETIMEDOUT,
		[FAULT_OTHER_REQUEST] = -EPROTO,
		[FAULT_NO_REPLY_FLAG] = -EPROTO,
		[FAULT_SIZE] = -EPROTO,
		[FAULT_HALF] = -ECONNRESET,
		[FAULT_REFUSE] = -EREMOTEIO};
	struct backend b = {.features = all_features, .protocol_features = all_protocol};
	unsigned answers, fds = open_fds(), seen[FAULT_COUNT] = {0};
	struct err err = {0};

	(void)state;
	b.fault_at = UINT32_MAX;
	if (whole_life(&b, &err))
		fail_msg("%s", err.text);
	answers = b.answers;
	assert_true(answers > 20);
	for (enum fault fault = FAULT_CLOSE; fault < FAULT_COUNT; fault++) {
		b.fault = fault;
		for (b.fault_at = 0; b.fault_at < answers; b.fault_at++) {
			uint64_t start = clock_ns();
			int rc = whole_life(&b, &err);

			/* Some answers have no fixed size, or a value that cannot be a refusal. */
			if (rc != want[fault] && fault != FAULT_SIZE && fault != FAULT_REFUSE)
				fail_msg("fault %d at answer %u: %d, %s", fault, b.fault_at, rc,
					err.text);
			seen[fault] += rc == want[fault];
			assert_true(clock_ns() - start < UINT64_C(2000000000));
		}
		assert_true(seen[fault] > answers / 2);
	}
	assert_int_equal(open_fds(), fds);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plain_handshake),
		cmocka_unit_test(test_full_handshake),
		cmocka_unit_test(test_memory_table),
		cmocka_unit_test(test_listen),
		cmocka_unit_test(test_nobody),
		cmocka_unit_test(test_lacks_feature),
		cmocka_unit_test(test_comes_back_with_less),
		cmocka_unit_test(test_faults),
	};

	return cmocka_run_group_tests_name("frontend", tests, NULL, NULL);
}
