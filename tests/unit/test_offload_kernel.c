/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The same frames and requests are given to Linux: written into a tap device with a virtio-net
 * header, bridged to a tap device without any offload, and read there as the kernel cut and summed
 * them.  Byte by byte the same is expected, but for the identification of IPv6 fragments.
 *
 * Runs in a network namespace of its own; skipped where that or /dev/net/tun is not to be had.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <unistd.h>
#include <linux/if_tun.h>
#include <linux/sockios.h>
#include <linux/virtio_net.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/offload_judge.h"

#define MTU        9000
#define WAIT_MS    2000
#define GSO_UDP_L4 5 /* VIRTIO_NET_HDR_GSO_UDP_L4: Linux 6.2 and later */

struct bench {
	int in, out, control; /* tap devices, a socket for ioctls */
	struct offload *offload;
	const char *missing; /* why not */
};

static int
tap_open(const char *name, short flags)
{
	struct ifreq request = {.ifr_flags = (short)(IFF_TAP | IFF_NO_PI | flags)};
	int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0)
		return -1;
	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
	if (ioctl(fd, TUNSETIFF, &request)) {
		close(fd);
		return -1;
	}
	return fd;
}

static int
device_up(int control, const char *name)
{
	struct ifreq request = {0};

	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
	request.ifr_mtu = MTU;
	if (ioctl(control, SIOCSIFMTU, &request))
		return -1;
	request.ifr_flags = IFF_UP;
	return ioctl(control, SIOCSIFFLAGS, &request);
}

static int
bridge_join(int control, const char *name)
{
	struct ifreq request = {0};

	snprintf(request.ifr_name, sizeof(request.ifr_name), "bridge");
	request.ifr_ifindex = (int)if_nametoindex(name);
	return ioctl(control, SIOCBRADDIF, &request);
}

static const char *
bench_open(struct bench *b)
{
	if (unshare(geteuid() ? CLONE_NEWUSER | CLONE_NEWNET : CLONE_NEWNET))
		return "no network namespace";
	b->control = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	b->in = tap_open("in", IFF_VNET_HDR);
	b->out = tap_open("out", 0);
	if (b->in < 0 || b->out < 0)
		return "no tap devices";
	if (ioctl(b->control, SIOCBRADDBR, "bridge"))
		return "no bridge device";
	if (bridge_join(b->control, "in") || bridge_join(b->control, "out"))
		return "the bridge takes no tap device";
	if (device_up(b->control, "in") || device_up(b->control, "out") ||
		device_up(b->control, "bridge"))
		return "the devices do not come up";
	return NULL;
}

static int
setup(void **state)
{
	static struct bench bench = {.in = -1, .out = -1, .control = -1};

	bench.missing = bench_open(&bench);
	*state = &bench;
	return offload_create(&bench.offload);
}

static int
teardown(void **state)
{
	struct bench *bench = *state;

	offload_destroy(bench->offload);
	close(bench->in);
	close(bench->out);
	close(bench->control);
	return 0;
}

/* 0, or -1 when this kernel does not know the gso type. */
static int
kernel_give(struct bench *bench, const struct built *b, const struct spec *s)
{
	struct virtio_net_hdr header = {.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		.csum_start = (uint16_t)b->l4,
		.csum_offset = s->protocol == TCP ? 16 : 6};
	struct iovec parts[] = {{&header, sizeof(header)}, {(void *)b->bytes, b->len}};

	if (s->needs & OFFLOAD_GSO) {
		header.gso_size = s->gso_size;
		header.hdr_len = (uint16_t)b->payload;
	}
	if (s->needs & OFFLOAD_TSO4)
		header.gso_type = VIRTIO_NET_HDR_GSO_TCPV4;
	else if (s->needs & OFFLOAD_TSO6)
		header.gso_type = VIRTIO_NET_HDR_GSO_TCPV6;
	else if (s->needs & OFFLOAD_UFO)
		header.gso_type = VIRTIO_NET_HDR_GSO_UDP;
	else if (s->needs & OFFLOAD_USO)
		header.gso_type = GSO_UDP_L4;
	if (s->needs & OFFLOAD_ECN)
		header.gso_type |= VIRTIO_NET_HDR_GSO_ECN;
	if (writev(bench->in, parts, 2) == (ssize_t)(sizeof(header) + b->len))
		return 0;
	assert_int_equal(errno, EINVAL);
	assert_true(s->needs & OFFLOAD_USO);
	return -1;
}

/* The next frame with our source address; the kernel has things of its own to say. */
static unsigned
kernel_take(struct bench *bench, const struct built *b, uint8_t *to)
{
	for (unsigned i = 0; i < 1000; i++) {
		struct pollfd ready = {.fd = bench->out, .events = POLLIN};
		ssize_t n = read(bench->out, to, FRAME_LEN_MAX);

		if (n > 12 && !memcmp(to + 6, b->bytes + 6, 6))
			return (unsigned)n;
		if (n < 0 && poll(&ready, 1, WAIT_MS) <= 0)
			break;
	}
	return 0;
}

/* What Linux can be given: see the comments of each line. */
static bool
kernel_knows(const struct spec *s)
{
	/* Bridged frames beyond the MTU are dropped unless they are to be cut into such that fit. */
	if (s->needs & OFFLOAD_GSO ? s->gso_size > MTU - 200 : s->payload > MTU - 200)
		return false;
	/* "Too small packets are not really GSO ones": left as they are, with another rule each. */
	if (s->needs & OFFLOAD_GSO && s->payload <= s->gso_size)
		return false;
	/* Linux 6.18 counts extension headers into the offsets of fragments. */
	if (s->needs & OFFLOAD_UFO && (s->hop || s->routing || s->destination_last))
		return false;
	/* Linux leaves the options of later fragments and "don't fragment" to the sender. */
	if (s->needs & OFFLOAD_UFO && (s->options || s->frag))
		return false;
	/* The size of a fragment is taken as it is, the sender having rounded it. */
	return !(s->needs & OFFLOAD_UFO) || s->gso_size % 8 == 0;
}

/* Frames that a bridge with netfilter would drop have a wrong header sum or none. */
static void
header_sum(struct built *b, const struct spec *s)
{
	uint8_t *ip = b->bytes + b->l3;

	if (s->version != 4)
		return;
	put16(ip + 10, 0);
	put16(ip + 10, ~naive_sum(ip, 20 + s->options, 0));
}

static void
compare(const struct built *b, const struct spec *s, const uint8_t *ours, const uint8_t *theirs,
	unsigned len)
{
	static uint8_t masked[FRAME_LEN_MAX];

	memcpy(masked, theirs, len);
	if (s->version == 6 && s->needs & OFFLOAD_UFO)
		memcpy(masked + b->fragment + 4, ours + b->fragment + 4, 4);
	assert_memory_equal(ours, masked, len);
}

/* Returns whether the kernel took part. */
static bool
run_both(struct bench *bench, const struct spec *s)
{
	static uint8_t ours[FRAME_LEN_MAX], theirs[FRAME_LEN_MAX];
	static struct built b;
	struct scattered x;
	struct frame *out;
	unsigned count;

	build(&b, s);
	header_sum(&b, s);
	b.bytes[0] = 0x02;
	b.bytes[6] = 0x06;
	if (kernel_give(bench, &b, s))
		return false;
	scatter(&x, &b, s, FRAME_PREFIX);
	assert_int_equal(offload_complete(bench->offload, &x.frame, 0, &out, &count), 0);
	for (unsigned i = 0; i < count; i++) {
		unsigned len = flatten(&out[i], ours);
		unsigned n = kernel_take(bench, &b, theirs);

		if (n != len)
			fail_msg("frame %u of %u: %u bytes, the kernel's has %u", i, count, len, n);
		compare(&b, s, ours, theirs, len);
	}
	scattered_free(&x);
	return true;
}

static void
run_kind(void **state, unsigned version, unsigned protocol, unsigned needs)
{
	struct bench *bench = *state;
	unsigned compared = 0;

	if (bench->missing) {
		print_message("skipped: %s\n", bench->missing);
		skip();
	}
	srand(11);
	for (unsigned i = 0; i < 100000 && compared < 200; i++) {
		struct spec s;

		random_spec(&s);
		s.no_total = false;
		if (s.version != version || s.protocol != protocol || s.tags > 2 ||
			(s.needs & (OFFLOAD_CSUM | OFFLOAD_GSO)) != needs || !kernel_knows(&s))
			continue;
		if (!run_both(bench, &s)) {
			print_message("skipped: this kernel does not cut UDP datagrams of taps\n");
			skip();
		}
		compared++;
	}
	assert_int_equal(compared, 200);
}

static void
test_csum(void **state)
{
	run_kind(state, 4, TCP, OFFLOAD_CSUM);
	run_kind(state, 6, TCP, OFFLOAD_CSUM);
	run_kind(state, 4, UDP, OFFLOAD_CSUM);
	run_kind(state, 6, UDP, OFFLOAD_CSUM);
}

static void
test_tso4(void **state)
{
	run_kind(state, 4, TCP, OFFLOAD_CSUM | OFFLOAD_TSO4);
}

static void
test_tso6(void **state)
{
	run_kind(state, 6, TCP, OFFLOAD_CSUM | OFFLOAD_TSO6);
}

static void
test_uso(void **state)
{
	run_kind(state, 4, UDP, OFFLOAD_CSUM | OFFLOAD_USO);
	run_kind(state, 6, UDP, OFFLOAD_CSUM | OFFLOAD_USO);
}

static void
test_ufo(void **state)
{
	run_kind(state, 4, UDP, OFFLOAD_CSUM | OFFLOAD_UFO);
	run_kind(state, 6, UDP, OFFLOAD_CSUM | OFFLOAD_UFO);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_csum),
		cmocka_unit_test(test_tso4),
		cmocka_unit_test(test_tso6),
		cmocka_unit_test(test_uso),
		cmocka_unit_test(test_ufo),
	};

	return cmocka_run_group_tests_name("offload_kernel", tests, setup, teardown);
}
