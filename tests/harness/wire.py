# SPDX-License-Identifier: BSD-3-Clause
"""A cable into the switch: a veth pair, one end an afpacket port, the other in the test's hands."""

import binascii
import socket
import struct
import threading
import time

from harness.process import run
from harness.wait import wait_until

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

    def __init__(self, name, mtu=1500, queues=1):
        self.name = name
        self.far = name + "x"
        shape = ["mtu", mtu, "numtxqueues", queues, "numrxqueues", queues]
        run("ip", "link", "add", self.name, *shape, "type", "veth", "peer", "name", self.far,
            *shape)
        for interface in (self.name, self.far):
            # The kernel's own neighbour discovery would be traffic that nobody sent.
            with open(f"/proc/sys/net/ipv6/conf/{interface}/disable_ipv6", "w") as file:
                file.write("1")
            if queues > 1:
                run("ethtool", "-L", interface, "rx", queues, "tx", queues)
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

    def forget_error(self):
        """That the interface was down is an error of the next call, once."""
        self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)

    def silent(self, seconds=0.3):
        """Nothing arrives within the time."""
        return self.receive(seconds) is None

    def drain(self):
        while self.receive(0.05) is not None:
            pass

    def close(self):
        self.socket.close()
        run("ip", "link", "del", self.name, check=False)


class Stream:
    """Numbered frames from one wire to another in the background; shows that nothing is lost.

    Both addresses are known to the switch after start(), so every frame is unicast.
    """

    SOURCE, DESTINATION = "02:00:00:00:5e:01", "02:00:00:00:5e:02"
    NUMBER = struct.Struct("!4sQ")
    MARK = b"strm"

    def __init__(self, source, destination, per_second=2000):
        self.source, self.destination = source, destination
        self.pause = 1 / per_second
        self.sent = 0
        self.seen = set()
        self.copies = 0
        self.ending = threading.Event()
        self.threads = [threading.Thread(target=self.send, daemon=True),
                        threading.Thread(target=self.listen, daemon=True)]

    def start(self):
        self.introduce()
        for thread in self.threads:
            thread.start()
        return self

    def introduce(self):
        """Frames both ways until they arrive: the switch has learnt both addresses."""
        for here, there, source, destination in (
                (self.destination, self.source, self.DESTINATION, self.SOURCE),
                (self.source, self.destination, self.SOURCE, self.DESTINATION)):
            wait_until(lambda h=here, t=there, s=source, d=destination: self.passes(h, t, s, d), 5,
                       f"frame from {here.name} to {there.name}")

    @staticmethod
    def passes(here, there, source, destination):
        here.send(frame(destination, source, b"introduction"))
        return there.receive(0.1)

    def send(self):
        begin = time.monotonic()
        while not self.ending.is_set():
            number = self.NUMBER.pack(self.MARK, self.sent)
            self.source.send(frame(self.DESTINATION, self.SOURCE, number))
            self.sent += 1
            ahead = begin + self.sent * self.pause - time.monotonic()
            if ahead > 0:
                self.ending.wait(ahead)

    def listen(self):
        quiet = False
        while not (self.ending.is_set() and quiet):
            data = self.destination.receive(0.3)
            quiet = data is None
            if data and data[14:18] == self.MARK:
                number = self.NUMBER.unpack_from(data, 14)[1]
                self.copies += number in self.seen
                self.seen.add(number)

    def stop(self):
        """Ends it; returns (frames sent, lost, arrived twice)."""
        self.ending.set()
        for thread in self.threads:
            if thread.is_alive():
                thread.join(10)
        return self.sent, self.sent - len(self.seen), self.copies
