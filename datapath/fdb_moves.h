/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * fdb_moves: addresses that change their port too often, private to datapath/fdb*.c.
 *
 * A loop, or somebody who uses another's address, makes an address move many times a second.  After
 * `limit` moves within one second it is pinned to the port that it had before the first of them, for
 * FDB_PIN_S.  What is remembered is bounded: an address that meets another in the table of moves
 * takes its place and is counted anew.
 */
#ifndef DATAPATH_FDB_MOVES_H
#define DATAPATH_FDB_MOVES_H

#include <stdint.h>

#define FDB_MOVES 1024 /* a power of two */

struct fdb_move {
	uint64_t key; /* fdb_key */
	uint32_t second;
	uint32_t pinned_until_s; /* 0 = not pinned */
	uint16_t count;
	uint16_t home; /* the port before the first move of this second */
};

struct fdb_moves {
	uint32_t limit; /* moves in a second; 0 = any number */
	uint16_t away;  /* the other port of the address that was pinned last */
	struct fdb_move moves[FDB_MOVES];
};

enum fdb_move_verdict {
	FDB_MOVE_FINE,
	FDB_MOVE_PINS,   /* one too many: home says where it belongs */
	FDB_MOVE_PINNED, /* it is to stay */
};

/* A port goes, or -1: all is forgotten, pins as well. */
void fdb_moves_forget(struct fdb_moves *moves, int port);

/* An address that is on port `from` was heard on another. */
enum fdb_move_verdict fdb_move_judge(struct fdb_moves *moves, uint64_t key, uint64_t hash,
	unsigned from, uint32_t now_s, unsigned *home);

#endif
