# SPDX-License-Identifier: BSD-3-Clause
"""IGMP and MLD snooping: the kernel's own memberships, queries, routers."""

import socket
import struct

from harness.case import TestCase, requires_root
from harness.process import run
from harness.wait import wait_until
from harness.wire import frame

SOURCE, ROUTER = "02:00:00:00:00:0a", "02:00:00:00:00:0f"
GROUP4, MAC4 = "239.1.2.3", "01:00:5e:01:02:03"
GROUP6 = "ff05::1:2:3"
ALL_HOSTS = "01:00:5e:00:00:01"


def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def igmp(source, destination, kind, group="0.0.0.0", response=100):
    """An IGMPv2 packet."""
    body = struct.pack("!BBH4s", kind, response, 0, socket.inet_aton(group))
    body = body[:2] + struct.pack("!H", checksum(body)) + body[4:]
    header = struct.pack("!BBHHHBBH4s4s4s", 0x46, 0xC0, 24 + len(body), 0, 0x4000, 1, 2, 0,
                         socket.inet_aton(source), socket.inet_aton(destination),
                         b"\x94\x04\0\0")
    return header[:10] + struct.pack("!H", checksum(header)) + header[12:] + body


QUERY = igmp("10.9.0.1", "224.0.0.1", 0x11)


@requires_root
class Multicast(TestCase):
    def set_up(self):
        self.wires = [self.bench.wire(f"w{number}") for number in range(3)]
        self.switch = self.bench.switch()
        self.switch("bridge", "add", "br0", "mcast_snooping=yes")
        for wire in self.wires:
            self.switch("port", "add", wire.name, "afpacket", "bridge=br0", f"dev={wire.name}")
            self.switch.wait_link(wire.name)
            wire.drain()

    def groups(self):
        return {(row.get("group"), row["port"], row["type"])
                for row in self.switch.rows("mdb", "show", "br0")}

    def await_group(self, *row):
        wait_until(lambda: row in self.groups(), 10, lambda: f"{row} in {self.groups()}")

    def gets(self, wire, mark):
        """Whether it gets a frame with the mark; everything else is passed over."""
        while data := wire.receive(0.3):
            if mark in data:
                return True
        return False

    def join4(self, wire):
        run("ip", "address", "add", "10.9.0.2/24", "dev", wire.far)
        member = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.bench.cleanup.add(member.close)
        member.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP,
                          socket.inet_aton(GROUP4) + socket.inet_aton("10.9.0.2"))
        return member

    def test_kernel_joins_and_leaves(self):
        one, two, three = self.wires
        one.send(frame(MAC4, SOURCE, b"nobody yet"))
        self.assertTrue(self.gets(two, b"nobody yet"))
        self.assertTrue(self.gets(three, b"nobody yet"))
        self.switch("bridge", "set", "br0", "mcast_flood=no")
        one.send(frame(MAC4, SOURCE, b"unwanted"))
        self.assertFalse(self.gets(two, b"unwanted"))
        self.switch("bridge", "set", "br0", "mcast_flood=yes")

        member = self.join4(two)
        self.await_group(GROUP4, "w1", "member")
        one.send(frame(MAC4, SOURCE, b"wanted"))
        self.assertTrue(self.gets(two, b"wanted"))
        self.assertFalse(self.gets(three, b"wanted"))
        # What is for all hosts of the link, and what is no IP, goes to all.
        one.send(frame(ALL_HOSTS, SOURCE, b"all hosts"))
        self.assertTrue(self.gets(three, b"all hosts"))
        one.send(frame("03:00:00:00:00:01", SOURCE, b"no IP"))
        self.assertTrue(self.gets(three, b"no IP"))

        member.close()
        wait_until(lambda: not self.groups(), 15, "end of the membership")

    def test_router_gets_everything(self):
        one, two, three = self.wires
        self.join4(two)
        self.await_group(GROUP4, "w1", "member")
        three.send(frame(ALL_HOSTS, ROUTER, QUERY, protocol=0x0800))
        self.await_group(None, "w2", "router")
        self.assertTrue(self.gets(one, QUERY), "queries go to all")
        one.send(frame(MAC4, SOURCE, b"routed"))
        self.assertTrue(self.gets(three, b"routed"))
        # A report goes to routers, and to no other member.
        report = igmp("10.9.0.7", GROUP4, 0x16, GROUP4, 0)
        one.send(frame(MAC4, SOURCE, report, protocol=0x0800))
        self.assertTrue(self.gets(three, report))
        self.await_group(GROUP4, "w0", "member")
        self.assertFalse(self.gets(two, report))

    def test_mld(self):
        one, two, three = self.wires
        with open(f"/proc/sys/net/ipv6/conf/{two.far}/disable_ipv6", "w") as file:
            file.write("0")
        member = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        self.bench.cleanup.add(member.close)
        member.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP,
                          socket.inet_pton(socket.AF_INET6, GROUP6)
                          + struct.pack("=I", socket.if_nametoindex(two.far)))
        self.await_group(GROUP6, "w1", "member")
        mac = "33:33:" + ":".join(
            f"{byte:02x}" for byte in socket.inet_pton(socket.AF_INET6, GROUP6)[12:])
        one.send(frame(mac, SOURCE, b"six"))
        self.assertTrue(self.gets(two, b"six"))
        self.assertFalse(self.gets(three, b"six"))

    def test_querier(self):
        one, two, _ = self.wires
        self.switch("bridge", "set", "br0", "mcast_querier=yes")
        wait_until(lambda: b"\x11\x64" in (one.receive(0.5) or b""), 15, "IGMP query")
        self.join4(two)
        self.await_group(GROUP4, "w1", "member")
        self.assertEqual([row for row in self.groups() if row[2] == "router"], [])

    def test_hostile_messages(self):
        one, _, three = self.wires
        good = igmp("10.9.0.7", GROUP4, 0x16, GROUP4, 0)
        for packet in (good[:-1], good[:24], good[:20] + b"\xff" + good[21:],
                       good[:-1] + b"\xff", b"\x4f" + good[1:], b"\x46\0\xff\xff" + good[4:]):
            one.send(frame(MAC4, SOURCE, packet, protocol=0x0800))
        one.send(frame(MAC4, SOURCE, good, protocol=0x0800))
        self.await_group(GROUP4, "w0", "member")
        self.assertEqual(self.groups(), {(GROUP4, "w0", "member")})
        # One port asks for more than there is room for.
        for number in range(400):
            group = f"239.5.{number // 200}.{number % 200}"
            three.send(frame(MAC4, SOURCE, igmp("10.9.0.7", group, 0x16, group, 0),
                             protocol=0x0800))
        wait_until(lambda: self.switch.counters("w2")["rx_packets"] >= 400, 10, "all received")
        self.assertLessEqual(len(self.groups()), 257)
