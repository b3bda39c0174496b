/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "datapath/drop.h"
#include "datapath/port.h"

static void
test_names(void **state)
{
	for (unsigned i = 0; i < DROP_COUNT; i++) {
		const char *name = drop_name(i);

		assert_true(strlen(name) >= 3);
		assert_int_equal(strspn(name, "abcdefghijklmnopqrstuvwxyz_"), strlen(name));
		assert_true(strlen(drop_text(i)) > 10);
		for (unsigned j = 0; j < i; j++)
			assert_string_not_equal(name, drop_name(j));
	}
	assert_string_equal(drop_name(DROP_NO_BUFFER), "no_buffer");
	assert_string_equal(drop_name(DROP_BUFFER_TOO_SMALL), "buffer_too_small");
	assert_string_equal(drop_text(DROP_MTU), "longer than the destination port's MTU");
}

static void
test_directions(void **state)
{
	assert_int_equal(drop_direction(DROP_BAD_DESCRIPTOR), DROP_IN);
	assert_int_equal(drop_direction(DROP_DETACHED), DROP_IN);
	assert_int_equal(drop_direction(DROP_PORT_DOWN), DROP_OUT);
	assert_int_equal(drop_direction(DROP_HANDOFF_FULL), DROP_OUT);
}

static void
test_out_of_range(void **state)
{
	assert_string_equal(drop_name(DROP_COUNT), "unknown");
	assert_string_equal(drop_text(DROP_COUNT), "");
	assert_int_equal(drop_direction(DROP_COUNT), DROP_IN);
}

static void
test_port_init(void **state)
{
	static const struct port_ops ops = {.type = "test"};
	char long_name[PORT_NAME_SIZE + 10];
	struct port port;

	memset(&port, 0xff, sizeof(port));
	memset(long_name, 'x', sizeof(long_name) - 1);
	long_name[sizeof(long_name) - 1] = 0;
	port_init(&port, &ops, long_name, PORT_QUEUES_MAX, 2);
	assert_ptr_equal(port.ops, &ops);
	assert_int_equal(strlen(port.name), PORT_NAME_SIZE - 1);
	assert_int_equal(port.rx_queues, PORT_QUEUES_MAX);
	assert_int_equal(port.tx_queues_max, 2);
	assert_int_equal(atomic_load(&port.tx_queues), 0);
	assert_int_equal(atomic_load(&port.accepts), 0);
	assert_null(port.counters);
	for (unsigned i = 0; i < PORT_QUEUES_MAX; i++)
		assert_int_equal(port.wake_fd[i], -1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_directions),
		cmocka_unit_test(test_out_of_range),
		cmocka_unit_test(test_port_init),
	};

	return cmocka_run_group_tests_name("drop", tests, NULL, NULL);
}
