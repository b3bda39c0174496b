/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * vhost: ports on an event loop: front ends that are silent, slow, too many, come and go, in server
 * and in client mode.  The rings only remember (fake_rings.h).
 */
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/clock.h"
#include "lib/fd.h"
#include "tests/unit/fake_rings.h"
#include "tests/unit/leaks.h"
#include "tests/unit/vhost_peer.h"
#include "vhost/features_text.h"
#include "vhost/vhost.h"

static struct {
	struct event_base *loop;
	unsigned fds;
	char dir[64], path[96];
	struct port *port;
	struct vhost_status status;
	struct peer peer;
} t;

static int
setup(void **state)
{
	memset(&t, 0, sizeof(t));
	fakes_reset();
	t.fds = leaks_fds();
	t.loop = event_base_new();
	strcpy(t.dir, "/tmp/patchbay-vhost-XXXXXX");
	peer_init(&t.peer, false);
	if (!t.loop || !mkdtemp(t.dir))
		return -1;
	snprintf(t.path, sizeof(t.path), "%s/vm1.sock", t.dir);
	return 0;
}

static int
teardown(void **state)
{
	if (t.port) {
		vhost_port_close(t.port);
		vhost_port_close(t.port);
		t.port->ops->destroy(t.port);
	}
	peer_close(&t.peer);
	event_base_free(t.loop);
	/* The port left no file behind. */
	if (rmdir(t.dir) && errno != ENOENT)
		return -1;
	return leaks_fds() == t.fds && !fakes.vrings && !leaks_maps(PEER_FILE_TAG) ? 0 : -1;
}

static struct vhost_options
options(bool client)
{
	return (struct vhost_options){
		.name = "vm1",
		.path = t.path,
		.client = client,
		.queues = 2,
		.owner = (uid_t)-1,
		.group = (gid_t)-1,
	};
}

static void
port_open(bool client)
{
	struct vhost_options o = options(client);
	struct err err;

	assert_int_equal(vhost_port_create(t.loop, &o, &t.port, &err), 0);
	assert_int_equal(vhost_port_open(t.port, &err), 0);
}

/* Runs the loop until the condition holds; how many milliseconds that took. */
#define UNTIL(holds, most_ms)                                                                \
	({                                                                                   \
		uint64_t begin_ = clock_ns();                                                \
		while (vhost_port_status(t.port, &t.status), !(holds)) {                     \
			if ((clock_ns() - begin_) / 1000000 > (most_ms))                     \
				fail_msg("not within %d ms: %s (%s, %s)", (most_ms), #holds, \
					vhost_link_text(t.status.link), t.status.reason);    \
			event_base_loop(t.loop, EVLOOP_ONCE | EVLOOP_NONBLOCK);              \
			usleep(500);                                                         \
		}                                                                            \
		(clock_ns() - begin_) / 1000000;                                             \
	})

static void
run_ms(unsigned ms)
{
	uint64_t begin = clock_ns();

	UNTIL((clock_ns() - begin) / 1000000 >= ms, 60000);
}

static int
dial(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	strcpy(address.sun_path, t.path);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

static int
listen_here(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	assert_true(fd >= 0);
	strcpy(address.sun_path, t.path);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(fd, 4), 0);
	return fd;
}

/* Has the other side hung up?  Whatever it sent is read. */
static bool
hung_up(int fd)
{
	char trash[512];
	ssize_t n;

	do
		n = recv(fd, trash, sizeof(trash), MSG_DONTWAIT);
	while (n > 0);
	return n == 0 || errno == ECONNRESET;
}

static void
shake(int fd)
{
	struct peer_message m;

	for (unsigned i = 0; peer_handshake(&t.peer, i, &m); i++)
		assert_int_equal(message_write(fd, &m.message, m.fds, m.fd_count), 0);
}

static void
test_up_and_down(void **state)
{
	char text[1024];
	int fd;

	port_open(false);
	vhost_port_status(t.port, &t.status);
	assert_int_equal(t.status.link, VHOST_LISTENING);
	fd = dial();
	UNTIL(t.status.link == VHOST_NEGOTIATING, 1000);
	shake(fd);
	UNTIL(t.status.queue_pairs == 2, 1000);
	assert_int_equal(t.status.link, VHOST_UP);
	assert_int_equal(t.status.regions, 3);
	assert_int_equal(t.status.memory_bytes, PEER_MEMORY + 0x10000);
	assert_int_equal(t.status.ring_size, PEER_SIZE);
	assert_false(t.status.sealed);
	assert_false(t.status.packed);
	assert_string_equal(t.status.reason, "");
	vhost_features_text(t.status.features, text, sizeof(text));
	assert_string_equal(text, "version-1 mergeable multi-queue guest-csum protocol-features");
	vhost_features_text(t.status.features, text, 14);
	assert_string_equal(text, "version-1");
	close(fd);
	UNTIL(t.status.link == VHOST_LISTENING, 1000);
	assert_int_equal(fakes.flushes, 1);
	assert_int_equal(fakes.vrings, 0);
	assert_int_equal(t.status.errors, 0);
	assert_non_null(strstr(t.status.reason, "closed"));
	/* And once more. */
	fd = dial();
	shake(fd);
	UNTIL(t.status.queue_pairs == 2, 1000);
	assert_int_equal(t.status.connections, 2);
	close(fd);
}

static void
test_announce(void **state)
{
	static const uint8_t expected[] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 9,
		0x80, 0x35, 0, 1, 8, 0, 6, 4, 0, 3, 2, 0, 0, 0, 0, 9, 0, 0, 0, 0, 2, 0, 0, 0, 0, 9,
		0, 0, 0, 0};
	struct peer_message m = peer_u64(VHOST_SEND_RARP, UINT64_C(0x090000000002));
	int fd;

	port_open(false);
	fd = dial();
	shake(fd);
	assert_int_equal(message_write(fd, &m.message, NULL, 0), 0);
	UNTIL(fakes.injected_len, 1000);
	assert_int_equal(fakes.injected_len, 60);
	assert_memory_equal(fakes.injected, expected, sizeof(expected));
	close(fd);
}

/* Half a message and silence; and a byte now and then. */
static void
test_slow(void **state)
{
	struct vhost_message m = {.header = {VHOST_SET_FEATURES, VHOST_VERSION, 8}};
	uint64_t begin;
	unsigned sent;
	int fd;

	port_open(false);
	fd = dial();
	assert_int_equal(send(fd, &m, 15, 0), 15);
	run_ms(1500);
	assert_false(hung_up(fd));
	UNTIL(t.status.link == VHOST_LISTENING, 1000);
	assert_true(hung_up(fd));
	assert_int_equal(t.status.errors, 1);
	assert_non_null(strstr(t.status.reason, "half a message"));
	close(fd);

	fd = dial();
	begin = clock_ns();
	for (sent = 0; sent < 19 && (sent < 1 || !hung_up(fd)); sent++) {
		assert_int_equal(send(fd, (char *)&m + sent, 1, MSG_NOSIGNAL), 1);
		run_ms(200);
	}
	assert_in_range((clock_ns() - begin) / 1000000, 1900, 2600);
	close(fd);
}

static void
test_never_speaks(void **state)
{
	int fd;

	port_open(false);
	fd = dial();
	run_ms(1500);
	assert_int_equal(t.status.link, VHOST_NEGOTIATING);
	UNTIL(t.status.link == VHOST_LISTENING, 1000);
	assert_non_null(strstr(t.status.reason, "silent"));
	assert_true(hung_up(fd));
	close(fd);
	/* After one message it may be silent as long as it likes. */
	fd = dial();
	{
		struct peer_message m = peer_plain(VHOST_GET_FEATURES);

		assert_int_equal(message_write(fd, &m.message, NULL, 0), 0);
	}
	run_ms(2500);
	assert_int_equal(t.status.link, VHOST_NEGOTIATING);
	assert_false(hung_up(fd));
	close(fd);
}

static void
test_second_client(void **state)
{
	int first, second;

	port_open(false);
	first = dial();
	shake(first);
	UNTIL(t.status.queue_pairs == 2, 1000);
	for (unsigned i = 0; i < 100; i++) {
		second = dial();
		UNTIL(hung_up(second), 1000);
		close(second);
	}
	assert_int_equal(t.status.link, VHOST_UP);
	assert_int_equal(t.status.connections, 1);
	assert_false(hung_up(first));
	/* The first dies and the next one is there before anybody looked. */
	close(first);
	second = dial();
	shake(second);
	UNTIL(t.status.connections == 2 && t.status.link == VHOST_UP, 1000);
	assert_int_equal(fakes.flushes, 1);
	close(second);
}

static void
test_rule_breaker(void **state)
{
	struct peer_message m = peer_plain(77);
	int fd;

	port_open(false);
	fd = dial();
	shake(fd);
	UNTIL(t.status.queue_pairs == 2, 1000);
	assert_int_equal(message_write(fd, &m.message, NULL, 0), 0);
	assert_true(UNTIL(t.status.link == VHOST_LISTENING, 1000) <= 100);
	assert_string_equal(t.status.reason, "request 77 is not supported");
	assert_int_equal(t.status.errors, 1);
	assert_true(hung_up(fd));
	close(fd);
}

/* A front end that never stops talking leaves the loop to others. */
static void
test_chatty(void **state)
{
	struct peer_message m = peer_state(VHOST_SET_VRING_ENABLE, 0, 1);
	unsigned turns = 0, sent = 0;
	int fd;

	port_open(false);
	fd = dial();
	UNTIL(t.status.link == VHOST_NEGOTIATING, 1000);
	while (sent < 100 && !message_write(fd, &m.message, NULL, 0))
		sent++;
	assert_int_equal(sent, 100);
	for (; turns < 100; turns++) {
		int waiting = 0;

		event_base_loop(t.loop, EVLOOP_ONCE | EVLOOP_NONBLOCK);
		if (recv(fd, &waiting, 1, MSG_DONTWAIT | MSG_PEEK) == 0)
			break;
		if (turns == 1)
			shutdown(fd, SHUT_WR);
	}
	/* 32 messages a turn: four turns for 100 messages. */
	assert_in_range(turns, 3, 5);
	close(fd);
}

static void
test_broken_ring(void **state)
{
	struct vhost_rings *rings;
	struct vring *ring;
	int fd;

	port_open(false);
	rings = (struct vhost_rings *)t.port;
	fd = dial();
	shake(fd);
	UNTIL(t.status.queue_pairs == 2, 1000);
	vhost_port_broken(t.port, 0, VRING_BROKEN_AVAIL);
	vhost_port_status(t.port, &t.status);
	assert_int_equal(t.status.link, VHOST_UP); /* old news */
	ring = atomic_load(&rings->ring[1]);
	ring->broken = VRING_BROKEN_AVAIL;
	vhost_port_broken(t.port, 0, VRING_BROKEN_AVAIL);
	vhost_port_status(t.port, &t.status);
	assert_int_equal(t.status.link, VHOST_BROKEN);
	assert_non_null(strstr(t.status.reason, "ring 1"));
	{
		struct peer_message m[] = {
			peer_state(VHOST_GET_VRING_BASE, 1, 0),
			peer_state(VHOST_SET_VRING_BASE, 1, 0),
			peer_vring_fd(VHOST_SET_VRING_KICK, 1, t.peer.kick[1]),
		};

		for (unsigned i = 0; i < 3; i++)
			message_write(fd, &m[i].message, m[i].fds, m[i].fd_count);
	}
	UNTIL(t.status.link == VHOST_UP, 1000);
	close(fd);
}

static void
test_socket_removed(void **state)
{
	int first, second;

	port_open(false);
	first = dial();
	shake(first);
	UNTIL(t.status.queue_pairs == 2, 1000);
	assert_int_equal(unlink(t.path), 0);
	assert_true(UNTIL(!access(t.path, F_OK), 1000) <= 200);
	/* The connection did not notice, and the path leads to us again. */
	assert_int_equal(t.status.link, VHOST_UP);
	close(first);
	UNTIL(t.status.link == VHOST_LISTENING, 1000);
	second = dial();
	UNTIL(t.status.link == VHOST_NEGOTIATING, 1000);
	close(second);
	/* With its directory. */
	UNTIL(t.status.link == VHOST_LISTENING, 1000);
	assert_int_equal(unlink(t.path) || rmdir(t.dir), 0);
	run_ms(50);
	assert_non_null(strstr(t.status.reason, "does not exist"));
	assert_int_equal(mkdir(t.dir, 0700), 0);
	UNTIL(!access(t.path, F_OK), 3000);
	/* Once the directory is watched again it is quick again. */
	run_ms(1200);
	assert_int_equal(unlink(t.path), 0);
	assert_true(UNTIL(!access(t.path, F_OK), 1000) <= 200);
}

/* Another program took the path: it is left alone, and ours is back when the other has gone. */
static void
test_socket_taken(void **state)
{
	int other;

	port_open(false);
	assert_int_equal(unlink(t.path), 0);
	other = listen_here();
	run_ms(100);
	assert_non_null(strstr(t.status.reason, "in use"));
	close(other);
	assert_int_equal(unlink(t.path), 0);
	UNTIL(!access(t.path, F_OK), 3000);
	other = dial();
	UNTIL(t.status.link == VHOST_NEGOTIATING, 1000);
	close(other);
}

/* Out of descriptors: the connection waits, the loop does not spin, and it goes on afterwards. */
static void
test_out_of_descriptors(void **state)
{
	struct rlimit old, low;
	unsigned turns = 0;
	uint64_t begin;
	int fd;

	port_open(false);
	fd = dial();
	getrlimit(RLIMIT_NOFILE, &old);
	low = old;
	low.rlim_cur = (rlim_t)fd + 1;
	setrlimit(RLIMIT_NOFILE, &low);
	begin = clock_ns();
	while (clock_ns() - begin < 300000000) {
		struct timeval tick = {0, 50000};

		event_base_loopexit(t.loop, &tick);
		event_base_loop(t.loop, EVLOOP_ONCE);
		turns++;
	}
	setrlimit(RLIMIT_NOFILE, &old);
	assert_in_range(turns, 1, 20);
	UNTIL(t.status.link == VHOST_NEGOTIATING, 3000);
	close(fd);
}

static void
test_client(void **state)
{
	int listener, fd;

	port_open(true);
	vhost_port_status(t.port, &t.status);
	assert_int_equal(t.status.link, VHOST_CONNECTING);
	run_ms(250);
	assert_non_null(strstr(t.status.reason, t.path));
	/* The front end appears: at once. */
	listener = listen_here();
	assert_true(UNTIL(t.status.link == VHOST_NEGOTIATING, 1000) <= 50);
	fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	assert_true(fd >= 0);
	shake(fd);
	UNTIL(t.status.queue_pairs == 2, 1000);
	run_ms(VHOST_RETRY_MS);
	/* It hangs up and takes us again: at once. */
	close(fd);
	assert_true(UNTIL(t.status.connections == 2, 1000) <= 50);
	fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	assert_true(fd >= 0);
	run_ms(VHOST_RETRY_MS);
	/* It goes away altogether, and comes back. */
	close(listener);
	close(fd);
	assert_int_equal(unlink(t.path), 0);
	UNTIL(t.status.link == VHOST_CONNECTING, 1000);
	run_ms(300);
	listener = listen_here();
	assert_true(UNTIL(t.status.connections == 3, 1000) <= 50);
	close(listener);
	unlink(t.path);
}

/* A front end that is slow to look at who came is waited for, and half a message is not. */
static void
test_client_patient(void **state)
{
	int listener = listen_here(), fd;

	(void)state;
	port_open(true);
	UNTIL(t.status.link == VHOST_NEGOTIATING, 1000);
	run_ms(VHOST_MESSAGE_MS + 300);
	vhost_port_status(t.port, &t.status);
	assert_int_equal(t.status.connections, 1);
	assert_int_equal(t.status.link, VHOST_NEGOTIATING);
	fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	assert_true(fd >= 0);
	shake(fd);
	UNTIL(t.status.queue_pairs == 2, 1000);
	assert_int_equal(write(fd, "x", 1), 1);
	UNTIL(t.status.link != VHOST_UP, VHOST_MESSAGE_MS + 1000);
	close(fd);
	close(listener);
	unlink(t.path);
}

/* Who hangs up again and again is asked every VHOST_RETRY_MS, not as fast as possible. */
static void
test_client_unwelcome(void **state)
{
	uint64_t begin = clock_ns();
	int listener = listen_here();

	port_open(true);
	while (clock_ns() - begin < 1000000000) {
		int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

		if (fd >= 0)
			close(fd);
		event_base_loop(t.loop, EVLOOP_ONCE | EVLOOP_NONBLOCK);
		usleep(200);
	}
	vhost_port_status(t.port, &t.status);
	assert_in_range(t.status.connections, 5, 12);
	close(listener);
	unlink(t.path);
}

static void
test_bad_options(void **state)
{
	struct vhost_options o = options(false);
	struct port *second;
	char path[200];
	struct err err;
	int file;

	memset(path, 'x', sizeof(path) - 1);
	path[0] = '/';
	path[sizeof(path) - 1] = '\0';
	o.path = path;
	assert_int_equal(vhost_port_create(t.loop, &o, &second, &err), -ENAMETOOLONG);
	o.path = "vm1.sock";
	assert_int_equal(vhost_port_create(t.loop, &o, &second, &err), -EINVAL);
	assert_non_null(strstr(err.text, "absolute"));
	o = options(false);
	o.queues = 0;
	assert_int_equal(vhost_port_create(t.loop, &o, &second, &err), -EINVAL);
	o.queues = VHOST_QUEUE_PAIRS_MAX + 1;
	assert_int_equal(vhost_port_create(t.loop, &o, &second, &err), -EINVAL);
	o.queues = 1;
	o.name = "a-name-that-is-much-too-long-for-a-port";
	assert_int_equal(vhost_port_create(t.loop, &o, &second, &err), -EINVAL);

	/* A live socket, another kind of file: left alone; the first port is not disturbed. */
	port_open(false);
	o = options(false);
	o.name = "vm2";
	assert_int_equal(vhost_port_create(t.loop, &o, &second, &err), 0);
	assert_int_equal(vhost_port_open(second, &err), -EADDRINUSE);
	vhost_port_close(second);
	second->ops->destroy(second);
	vhost_port_status(t.port, &t.status);
	assert_int_equal(t.status.link, VHOST_LISTENING);
	snprintf(path, sizeof(path), "%s/file", t.dir);
	file = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	o.path = path;
	assert_int_equal(vhost_port_create(t.loop, &o, &second, &err), 0);
	assert_int_equal(vhost_port_open(second, &err), -EEXIST);
	o.client = true;
	second->ops->destroy(second);
	assert_int_equal(vhost_port_create(t.loop, &o, &second, &err), 0);
	assert_true(vhost_port_open(second, &err) < 0);
	second->ops->destroy(second);
	close(file);
	unlink(path);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_up_and_down),
		CASE(test_announce),
		CASE(test_slow),
		CASE(test_never_speaks),
		CASE(test_second_client),
		CASE(test_rule_breaker),
		CASE(test_chatty),
		CASE(test_broken_ring),
		CASE(test_socket_removed),
		CASE(test_socket_taken),
		CASE(test_out_of_descriptors),
		CASE(test_client),
		CASE(test_client_patient),
		CASE(test_client_unwelcome),
		CASE(test_bad_options),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
