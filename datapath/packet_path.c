/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Threat model: what is received comes from whoever can send to the interface.  The kernel has
 * checked lengths and the virtio-net header; the request in it is checked again like a guest's
 * (datapath/offload.h), since headers behind it need not be what it says.  What is sent was checked
 * when a guest handed it in.
 */
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/virtio_net.h>
#include <string.h>

#include "datapath/offload.h"
#include "datapath/port_packet_internal.h"

#define TAG_LEN    4
#define MACS_LEN   12
#define VLAN_8021Q 0x8100

/* ---- receive ---- */

static struct tpacket2_hdr *
slot_at(const struct packet_queue *q, unsigned slot)
{
	return (struct tpacket2_hdr *)(q->ring + slot * q->slot_size);
}

/* Gives the slots before the next one back to the kernel. */
static void
give_back(struct packet_queue *q)
{
	unsigned first = (q->next + PACKET_SLOTS - q->taken) % PACKET_SLOTS;

	for (unsigned i = 0; i < q->taken; i++)
		__atomic_store_n(&slot_at(q, (first + i) % PACKET_SLOTS)->tp_status,
			TP_STATUS_KERNEL, __ATOMIC_RELEASE);
	q->taken = 0;
	q->long_used = 0;
}

/* What the kernel left undone becomes the frame's request; shift: bytes inserted in front of it. */
static void
read_request(struct frame *f, const struct virtio_net_hdr *h, unsigned shift)
{
	static const uint8_t gso[] = {
		[VIRTIO_NET_HDR_GSO_TCPV4] = OFFLOAD_TSO4,
		[VIRTIO_NET_HDR_GSO_UDP] = OFFLOAD_UFO,
		[VIRTIO_NET_HDR_GSO_TCPV6] = OFFLOAD_TSO6,
		[5] = OFFLOAD_USO, /* VIRTIO_NET_HDR_GSO_UDP_L4 */
	};
	unsigned type = h->gso_type & ~VIRTIO_NET_HDR_GSO_ECN;

	if (h->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) {
		f->needs = OFFLOAD_CSUM;
		f->csum_start = (uint16_t)(h->csum_start + shift);
		f->csum_offset = h->csum_offset;
	} else {
		f->verified = !!(h->flags & VIRTIO_NET_HDR_F_DATA_VALID);
	}
	if (type == VIRTIO_NET_HDR_GSO_NONE)
		return;
	/* A type that is not known here is one that offload_check() refuses. */
	f->needs |= type < sizeof(gso) && gso[type] ? gso[type] : OFFLOAD_GSO;
	if (h->gso_type & VIRTIO_NET_HDR_GSO_ECN)
		f->needs |= OFFLOAD_ECN;
	f->gso_size = h->gso_size;
	f->hdr_len = (uint16_t)(h->hdr_len + shift);
}

/* The frame that stands in the ring or was fetched: bytes and its virtio-net header before them. */
static enum drop
take_frame(struct burst *burst, const struct tpacket2_hdr *slot, const uint8_t *bytes, uint32_t len)
{
	bool tagged = slot->tp_status & TP_STATUS_VLAN_VALID;
	unsigned shift = tagged ? TAG_LEN : 0;
	struct frame *f = &burst->frames[burst->count];
	uint8_t *to = burst->slots[burst->count].bytes;
	struct virtio_net_hdr request;
	uint32_t head;

	if (len < FRAME_LEN_MIN)
		return DROP_RUNT;
	if (len + shift > FRAME_LEN_MAX)
		return DROP_TOO_LONG;
	frame_clear(f);
	head = len + shift <= FRAME_WHOLE ? len : FRAME_PREFIX - shift;
	memcpy(to, bytes, MACS_LEN);
	if (tagged) {
		uint16_t type = slot->tp_status & TP_STATUS_VLAN_TPID_VALID ? slot->tp_vlan_tpid
									    : VLAN_8021Q;

		to[12] = (uint8_t)(type >> 8);
		to[13] = (uint8_t)type;
		to[14] = (uint8_t)(slot->tp_vlan_tci >> 8);
		to[15] = (uint8_t)slot->tp_vlan_tci;
	}
	memcpy(to + MACS_LEN + shift, bytes + MACS_LEN, head - MACS_LEN);
	f->data = to;
	f->len = len + shift;
	f->head_len = (uint16_t)(head + shift);
	f->segs = &burst->segs[burst->segs_used];
	f->seg_count = len > head;
	memcpy(&request, bytes - PACKET_VNET_SIZE, PACKET_VNET_SIZE);
	read_request(f, &request, shift);
	if (f->needs && offload_check(f))
		return DROP_BAD_OFFLOAD;
	if (f->seg_count) {
		burst->segs[burst->segs_used].addr = bytes + head;
		burst->segs[burst->segs_used++].len = len - head;
	}
	burst->count++;
	burst->bytes += f->len;
	return DROP_COUNT;
}

/* The whole of a frame that is longer than a slot; its length, 0 when it is not there. */
static uint32_t
fetch_long(struct packet_queue *q, uint8_t **bytes)
{
	uint8_t *to = q->long_frames + (size_t)q->long_used * PACKET_LONG_SIZE;
	struct iovec part = {.iov_base = to, .iov_len = PACKET_LONG_SIZE};
	struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
	ssize_t n = recvmsg(q->fd, &message, MSG_DONTWAIT | MSG_TRUNC);

	if (n <= PACKET_VNET_SIZE)
		return 0;
	q->long_used++;
	*bytes = to + PACKET_VNET_SIZE;
	return (uint32_t)(n - PACKET_VNET_SIZE);
}

bool
packet_rx(struct port *port, unsigned queue, struct burst *burst, struct port_counters *counters)
{
	struct port_packet *p = (struct port_packet *)port;
	struct packet_queue *q = atomic_load_explicit(&p->queues[queue], memory_order_acquire);
	bool some = false;

	while (q && q->taken < PACKET_SLOTS && burst->count < FRAME_BURST &&
		burst->bytes < FRAME_BURST_BYTES && q->long_used < PACKET_LONG_MAX) {
		const struct tpacket2_hdr *slot = slot_at(q, q->next);
		uint32_t status = __atomic_load_n(&slot->tp_status, __ATOMIC_ACQUIRE), len;
		uint8_t *bytes = (uint8_t *)(uintptr_t)slot + slot->tp_mac;
		enum drop drop = DROP_COUNT;

		if (!(status & TP_STATUS_USER))
			break;
		len = slot->tp_snaplen;
		if (status & TP_STATUS_COPY)
			len = fetch_long(q, &bytes);
		if (len < slot->tp_len || len > slot->tp_len)
			drop = slot->tp_len > FRAME_LEN_MAX ? DROP_TOO_LONG : DROP_RX_FULL;
		else
			drop = take_frame(burst, slot, bytes, len);
		if (drop != DROP_COUNT) {
			counters->rx_packets++;
			counters->rx_bytes += slot->tp_len;
			counters->drops[drop]++;
		}
		q->next = (q->next + 1) % PACKET_SLOTS;
		q->taken++;
		some = true;
	}
	if (some && !burst->count)
		give_back(q);
	return some;
}

void
packet_rx_done(struct port *port, unsigned queue, struct burst *burst)
{
	struct port_packet *p = (struct port_packet *)port;
	struct packet_queue *q = atomic_load_explicit(&p->queues[queue], memory_order_acquire);

	(void)burst;
	if (q)
		give_back(q);
}

bool
packet_rx_arm(struct port *port, unsigned queue)
{
	struct port_packet *p = (struct port_packet *)port;
	struct packet_queue *q = atomic_load_explicit(&p->queues[queue], memory_order_acquire);

	return q &&
	       __atomic_load_n(&slot_at(q, q->next)->tp_status, __ATOMIC_ACQUIRE) & TP_STATUS_USER;
}

/* ---- send ---- */

static void
write_request(struct virtio_net_hdr *h, const struct frame *f)
{
	memset(h, 0, sizeof(*h));
	if (!(f->needs & OFFLOAD_CSUM))
		return;
	h->flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
	h->csum_start = f->csum_start;
	h->csum_offset = f->csum_offset;
	if (!(f->needs & OFFLOAD_GSO))
		return;
	h->gso_type = f->needs & OFFLOAD_TSO4 ? VIRTIO_NET_HDR_GSO_TCPV4 : VIRTIO_NET_HDR_GSO_TCPV6;
	if (f->needs & OFFLOAD_ECN)
		h->gso_type |= VIRTIO_NET_HDR_GSO_ECN;
	h->gso_size = f->gso_size;
	/* How much the kernel keeps together: it parses the headers itself. */
	h->hdr_len = f->head_len;
}

void
packet_tx(struct port *port, unsigned queue, const struct frame *frames, const uint8_t *list,
	unsigned count, struct port_counters *counters)
{
	struct port_packet *p = (struct port_packet *)port;
	struct packet_queue *q = atomic_load_explicit(&p->queues[queue], memory_order_acquire);

	for (unsigned k = 0; k < count; k++) {
		const struct frame *f = &frames[list[k]];
		struct virtio_net_hdr request;
		uint8_t *to;

		if (!q) {
			counters->drops[DROP_PORT_DOWN]++;
			continue;
		}
		if (q->staged_count == PACKET_SEND_MAX ||
			q->staged_bytes + PACKET_VNET_SIZE + f->len > PACKET_SEND_BYTES) {
			counters->drops[DROP_NIC_FULL]++;
			continue;
		}
		to = q->staged + q->staged_bytes;
		write_request(&request, f);
		memcpy(to, &request, PACKET_VNET_SIZE);
		to += PACKET_VNET_SIZE;
		memcpy(to, f->data, f->head_len);
		to += f->head_len;
		for (unsigned s = 0; s < f->seg_count; s++) {
			memcpy(to, f->segs[s].addr, f->segs[s].len);
			to += f->segs[s].len;
		}
		/* Only what was copied whole is sent: a guest's memory may fail under the copy. */
		q->parts[q->staged_count].iov_base = q->staged + q->staged_bytes;
		q->parts[q->staged_count].iov_len = PACKET_VNET_SIZE + f->len;
		q->staged_bytes += PACKET_VNET_SIZE + f->len;
		q->staged_count++;
	}
}

static enum drop
drop_of(int error)
{
	switch (error) {
	case EMSGSIZE:
		return DROP_MTU;
	case EINVAL:
		return DROP_NO_OFFLOAD;
	case ENETDOWN:
	case ENXIO:
	case ENODEV:
		return DROP_PORT_DOWN;
	default:
		return DROP_NIC_FULL;
	}
}

void
packet_tx_flush(struct port *port, unsigned queue)
{
	struct port_packet *p = (struct port_packet *)port;
	struct packet_queue *q = atomic_load_explicit(&p->queues[queue], memory_order_acquire);
	struct port_counters *counters = &port->counters[port_worker];
	unsigned done = 0;

	if (!q)
		return;
	for (unsigned i = 0; i < q->staged_count; i++)
		q->messages[i].msg_hdr = (struct msghdr){.msg_iov = &q->parts[i], .msg_iovlen = 1};
	while (done < q->staged_count) {
		int n = sendmmsg(q->fd, q->messages + done, q->staged_count - done, MSG_DONTWAIT);

		for (int i = 0; i < n; i++)
			counters->tx_bytes +=
				q->parts[done + (unsigned)i].iov_len - PACKET_VNET_SIZE;
		if (n > 0) {
			counters->tx_packets += (unsigned)n;
			done += (unsigned)n;
		} else {
			counters->drops[drop_of(errno)]++;
			done++;
		}
	}
	q->staged_count = 0;
	q->staged_bytes = 0;
}
