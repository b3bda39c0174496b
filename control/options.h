/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * options: the command line of patchbayd.
 */
#ifndef CONTROL_OPTIONS_H
#define CONTROL_OPTIONS_H

#include <stdio.h>

#include "datapath/datapath.h"
#include "lib/err.h"
#include "lib/log.h"
#include "lib/unix_socket.h"

struct options {
	struct datapath_options datapath;
	char socket[4096];  /* "" = the default place */
	mode_t socket_mode; /* 0 = the default */
	uid_t socket_owner; /* (uid_t)-1 = unchanged */
	gid_t socket_group;
	gid_t read_group;   /* (gid_t)-1 = whoever may connect may look */
	const char *config; /* NULL = none; points into the arguments */
	enum log_level log_level;
	const char *state;   /* directory; NULL = none */
	bool takeover;       /* of the daemon that runs on this socket */
	unsigned port_types; /* bits 1 << PORT_TYPE_...: those that there may be */
	bool no_confine;
	bool help, version;
};

/* -EINVAL, -ERANGE, ...: the text names option, value and what is allowed. */
int options_parse(struct options *options, int argc, char **argv, struct err *err);
void options_print_help(FILE *file);

#endif
