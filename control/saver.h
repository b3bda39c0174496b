/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * saver: what a daemon needs to go on after a crash, in a directory of its own (--state):
 *
 *	network.yaml   what runs, as `config show` prints it; written at every change
 *	network.yaml~  the one before it
 *	origin.yaml    the text of --config that network.yaml descends from
 *	tables         learnt addresses and counters (control/tables.h); every SAVER_TABLES_S
 *	lock           held by the daemon whose directory it is
 *
 * A file is replaced as a whole: written under another name, synchronised (not the tables), renamed.
 * A directory that cannot be written (full, read-only) stops nothing: it is said once, and tried
 * again with the next change and every SAVER_TABLES_S.
 *
 * Threads: the control thread.
 */
#ifndef CONTROL_SAVER_H
#define CONTROL_SAVER_H

#include "control/live.h"
#include "control/model.h"
#include "lib/needs.h"

#define SAVER_TABLES_S 5

struct saver;

/*
 * Opens the directory, which is made when only its last part is missing.  With `shared` the daemon
 * that has it is about to end: the lock is taken when it is free.  -EBUSY, -ENOENT, -EACCES, ...
 */
int saver_open(struct saver **saver, const char *directory, bool shared, struct err *err);
/* Nothing is written. */
void saver_close(struct saver *saver);

/*
 * The path of the configuration to begin with: what ran, unless `config` (NULL = none) is not the text
 * it descends from; then that one.  NULL: there is neither.
 */
const char *saver_choose(struct saver *saver, const char *config);
/* What runs descends from this file. */
void saver_set_origin(struct saver *saver, const char *config);
/* The one before, for when the first is damaged; NULL = none. */
const char *saver_fallback(struct saver *saver);

/* The model runs. */
void saver_save_config(struct saver *saver, const struct model *running);
/* Called once a second and at the end. */
void saver_tick(struct saver *saver, const struct live *live, const struct model *running);
void saver_save_tables(struct saver *saver, const struct live *live);
/* After the configuration is in place; a missing or damaged file costs what is in it only. */
void saver_restore_tables(struct saver *saver, struct live *live);

/* While it saves. */
extern const struct needs saver_needs;

#endif
