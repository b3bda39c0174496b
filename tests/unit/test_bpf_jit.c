/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Programs run as machine code against libpcap's own machine, bpf_filter(): expressions put together
 * at random on frames put together at random, and programs that no expression makes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <pcap/pcap.h>

#include "datapath/bpf_jit.h"
#include "datapath/bpf_touch.h"
#include "datapath/expression.h"

#define FRAME_MAX 2048
#define ROUNDS    150
#define FRAMES    120

static struct {
	uint64_t room;
	uint8_t bytes[FRAME_MAX];
} slot;

static uint64_t seed = UINT64_C(0x9e3779b97f4a7c15);

static uint32_t
number(uint32_t below)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (uint32_t)(seed >> 33) % below;
}

static uint8_t
pick(const char *from)
{
	return (uint8_t)from[number((uint32_t)strlen(from))];
}

/* A frame that many expressions nearly match, cut off anywhere; returns its length. */
static uint32_t
make_frame(void)
{
	static const uint8_t types[][2] = {
		{0x08, 0x00}, {0x08, 0x06}, {0x86, 0xdd}, {0x81, 0x00}, {0x88, 0xa8}, {0x00, 0x26}};
	uint8_t *p = slot.bytes;

	for (unsigned i = 0; i < 160; i++)
		p[i] = (uint8_t)(number(3) ? number(256) : number(4));
	for (unsigned i = 0; i < 12; i++)
		p[i] = number(4) ? (uint8_t)(i % 6 == 5) : p[i];
	p += 12;
	for (unsigned tags = number(3); tags; tags--) {
		memcpy(p, types[3 + number(2)], 2);
		p[2] = 0;
		p[3] = (uint8_t)number(3);
		p += 4;
	}
	memcpy(p, types[number(6)], 2);
	p += 2;
	p[0] = number(4) ? 0x45 : number(2) ? 0x60 : (uint8_t)number(256);
	p[6] = number(3) ? 0 : p[6];
	p[7] = number(3) ? 0 : p[7];
	p[9] = pick("\x01\x06\x11\x06\x11\x02");
	p[6] = number(2) ? p[6] : pick("\x06\x11\x3a");
	memcpy(p + 12, "\x0a\x01\x02\x03\x0a\x01\x02\x04", 8);
	if (number(2)) {
		p[20] = 0;
		p[21] = 80;
		p[22] = 0;
		p[23] = 25;
	}
	return number(4) ? 60 + number(100) : 14 + number(60);
}

static const char *const atoms[] = {"tcp", "udp", "ip", "ip6", "arp", "icmp", "tcp dst port 25",
	"udp src port 80", "port 25", "portrange 20-30", "host 10.1.2.3", "src net 10.1.0.0/16",
	"ether src 00:00:00:00:00:01", "ether multicast", "broadcast", "len > 70", "less 64",
	"greater 100", "ip[0] & 0xf != 5", "ip[8] < 64", "tcp[13] & 2 != 0", "tcp[tcpflags] = 0",
	"udp[4:2] > 100", "ip[2:2] - 20 > 8", "ether[len - 1] = 0", "ip[ip[3]] = 1",
	"ether[ether[20:4]] = 0", "tcp[ip[2:2]:4] != 7", "ip[2:2] / ip[8] = 3",
	"ip[2:2] % ip[9] = 1", "1 << ip[9] = 64", "ip[0] >> ip[8] = 2", "ip proto \\tcp",
	"ip6 host 2001:db8::1", "dst host 10.1.2.4 and port 80", "ip[6:2] & 0x1fff = 0",
	"ether[1500] = 0", "udp[1000:4] = 0", "icmp6", "ether proto 0x88a8", "net 10.0.0.0/8",
	"tcp[((tcp[12] & 0xf0) >> 2):4] = 0x47455420", "ip[2:2] * 3 ^ 7 | 1 = 5", "-ip[2:2] > 5",
	"ether[0:4] > 0x80000000", "ether[4:4] & 0x80000000 != 0", "ether[2:4] = 0xffffffff"};

static void
make_text(char *text, size_t size, bool vlan)
{
	unsigned parts = 1 + number(4);
	size_t used = 0;

	for (unsigned i = 0; i < parts && used < size; i++)
		used += (size_t)snprintf(text + used, size - used, "%s%s%s(%s)",
			i == 0      ? ""
			: number(2) ? " and "
				    : " or ",
			number(4) ? "" : "not ", vlan && !number(4) ? "vlan and " : "",
			atoms[number(sizeof(atoms) / sizeof(atoms[0]))]);
}

/* An expression that is not refused for matching nothing. */
static void
make_program(char *text, size_t size, struct bpf_program *program)
{
	struct err err = {0};

	do
		make_text(text, size, true);
	while (expression_compile(text, program, &err) < 0 &&
		strstr(err.text, "rejects all packets"));
	if (err.code && !strstr(err.text, "rejects all packets"))
		fail_msg("%s", err.text);
}

static void
compile(const char *text, struct bpf_program *program)
{
	struct err err = {0};

	if (expression_compile(text, program, &err) < 0)
		fail_msg("%s", err.text);
}

/* As the packet path does: what is needed of a frame becomes visible when it is asked for. */
static uint32_t
run(const struct bpf_jit *jit, uint32_t seen, uint32_t len)
{
	uint32_t answer = bpf_jit_run(jit, slot.bytes, seen, len);

	if (answer == BPF_JIT_MORE) {
		assert_true(seen < len);
		answer = bpf_jit_run(jit, slot.bytes, len, len);
	}
	return answer;
}

static void
expressions_run_as_in_libpcap(void **state)
{
	char text[600];
	unsigned matches = 0, others = 0;

	(void)state;
	for (unsigned round = 0; round < ROUNDS; round++) {
		struct bpf_program program;
		struct bpf_jit jit, quick;
		struct err err = {0};

		make_program(text, sizeof(text), &program);
		if (bpf_jit_create(&jit, &program, &err) < 0 ||
			bpf_jit_create_quick(&quick, &program, &err) < 0)
			fail_msg("%s: %s", text, err.text);
		assert_non_null(jit.run);
		for (unsigned i = 0; i < FRAMES; i++) {
			uint32_t len = make_frame(), seen = number(2) ? len : number(len + 1);
			unsigned expected = bpf_filter(program.bf_insns, slot.bytes, len, len) != 0;

			if (run(&jit, seen, len) != expected)
				fail_msg("%s: %u expected, %u of %u bytes seen", text, expected,
					seen, len);
			if (expected && !bpf_jit_run(&quick, slot.bytes, seen, len))
				fail_msg("%s: quickly said no, %u of %u bytes seen", text, seen,
					len);
			if (bpf_jit_run(&quick, slot.bytes, len, len) == 0)
				assert_int_equal(expected, 0);
			matches += expected;
			others += !expected;
		}
		bpf_jit_destroy(&jit);
		bpf_jit_destroy(&quick);
		expression_free(&program);
	}
	assert_true(matches > 100 && others > 100);
}

/* What is remembered of a frame that does not match holds for all that share the bytes. */
static void
untouched_bytes_change_nothing(void **state)
{
	char text[600];
	unsigned told = 0;

	(void)state;
	for (unsigned round = 0; round < ROUNDS; round++) {
		struct bpf_program program;

		make_program(text, sizeof(text), &program);
		for (unsigned i = 0; i < FRAMES; i++) {
			uint32_t len = make_frame();
			uint64_t touched = 0;

			if (!bpf_touch(&program, slot.bytes, len, len, &touched))
				continue;
			told++;
			assert_int_equal(bpf_filter(program.bf_insns, slot.bytes, len, len), 0);
			for (unsigned at = 0; at < len; at++)
				if (at >= BPF_TOUCH_MAX || !(touched >> at & 1))
					slot.bytes[at] = (uint8_t)number(256);
			assert_int_equal(bpf_filter(program.bf_insns, slot.bytes, len, len), 0);
		}
		expression_free(&program);
	}
	assert_true(told > 1000);
}

static struct bpf_insn
random_insn(unsigned left)
{
	static const uint16_t codes[] = {BPF_LD | BPF_ABS | BPF_W, BPF_LD | BPF_ABS | BPF_H,
		BPF_LD | BPF_ABS | BPF_B, BPF_LD | BPF_IND | BPF_W, BPF_LD | BPF_IND | BPF_H,
		BPF_LD | BPF_IND | BPF_B, BPF_LD | BPF_IMM, BPF_LD | BPF_LEN, BPF_LD | BPF_MEM,
		BPF_LDX | BPF_IMM, BPF_LDX | BPF_MSH | BPF_B, BPF_LDX | BPF_LEN, BPF_LDX | BPF_MEM,
		BPF_ST, BPF_STX, BPF_ALU | BPF_ADD | BPF_K, BPF_ALU | BPF_SUB | BPF_X,
		BPF_ALU | BPF_MUL | BPF_X, BPF_ALU | BPF_AND | BPF_K, BPF_ALU | BPF_OR | BPF_X,
		BPF_ALU | BPF_XOR | BPF_K, BPF_ALU | BPF_LSH | BPF_K, BPF_ALU | BPF_RSH | BPF_K,
		BPF_ALU | BPF_LSH | BPF_X, BPF_ALU | BPF_RSH | BPF_X, BPF_ALU | BPF_DIV | BPF_X,
		BPF_ALU | BPF_MOD | BPF_X, BPF_ALU | BPF_NEG, BPF_JMP | BPF_JA,
		BPF_JMP | BPF_JEQ | BPF_K, BPF_JMP | BPF_JGT | BPF_K, BPF_JMP | BPF_JGE | BPF_X,
		BPF_JMP | BPF_JSET | BPF_K, BPF_JMP | BPF_JGT | BPF_X, BPF_MISC | BPF_TAX,
		BPF_MISC | BPF_TXA, BPF_RET | BPF_A};
	static const uint32_t numbers[] = {0, 1, 14, 31, 32, 0x7fffffff, 0x80000000, 0xffffffff,
		0xfffffff0, 0x10000, 0x0ffffffc, 0x10000000};
	struct bpf_insn insn = {.code = codes[number(sizeof(codes) / sizeof(codes[0]))]};

	insn.k = number(4) ? number(80) : numbers[number(sizeof(numbers) / sizeof(numbers[0]))];
	if (BPF_CLASS(insn.code) == BPF_JMP && BPF_OP(insn.code) != BPF_JA) {
		insn.jt = (uint8_t)number(left);
		insn.jf = (uint8_t)number(left);
	} else if (BPF_CLASS(insn.code) == BPF_JMP) {
		insn.k = number(left);
	} else if (BPF_CLASS(insn.code) == BPF_ST || BPF_CLASS(insn.code) == BPF_STX ||
		   (BPF_CLASS(insn.code) <= BPF_LDX && BPF_MODE(insn.code) == BPF_MEM)) {
		insn.k = number(3);
	}
	return insn;
}

/* Instructions that nothing leads to are refused by rte_bpf: they end the program instead. */
static void
cut_unreachable(struct bpf_insn *insns, unsigned *count)
{
	bool reached[64] = {true};

	for (unsigned i = 0; i < *count; i++) {
		if (!reached[i])
			insns[i] = (struct bpf_insn){.code = BPF_ALU | BPF_ADD | BPF_K, .k = 0};
		if (BPF_CLASS(insns[i].code) == BPF_RET)
			continue;
		if (BPF_CLASS(insns[i].code) != BPF_JMP) {
			reached[i + 1] = true;
		} else if (BPF_OP(insns[i].code) == BPF_JA) {
			/* A comparison that is always true leads to the next as well. */
			insns[i].jt = (uint8_t)insns[i].k;
			insns[i].code = BPF_JMP | BPF_JGE | BPF_K;
			insns[i].k = 0;
			reached[i + 1] = true;
			reached[i + 1 + insns[i].jt] = true;
		} else {
			reached[i + 1 + insns[i].jt] = true;
			reached[i + 1 + insns[i].jf] = true;
		}
	}
}

static bool
all_reachable(const struct bpf_insn *insns, unsigned count)
{
	bool reached[64] = {true};

	for (unsigned i = 0; i < count; i++) {
		if (!reached[i])
			return false;
		if (BPF_CLASS(insns[i].code) == BPF_JMP) {
			reached[i + 1 + insns[i].jt] = true;
			reached[i + 1 + insns[i].jf] = true;
		} else if (BPF_CLASS(insns[i].code) != BPF_RET) {
			reached[i + 1] = true;
		}
	}
	return true;
}

static bool
divides(const struct bpf_insn *insns, unsigned count)
{
	bool found = false;

	for (unsigned i = 0; i < count; i++)
		found |= BPF_CLASS(insns[i].code) == BPF_ALU &&
			 (BPF_OP(insns[i].code) == BPF_DIV || BPF_OP(insns[i].code) == BPF_MOD);
	return found;
}

static void
programs_run_as_in_libpcap(void **state)
{
	unsigned run_count = 0;

	(void)state;
	for (unsigned round = 0; round < 40 * ROUNDS; round++) {
		struct bpf_insn insns[64] = {0};
		unsigned count = 4 + number(12);
		struct bpf_program program = {.bf_len = count, .bf_insns = insns};
		struct bpf_jit jit;
		struct err err = {0};

		/* bpf_filter() leaves its memory as it finds it. */
		for (unsigned i = 0; i < 3; i++)
			insns[i] = (struct bpf_insn){.code = BPF_ST, .k = i};
		for (unsigned i = 3; i + 1 < count; i++)
			insns[i] = random_insn(count - i - 1);
		insns[count - 1] = (struct bpf_insn){.code = BPF_RET | BPF_K, .k = 1};
		cut_unreachable(insns, &count);
		if (!all_reachable(insns, count))
			continue;
		/* It refuses what surely divides by zero, and says so on standard output. */
		if (bpf_jit_create(&jit, &program, &err) < 0) {
			assert_true(divides(insns, count));
			continue;
		}
		run_count++;
		for (unsigned i = 0; i < 20; i++) {
			uint32_t len = make_frame(), seen = number(2) ? len : number(len + 1);
			unsigned expected = bpf_filter(insns, slot.bytes, len, len) != 0;

			assert_int_equal(run(&jit, seen, len), expected);
		}
		bpf_jit_destroy(&jit);
	}
	assert_true(run_count > ROUNDS);
}

static void
refusals_tell_the_place(void **state)
{
	static const struct {
		const char *text, *says;
	} rows[] = {
		{"tcp dst prt 25", "position 9: \"prt\""},
		{"host example.com", "position 6: \"example.com\""},
		{"tcp port 80 or src gateway1", "position 20: \"gateway1\""},
		{"ip and and tcp", "syntax error at position 8 (\"and\")"},
		{"tcp and", "syntax error at the end"},
		{"(tcp", "syntax error at the end"},
		{"tcp #", "position 5 (\"#\")"},
		{"tcp port 99999", "illegal port number 99999 > 65535 at position 10"},
		{"vlan 5000", "greater than maximum 4095 at position 6"},
		{"port nosuchservice", "unknown port 'nosuchservice' at position 6"},
		{"inbound", "stands in no frame"},
		{"ip6 protochain 6", "loop"},
		{"wlan type mgt", "position 11"},
		{"fddi and rset 5", "rset"},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct bpf_program program;
		struct err err = {0};

		assert_true(expression_compile(rows[i].text, &program, &err) < 0);
		if (!strstr(err.text, rows[i].says))
			fail_msg("\"%s\" does not say %s", err.text, rows[i].says);
	}
}

static void
words_of_the_manual_are_understood(void **state)
{
	static const char *const texts[] = {"", "port http or https", "ip proto \\tcp",
		"host fe80::1", "vlan 100 and tcp", "ether host 02:00:00:00:00:01",
		"src net 10.0.0.0 mask 255.0.0.0", "tcp[tcpflags] & (tcp-syn|tcp-fin) != 0",
		"icmp[icmptype] != icmp-echo or icmp6[icmp6type] = icmp6-echo", "ip[-0:2] != -1",
		"ether[6:4]=0x02000000", "net 192.168", "ether proto \\arp", "pppoes 5", "mpls 100",
		"llc", "stp", "ether host 0200.0000.0001", "ether host 02-00-00-00-00-01"};

	(void)state;
	for (unsigned i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct bpf_program program;

		compile(texts[i], &program);
		expression_free(&program);
	}
	assert_true(expression_joins("tcp port 80"));
	assert_false(expression_joins("vlan 5 and tcp"));
	assert_false(expression_joins("pppoes"));
}

static void
many_addresses_load_in_time(void **state)
{
	char text[1100] = "host 2001:db8::1";
	struct bpf_program program;
	struct bpf_jit jit;
	struct err err = {0};

	(void)state;
	for (unsigned i = 2; i < 40; i++)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), " or host 2001:db8::%x",
			i);
	compile(text, &program);
	if (bpf_jit_create(&jit, &program, &err) < 0)
		fail_msg("%s", err.text);
	bpf_jit_destroy(&jit);
	expression_free(&program);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(expressions_run_as_in_libpcap),
		cmocka_unit_test(programs_run_as_in_libpcap),
		cmocka_unit_test(untouched_bytes_change_nothing),
		cmocka_unit_test(refusals_tell_the_place),
		cmocka_unit_test(words_of_the_manual_are_understood),
		cmocka_unit_test(many_addresses_load_in_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
