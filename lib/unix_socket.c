/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Threat model: other users may create, remove and connect to files in the same directory at any
 * moment, and two daemons may start on one path at once.  Nothing is decided by a look at the path
 * that a later system call relies on without looking again:
 *   - a bound socket refuses connections until listen(2), so mode and owner are set in between;
 *   - a stale file is first renamed and then asked again under its other name, and whoever listens
 *     checks afterwards that the path still leads to its own socket.  Of two that start at the same
 *     moment one gives up, unless all of that happens between bind(2) and the lstat(2) after it.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <libgen.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/unix_socket.h"

/* Names of sockets come and go; chown(2) to a group of one's own needs no capability. */
static const struct needs_call unix_socket_calls[] = {NEEDS_CALL(bind), NEEDS_CALL(listen),
	NEEDS_CALL(accept4), NEEDS_CALL(connect), NEEDS_CALL(getsockopt), NEEDS_CALL(setsockopt),
	NEEDS_CALL(getsockname), NEEDS_CALL(recvfrom), NEEDS_CALL(recvmsg), NEEDS_CALL(sendto),
	NEEDS_CALL(sendmsg), NEEDS_CALL(shutdown), NEEDS_CALL(unlink), NEEDS_CALL(unlinkat),
	NEEDS_CALL(chmod), NEEDS_CALL(fchmod), NEEDS_CALL(fchmodat), NEEDS_CALL(chown),
	NEEDS_CALL(fchown), NEEDS_CALL(lchown), NEEDS_CALL(fchownat), NEEDS_CALL(mkdir),
	NEEDS_CALL(rmdir), NEEDS_SOCKET(AF_UNIX), NEEDS_NO_MORE};

const struct needs unix_socket_needs = {
	.calls = unix_socket_calls,
};

#define BACKLOG       64
#define BIND_ATTEMPTS 3 /* the file may come and go while we look at it */

_Static_assert(UNIX_SOCKET_PATH_SIZE == sizeof(((struct sockaddr_un *)0)->sun_path), "sun_path");

/* "belongs to root:kvm 0660" of a file; empty when it cannot be told. */
static void
describe_owner(const char *path, char *text, size_t size)
{
	const struct passwd *user;
	const struct group *group;
	struct stat st;
	char uid[16], gid[16];

	text[0] = '\0';
	if (stat(path, &st) < 0)
		return;
	user = getpwuid(st.st_uid);
	group = getgrgid(st.st_gid);
	snprintf(uid, sizeof(uid), "%u", st.st_uid);
	snprintf(gid, sizeof(gid), "%u", st.st_gid);
	snprintf(text, size, " (it belongs to %s:%s %04o)", user ? user->pw_name : uid,
		group ? group->gr_name : gid, st.st_mode & 07777);
}

static int
check_path(const char *path, struct err *err)
{
	if (path[0] != '/')
		return err_set(
			err, -EINVAL, "socket path \"%s\" is not absolute: begin it with /", path);
	if (strlen(path) >= UNIX_SOCKET_PATH_SIZE)
		return err_set(err, -ENAMETOOLONG,
			"socket path \"%.200s\" has %zu bytes: at most %d are possible", path,
			strlen(path), UNIX_SOCKET_PATH_SIZE - 1);
	return 0;
}

static void
fill_address(struct sockaddr_un *address, const char *path)
{
	memset(address, 0, sizeof(*address));
	address->sun_family = AF_UNIX;
	memcpy(address->sun_path, path, strlen(path) + 1);
}

static void
split_path(const char *path, char directory[UNIX_SOCKET_PATH_SIZE])
{
	char copy[UNIX_SOCKET_PATH_SIZE];

	snprintf(copy, sizeof(copy), "%s", path);
	snprintf(directory, UNIX_SOCKET_PATH_SIZE, "%s", dirname(copy));
}

/* Why a file cannot be made at `path`, with the cure.  code is what the system said. */
static int
explain_creation(const char *path, int code, struct err *err)
{
	char directory[UNIX_SOCKET_PATH_SIZE], owner[128];

	split_path(path, directory);
	describe_owner(directory, owner, sizeof(owner));
	switch (code) {
	case -ENOENT:
		return err_set(err, code,
			"cannot create socket %s: directory %s does not exist, make it with `mkdir -p %s`",
			path, directory, directory);
	case -ENOTDIR:
		return err_set(err, code, "cannot create socket %s: %s is not a directory", path,
			directory);
	case -EACCES:
		return err_set(err, code,
			"cannot create socket %s: directory %s is not writable for uid %u%s: choose "
			"another directory or change its permissions",
			path, directory, geteuid(), owner);
	case -EROFS:
		return err_set(err, code,
			"cannot create socket %s: the file system is mounted read-only", path);
	default:
		return err_set(err, code, "cannot create socket %s: %s", path, strerror(-code));
	}
}

static int
make_socket(int *fd)
{
	*fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	return *fd < 0 ? -errno : 0;
}

/* Connects and hangs up: 0 = someone listens there, else why not. */
static int
probe(const char *path)
{
	struct sockaddr_un address;
	int fd, rc = make_socket(&fd);

	if (rc < 0)
		return rc;
	fill_address(&address, path);
	rc = connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ? -errno : 0;
	close(fd);
	/* A full backlog and a socket of another type belong to somebody alive as well. */
	return rc == -EAGAIN || rc == -EPROTOTYPE ? 0 : rc;
}

static int
refuse_live(const char *path, struct err *err)
{
	return err_set(err, -EADDRINUSE,
		"socket %s is in use: another program listens there, stop it or choose another path",
		path);
}

/* Renames the stale file, asks it once more, removes it or puts it back. */
static int
retire_stale(const char *path, const struct stat *seen, struct err *err)
{
	char directory[UNIX_SOCKET_PATH_SIZE], copy[UNIX_SOCKET_PATH_SIZE], aside[64], name[32];
	struct stat moved;
	int dir, rc = 0;

	split_path(path, directory);
	snprintf(copy, sizeof(copy), "%s", path);
	dir = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return explain_creation(path, -errno, err);
	snprintf(name, sizeof(name), ".stale-%ld", (long)getpid());
	/* Short whatever the directory is called, so that it fits an address. */
	snprintf(aside, sizeof(aside), "/proc/self/fd/%d/%s", dir, name);
	if (renameat2(dir, basename(copy), dir, name, RENAME_NOREPLACE) < 0) {
		rc = errno == ENOENT ? 0 : explain_creation(path, -errno, err);
		goto out;
	}
	if (fstatat(dir, name, &moved, AT_SYMLINK_NOFOLLOW) == 0 && moved.st_ino == seen->st_ino &&
		moved.st_dev == seen->st_dev && probe(aside) == -ECONNREFUSED) {
		if (unlinkat(dir, name, 0) < 0)
			rc = explain_creation(path, -errno, err);
		goto out;
	}
	renameat2(dir, name, dir, basename(copy), RENAME_NOREPLACE);
	rc = refuse_live(path, err);
out:
	close(dir);
	return rc;
}

/* Something stands at path.  0 = it is gone, bind again. */
static int
clear_path(const char *path, struct err *err)
{
	struct stat st;
	int rc;

	if (lstat(path, &st) < 0)
		return errno == ENOENT ? 0 : explain_creation(path, -errno, err);
	if (!S_ISSOCK(st.st_mode))
		return err_set(err, -EEXIST,
			"cannot create socket %s: a %s stands there, remove it or choose another path",
			path,
			S_ISDIR(st.st_mode)   ? "directory"
			: S_ISREG(st.st_mode) ? "regular file"
			: S_ISLNK(st.st_mode) ? "symbolic link"
					      : "special file");
	rc = probe(path);
	if (rc == 0)
		return refuse_live(path, err);
	if (rc == -ENOENT)
		return 0;
	if (rc == -EACCES || (geteuid() != 0 && st.st_uid != geteuid()))
		return err_set(err, -EEXIST,
			"cannot create socket %s: a socket of uid %u stands there, remove it or choose another "
			"path",
			path, st.st_uid);
	if (rc != -ECONNREFUSED)
		return err_set(err, rc, "cannot tell whether socket %s is in use: %s", path,
			strerror(-rc));
	return retire_stale(path, &st, err);
}

static int
bind_path(int fd, const char *path, mode_t mode, struct err *err)
{
	struct sockaddr_un address;
	int rc = -EADDRINUSE;
	mode_t mask;

	/* The file gets the mode of the socket's own inode, less the creation mask. */
	if (fchmod(fd, mode) < 0)
		return err_set(
			err, -errno, "cannot set the mode of socket %s: %s", path, strerror(errno));
	fill_address(&address, path);
	for (unsigned attempt = 0; attempt < BIND_ATTEMPTS; attempt++) {
		mask = umask(0);
		rc = bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ? -errno : 0;
		umask(mask);
		if (rc != -EADDRINUSE)
			break;
		rc = clear_path(path, err);
		if (rc < 0)
			return rc;
		rc = -EADDRINUSE;
	}
	return rc < 0 ? explain_creation(path, rc, err) : 0;
}

/* Removes the file if it is still the one s describes. */
static void
remove_own_file(const struct unix_socket *s)
{
	struct stat st;

	if (lstat(s->path, &st) == 0 && st.st_dev == s->device && st.st_ino == s->inode)
		unlink(s->path);
}

/* From bound to listening. */
static int
open_doors(struct unix_socket *s, const struct unix_socket_options *options, struct err *err)
{
	struct stat st;

	if (lstat(s->path, &st) < 0 || !S_ISSOCK(st.st_mode))
		return refuse_live(s->path, err);
	s->device = st.st_dev;
	s->inode = st.st_ino;
	if ((options->owner != (uid_t)-1 || options->group != (gid_t)-1) &&
		lchown(s->path, options->owner, options->group) < 0) {
		int code = -errno;

		return err_set(err, code,
			"cannot give socket %s to uid %d, gid %d: %s (only root, or a member of the group, "
			"can)",
			s->path, (int)options->owner, (int)options->group, strerror(-code));
	}
	if (listen(s->fd, BACKLOG) < 0)
		return err_set(err, -errno, "cannot listen on %s: %s", s->path, strerror(errno));
	if (lstat(s->path, &st) < 0 || st.st_dev != s->device || st.st_ino != s->inode)
		return refuse_live(s->path, err);
	return 0;
}

int
unix_socket_listen(
	struct unix_socket *s, const struct unix_socket_options *options, struct err *err)
{
	int rc;

	memset(s, 0, sizeof(*s));
	s->fd = -1;
	rc = check_path(options->path, err);
	if (rc < 0)
		return rc;
	rc = make_socket(&s->fd);
	if (rc < 0)
		return err_set(err, rc, "cannot create socket %s: %s%s", options->path,
			strerror(-rc), rc == -EMFILE ? " (raise `ulimit -n`)" : "");
	rc = bind_path(s->fd, options->path, options->mode ? options->mode : UNIX_SOCKET_MODE, err);
	if (rc == 0) {
		memcpy(s->path, options->path, strlen(options->path) + 1);
		rc = open_doors(s, options, err);
	}
	if (rc < 0)
		unix_socket_close(s);
	return rc;
}

void
unix_socket_close(struct unix_socket *s)
{
	if (s->fd < 0)
		return;
	if (s->path[0])
		remove_own_file(s);
	close(s->fd);
	s->fd = -1;
}

int
unix_socket_accept(const struct unix_socket *s, int *fd)
{
	*fd = accept4(s->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	return *fd < 0 ? -errno : 0;
}

/* connect(2) says ECONNREFUSED for a file that is no socket, too. */
static int
refine_refusal(const char *path, int code)
{
	struct stat st;

	return code == -ECONNREFUSED && stat(path, &st) == 0 && !S_ISSOCK(st.st_mode) ? -ENOTSOCK
										      : code;
}

static int
explain_connect(const char *path, int code, struct err *err)
{
	char owner[128];

	switch (code) {
	case -ENOENT:
		return err_set(err, code, "nobody listens on %s: the socket does not exist", path);
	case -ECONNREFUSED:
		return err_set(err, code, "nobody listens on %s any more", path);
	case -EAGAIN:
		return err_set(err, code, "the program that listens on %s does not answer", path);
	case -ENOTSOCK:
		return err_set(err, code, "%s is not a socket", path);
	case -EACCES:
		describe_owner(path, owner, sizeof(owner));
		return err_set(err, code, "permission denied on %s%s", path, owner);
	default:
		return err_set(err, code, "cannot connect to %s: %s", path, strerror(-code));
	}
}

int
unix_socket_connect(const char *path, int *fd, struct err *err)
{
	struct sockaddr_un address;
	int rc = check_path(path, err);

	*fd = -1;
	if (rc < 0)
		return rc;
	rc = make_socket(fd);
	if (rc < 0)
		return err_set(err, rc, "cannot connect to %s: %s", path, strerror(-rc));
	fill_address(&address, path);
	if (connect(*fd, (struct sockaddr *)&address, sizeof(address)) == 0)
		return 0;
	rc = refine_refusal(path, -errno);
	close(*fd);
	*fd = -1;
	return explain_connect(path, rc, err);
}

int
unix_socket_peer(int fd, struct unix_peer *peer)
{
	struct ucred cred;
	socklen_t size = sizeof(cred);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &size) < 0)
		return -errno;
	peer->pid = cred.pid;
	peer->uid = cred.uid;
	peer->gid = cred.gid;
	return 0;
}

bool
unix_socket_peer_in_group(int fd, gid_t group)
{
	struct unix_peer peer = {0};
	gid_t few[32], *groups = few;
	socklen_t size = sizeof(few);
	bool found = false;

	if (unix_socket_peer(fd, &peer) == 0 && peer.gid == group)
		return true;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &size) < 0) {
		/* ERANGE stores the size that is needed. */
		if (errno != ERANGE || size > NGROUPS_MAX * sizeof(gid_t))
			return false;
		groups = malloc(size);
		if (!groups || getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &size) < 0)
			size = 0;
	}
	for (unsigned i = 0; groups && i < size / sizeof(gid_t) && !found; i++)
		found = groups[i] == group;
	if (groups != few)
		free(groups);
	return found;
}
