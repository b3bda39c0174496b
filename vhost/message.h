/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * message: one vhost-user message with its descriptors, from and to a Unix stream socket, for both
 * ends ("Message Specification" and "Communication" of the vhost-user specification).
 *
 * A reader collects one message from as many pieces as the peer cares to send, never reads a byte
 * of the next one, and never waits.  It owns the descriptors that came along, close-on-exec, until
 * they are taken out of it with fd_take(); message_reader_reset() closes those that are left.
 *
 * Threads: a reader belongs to one thread; two readers do not share anything.
 */
#ifndef VHOST_MESSAGE_H
#define VHOST_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/err.h"
#include "vhost/protocol.h"

struct message_reader {
	struct vhost_message message;
	size_t have;            /* bytes of it that have come */
	int fds[VHOST_FDS_MAX]; /* [0..fd_count): the message's; -1 = taken */
	unsigned fd_count;
};

/* Ready for the first message. */
void message_reader_init(struct message_reader *reader);

/* Closes what descriptors are left and gets ready for the next message. */
void message_reader_reset(struct message_reader *reader);

/* The beginning of a message is there, its end is not. */
bool message_reader_partial(const struct message_reader *reader);

/*
 * Reads what there is.  1: reader->message is whole, its payload zeroed behind header.size; reset the
 * reader before the next call.  0: more is needed and is not there.  Errors, after which the stream
 * cannot be used and all descriptors are closed: -ENODATA the peer closed between two messages,
 * -ECONNRESET it went away in the middle of one, -EPROTO (text) the header says another version or
 * more payload than any message has, or more than VHOST_FDS_MAX descriptors came or no descriptor is
 * free for them; else what recvmsg(2) said.
 */
int message_read(int socket, struct message_reader *reader, struct err *err);

/* The same, waiting at most timeout_ms in all (front ends only): 1, -ETIMEDOUT or an error. */
int message_read_wait(int socket, struct message_reader *reader, int timeout_ms, struct err *err);

/*
 * Sends header and payload (header.size bytes) with descriptors, which stay the caller's, in one
 * piece and without waiting.  0; -EAGAIN the peer does not read what it is sent; -EPIPE it is gone.
 * After any error the stream cannot be used.
 */
int message_write(int socket, const struct vhost_message *message, const int *fds, unsigned count);

/* The same, waiting at most timeout_ms in all for the peer to make room: 0, -ETIMEDOUT... */
int message_write_wait(int socket, const struct vhost_message *message, const int *fds,
	unsigned count, int timeout_ms);

/* "SET_MEM_TABLE", or "request 77" in `text` for a number we do not know. */
const char *message_name(uint32_t request, char text[24]);

#endif
