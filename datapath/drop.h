/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * drop: every way in which a frame can end without being delivered.
 *
 * One list gives the enumeration, the names in `patchbay stats` and in JSON, the direction and the
 * sentence in the documentation.  A frame is counted once: on the port it came in by (IN) when the
 * frame as a whole ends, or on the port it was meant for (OUT), once per copy.
 */
#ifndef DATAPATH_DROP_H
#define DATAPATH_DROP_H

/* X(identifier, direction, explanation); the identifier in lower case is the name users see. */
#define DROP_LIST(X)                                                                            \
	X(BAD_DESCRIPTOR, IN, "the guest's descriptor chain breaks the virtio rules")           \
	X(BAD_OFFLOAD, IN, "the virtio-net header contradicts the frame")                       \
	X(RUNT, IN, "shorter than an Ethernet header")                                          \
	X(TOO_LONG, IN, "longer than 65,553 bytes")                                             \
	X(RX_FULL, IN, "joined by the kernel and longer than its queue had room for")           \
	X(BAD_CHECKSUM, IN, "the network card says that a checksum is wrong")                   \
	X(BAD_SOURCE, IN, "the source address is zero or a group address")                      \
	X(RESERVED_ADDRESS, IN, "an address reserved for neighbouring switches, not forwarded") \
	X(VLAN_MALFORMED, IN, "the VLAN tag is cut off or says 4095")                           \
	X(VLAN_DENIED, IN, "the port does not carry this VLAN")                                 \
	X(MAC_LOCK, IN, "the source address is not the port's own")                             \
	X(IP_LOCK, IN, "the frame claims an IP address that is not the port's own")             \
	X(DHCP_GUARD, IN, "what a DHCP server says, from a port where none may be")             \
	X(RA_GUARD, IN, "what a router says, from a port where none may be")                    \
	X(BAD_HEADERS, IN, "a lock or guard of the port cannot follow the frame's headers")     \
	X(FILTER_IN, IN, "a filter of the port denies it")                                      \
	X(RATE_IN, IN, "over the rate at which the port may send")                              \
	X(STORM_BROADCAST, IN, "over the port's limit of broadcast frames")                     \
	X(STORM_MULTICAST, IN, "over the port's limit of multicast frames")                     \
	X(STORM_UNKNOWN, IN, "over the port's limit of frames to unknown addresses")            \
	X(HAIRPIN, IN, "the destination is behind the port it came from")                       \
	X(NO_MEMBER, IN, "no other port of the bridge carries this VLAN")                       \
	X(DETACHED, IN, "the port belongs to no bridge")                                        \
	X(BLOCKED, IN, "the port is blocked for a while because of a loop")                     \
	X(MIRROR_PORT, IN, "the port is a mirror's: what it brings goes nowhere")               \
	X(PROBE, IN, "a probe frame of the loop guard that came back")                          \
	X(SLOW_PROTOCOL, IN, "a LACPDU or marker from a bond's partner, for patchbay itself")   \
	X(BOND_STANDBY, IN, "the member of a bond takes no part in it at the moment")           \
	X(PORT_DOWN, OUT, "the destination port is down")                                       \
	X(ISOLATED, OUT, "source and destination are isolated ports")                           \
	X(FILTER_OUT, OUT, "a filter of the destination port denies it")                        \
	X(RATE_OUT, OUT, "over the rate at which the port may receive")                         \
	X(QUEUE_FULL, OUT, "too many frames wait for the rate at which the port may receive")   \
	X(NO_BUFFER, OUT, "the receiving guest has no free buffer")                             \
	X(BUFFER_TOO_SMALL, OUT, "the receiving guest's buffers cannot hold the frame")         \
	X(BAD_BUFFER, OUT, "the receiving guest's descriptor chain breaks the virtio rules")    \
	X(MTU, OUT, "longer than the destination port's MTU")                                   \
	X(NO_OFFLOAD, OUT, "the frame cannot be segmented for a receiver without offloads")     \
	X(NIC_FULL, OUT, "the interface's transmit queue is full")                              \
	X(NO_MBUF, OUT, "no packet buffer is free for a copy")                                  \
	X(HANDOFF_FULL, OUT, "the queue to the worker that owns the destination is full")

enum drop {
#define X(name, direction, text) DROP_##name,
	DROP_LIST(X)
#undef X
		DROP_COUNT
};

#define DROP_IN  0
#define DROP_OUT 1

const char *drop_name(enum drop drop); /* "no_buffer"; never NULL */
const char *drop_text(enum drop drop); /* the explanation above */
int drop_direction(enum drop drop);    /* DROP_IN or DROP_OUT */

#endif
