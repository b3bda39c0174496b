# SPDX-License-Identifier: BSD-3-Clause
"""Capture files (pcap, Ethernet), and frames whose place and content are known."""

import pathlib
import random
import struct

from harness.wire import mac_bytes

HEADER = struct.Struct("=IHHiIII")
RECORD = struct.Struct("=IIII")
MAGIC, ETHERNET, SNAP = 0xA1B2C3D4, 1, 65535

IPV4 = struct.Struct("!BBHHHBBH4s4s")
UDP = struct.Struct("!HHHH")
NUMBER = struct.Struct("!II")  # flow, place in it
START = 14 + IPV4.size + UDP.size


# ---- files ----

def write(path, frames):
    parts = [HEADER.pack(MAGIC, 2, 4, 0, 0, SNAP, ETHERNET)]
    for data in frames:
        parts += (RECORD.pack(0, 0, len(data), len(data)), data)
    pathlib.Path(path).write_bytes(b"".join(parts))


def read(path):
    """The frames of a file; one that is not whole yet ends it."""
    data, frames, at = pathlib.Path(path).read_bytes(), [], HEADER.size
    while at + RECORD.size <= len(data):
        have, length = RECORD.unpack_from(data, at)[2:]
        at += RECORD.size
        if have != length:
            raise ValueError(f"{path}: a frame of {length} bytes was cut to {have}")
        if at + have > len(data):
            break
        frames.append(data[at:at + have])
        at += have
    return frames


def size(frames):
    """Bytes of a file that holds them."""
    return HEADER.size + sum(RECORD.size + len(data) for data in frames)


# ---- frames ----

def checksum(header):
    total = sum(struct.unpack(f"!{len(header) // 2}H", header))
    total = (total & 0xFFFF) + (total >> 16)
    return ~(total + (total >> 16)) & 0xFFFF


def udp_header(length, flow):
    """IPv4 and UDP headers of a datagram of `length` bytes with both; flows differ by port."""
    words = [0x45, 0, length, 0, 0x4000, 64, 17, 0, b"\x0a\0\0\1", b"\x0a\0\0\2"]
    words[7] = checksum(IPV4.pack(*words))
    return IPV4.pack(*words) + UDP.pack(10000 + flow, 9, length - IPV4.size, 0)


def datagrams(destination, source, sizes, flows=1, seed=1):
    """Numbered UDP frames of these sizes (>= 60, no FCS) with random content, the flows in turn."""
    generator = random.Random(seed)
    ethernet = mac_bytes(destination) + mac_bytes(source) + b"\x08\0"
    return [ethernet + udp_header(size - 14, place % flows) + NUMBER.pack(place % flows, place)
            + generator.randbytes(size - START - NUMBER.size) for place, size in enumerate(sizes)]


def flow(data):
    """The flow of such a frame."""
    return NUMBER.unpack_from(data, START)[0]


def by_flow(frames):
    """The frames of each flow in their order."""
    flows = {}
    for data in frames:
        flows.setdefault(flow(data), []).append(data)
    return flows


def difference(sent, got):
    """Says how `got` is not exactly `sent`; "" when it is."""
    for place, (one, two) in enumerate(zip(sent, got)):
        if one != two:
            at = next((n for n, pair in enumerate(zip(one, two)) if pair[0] != pair[1]),
                      min(len(one), len(two)))
            says = NUMBER.unpack_from(two, START) if len(two) >= 60 else None
            return (f"frame {place} of {len(one)} bytes arrived as {len(two)} bytes, different "
                    f"from byte {at} on; it says to be (flow, number) {says}")
    if len(sent) != len(got):
        return f"{len(sent)} frames were sent, {len(got)} arrived"
    return ""
