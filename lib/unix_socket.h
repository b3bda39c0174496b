/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * unix_socket: stream sockets in the file system (unix(7)): listen, connect, who is on the other
 * side.  Every descriptor is non-blocking and close-on-exec.
 *
 * A socket file that nobody answers on any more is replaced when it is ours to replace; a live one
 * and every other kind of file are left alone and named in the error.  Permissions and owner are in
 * place before the first peer can connect.
 *
 * Threads: one caller at a time per process (the creation mask is changed for the length of one
 * bind).
 */
#ifndef LIB_UNIX_SOCKET_H
#define LIB_UNIX_SOCKET_H

#include <stdbool.h>
#include <sys/types.h>

#include "lib/err.h"
#include "lib/needs.h"

#define UNIX_SOCKET_PATH_SIZE 108  /* with the NUL: sun_path */
#define UNIX_SOCKET_MODE      0660 /* when none is given */

struct unix_socket_options {
	const char *path; /* absolute */
	mode_t mode;      /* 0 = UNIX_SOCKET_MODE */
	uid_t owner;      /* (uid_t)-1 = unchanged */
	gid_t group;      /* (gid_t)-1 = unchanged */
};

/* A listening socket and the identity of its file. */
struct unix_socket {
	int fd; /* -1 = closed */
	char path[UNIX_SOCKET_PATH_SIZE];
	dev_t device;
	ino_t inode;
};

/*
 * Binds and listens.  On failure s->fd is -1 and nothing is left behind.
 * -ENAMETOOLONG, -EINVAL (not absolute), -ENOENT (directory), -EACCES, -EADDRINUSE (alive),
 * -EEXIST (something else stands there), -EPERM (owner or group cannot be given), -EMFILE, ...
 */
int unix_socket_listen(
	struct unix_socket *s, const struct unix_socket_options *options, struct err *err);

/* Stops listening and removes the file, unless another file has taken its place.  Idempotent. */
void unix_socket_close(struct unix_socket *s);

/* The next connection; -EAGAIN when there is none, -EMFILE, -ENFILE, -ECONNABORTED, ... */
int unix_socket_accept(const struct unix_socket *s, int *fd);

/*
 * Connects without waiting.  -ENOENT and -ECONNREFUSED: nobody is there; -EAGAIN: the listener's
 * backlog is full; -EACCES; -EPROTOTYPE: another socket type; -ENOTSOCK: not a socket.
 */
int unix_socket_connect(const char *path, int *fd, struct err *err);

/* The process at the other end, as it was when it connected. */
struct unix_peer {
	pid_t pid;
	uid_t uid;
	gid_t gid;
};
int unix_socket_peer(int fd, struct unix_peer *peer);
/* Was `group` the primary or a supplementary group of the process at the other end? */
bool unix_socket_peer_in_group(int fd, gid_t group);

/* Listening, connecting, talking. */
extern const struct needs unix_socket_needs;

#endif
