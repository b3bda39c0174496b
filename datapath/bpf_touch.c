/* SPDX-License-Identifier: BSD-3-Clause */
#include <pcap/pcap.h>

#include "datapath/bpf_touch.h"

struct machine {
	uint32_t a, x, memory[BPF_MEMWORDS];
	const uint8_t *bytes;
	uint32_t seen, len;
	uint64_t touched;
};

static unsigned
size_of(unsigned code)
{
	return BPF_SIZE(code) == BPF_W ? 4 : BPF_SIZE(code) == BPF_H ? 2 : 1;
}

/* A number of the frame; false when it lies behind what is there or can be told apart. */
static bool
load(struct machine *m, unsigned code, uint64_t at, uint32_t *value)
{
	unsigned size = size_of(code);
	uint32_t n = 0;

	if (at + size > m->seen || at + size > BPF_TOUCH_MAX)
		return false;
	for (unsigned i = 0; i < size; i++)
		n = n << 8 | m->bytes[at + i];
	m->touched |= ((UINT64_C(1) << size) - 1) << at;
	*value = n;
	return true;
}

static bool
load_any(struct machine *m, const struct bpf_insn *insn, uint32_t *value)
{
	switch (BPF_MODE(insn->code)) {
	case BPF_IMM:
		*value = insn->k;
		return true;
	case BPF_ABS:
		return load(m, insn->code, insn->k, value);
	case BPF_IND:
		return load(m, insn->code, (uint64_t)m->x + insn->k, value);
	case BPF_MEM:
		*value = m->memory[insn->k % BPF_MEMWORDS];
		return true;
	case BPF_LEN:
		*value = m->len;
		return true;
	default: /* BPF_MSH */
		if (!load(m, BPF_B, insn->k, value))
			return false;
		*value = (*value & 15) * 4;
		return true;
	}
}

static bool
compute(struct machine *m, const struct bpf_insn *insn)
{
	uint32_t n = BPF_SRC(insn->code) == BPF_K ? insn->k : m->x;

	switch (BPF_OP(insn->code)) {
	case BPF_ADD:
		m->a += n;
		break;
	case BPF_SUB:
		m->a -= n;
		break;
	case BPF_MUL:
		m->a *= n;
		break;
	case BPF_AND:
		m->a &= n;
		break;
	case BPF_OR:
		m->a |= n;
		break;
	case BPF_XOR:
		m->a ^= n;
		break;
	case BPF_LSH:
		m->a = n < 32 ? m->a << n : 0;
		break;
	case BPF_RSH:
		m->a = n < 32 ? m->a >> n : 0;
		break;
	default:
		/* Division and negation are too rare to be worth their corners. */
		return false;
	}
	return true;
}

static bool
holds(const struct machine *m, const struct bpf_insn *insn)
{
	uint32_t n = BPF_SRC(insn->code) == BPF_K ? insn->k : m->x;

	switch (BPF_OP(insn->code)) {
	case BPF_JEQ:
		return m->a == n;
	case BPF_JGT:
		return m->a > n;
	case BPF_JGE:
		return m->a >= n;
	default: /* BPF_JSET */
		return (m->a & n) != 0;
	}
}

/* Anything but jumps and returns. */
static bool
step(struct machine *m, const struct bpf_insn *insn)
{
	switch (BPF_CLASS(insn->code)) {
	case BPF_LD:
		return load_any(m, insn, &m->a);
	case BPF_LDX:
		return load_any(m, insn, &m->x);
	case BPF_ST:
		m->memory[insn->k % BPF_MEMWORDS] = m->a;
		return true;
	case BPF_STX:
		m->memory[insn->k % BPF_MEMWORDS] = m->x;
		return true;
	case BPF_ALU:
		return compute(m, insn);
	default: /* BPF_MISC */
		if (BPF_MISCOP(insn->code) == BPF_TAX)
			m->x = m->a;
		else
			m->a = m->x;
		return true;
	}
}

bool
bpf_touch(const struct bpf_program *program, const uint8_t *bytes, uint32_t seen, uint32_t len,
	uint64_t *touched)
{
	struct machine m = {.bytes = bytes, .seen = seen, .len = len};

	/* Jumps lead forward only: it ends. */
	for (uint64_t i = 0; i < program->bf_len; i++) {
		const struct bpf_insn *insn = &program->bf_insns[i];

		if (BPF_CLASS(insn->code) == BPF_RET) {
			*touched = m.touched;
			return BPF_RVAL(insn->code) == BPF_K ? !insn->k : !m.a;
		}
		if (BPF_CLASS(insn->code) != BPF_JMP) {
			if (!step(&m, insn))
				return false;
		} else if (BPF_OP(insn->code) == BPF_JA) {
			i += insn->k;
		} else {
			i += holds(&m, insn) ? insn->jt : insn->jf;
		}
	}
	return false;
}

unsigned
bpf_memory_used(const struct bpf_program *program)
{
	unsigned used = 0;

	for (unsigned i = 0; i < program->bf_len; i++) {
		const struct bpf_insn *insn = &program->bf_insns[i];
		unsigned class = BPF_CLASS(insn->code);

		if (class == BPF_ST || class == BPF_STX ||
			(class <= BPF_LDX && BPF_MODE(insn->code) == BPF_MEM))
			used |= 1u << insn->k % BPF_MEMWORDS;
	}
	return used;
}

uint32_t
bpf_farthest(const struct bpf_program *program, uint32_t near)
{
	uint32_t end = 0;

	for (unsigned i = 0; i < program->bf_len; i++) {
		const struct bpf_insn *insn = &program->bf_insns[i];
		unsigned mode = BPF_MODE(insn->code), class = BPF_CLASS(insn->code);
		uint32_t here = insn->k < near ? insn->k + size_of(insn->code) : 0;

		if (((class == BPF_LD && mode == BPF_ABS) ||
			    (class == BPF_LDX && mode == BPF_MSH)) &&
			here <= near && here > end)
			end = here;
	}
	return end;
}
