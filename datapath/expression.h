/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * expression: a tcpdump expression (pcap-filter(7)) as a program of the classic BPF machine, made by
 * libpcap for Ethernet frames.
 *
 * Names of hosts and networks are refused: looking them up would keep the caller waiting for a name
 * server.  Names of ports and protocols are taken from the files of this host.
 *
 * Threads: any, one call at a time.
 */
#ifndef DATAPATH_EXPRESSION_H
#define DATAPATH_EXPRESSION_H

#include <stdbool.h>

#include "lib/err.h"

struct bpf_program; /* of <pcap/bpf.h> */

#define EXPRESSION_INSNS_MAX 4096 /* instructions, as many as the kernel takes */

/*
 * The program is for expression_free().  -EINVAL: libpcap's message and the place in the text;
 * -E2BIG: too many instructions; -ENOMEM.  An empty text matches every frame.
 */
int expression_compile(const char *text, struct bpf_program *program, struct err *err);
void expression_free(struct bpf_program *program);

/*
 * May the text stand in a larger one?  False where it has words that change what follows them
 * (vlan, mpls, pppoes, geneve).
 */
bool expression_joins(const char *text);

#endif
