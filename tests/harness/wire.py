# SPDX-License-Identifier: BSD-3-Clause
"""A cable into the switch: a veth pair, one end an afpacket port, the other in the test's hands."""

import binascii
import socket
import struct
import time

from harness.process import run

ETH_P_ALL = 3
TEST_PROTOCOL = 0x88B5  # IEEE 802 local experimental
SO_RCVBUFFORCE = 33


def mac_bytes(text):
    return binascii.unhexlify(text.replace(":", ""))


def frame(destination, source, payload=b"", protocol=TEST_PROTOCOL, vlan=None):
    """An Ethernet frame of at least 60 bytes."""
    tag = struct.pack("!HH", 0x8100, vlan) if vlan is not None else b""
    header = mac_bytes(destination) + mac_bytes(source) + tag + struct.pack("!H", protocol)
    return (header + payload).ljust(60, b"\0")


class Wire:
    """Interfaces NAME (for the switch) and NAMEx (for the test)."""

    def __init__(self, name, mtu=1500):
        self.name = name
        self.far = name + "x"
        run("ip", "link", "add", self.name, "mtu", mtu, "type", "veth", "peer", "name", self.far,
            "mtu", mtu)
        for interface in (self.name, self.far):
            # The kernel's own neighbour discovery would be traffic that nobody sent.
            with open(f"/proc/sys/net/ipv6/conf/{interface}/disable_ipv6", "w") as file:
                file.write("1")
            run("ip", "link", "set", interface, "up")
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        self.socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 16 << 20)
        self.socket.bind((self.far, 0))

    def send(self, data):
        self.socket.send(data)

    def receive(self, seconds=2):
        """The next frame that was not sent by ourselves; None after the time."""
        deadline = time.monotonic() + seconds
        while True:
            left = deadline - time.monotonic()
            if left <= 0:
                return None
            self.socket.settimeout(left)
            try:
                data, address = self.socket.recvfrom(65600)
            except TimeoutError:
                return None
            if address[2] != socket.PACKET_OUTGOING:
                return data

    def silent(self, seconds=0.3):
        """Nothing arrives within the time."""
        return self.receive(seconds) is None

    def drain(self):
        while self.receive(0.05) is not None:
            pass

    def close(self):
        self.socket.close()
        run("ip", "link", "del", self.name, check=False)
