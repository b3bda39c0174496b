/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * path_watch: tells when a name in a directory appears, disappears or is replaced (inotify(7)).
 *
 * All watches of an event loop share one inotify instance: a user may have few of them.
 *
 * Threads: the control thread; one event loop per process.
 */
#ifndef VHOST_PATH_WATCH_H
#define VHOST_PATH_WATCH_H

#include <stdbool.h>

struct event_base;
struct path_watch;

/* Look at the path: something about it may have changed.  May add and delete watches. */
typedef void (*path_watch_cb)(void *arg);

/*
 * Watches the last component of `path` (copied, absolute).  -ENOENT no such directory, -EACCES,
 * -ENOSPC or -EMFILE the limits of inotify, -ENOMEM.
 */
int path_watch_add(struct path_watch **watch, struct event_base *loop, const char *path,
	path_watch_cb callback, void *arg);

/* The directory has gone: nothing will be told any more.  The callback was called once for it. */
bool path_watch_lost(const struct path_watch *watch);

/* NULL is fine. */
void path_watch_del(struct path_watch *watch);

#endif
