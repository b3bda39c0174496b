/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * program: the XDP program (share.bpf.c) on an interface, by libbpf and libxdp.
 *
 * The program stays on the interface when the daemon dies; xdp_share_open() takes over what it
 * finds there, maps included, without a moment in which the interface has none.  Where the kernel
 * can, it runs beside other programs by libxdp's dispatcher, which keeps its links in the BPF file
 * system; xdp_share_close() with `detach` leaves nothing behind.
 *
 * Threads: the control thread.
 */
#ifndef DATAPATH_XDP_PROGRAM_H
#define DATAPATH_XDP_PROGRAM_H

#include <stdbool.h>
#include <stdint.h>

#include "datapath/xdp/share.h"
#include "lib/err.h"
#include "lib/ethernet.h"
#include "lib/needs.h"

enum xdp_mode { XDP_AUTO, XDP_NATIVE, XDP_GENERIC };

struct xdp_share_options {
	const char *dev;
	int ifindex;
	enum xdp_mode mode; /* XDP_AUTO: native, else generic */
};

struct xdp_share; /* the program on its interface */

struct xdp_share_status {
	bool native;
	bool dispatcher; /* beside others, or ready for it */
	bool taken_over;
	uint32_t id;
	char refused[128]; /* why not native, when XDP_AUTO ended with generic; else "" */
};

/* Attaches the program or takes it over.  The maps are as they were, or empty. */
int xdp_share_open(
	struct xdp_share **share, const struct xdp_share_options *options, struct err *err);
/* Without `detach` the program stays where it is.  NULL is fine. */
void xdp_share_close(struct xdp_share *share, bool detach);
/* What pins of programs an interface that is gone has left in the BPF file system. */
void xdp_share_forget(int ifindex);

void xdp_share_status(const struct xdp_share *share, struct xdp_share_status *status);

/* ---- its maps; -errno ---- */

/* `identity` is kept. */
int xdp_share_get(const struct xdp_share *share, struct share_settings *settings);
int xdp_share_set(const struct xdp_share *share, const struct share_settings *settings);
int xdp_share_socket(const struct xdp_share *share, unsigned queue, int fd);
int xdp_share_address(const struct xdp_share *share, const struct mac *mac, bool present);
/* Removes the addresses that keep() does not want. */
void xdp_share_sweep(
	const struct xdp_share *share, bool (*keep)(const struct mac *, void *), void *arg);
int xdp_share_counters(const struct xdp_share *share, struct share_counters *sum);

/* ---- why it failed ---- */

/* What is known of the machine when something was refused. */
struct xdp_facts {
	const char *dev;
	bool net_admin, net_raw, bpf, sys_admin; /* capabilities */
	bool bpffs;                              /* mounted at `bpffs_path` */
	const char *bpffs_path;
	bool btf;              /* the kernel has type information */
	uint64_t locked_limit; /* bytes */
	char other[64];        /* another XDP program on the interface: "NAME (id N)" */
};
void xdp_facts_read(struct xdp_facts *facts, const char *dev, int ifindex);
/* Always fills err; returns error. */
int xdp_explain(const struct xdp_facts *facts, int error, struct err *err);

/* For afxdp ports: program, sockets, copies of broadcasts. */
extern const struct needs xdp_needs;

#endif
