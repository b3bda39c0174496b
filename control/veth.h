/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * veth: a veth pair, one end here for the switch, the other in a network namespace.
 *
 * The end here is called after the port and says in its alias whose it is, so that a daemon that was
 * killed finds its pair again and the namespace keeps its network.
 *
 * Threads: the control thread.
 */
#ifndef CONTROL_VETH_H
#define CONTROL_VETH_H

#include <net/if.h>

#include "api/config.h"
#include "lib/err.h"
#include "lib/needs.h"

/* The name of the end here: "pb-" and as much of the port's name as fits. */
void veth_name(const struct port_config *config, char name[IF_NAMESIZE]);

/* Makes the pair, or takes the one that is there, and gives the addresses. */
int veth_create(const struct port_config *config, struct err *err);
void veth_destroy(const struct port_config *config);

/* An interface of this namespace: adds the addresses, sets it up.  Texts name the interface. */
int interface_address(const char *name, const char *addresses, struct err *err);

/* For veth ports. */
extern const struct needs veth_needs;

#endif
