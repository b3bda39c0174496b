/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Threat model: programs come from people who may configure the switch, frames from hostile guests.
 * Whatever a frame makes a program compute, it reads the given bytes and nothing else: every load is
 * checked against the number of bytes there are, in 64 bits without overflow; and every program ends,
 * because jumps lead forward only.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

#include <pcap/bpf.h>

#include <rte_bpf.h>
#include <rte_errno.h>

#include "datapath/bpf_jit.h"
#include "datapath/bpf_touch.h"

/* A, X, and registers of our own; EBPF_REG_1 points to the lengths, the frame is behind them. */
#define REG_A   EBPF_REG_0
#define REG_X   EBPF_REG_2
#define REG_END EBPF_REG_5 /* of the bytes that a load wants */
#define REG_TMP EBPF_REG_3
#define REG_ARG EBPF_REG_1
#define REG_M   EBPF_REG_10

#define SEEN_AT 0 /* in the argument */
#define LEN_AT  4
#define DATA_AT BPF_JIT_ROOM

/* rte_bpf wants to know how far loads can reach: more than a frame is long, a power of two. */
#define REACH (1u << 17)
/* Loads at a constant place up to here need no computed address. */
#define NEAR  16384
#define OUT   0x10000000u /* an end that no frame has */

#define INSNS_MAX     30000 /* a jump is 16 bits with a sign */
#define EXPANSION     12    /* most instructions for one of the classic machine */
#define PROGRAM_EXTRA 32    /* and around the program */
#define MEMORY_WORDS  BPF_MEMWORDS

enum target { TARGET_INSN, TARGET_SHORT, TARGET_NEXT };

struct jump {
	uint32_t at; /* index of the jump */
	enum target target;
	uint32_t insn; /* TARGET_INSN: of the classic program */
};

struct maker {
	struct ebpf_insn *insns;
	uint32_t count;
	struct jump *jumps;
	uint32_t jump_count;
	uint32_t *starts;  /* of each classic instruction */
	uint32_t *returns; /* jumps to the end of all */
	uint32_t return_count;
	bool quick;
	unsigned memory; /* words that it uses, one bit each */
};

static void
emit(struct maker *m, unsigned code, unsigned dst, unsigned src, int off, uint32_t imm)
{
	m->insns[m->count++] = (struct ebpf_insn){
		.code = (uint8_t)code,
		.dst_reg = dst & 15,
		.src_reg = src & 15,
		.off = (int16_t)off,
		.imm = (int32_t)imm,
	};
}

static void
emit_mov(struct maker *m, unsigned dst, uint32_t imm)
{
	emit(m, BPF_ALU | EBPF_MOV | BPF_K, dst, 0, 0, imm);
}

/*
 * All returns go to one exit at the end: a second exit would be made a jump back to the first, and
 * DPDK 22.11 gets those over 127 and 128 bytes wrong.
 */
static void
emit_return(struct maker *m, uint32_t value)
{
	emit_mov(m, EBPF_REG_0, value);
	m->returns[m->return_count++] = m->count;
	emit(m, BPF_JMP | BPF_JA, 0, 0, 0, 0);
}

static void
emit_exit(struct maker *m)
{
	for (uint32_t i = 0; i < m->return_count; i++)
		m->insns[m->returns[i]].off = (int16_t)(m->count - m->returns[i] - 1);
	emit(m, BPF_JMP | EBPF_EXIT, 0, 0, 0, 0);
}

/* A jump whose offset is known when the program is complete. */
static void
emit_jump(struct maker *m, unsigned code, unsigned dst, unsigned src, uint32_t imm,
	enum target target, uint32_t insn)
{
	m->jumps[m->jump_count++] = (struct jump){m->count, target, insn};
	emit(m, BPF_JMP | code, dst, src, 0, imm);
}

static unsigned
load_size(unsigned code)
{
	return BPF_SIZE(code) == BPF_W ? 4 : BPF_SIZE(code) == BPF_H ? 2 : 1;
}

/* Loads `size` bytes at argument + offset of a register into dst, as a number. */
static void
emit_fetch(struct maker *m, unsigned code, unsigned dst, unsigned from, int off)
{
	unsigned size = load_size(code);

	emit(m, BPF_LDX | BPF_MEM | BPF_SIZE(code), dst, from, off, 0);
	if (size > 1)
		emit(m, BPF_ALU | EBPF_END | EBPF_TO_BE, dst, 0, 0, size * 8);
}

/* REG_END is where the load ends: is that within the frame?  Then its address is computed. */
static void
emit_far(struct maker *m, unsigned code, unsigned dst)
{
	emit(m, BPF_LDX | BPF_MEM | BPF_W, REG_TMP, REG_ARG, SEEN_AT, 0);
	emit_jump(m, BPF_JGT | BPF_X, REG_END, REG_TMP, 0, TARGET_SHORT, 0);
	emit(m, EBPF_ALU64 | BPF_AND | BPF_K, REG_END, 0, 0, REACH - 1);
	emit(m, EBPF_ALU64 | EBPF_MOV | BPF_X, REG_TMP, REG_ARG, 0, 0);
	emit(m, EBPF_ALU64 | BPF_ADD | BPF_X, REG_TMP, REG_END, 0, 0);
	emit_fetch(m, code, dst, REG_TMP, DATA_AT - (int)load_size(code));
}

static void
emit_load(struct maker *m, unsigned code, unsigned dst, uint32_t at)
{
	uint32_t end = at < OUT - 4 ? at + load_size(code) : OUT;

	/* The quick program has asked for the bytes up to its farthest load at its beginning. */
	if (end <= NEAR && m->quick) {
		emit_fetch(m, code, dst, REG_ARG, DATA_AT + (int)at);
		return;
	}
	emit_mov(m, REG_END, end);
	if (end > NEAR) {
		emit_far(m, code, dst);
		return;
	}
	emit(m, BPF_LDX | BPF_MEM | BPF_W, REG_TMP, REG_ARG, SEEN_AT, 0);
	emit_jump(m, BPF_JGT | BPF_X, REG_END, REG_TMP, 0, TARGET_SHORT, 0);
	emit_fetch(m, code, dst, REG_ARG, DATA_AT + (int)at);
}

static void
emit_load_at_x(struct maker *m, unsigned code, uint32_t at)
{
	/* X has 32 bits, the sum 33: as an offset it is out of every frame, and does not wrap. */
	emit(m, BPF_ALU | EBPF_MOV | BPF_X, REG_END, REG_X, 0, 0);
	emit(m, EBPF_ALU64 | BPF_ADD | BPF_K, REG_END, 0, 0,
		at < OUT - 4 ? at + load_size(code) : OUT);
	emit_far(m, code, REG_A);
}

/* dst is compared with 32 bits without a sign, in registers of 64. */
static void
emit_compare(struct maker *m, const struct bpf_insn *insn, uint32_t here)
{
	unsigned op = BPF_OP(insn->code), src = BPF_SRC(insn->code);
	uint32_t yes = here + 1 + insn->jt, no = here + 1 + insn->jf;
	bool reverse = !insn->jt && op != BPF_JSET;

	if (reverse) {
		/* The yes comes next: one jump is enough. */
		op = op == BPF_JEQ ? EBPF_JNE : op == BPF_JGT ? EBPF_JLE : EBPF_JLT;
		yes = no;
	}

	/* A constant is extended with its sign; and DPDK 22.11 makes wrong code of JSET with one. */
	if (src == BPF_K && (insn->k > INT32_MAX || BPF_OP(insn->code) == BPF_JSET)) {
		emit_mov(m, REG_TMP, insn->k);
		emit_jump(m, op | BPF_X, REG_A, REG_TMP, 0, TARGET_INSN, yes);
	} else if (src == BPF_K) {
		emit_jump(m, op | BPF_K, REG_A, 0, insn->k, TARGET_INSN, yes);
	} else {
		emit_jump(m, op | BPF_X, REG_A, REG_X, 0, TARGET_INSN, yes);
	}
	if (insn->jf && !reverse)
		emit_jump(m, BPF_JA, 0, 0, 0, TARGET_INSN, no);
}

/* What the classic machine does where the other one does something else. */
static void
emit_arithmetic(struct maker *m, const struct bpf_insn *insn)
{
	unsigned op = BPF_OP(insn->code);
	bool shift = op == BPF_LSH || op == BPF_RSH;
	bool divide = op == BPF_DIV || op == BPF_MOD;

	if (BPF_SRC(insn->code) == BPF_K || op == BPF_NEG) {
		if (shift && insn->k > 31)
			emit_mov(m, REG_A, 0);
		else if (divide && !insn->k)
			emit_jump(m, BPF_JA, 0, 0, 0, TARGET_NEXT, 0);
		else
			emit(m, BPF_ALU | op | BPF_K, REG_A, 0, 0, op == BPF_NEG ? 0 : insn->k);
		return;
	}
	if (shift) {
		/* Over one instruction and a jump. */
		emit(m, BPF_JMP | EBPF_JLE | BPF_K, REG_X, 0, 2, 31);
		emit_mov(m, REG_A, 0);
		emit(m, BPF_JMP | BPF_JA, 0, 0, 1, 0);
	}
	if (divide)
		emit_jump(m, BPF_JEQ | BPF_K, REG_X, 0, 0, TARGET_NEXT, 0);
	emit(m, BPF_ALU | op | BPF_X, REG_A, REG_X, 0, 0);
}

/* Where a word of the classic machine's memory lies on the stack. */
static int
memory_at(uint32_t word)
{
	return -(int)(MEMORY_WORDS - word % MEMORY_WORDS) * 8;
}

static void
emit_match(struct maker *m, const struct bpf_insn *insn)
{
	if (BPF_RVAL(insn->code) == BPF_A)
		emit_jump(m, BPF_JEQ | BPF_K, REG_A, 0, 0, TARGET_NEXT, 0);
	else if (!insn->k) {
		emit_jump(m, BPF_JA, 0, 0, 0, TARGET_NEXT, 0);
		return;
	}
	emit_return(m, 1);
}

/* Loads of anything but bytes of the frame. */
static int
emit_other_load(struct maker *m, const struct bpf_insn *insn, unsigned dst)
{
	switch (BPF_MODE(insn->code)) {
	case BPF_IMM:
		emit_mov(m, dst, insn->k);
		return 0;
	case BPF_LEN:
		emit(m, BPF_LDX | BPF_MEM | BPF_W, dst, REG_ARG, LEN_AT, 0);
		return 0;
	case BPF_MEM:
		emit(m, BPF_LDX | BPF_MEM | EBPF_DW, dst, REG_M, memory_at(insn->k), 0);
		return 0;
	default:
		return -EINVAL;
	}
}

/* X = 4 * (byte & 15), the length of an IPv4 header. */
static void
emit_header_length(struct maker *m, uint32_t at)
{
	emit_load(m, BPF_B, REG_X, at);
	emit(m, BPF_ALU | BPF_AND | BPF_K, REG_X, 0, 0, 15);
	emit(m, BPF_ALU | BPF_LSH | BPF_K, REG_X, 0, 0, 2);
}

static int
emit_insn(struct maker *m, const struct bpf_insn *insn, uint32_t here)
{
	switch (BPF_CLASS(insn->code)) {
	case BPF_LD:
		if (BPF_MODE(insn->code) == BPF_ABS)
			emit_load(m, insn->code, REG_A, insn->k);
		else if (BPF_MODE(insn->code) == BPF_IND)
			emit_load_at_x(m, insn->code, insn->k);
		else
			return emit_other_load(m, insn, REG_A);
		return 0;
	case BPF_LDX:
		if (BPF_MODE(insn->code) != BPF_MSH)
			return emit_other_load(m, insn, REG_X);
		emit_header_length(m, insn->k);
		return 0;
	case BPF_ST:
	case BPF_STX:
		emit(m, BPF_STX | BPF_MEM | EBPF_DW, REG_M,
			BPF_CLASS(insn->code) == BPF_ST ? REG_A : REG_X, memory_at(insn->k), 0);
		return 0;
	case BPF_ALU:
		emit_arithmetic(m, insn);
		return 0;
	case BPF_JMP:
		if (BPF_OP(insn->code) == BPF_JA)
			emit_jump(m, BPF_JA, 0, 0, 0, TARGET_INSN, here + 1 + insn->k);
		else
			emit_compare(m, insn, here);
		return 0;
	case BPF_RET:
		emit_match(m, insn);
		return 0;
	default: /* BPF_MISC */
		if (BPF_MISCOP(insn->code) == BPF_TAX)
			emit(m, BPF_ALU | EBPF_MOV | BPF_X, REG_X, REG_A, 0, 0);
		else
			emit(m, BPF_ALU | EBPF_MOV | BPF_X, REG_A, REG_X, 0, 0);
		return 0;
	}
}

/* A load went behind what is there: is there more of the frame? */
static void
emit_short(struct maker *m)
{
	if (m->quick) {
		emit_return(m, 1);
		return;
	}
	emit(m, BPF_LDX | BPF_MEM | BPF_W, REG_TMP, REG_ARG, LEN_AT, 0);
	emit(m, BPF_JMP | BPF_JGT | BPF_X, REG_END, REG_TMP, 2, 0);
	emit_return(m, BPF_JIT_MORE);
}

static int
resolve_jumps(struct maker *m, const struct bpf_program *program, uint32_t at_short, uint32_t next)
{
	for (uint32_t j = 0; j < m->jump_count; j++) {
		const struct jump *jump = &m->jumps[j];
		uint32_t to = jump->target == TARGET_SHORT ? at_short : next;

		if (jump->target == TARGET_INSN) {
			if (jump->insn >= program->bf_len)
				return -EINVAL;
			to = m->starts[jump->insn];
		}
		m->insns[jump->at].off = (int16_t)(to - jump->at - 1);
	}
	return 0;
}

/* Everything that is not set first begins as zero. */
static void
emit_begin(struct maker *m, const struct bpf_program *program)
{
	if (BPF_CLASS(program->bf_insns[0].code) != BPF_LD || m->memory)
		emit_mov(m, REG_A, 0);
	emit_mov(m, REG_X, 0);
	for (unsigned used = m->memory; used; used &= used - 1)
		emit(m, BPF_STX | BPF_MEM | EBPF_DW, REG_M, REG_A,
			memory_at((uint32_t)__builtin_ctz(used)), 0);
}

/* *ends: it always matches, and nothing leads to what follows it. */
static int
emit_program(struct maker *m, const struct bpf_program *program, bool *ends)
{
	uint32_t at_short, shorts = 0, nexts = 0;
	int rc = 0;

	emit_begin(m, program);
	for (uint32_t i = 0; i < program->bf_len && rc == 0; i++) {
		m->starts[i] = m->count;
		rc = emit_insn(m, &program->bf_insns[i], i);
	}
	for (uint32_t j = 0; j < m->jump_count; j++) {
		shorts += m->jumps[j].target == TARGET_SHORT;
		nexts += m->jumps[j].target == TARGET_NEXT;
	}
	*ends = !nexts && (!shorts || m->quick);
	at_short = m->count;
	if (shorts)
		emit_short(m);
	return rc ? rc : resolve_jumps(m, program, at_short, m->count);
}

static int
load(struct bpf_jit *jit, const struct maker *m, struct err *err)
{
	struct rte_bpf_prm parameters = {
		.ins = m->insns,
		.nb_ins = m->count,
		.prog_arg = {.type = RTE_BPF_ARG_PTR, .size = DATA_AT + REACH},
	};
	struct rte_bpf_jit code = {0};

	jit->bpf = rte_bpf_load(&parameters);
	if (!jit->bpf)
		return err_set(err, -rte_errno, "DPDK refuses the program of the expression: %s",
			rte_strerror(rte_errno));
	rte_bpf_get_jit(jit->bpf, &code);
	jit->run = code.func;
	return 0;
}

static int
maker_init(struct maker *m, const struct bpf_program *program)
{
	uint32_t room = program->bf_len * EXPANSION + MEMORY_WORDS + PROGRAM_EXTRA;

	m->memory = bpf_memory_used(program);
	m->insns = calloc(room, sizeof(*m->insns));
	m->returns = calloc(room, sizeof(*m->returns));
	m->jumps = calloc(2 * program->bf_len + 1, sizeof(*m->jumps));
	m->starts = calloc(program->bf_len + 1, sizeof(*m->starts));
	return m->insns && m->jumps && m->starts && m->returns ? 0 : -ENOMEM;
}

static int
create(struct bpf_jit *jit, const struct bpf_program *program, bool quick, struct err *err)
{
	struct maker m = {.quick = quick};
	bool ends = false;
	int rc = maker_init(&m, program);

	memset(jit, 0, sizeof(*jit));
	if (rc < 0)
		err_set(err, rc, "out of memory");
	if (rc == 0 && quick) {
		/* Too little to see for certain: perhaps. */
		emit(&m, BPF_LDX | BPF_MEM | BPF_W, REG_TMP, REG_ARG, SEEN_AT, 0);
		emit(&m, BPF_JMP | BPF_JGE | BPF_K, REG_TMP, 0, 2, bpf_farthest(program, NEAR));
		emit_return(&m, 1);
	}
	if (rc == 0) {
		rc = emit_program(&m, program, &ends);
		if (rc < 0)
			err_set(err, rc,
				"the program of the expression has an unknown instruction");
		else if (m.count > INSNS_MAX)
			rc = err_set(err, -E2BIG, "the expression is too long");
	}
	if (rc == 0) {
		if (!ends)
			emit_mov(&m, EBPF_REG_0, 0);
		emit_exit(&m);
		rc = load(jit, &m, err);
	}
	free(m.insns);
	free(m.jumps);
	free(m.starts);
	free(m.returns);
	return rc;
}

int
bpf_jit_create(struct bpf_jit *jit, const struct bpf_program *program, struct err *err)
{
	return create(jit, program, false, err);
}

int
bpf_jit_create_quick(struct bpf_jit *jit, const struct bpf_program *program, struct err *err)
{
	return create(jit, program, true, err);
}

void
bpf_jit_destroy(struct bpf_jit *jit)
{
	rte_bpf_destroy(jit->bpf);
	memset(jit, 0, sizeof(*jit));
}

uint64_t
bpf_jit_interpret(const struct bpf_jit *jit, void *arg)
{
	return rte_bpf_exec(jit->bpf, arg);
}
