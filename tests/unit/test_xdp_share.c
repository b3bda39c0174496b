/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The verdicts of the XDP program, by the kernel's test run: no interface is involved.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <datapath/xdp/share.skel.h>
#include <linux/bpf.h>

#include "datapath/xdp/share.h"

#define LEN 64

static const uint8_t own[6] = {2, 0, 0, 0, 0, 1}, vm[6] = {2, 0, 0, 0, 0, 2},
		     stranger[6] = {2, 0, 0, 0, 0, 3}, group[6] = {1, 0, 0x5e, 0, 0, 1};
static const uint32_t zero;
static struct share_bpf *object;
static struct share_settings settings;

static int
quiet(enum libbpf_print_level level, const char *format, va_list arguments)
{
	(void)level;
	(void)format;
	(void)arguments;
	return 0;
}

static int
setup(void **state)
{
	struct share_address address = {0};
	uint32_t value = 1;

	(void)state;
	libbpf_set_print(quiet);
	object = share_bpf__open_and_load();
	if (!object)
		return 0; /* the tests say so */
	memcpy(address.mac, vm, 6);
	bpf_map_update_elem(bpf_map__fd(object->maps.addresses), &address, &value, BPF_ANY);
	/* The interface's own address among those of guests: it must not matter. */
	memcpy(address.mac, own, 6);
	bpf_map_update_elem(bpf_map__fd(object->maps.addresses), &address, &value, BPF_ANY);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	if (object)
		share_bpf__destroy(object);
	return 0;
}

static void
set(uint8_t unattended)
{
	if (!object) {
		print_message("skipped: BPF programs cannot be loaded here: needs root\n");
		skip();
	}
	memset(&settings, 0, sizeof(settings));
	memcpy(settings.own, own, 6);
	settings.unattended = unattended;
	assert_int_equal(
		bpf_map_update_elem(bpf_map__fd(object->maps.settings), &zero, &settings, BPF_ANY),
		0);
}

static void
choose(unsigned vid)
{
	settings.vlans[vid >> 6] |= UINT64_C(1) << (vid & 63);
	bpf_map_update_elem(bpf_map__fd(object->maps.settings), &zero, &settings, BPF_ANY);
}

/* The verdict on a frame; type 0 = without a tag. */
static uint32_t
run(const uint8_t *to, uint16_t type, uint16_t tci, uint32_t len)
{
	uint8_t frame[LEN] = {0}, after[LEN];
	LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = frame, .data_size_in = len,
		.data_out = after, .data_size_out = sizeof(after), .repeat = 1);

	memcpy(frame, to, 6);
	frame[12] = 0x88;
	frame[13] = 0xb5;
	if (type) {
		const uint16_t tag[2] = {htons(type), htons(tci)};

		memcpy(frame + 12, tag, 4);
	}
	assert_int_equal(
		bpf_prog_test_run_opts(bpf_program__fd(object->progs.patchbay_share), &options), 0);
	assert_int_equal(options.data_size_out, len);
	assert_memory_equal(frame, after, len);
	return options.retval;
}

static struct share_counters
counted(void)
{
	int cpus = libbpf_num_possible_cpus();
	struct share_counters *each, sum = {0};

	each = calloc((size_t)cpus, sizeof(*each));
	assert_non_null(each);
	assert_int_equal(bpf_map_lookup_elem(bpf_map__fd(object->maps.counters), &zero, each), 0);
	for (int i = 0; i < cpus; i++) {
		sum.host += each[i].host;
		sum.group += each[i].group;
		sum.taken += each[i].taken;
		sum.unattended += each[i].unattended;
	}
	free(each);
	return sum;
}

/* There are no sockets here: frames for the switch show the policy. */
static void
test_by_address(void **state)
{
	struct share_counters before, after;

	(void)state;
	set(XDP_DROP);
	before = counted();
	assert_int_equal(run(vm, 0, 0, LEN), XDP_DROP);
	assert_int_equal(run(own, 0, 0, LEN), XDP_PASS);
	assert_int_equal(run(stranger, 0, 0, LEN), XDP_PASS);
	assert_int_equal(run(group, 0, 0, LEN), XDP_PASS);
	after = counted();
	assert_int_equal(after.unattended - before.unattended, 1);
	assert_int_equal(after.host - before.host, 2);
	assert_int_equal(after.group - before.group, 1);
	assert_int_equal(after.taken - before.taken, 0);
}

static void
test_unattended(void **state)
{
	(void)state;
	set(XDP_PASS);
	assert_int_equal(run(vm, 0, 0, LEN), XDP_PASS);
	set(0); /* never set up: as safe as can be */
	assert_int_equal(run(vm, 0, 0, LEN), XDP_DROP);
	assert_int_equal(run(stranger, 0, 0, LEN), XDP_PASS);
}

static void
test_by_vlan(void **state)
{
	static const uint16_t vids[] = {1, 63, 64, 100, 4094};

	(void)state;
	set(XDP_DROP);
	for (unsigned i = 0; i < 5; i++) {
		assert_int_equal(run(stranger, 0x8100, vids[i], LEN), XDP_PASS);
		choose(vids[i]);
		assert_int_equal(run(stranger, 0x8100, vids[i], LEN), XDP_DROP);
		/* Whatever the priority, the address, the kind of tag. */
		assert_int_equal(run(stranger, 0x8100, 0xf000 | vids[i], LEN), XDP_DROP);
		assert_int_equal(run(stranger, 0x88a8, vids[i], LEN), XDP_DROP);
		assert_int_equal(run(group, 0x8100, vids[i], LEN), XDP_DROP);
		assert_int_equal(run(own, 0x8100, vids[i], LEN), XDP_DROP);
		assert_int_equal(run(stranger, 0x8100, vids[i] ^ 2, LEN), XDP_PASS);
	}
	assert_int_equal(run(vm, 0x8100, 7, LEN), XDP_DROP);
	assert_int_equal(run(own, 0x8100, 7, LEN), XDP_PASS);
}

static void
test_short_frames(void **state)
{
	(void)state;
	set(XDP_DROP);
	choose(9);
	/* The shortest frame that the kernel takes for a test run is a bare header. */
	assert_int_equal(run(vm, 0, 0, 14), XDP_DROP);
	assert_int_equal(run(stranger, 0x8100, 9, 14), XDP_PASS);
	assert_int_equal(run(stranger, 0x8100, 9, 15), XDP_PASS);
	assert_int_equal(run(stranger, 0x8100, 9, 16), XDP_DROP);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_by_address),
		cmocka_unit_test(test_unattended),
		cmocka_unit_test(test_by_vlan),
		cmocka_unit_test(test_short_frames),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
