/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The XDP program that shares a network interface between the host and the switch.
 *
 * A frame is the switch's when its destination is a known address of the switch, or its VLAN was
 * given to the switch: it is redirected to the AF_XDP socket of its receive queue.  Everything else
 * goes on to the kernel as if the program was not there.  XDP cannot copy a frame; the switch reads
 * its copies of broadcast and multicast frames from a packet socket behind the program
 * (datapath/xdp/group.h).
 *
 * Without a socket, because the daemon died, bpf_redirect_map() returns what `unattended` says.
 * The program looks at 18 bytes and changes nothing.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "datapath/xdp/share.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct share_settings);
} settings SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, SHARE_ADDRESSES_MAX);
	__type(key, struct share_address);
	__type(value, __u32);
} addresses SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_XSKMAP);
	__uint(max_entries, SHARE_SOCKETS_MAX);
	__type(key, __u32);
	__type(value, __u32);
} sockets SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct share_counters);
} counters SEC(".maps");

static __always_inline int
is_own(const struct share_settings *s, const struct ethhdr *eth)
{
	for (int i = 0; i < ETH_ALEN; i++)
		if (s->own[i] != eth->h_dest[i])
			return 0;
	return 1;
}

/* Was all of the frame's VLAN given to the switch? */
static __always_inline int
is_chosen_vlan(const struct share_settings *s, const struct ethhdr *eth, const void *end)
{
	const __be16 *tci = (const __be16 *)(eth + 1);
	__u32 vid;

	if (eth->h_proto != bpf_htons(ETH_P_8021Q) && eth->h_proto != bpf_htons(ETH_P_8021AD))
		return 0;
	if ((const void *)(tci + 1) > end)
		return 0;
	vid = bpf_ntohs(*tci) & 0xfff;
	return s->vlans[vid >> 6] >> (vid & 63) & 1;
}

SEC("xdp")
int
patchbay_share(struct xdp_md *ctx)
{
	const void *end = (const void *)(long)ctx->data_end;
	const struct ethhdr *eth = (const void *)(long)ctx->data;
	struct share_address address = {};
	struct share_counters *count;
	struct share_settings *s;
	__u32 zero = 0;
	int action;

	if ((const void *)(eth + 1) > end)
		return XDP_PASS;
	s = bpf_map_lookup_elem(&settings, &zero);
	count = bpf_map_lookup_elem(&counters, &zero);
	if (!s || !count)
		return XDP_PASS;
	if (!is_chosen_vlan(s, eth, end)) {
		if (eth->h_dest[0] & 1) {
			count->group++;
			return XDP_PASS;
		}
		__builtin_memcpy(address.mac, eth->h_dest, ETH_ALEN);
		if (is_own(s, eth) || !bpf_map_lookup_elem(&addresses, &address)) {
			count->host++;
			return XDP_PASS;
		}
	}
	action = (int)bpf_redirect_map(
		&sockets, ctx->rx_queue_index, s->unattended == XDP_PASS ? XDP_PASS : XDP_DROP);
	if (action == XDP_REDIRECT)
		count->taken++;
	else
		count->unattended++;
	return action;
}

char share_license[] SEC("license") = "Dual BSD/GPL";
