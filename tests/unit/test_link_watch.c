/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Tap interfaces, made and changed in a network namespace of the test's own.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include <event2/event.h>

#include "control/link_watch.h"

#define NAME "lw0"
#define WAIT 5 /* seconds */

static struct event_base *loop;
static struct link_state last;
static unsigned told;
static int control = -1;

static void
on_change(const struct link_state *state, void *arg)
{
	assert_ptr_equal(arg, &last);
	last = *state;
	told++;
}

static int
make(void)
{
	struct ifreq request = {.ifr_flags = IFF_TAP | IFF_NO_PI};
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);

	assert_true(fd >= 0);
	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", NAME);
	assert_int_equal(ioctl(fd, TUNSETIFF, &request), 0);
	return fd;
}

static void
set_up(bool up)
{
	struct ifreq request = {.ifr_flags = up ? IFF_UP : 0};

	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", NAME);
	assert_int_equal(ioctl(control, SIOCSIFFLAGS, &request), 0);
}

static void
set_mtu(int mtu)
{
	struct ifreq request = {.ifr_mtu = mtu};

	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", NAME);
	assert_int_equal(ioctl(control, SIOCSIFMTU, &request), 0);
}

/* Runs the loop until the last state told is the one wanted. */
static void
await(bool exists, bool up, unsigned mtu)
{
	const struct timeval limit = {WAIT, 0};

	event_base_loopexit(loop, &limit);
	while (!event_base_got_exit(loop)) {
		if (!!last.ifindex == exists && last.up == up && (!mtu || last.mtu == mtu))
			return;
		event_base_loop(loop, EVLOOP_ONCE);
	}
	fail_msg("told last: ifindex %d, up %d, mtu %u", last.ifindex, last.up, last.mtu);
}

static int
setup(void **state)
{
	(void)state;
	if (unshare(CLONE_NEWNET) < 0 || access("/dev/net/tun", R_OK | W_OK) < 0)
		return 0; /* the tests say so */
	control = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	loop = event_base_new();
	return control < 0 || !loop ? -1 : 0;
}

static int
teardown(void **state)
{
	(void)state;
	if (control >= 0)
		close(control);
	if (loop)
		event_base_free(loop);
	return 0;
}

static void
need_namespace(void)
{
	if (control < 0) {
		print_message("skipped: needs root and /dev/net/tun\n");
		skip();
	}
	memset(&last, 0, sizeof(last));
	told = 0;
}

static void
test_comes_changes_and_goes(void **state)
{
	struct link_watch *watch;
	struct link_state first;
	int fd, before;

	(void)state;
	need_namespace();
	assert_int_equal(link_watch_create(&watch, loop, NAME, on_change, &last, &first, NULL), 0);
	assert_int_equal(first.ifindex, 0);
	fd = make();
	await(true, false, 1500);
	set_up(true);
	await(true, true, 1500);
	assert_true(last.running);
	assert_false(mac_is_zero(&last.mac));
	assert_string_equal(last.kind, "tun");
	set_mtu(1400);
	await(true, true, 1400);
	before = last.ifindex;
	close(fd);
	await(false, false, 0);
	fd = make();
	await(true, false, 1500);
	assert_int_not_equal(last.ifindex, before);
	link_watch_destroy(watch);
	close(fd);
}

static void
test_thousand_flaps_end_in_the_last_state(void **state)
{
	struct link_watch *watch;
	struct link_state first;
	int fd;

	(void)state;
	need_namespace();
	fd = make();
	assert_int_equal(link_watch_create(&watch, loop, NAME, on_change, &last, &first, NULL), 0);
	assert_int_not_equal(first.ifindex, 0);
	/* More than the socket holds: the kernel drops messages. */
	for (unsigned i = 0; i < 1000; i++)
		set_up(i % 2 == 0);
	set_mtu(1300);
	await(true, false, 1300);
	set_up(true);
	await(true, true, 1300);
	link_watch_destroy(watch);
	close(fd);
}

static void
test_two_watches_and_the_end_of_one(void **state)
{
	struct link_watch *one, *two;
	struct link_state first;
	int fd;

	(void)state;
	need_namespace();
	assert_int_equal(link_watch_create(&one, loop, NAME, on_change, &last, &first, NULL), 0);
	assert_int_equal(link_watch_create(&two, loop, NAME, on_change, &last, &first, NULL), 0);
	fd = make();
	await(true, false, 0);
	while (told < 2)
		event_base_loop(loop, EVLOOP_ONCE);
	link_watch_destroy(one);
	told = 0;
	set_up(true);
	await(true, true, 0);
	assert_int_equal(told, 1);
	link_watch_destroy(two);
	close(fd);
	link_watch_destroy(NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_comes_changes_and_goes),
		cmocka_unit_test(test_thousand_flaps_end_in_the_last_state),
		cmocka_unit_test(test_two_watches_and_the_end_of_one),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
