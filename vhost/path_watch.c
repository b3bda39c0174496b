/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <event2/event.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/queue.h>
#include <unistd.h>

#include "lib/fd.h"
#include "vhost/path_watch.h"

#define EVENTS                                                                                 \
	(IN_CREATE | IN_MOVED_TO | IN_DELETE | IN_MOVED_FROM | IN_DELETE_SELF | IN_MOVE_SELF | \
		IN_ONLYDIR)

struct path_watch {
	LIST_ENTRY(path_watch) entry;
	path_watch_cb callback;
	void *arg;
	int wd; /* -1 = lost */
	bool pending;
	char name[NAME_MAX + 1];
};

static struct {
	int fd;
	struct event *event;
	LIST_HEAD(, path_watch) watches;
} shared = {.fd = -1};

static void
event_apply(const struct inotify_event *e)
{
	struct path_watch *w;

	LIST_FOREACH (w, &shared.watches, entry) {
		if (e->mask & IN_Q_OVERFLOW) {
			w->pending = true;
		} else if (w->wd != e->wd) {
			continue;
		} else if (e->mask & (IN_IGNORED | IN_DELETE_SELF | IN_MOVE_SELF)) {
			/* A directory that was moved no longer is where the path says. */
			w->wd = -1;
			w->pending = true;
		} else if (e->len && !strcmp(e->name, w->name)) {
			w->pending = true;
		}
	}
}

/* A callback may delete any watch: begin again after each. */
static void
callbacks_run(void)
{
	struct path_watch *w;

	do {
		LIST_FOREACH (w, &shared.watches, entry)
			if (w->pending)
				break;
		if (w) {
			w->pending = false;
			w->callback(w->arg);
		}
	} while (w);
}

static void
inotify_read(evutil_socket_t fd, short what, void *arg)
{
	char buffer[4096] __attribute__((aligned(__alignof__(struct inotify_event))));
	ssize_t n = read(fd, buffer, sizeof(buffer));

	for (char *p = buffer; n > 0 && p < buffer + n;) {
		const struct inotify_event *e = (const void *)p;

		event_apply(e);
		p += sizeof(*e) + e->len;
	}
	callbacks_run();
}

static void
shared_stop(void)
{
	if (shared.event)
		event_free(shared.event);
	shared.event = NULL;
	fd_close(&shared.fd);
}

static int
shared_start(struct event_base *loop)
{
	int rc = -ENOMEM;

	if (shared.fd >= 0)
		return 0;
	shared.fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (shared.fd < 0)
		return -errno;
	shared.event = event_new(loop, shared.fd, EV_READ | EV_PERSIST, inotify_read, NULL);
	if (shared.event && !event_add(shared.event, NULL))
		return 0;
	shared_stop();
	return rc;
}

int
path_watch_add(struct path_watch **watch, struct event_base *loop, const char *path,
	path_watch_cb callback, void *arg)
{
	const char *slash = strrchr(path, '/');
	struct path_watch *w;
	char *directory;
	int rc;

	if (!slash || strlen(slash + 1) > NAME_MAX)
		return -EINVAL;
	rc = shared_start(loop);
	if (rc)
		return rc;
	w = calloc(1, sizeof(*w));
	directory = strndup(path, slash > path ? (size_t)(slash - path) : 1);
	if (!w || !directory) {
		rc = -ENOMEM;
	} else {
		memcpy(w->name, slash + 1, strlen(slash)); /* fits: checked above */
		w->callback = callback;
		w->arg = arg;
		w->wd = inotify_add_watch(shared.fd, directory, EVENTS);
		rc = w->wd < 0 ? -errno : 0;
	}
	free(directory);
	if (rc) {
		free(w);
		if (LIST_EMPTY(&shared.watches))
			shared_stop();
		return rc;
	}
	LIST_INSERT_HEAD(&shared.watches, w, entry);
	*watch = w;
	return 0;
}

bool
path_watch_lost(const struct path_watch *watch)
{
	return watch->wd < 0;
}

void
path_watch_del(struct path_watch *watch)
{
	struct path_watch *other;

	if (!watch)
		return;
	LIST_REMOVE(watch, entry);
	LIST_FOREACH (other, &shared.watches, entry)
		if (other->wd == watch->wd)
			break;
	if (!other && watch->wd >= 0)
		inotify_rm_watch(shared.fd, watch->wd);
	free(watch);
	if (LIST_EMPTY(&shared.watches))
		shared_stop();
}
