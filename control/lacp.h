/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * lacp: the Link Aggregation Control Protocol of one bond (IEEE 802.1AX-2014, 6.4): the receive,
 * periodic transmission, selection and mux machines of its members.
 *
 * The caller says when links come and go and what was received, calls lacp_run() then and at the time
 * that it named, and asks which members may receive and send.  Time is the caller's, in milliseconds
 * that only grow.
 *
 * Selection: the members whose partners are one system with one key are one aggregate.  The bond uses
 * one aggregate, and stays with it as long as it has a member; then it takes the one with the most.
 *
 * Threads: none shared.
 */
#ifndef CONTROL_LACP_H
#define CONTROL_LACP_H

#include <stdbool.h>
#include <stdint.h>

#include "control/lacp_pdu.h"

#define LACP_MEMBERS_MAX 8
#define LACP_NEVER       UINT64_MAX

#define LACP_FAST_MS           1000u
#define LACP_SLOW_MS           30000u
#define LACP_SHORT_TIMEOUT_MS  3000u
#define LACP_LONG_TIMEOUT_MS   90000u
#define LACP_AGGREGATE_WAIT_MS 2000u
#define LACP_SENT_MAX          3 /* of a member within LACP_FAST_MS */

enum lacp_receive { LACP_RX_DISABLED, LACP_RX_EXPIRED, LACP_RX_DEFAULTED, LACP_RX_CURRENT };
enum lacp_mux {
	LACP_MUX_DETACHED,
	LACP_MUX_WAITING,
	LACP_MUX_ATTACHED,
	LACP_MUX_COLLECTING,
	LACP_MUX_DISTRIBUTING
};

struct lacp_options {
	bool passive; /* speaks only when spoken to */
	bool fast;    /* wants LACPDUs every second, and gives up after three */
	uint16_t system_priority;
	struct mac system;
	uint16_t key;
	void *owner;
	void (*send)(void *owner, unsigned member, const struct lacp_pdu *pdu);
};

/* What is to be known of a member. */
struct lacp_status {
	struct lacp_party actor, partner;
	enum lacp_receive receive;
	enum lacp_mux mux;
	bool selected; /* of the aggregate in use */
	bool looped;   /* what it sends comes back to this bond */
	uint64_t received, sent;
};

struct lacp;

/* NULL: no memory. */
struct lacp *lacp_create(const struct lacp_options *options);
void lacp_destroy(struct lacp *lacp);

/*
 * member: 0..LACP_MEMBERS_MAX-1.  up: its link; a member that is up has the number of its port, 1 and
 * up, which no other of the system has.
 */
void lacp_link(struct lacp *lacp, unsigned member, bool up, uint16_t port, uint64_t now_ms);
void lacp_received(struct lacp *lacp, unsigned member, const struct lacp_pdu *pdu, uint64_t now_ms);

/* Lets all machines run, and sends what is due; when to call again, LACP_NEVER = no need to. */
uint64_t lacp_run(struct lacp *lacp, uint64_t now_ms);

bool lacp_collects(const struct lacp *lacp, unsigned member);
bool lacp_distributes(const struct lacp *lacp, unsigned member);
/* No member that is up knows a partner. */
bool lacp_alone(const struct lacp *lacp);
/* The partner of the aggregate in use; NULL = there is none. */
const struct lacp_party *lacp_partner(const struct lacp *lacp);
void lacp_status(const struct lacp *lacp, unsigned member, struct lacp_status *status);

#endif
