/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * frontend: the front end of a vhost-user connection (vhost-user specification): what QEMU is to a
 * back end, for launcher, bench and tests.
 *
 *	frontend_create()	listens, when that is asked for
 *	frontend_connect()	connection and handshake; frontend_features() are known now
 *	frontend_set_ring()	for each ring
 *	frontend_start()	memory, rings, enable: the back end serves the rings
 *	frontend_stop()		the back end has let go of them and says where it stopped
 *	frontend_disconnect()	and frontend_connect() again, after a loss too
 *	frontend_destroy()
 *
 * Requests are acknowledged one by one when the back end offers REPLY_ACK; else frontend_start()
 * and frontend_stop() end with a request that has an answer, so that they return when everything
 * before was handled.
 *
 * A connection that is made anew must offer what was negotiated before once frontend_start() was
 * called: the rings live on, the driver does not notice.
 *
 * Threads: one at a time.  Everything waits at most timeout_ms per answer.
 * Errors: negative errno with a text.  -ECONNREFUSED, -ENOENT, -ETIMEDOUT (nobody there, no answer),
 * -ENODATA, -ECONNRESET, -EPIPE (the back end went away), -EPROTO (it answers nonsense), -ENOTSUP
 * (it lacks a required feature), -EREMOTEIO (it refused a request).
 */
#ifndef VHOST_FRONTEND_H
#define VHOST_FRONTEND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/err.h"
#include "vhost/driver_memory.h"
#include "vhost/protocol.h"

#define FRONTEND_RINGS_MAX  (2 * VHOST_QUEUE_PAIRS_MAX)
#define FRONTEND_TIMEOUT_MS 5000

struct frontend_options {
	const char *path;             /* absolute */
	bool listen;                  /* the back end connects to us */
	int timeout_ms;               /* 0 = FRONTEND_TIMEOUT_MS */
	uint64_t features;            /* wanted, as far as they are offered */
	uint64_t required;            /* of them, those without which there is no connection */
	uint64_t protocol_features;   /* wanted, as far as they are offered */
	bool mem_slots;               /* ADD_MEM_REG instead of SET_MEM_TABLE, where offered */
	bool inflight;                /* use INFLIGHT_SHMFD where offered */
	struct driver_memory *memory; /* outlives the front end */
};

/* One ring, described in host addresses within the guest memory. */
struct frontend_ring {
	void *desc, *driver, *device;
	uint16_t size;
	uint32_t base;        /* where to begin: driver_ring_base(), or what frontend_stop() said */
	int kick_fd, call_fd; /* eventfds, stay the caller's; -1 = polled / not wanted */
	bool disabled;        /* frontend_start() does not enable it */
};

struct frontend;

int frontend_create(
	struct frontend **frontend, const struct frontend_options *options, struct err *err);
/* NULL is fine. */
void frontend_destroy(struct frontend *frontend);

/* Connects or waits for a connection, and negotiates. */
int frontend_connect(struct frontend *frontend, struct err *err);
/* One attempt, without waiting for somebody to be there: -ENOENT, -ECONNREFUSED, -EAGAIN. */
int frontend_try(struct frontend *frontend, struct err *err);
void frontend_disconnect(struct frontend *frontend);
/* False once the back end has closed or broken the connection. */
bool frontend_alive(struct frontend *frontend);

/* Valid while connected. */
uint64_t frontend_offered(const struct frontend *frontend);
uint64_t frontend_features(const struct frontend *frontend);
uint64_t frontend_protocol_features(const struct frontend *frontend);
/* Queue pairs the back end offers; 1 without MQ. */
unsigned frontend_queue_pairs(const struct frontend *frontend);

/*
 * A driver begins anew and has chosen these of the features that were offered: what rings, in-flight
 * region and features were there before is forgotten.  Before frontend_set_ring().
 */
void frontend_choose(struct frontend *frontend, uint64_t features);
/* Before frontend_start(); index 0..FRONTEND_RINGS_MAX-1, contiguous. */
void frontend_set_ring(struct frontend *frontend, unsigned index, const struct frontend_ring *ring);
int frontend_start(struct frontend *frontend, struct err *err);
/* GET_VRING_BASE for each ring; the answers become the rings' bases. */
int frontend_stop(struct frontend *frontend, struct err *err);
uint32_t frontend_ring_base(const struct frontend *frontend, unsigned index);

/* SET_VRING_ENABLE of one ring. */
int frontend_enable(struct frontend *frontend, unsigned index, bool enable, struct err *err);
/* RESET_DEVICE, or status 0; -ENOTSUP when neither is negotiated.  Rings begin anew. */
int frontend_reset(struct frontend *frontend, struct err *err);
int frontend_set_mtu(struct frontend *frontend, uint16_t mtu, struct err *err);
/* SEND_RARP: the back end announces this address (48 bits, first byte lowest). */
int frontend_send_rarp(struct frontend *frontend, uint64_t mac, struct err *err);

/*
 * Dirty logging while rings run: SET_LOG_BASE with a shared bitmap of all guest memory, then
 * LOG_ALL and the rings' log flag on, or both off.  The bitmap stays valid until destroy.
 */
int frontend_set_logging(struct frontend *frontend, bool on, struct err *err);
const uint8_t *frontend_log(const struct frontend *frontend, size_t *bytes);

/* The shared in-flight region, NULL when there is none. */
void *frontend_inflight(const struct frontend *frontend, size_t *bytes);

/* One region more or less while rings run (mem_slots only); index into memory->regions. */
int frontend_add_region(struct frontend *frontend, unsigned region, struct err *err);
int frontend_remove_region(struct frontend *frontend, unsigned region, struct err *err);

/*
 * For tests of back ends: sends any request as it stands, with descriptors, and with `reply` waits
 * for an answer.
 */
int frontend_request(struct frontend *frontend, struct vhost_message *message, const int *fds,
	unsigned fd_count, bool reply, struct err *err);
int frontend_socket(const struct frontend *frontend);
/* Readable when a back end has connected; -1 when we are the one who connects. */
int frontend_listener(const struct frontend *frontend);

#endif
