# SPDX-License-Identifier: BSD-3-Clause
"""Frames with any tags, seen with their tags: the kernel takes the outer one off and says so."""

import socket
import struct

from harness.wire import ETH_P_ALL, SO_RCVBUFFORCE, TEST_PROTOCOL, mac_bytes

SOL_PACKET, PACKET_AUXDATA = 263, 8
VLAN_VALID, TPID_VALID = 0x10, 0x40
AUXDATA = struct.Struct("=IIIHHHH")


def tagged(destination, source, tags=(), payload=b"", protocol=TEST_PROTOCOL, size=60):
    """tags: (tpid, tci) from the outer one on."""
    header = mac_bytes(destination) + mac_bytes(source)
    header += b"".join(struct.pack("!HH", *tag) for tag in tags)
    return (header + struct.pack("!H", protocol) + payload).ljust(size, b"\0")


class TaggedSocket:
    """Sends and receives on an interface."""

    def __init__(self, interface):
        self.interface = interface
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        self.socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 16 << 20)
        self.socket.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
        self.socket.bind((interface, 0))

    def send(self, data):
        self.socket.send(data)

    def receive(self, seconds):
        """The next frame as it was on the wire; None after the time."""
        self.socket.settimeout(seconds)
        while True:
            try:
                data, ancillary, _, address = self.socket.recvmsg(65600, 256)
            except (TimeoutError, BlockingIOError):
                return None
            if address[2] != socket.PACKET_OUTGOING:
                return self.with_tag(data, ancillary)

    @staticmethod
    def with_tag(data, ancillary):
        for level, kind, value in ancillary:
            if (level, kind) != (SOL_PACKET, PACKET_AUXDATA):
                continue
            status, _, _, _, _, tci, tpid = AUXDATA.unpack(value[:AUXDATA.size])
            if status & VLAN_VALID:
                tpid = tpid if status & TPID_VALID else 0x8100
                data = data[:12] + struct.pack("!HH", tpid, tci) + data[12:]
        return data

    def close(self):
        self.socket.close()
