/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "control/config_file.h"
#include "control/saver.h"
#include "control/tables.h"
#include "lib/fd.h"
#include "lib/file.h"
#include "lib/log.h"

static const struct needs_call saver_calls[] = {NEEDS_CALL(mkdir), NEEDS_CALL(flock),
	NEEDS_CALL(fsync), NEEDS_CALL(fdatasync), NEEDS_CALL(ftruncate), NEEDS_CALL(rename),
	NEEDS_CALL(renameat), NEEDS_CALL(renameat2), NEEDS_CALL(linkat), NEEDS_CALL(unlinkat),
	NEEDS_NO_MORE};

const struct needs saver_needs = {
	.calls = saver_calls,
};

#define DIRECTORY_MODE 0700
#define FILE_MODE      0600

#define NETWORK  "network.yaml"
#define PREVIOUS "network.yaml~"
#define ORIGIN   "origin.yaml"
#define TABLES   "tables"

struct saver {
	int dir, lock; /* lock: -1 = another daemon has it still */
	bool stale;    /* network.yaml is not what runs */
	bool told;     /* the present failure was said */
	unsigned seconds;
	uint32_t pairs; /* which ports were up in the tables: ports_up() */
	char path[PATH_MAX], fallback[PATH_MAX];
};

/* ---- the directory ---- */

static int
take_lock(struct saver *s)
{
	int fd = openat(s->dir, "lock", O_RDWR | O_CREAT | O_CLOEXEC, FILE_MODE), rc;

	if (fd < 0)
		return -errno;
	if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		rc = errno == EWOULDBLOCK ? -EBUSY : -errno;
		fd_close(&fd);
		return rc;
	}
	s->lock = fd;
	return 0;
}

static int
explain(const char *directory, int rc, struct err *err)
{
	if (rc == -EBUSY)
		return err_set(err, rc,
			"--state %s: another daemon uses it: give each one its own directory",
			directory);
	if (rc == -ENOENT)
		return err_set(err, rc,
			"--state %s: the directory above it does not exist: make it with `mkdir -p`",
			directory);
	return err_set(err, rc, "--state %s: %s", directory, strerror(-rc));
}

int
saver_open(struct saver **saver, const char *directory, bool shared, struct err *err)
{
	struct saver *s = calloc(1, sizeof(*s));
	int rc = 0;

	if (!s)
		return err_set(err, -ENOMEM, "out of memory");
	s->lock = -1;
	if (mkdir(directory, DIRECTORY_MODE) < 0 && errno != EEXIST)
		rc = -errno;
	s->dir = rc ? -1 : open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (!rc && s->dir < 0)
		rc = -errno;
	if (!rc && (snprintf(s->path, sizeof(s->path), "%s/" NETWORK, directory) >= PATH_MAX ||
			   snprintf(s->fallback, sizeof(s->fallback), "%s/" PREVIOUS, directory) >=
				   PATH_MAX))
		rc = -ENAMETOOLONG;
	if (!rc)
		rc = take_lock(s);
	if (rc == -EBUSY && shared)
		rc = 0;
	if (rc) {
		saver_close(s);
		return explain(directory, rc, err);
	}
	*saver = s;
	return 0;
}

void
saver_close(struct saver *saver)
{
	if (!saver)
		return;
	fd_close(&saver->lock);
	fd_close(&saver->dir);
	free(saver);
}

/* ---- files ---- */

/* Another name beside the file; what is there is a leftover. */
static int
open_beside(struct saver *s)
{
	int fd = openat(
		s->dir, ".new", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, FILE_MODE);

	return fd < 0 ? -errno : fd;
}

/*
 * Puts the new file in its place; what was there is `previous` from then on (NULL = away).  `sync`:
 * when it is whole on the disk.
 */
static int
rename_beside(struct saver *s, int fd, int rc, const char *name, const char *previous, bool sync)
{
	if (!rc && sync && fsync(fd) < 0)
		rc = -errno;
	fd_close(&fd);
	/* At every moment there is a file; that the one before is kept, too, is a convenience. */
	if (!rc && previous) {
		unlinkat(s->dir, previous, 0);
		if (linkat(s->dir, name, s->dir, previous, 0) < 0)
			log_debug("state: %s is not kept: %s", previous, strerror(errno));
	}
	if (!rc && renameat(s->dir, ".new", s->dir, name) < 0)
		rc = -errno;
	if (rc)
		unlinkat(s->dir, ".new", 0);
	else if (sync)
		fsync(s->dir);
	return rc;
}

static int
replace(struct saver *s, const char *name, const char *text)
{
	int fd = open_beside(s);

	return fd < 0 ? fd
		      : rename_beside(s, fd, file_write(fd, text, strlen(text)), name, NULL, true);
}

/* The text of a file, NULL when it cannot be read. */
static char *
read_text(int dir, const char *name)
{
	int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
	char *text = NULL;
	size_t size;

	if (fd >= 0)
		file_read(fd, CONFIG_TEXT_MAX, &text, &size);
	fd_close(&fd);
	return text;
}

static void
report(struct saver *s, const char *what, int rc)
{
	if (!rc) {
		if (s->told)
			log_info("the state directory can be written again");
		s->told = false;
		return;
	}
	if (!s->told)
		log_error("cannot save %s: %s: a restart would not bring it back", what,
			strerror(-rc));
	s->told = true;
}

/* ---- the configuration ---- */

const char *
saver_choose(struct saver *saver, const char *config)
{
	bool saved = faccessat(saver->dir, NETWORK, R_OK, 0) == 0;
	char *text, *origin;
	const char *chosen = saver->path;

	if (!config)
		return saved ? chosen : saver_fallback(saver);
	text = read_text(AT_FDCWD, config);
	origin = read_text(saver->dir, ORIGIN);
	if (!saved || !text || !origin || strcmp(text, origin) != 0) {
		if (saved)
			log_info("%s has changed: it counts, not what ran", config);
		chosen = config;
	}
	free(text);
	free(origin);
	return chosen;
}

void
saver_set_origin(struct saver *saver, const char *config)
{
	char *text = read_text(AT_FDCWD, config);

	if (text)
		report(saver, ORIGIN, replace(saver, ORIGIN, text));
	free(text);
}

const char *
saver_fallback(struct saver *saver)
{
	return faccessat(saver->dir, PREVIOUS, R_OK, 0) == 0 ? saver->fallback : NULL;
}

void
saver_save_config(struct saver *saver, const struct model *running)
{
	json_t *config = config_store(running);
	char *text = config ? document_print(config) : NULL;
	int fd = text ? open_beside(saver) : -ENOMEM, rc = fd;

	if (fd >= 0)
		rc = rename_beside(
			saver, fd, file_write(fd, text, strlen(text)), NETWORK, PREVIOUS, true);
	saver->stale = rc != 0;
	report(saver, "what runs", rc);
	free(text);
	json_decref(config);
}

/* ---- what was learnt and counted ---- */

void
saver_save_tables(struct saver *saver, const struct live *live)
{
	int fd = open_beside(saver), rc = fd;

	if (fd >= 0)
		rc = rename_beside(saver, fd, tables_write(fd, live), TABLES, NULL, false);
	report(saver, "what was learnt and counted", rc);
}

/* Another number when other ports are up, or with other queues. */
static uint32_t
ports_up(const struct live *live)
{
	uint32_t hash = 2166136261u;

	for (unsigned p = 0; p < PORT_MAX; p++) {
		const struct port *port = live->ports[p].port;

		hash ^= port ? atomic_load_explicit(&port->tx_queues, memory_order_relaxed) : 0;
		hash *= 16777619u;
	}
	return hash;
}

void
saver_tick(struct saver *saver, const struct live *live, const struct model *running)
{
	uint32_t pairs = ports_up(live);

	if (++saver->seconds < SAVER_TABLES_S && pairs == saver->pairs)
		return;
	saver->seconds = 0;
	saver->pairs = pairs;
	if (saver->lock < 0 && take_lock(saver) < 0)
		return;
	if (saver->stale)
		saver_save_config(saver, running);
	saver_save_tables(saver, live);
}

void
saver_restore_tables(struct saver *saver, struct live *live)
{
	int fd = openat(saver->dir, TABLES, O_RDONLY | O_CLOEXEC);
	struct err err = {0};

	if (fd < 0) {
		if (errno != ENOENT)
			log_warning("cannot read what was learnt and counted: %s", strerror(errno));
		return;
	}
	if (tables_read(fd, live, &err) < 0)
		log_warning("what was learnt and counted: %s", err.text);
	fd_close(&fd);
}
