/* SPDX-License-Identifier: BSD-3-Clause */
#include "datapath/fdb.h"
#include "datapath/fdb_moves.h"

void
fdb_moves_forget(struct fdb_moves *moves, int port)
{
	for (unsigned i = 0; i < FDB_MOVES; i++)
		if (port < 0 || moves->moves[i].home == port)
			moves->moves[i].key = 0;
}

enum fdb_move_verdict
fdb_move_judge(struct fdb_moves *moves, uint64_t key, uint64_t hash, unsigned from, uint32_t now_s,
	unsigned *home)
{
	struct fdb_move *m = &moves->moves[hash % FDB_MOVES];
	bool ours = m->key == key;

	if (!moves->limit)
		return FDB_MOVE_FINE;
	if (ours && m->pinned_until_s && (int32_t)(m->pinned_until_s - now_s) > 0)
		return FDB_MOVE_PINNED;
	if (!ours || m->second != now_s || m->pinned_until_s)
		*m = (struct fdb_move){.key = key, .second = now_s, .home = (uint16_t)from};
	if (++m->count <= moves->limit)
		return FDB_MOVE_FINE;
	m->pinned_until_s = now_s + FDB_PIN_S;
	*home = m->home;
	return FDB_MOVE_PINS;
}
