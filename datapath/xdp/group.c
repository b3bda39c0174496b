/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/virtio_net.h>

#include "datapath/xdp/group.h"

#define BLOCK (1u << 16)
#define TAG   4

struct group {
	int fd, ifindex;
	uint8_t *ring;
	uint32_t slot; /* bytes */
	uint32_t next; /* worker: the slot to look at */
	uint32_t held; /* worker: slots before it that are still ours */
	struct mac asked[GROUP_UNICAST];
	unsigned asked_count, unasked;
	bool all, promiscuous;
	uint64_t lost;
};

/* ---- open and close ---- */

/* Accepts frames whose destination has the group bit. */
static int
set_filter(int fd)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 0),
		BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, 1, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, 0xffffffff),
		BPF_STMT(BPF_RET | BPF_K, 0),
	};
	struct sock_fprog program = {.len = sizeof(code) / sizeof(code[0]), .filter = code};

	return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program));
}

static int
set_option(int fd, int option, int value)
{
	return setsockopt(fd, SOL_PACKET, option, &value, sizeof(value));
}

static int
membership(const struct group *group, int what, int type, const struct mac *mac)
{
	struct packet_mreq request = {.mr_ifindex = group->ifindex, .mr_type = (uint16_t)type};

	if (mac) {
		request.mr_alen = MAC_LEN;
		memcpy(request.mr_address, mac, MAC_LEN);
	}
	return setsockopt(group->fd, SOL_PACKET, what, &request, sizeof(request));
}

static int
set_up(struct group *group)
{
	const struct tpacket_req ring = {
		.tp_block_size = BLOCK,
		.tp_block_nr = GROUP_SLOTS / (BLOCK / group->slot),
		.tp_frame_size = group->slot,
		.tp_frame_nr = GROUP_SLOTS,
	};
	const struct sockaddr_ll address = {.sll_family = AF_PACKET,
		.sll_protocol = htons(ETH_P_ALL),
		.sll_ifindex = group->ifindex};
	void *memory;

	if (set_option(group->fd, PACKET_VERSION, TPACKET_V2) < 0 ||
		set_option(group->fd, PACKET_VNET_HDR, 1) < 0 ||
		set_option(group->fd, PACKET_IGNORE_OUTGOING, 1) < 0 || set_filter(group->fd) < 0 ||
		setsockopt(group->fd, SOL_PACKET, PACKET_RX_RING, &ring, sizeof(ring)) < 0)
		return -errno;
	memory = mmap(NULL, (size_t)group->slot * GROUP_SLOTS, PROT_READ | PROT_WRITE, MAP_SHARED,
		group->fd, 0);
	if (memory == MAP_FAILED)
		return -errno;
	group->ring = memory;
	if (bind(group->fd, (const struct sockaddr *)&address, sizeof(address)) < 0 ||
		membership(group, PACKET_ADD_MEMBERSHIP, PACKET_MR_ALLMULTI, NULL) < 0)
		return -errno;
	return 0;
}

int
group_open(struct group **out, int ifindex, unsigned mtu, struct err *err)
{
	struct group *group = calloc(1, sizeof(*group));
	int rc;

	if (!group)
		return err_set(err, -ENOMEM, "out of memory");
	group->ifindex = ifindex;
	/* Of a slot, the kernel's description takes less than 128 bytes. */
	group->slot = mtu + 128 + ETH_HLEN <= GROUP_SLOT ? GROUP_SLOT : GROUP_SLOT_LONG;
	/* Without a protocol it receives nothing before it is bound. */
	group->fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	rc = group->fd < 0 ? -errno : set_up(group);
	if (rc < 0) {
		group_close(group);
		return err_set(err, rc,
			"no packet socket for its broadcasts (%s): CAP_NET_RAW and %u KiB of memory are "
			"needed",
			strerror(-rc), GROUP_SLOTS * GROUP_SLOT / 1024);
	}
	*out = group;
	return 0;
}

void
group_close(struct group *group)
{
	if (!group)
		return;
	if (group->ring)
		munmap(group->ring, (size_t)group->slot * GROUP_SLOTS);
	if (group->fd >= 0)
		close(group->fd);
	free(group);
}

int
group_fd(const struct group *group)
{
	return group->fd;
}

/* ---- what the interface shall receive ---- */

static void
update_promiscuous(struct group *group)
{
	bool wanted = group->all || group->unasked;

	if (wanted == group->promiscuous)
		return;
	if (membership(group, wanted ? PACKET_ADD_MEMBERSHIP : PACKET_DROP_MEMBERSHIP,
		    PACKET_MR_PROMISC, NULL) == 0)
		group->promiscuous = wanted;
}

void
group_want_all(struct group *group, bool all)
{
	group->all = all;
	update_promiscuous(group);
}

void
group_want(struct group *group, const struct mac *mac, bool wanted)
{
	unsigned i = 0;

	while (i < group->asked_count && memcmp(&group->asked[i], mac, sizeof(*mac)) != 0)
		i++;
	if (i < group->asked_count) {
		if (wanted)
			return;
		membership(group, PACKET_DROP_MEMBERSHIP, PACKET_MR_UNICAST, mac);
		group->asked[i] = group->asked[--group->asked_count];
	} else if (!wanted) {
		group->unasked -= group->unasked > 0;
	} else if (i < GROUP_UNICAST &&
		   membership(group, PACKET_ADD_MEMBERSHIP, PACKET_MR_UNICAST, mac) == 0) {
		group->asked[group->asked_count++] = *mac;
	} else {
		group->unasked++;
	}
	update_promiscuous(group);
}

bool
group_is_promiscuous(const struct group *group)
{
	return group->promiscuous;
}

uint64_t
group_lost(struct group *group)
{
	struct tpacket_stats stats = {0};
	socklen_t size = sizeof(stats);

	if (getsockopt(group->fd, SOL_PACKET, PACKET_STATISTICS, &stats, &size) == 0)
		group->lost += stats.tp_drops;
	return group->lost;
}

/* ---- packet path ---- */

static struct tpacket2_hdr *
slot_at(const struct group *group, uint32_t slot)
{
	return (struct tpacket2_hdr *)(group->ring + (size_t)group->slot * (slot % GROUP_SLOTS));
}

static bool
is_ready(const struct tpacket2_hdr *head)
{
	return __atomic_load_n(&head->tp_status, __ATOMIC_ACQUIRE) & TP_STATUS_USER;
}

/* The offload request that the kernel wrote in front of the frame; false = none we can carry. */
static bool
read_request(const uint8_t *bytes, struct frame *f, uint32_t tag)
{
	struct virtio_net_hdr head;

	memcpy(&head, bytes - sizeof(head), sizeof(head));
	if (head.gso_type != VIRTIO_NET_HDR_GSO_NONE)
		return false;
	if (head.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) {
		f->needs = OFFLOAD_CSUM;
		f->csum_start = (uint16_t)(head.csum_start + tag);
		f->csum_offset = head.csum_offset;
	}
	return true;
}

/* Copies the head with its tag; the rest stays in the slot. */
static enum drop
add_frame(const struct tpacket2_hdr *head, struct burst *burst)
{
	const uint8_t *bytes = (const uint8_t *)head + head->tp_mac;
	struct frame *f = &burst->frames[burst->count];
	uint8_t *to = burst->slots[burst->count].bytes;
	uint32_t tag = head->tp_status & TP_STATUS_VLAN_VALID ? TAG : 0;
	uint32_t len = head->tp_snaplen, prefix = len <= FRAME_WHOLE - TAG ? len : FRAME_PREFIX;

	if (len < FRAME_LEN_MIN)
		return DROP_RUNT;
	if (head->tp_len > len)
		return DROP_TOO_LONG;
	frame_clear(f);
	if (!read_request(bytes, f, tag))
		return DROP_TOO_LONG;
	memcpy(to, bytes, 2 * MAC_LEN);
	if (tag) {
		uint16_t type = head->tp_status & TP_STATUS_VLAN_TPID_VALID ? head->tp_vlan_tpid
									    : ETH_P_8021Q;
		const uint16_t words[2] = {htons(type), htons(head->tp_vlan_tci)};

		memcpy(to + 2 * MAC_LEN, words, TAG);
	}
	memcpy(to + 2 * MAC_LEN + tag, bytes + 2 * MAC_LEN, prefix - 2 * MAC_LEN);
	f->data = to;
	f->len = len + tag;
	f->head_len = (uint16_t)(prefix + tag);
	f->segs = &burst->segs[burst->segs_used];
	f->seg_count = len > prefix;
	if (f->seg_count) {
		burst->segs[burst->segs_used].addr = bytes + prefix;
		burst->segs[burst->segs_used++].len = len - prefix;
	}
	burst->cookie[burst->count++] = NULL;
	burst->bytes += f->len;
	return DROP_COUNT;
}

bool
group_rx(struct group *group, struct burst *burst, struct port_counters *counters)
{
	group->held = 0;
	while (burst->count < FRAME_BURST && group->held < FRAME_BURST &&
		burst->bytes < FRAME_BURST_BYTES) {
		const struct tpacket2_hdr *head = slot_at(group, group->next);
		enum drop drop;

		if (!is_ready(head))
			break;
		drop = add_frame(head, burst);
		if (drop != DROP_COUNT) {
			counters->rx_packets++;
			counters->rx_bytes += head->tp_len;
			counters->drops[drop]++;
		}
		group->next = (group->next + 1) % GROUP_SLOTS;
		group->held++;
	}
	if (!group->held)
		return false;
	if (!burst->count)
		group_rx_done(group);
	return true;
}

void
group_rx_done(struct group *group)
{
	for (; group->held; group->held--)
		__atomic_store_n(
			&slot_at(group, group->next + GROUP_SLOTS - group->held)->tp_status,
			TP_STATUS_KERNEL, __ATOMIC_RELEASE);
}

bool
group_arm(const struct group *group)
{
	return is_ready(slot_at(group, group->next));
}
