/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Frames that a guest made up, judged by expressions that compute with what is in them.
 *
 * Input: a byte that chooses the expression, one that says how much of the frame is visible at first,
 * the frame.  Beyond memory errors (the frame ends where the next page may not be read): the answer is
 * that of libpcap's bpf_filter().
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <pcap/pcap.h>

#include "datapath/bpf_jit.h"
#include "datapath/expression.h"

#define PAGE      4096
#define FRAME_MAX 2048

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size);

#define REQUIRE(condition)        \
	do {                      \
		if (!(condition)) \
			abort();  \
	} while (0)

static const char *const texts[] = {"tcp dst port 25", "udp[udp[8:4]] = 5",
	"ether[ether[20:4]:4] = 1", "ip[ip[2:2]:2] > ip[4:2]",
	"tcp[((tcp[12] & 0xf0) >> 2):4] = 0x47455420", "ip6 and udp portrange 50-100",
	"vlan and vlan and host 10.1.2.3", "ether[len - 1] = 0",
	"ip[2:2] / ip[8] = ip[2:2] % ip[9]", "1 << ip[9] > ip[4:4] >> ip[8]",
	"mpls 5 and tcp port 80", "pppoes 3 and src net 10.0.0.0/8", "llc and stp",
	"ether[0 - ether[15]:4] != 0", "icmp6[icmp6type] = icmp6-echo or arp",
	"less 80 or greater 900"};

#define COUNT (sizeof(texts) / sizeof(texts[0]))

static struct bpf_program programs[COUNT];
static struct bpf_jit jits[COUNT], quick[COUNT];
static uint8_t *end; /* of what may be read */

static void
start(void)
{
	uint8_t *pages = mmap(
		NULL, (size_t)3 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	REQUIRE(pages != MAP_FAILED);
	REQUIRE(mprotect(pages + (size_t)2 * PAGE, PAGE, PROT_NONE) == 0);
	end = pages + (size_t)2 * PAGE;
	for (unsigned i = 0; i < COUNT; i++) {
		REQUIRE(expression_compile(texts[i], &programs[i], NULL) == 0);
		REQUIRE(bpf_jit_create(&jits[i], &programs[i], NULL) == 0);
		REQUIRE(bpf_jit_create_quick(&quick[i], &programs[i], NULL) == 0);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
	uint32_t len, seen, answer, expected;
	unsigned which;
	uint8_t *frame;

	if (!end)
		start();
	if (size < 2 || size > FRAME_MAX + 2)
		return 0;
	which = input[0] % COUNT;
	len = (uint32_t)size - 2;
	seen = len * input[1] / 255;
	frame = end - len;
	memcpy(frame, input + 2, len);
	expected = bpf_filter(programs[which].bf_insns, frame, len, len) != 0;
	answer = bpf_jit_run(&quick[which], frame, seen, len);
	REQUIRE(answer <= 1 && (answer || !expected));
	/* What is visible ends at the page that may not be read, too. */
	memmove(end - seen, input + 2, seen);
	answer = bpf_jit_run(&jits[which], end - seen, seen, len);
	if (answer == BPF_JIT_MORE) {
		REQUIRE(seen < len);
		memcpy(frame, input + 2, len);
		answer = bpf_jit_run(&jits[which], frame, len, len);
	}
	REQUIRE(answer == expected);
	return 0;
}
