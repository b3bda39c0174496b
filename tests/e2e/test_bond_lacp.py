# SPDX-License-Identifier: BSD-3-Clause
"""LACP with Open vSwitch at the other end of two cables."""

import signal
import struct

from harness.case import TestCase, requires, requires_root
from harness.open_vswitch import OpenVswitch, missing
from harness.process import run
from harness.wait import wait_until
from harness.wire import frame

INSIDE, OUTSIDE = "02:00:00:00:00:01", "02:00:00:00:00:02"
FLOWS, REPEATS = 64, 20
AT_ONCE = 2  # packets of each flow: the peer's sockets hold few
MEMBERS = ("w1", "w2")


def packet(source, destination, flow, number):
    """A UDP packet of a flow: its port is the flow's, its payload flow and number."""
    udp = struct.pack("!4HII", 1000 + flow, 2000, 16, 0, flow, number)
    ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0,
                     bytes((10, 0, 0, 1)), bytes((10, 0, 0, 2)))
    return frame(destination, source, ip + udp, protocol=0x0800)


def marker(source, kind=1):
    """A Marker PDU (IEEE 802.1AX, 6.5.3)."""
    body = struct.pack("!BBBBH6sI", 2, 1, kind, 22, 7, bytes.fromhex("020000000099"), 4711)
    return frame("01:80:c2:00:00:02", source, body.ljust(110, b"\0"), protocol=0x8809)


@requires_root
@requires(not missing(), missing())
class Lacp(TestCase):
    def set_up(self):
        self.vm, self.one, self.two, self.outside = (
            self.bench.wire(name) for name in ("w0", "w1", "w2", "w3"))
        self.peer = OpenVswitch(self.bench.folder / "ovs")
        self.bench.cleanup.add(self.peer.stop)
        self.peer.start()
        self.switch = self.bench.switch()
        self.switch("bridge", "add", "br0")
        self.switch("port", "add", "vm", "afpacket", "bridge=br0", "dev=w0", "profile=open")
        for name in MEMBERS:
            self.switch("port", "add", name, "afpacket", f"dev={name}")

    def add_bond(self, *keys):
        self.switch("port", "add", "uplink", "bond", "bridge=br0", "members=w1,w2",
                    "bond_mode=balance-tcp", *keys)

    def connect(self, *options):
        """The other end: the same two cables as one bond, and a wire beside them."""
        self.peer.vsctl("add-bond", "ovs", "far", "w1x", "w2x", "bond_mode=balance-tcp", *options,
                        "--", "add-port", "ovs", "w3")

    def members(self):
        return self.switch.port("uplink")["bond"]["members"]

    def wait_used(self, names=MEMBERS):
        wait_until(lambda: {name for name, member in self.members().items()
                            if member["sends"] and member["receives"]} == set(names), 30,
                   lambda: f"use of {names}: {self.members()}")
        # The other end may still be busy with the same.
        wait_until(lambda: self.passes(self.vm, self.outside, INSIDE, OUTSIDE)
                   and self.passes(self.outside, self.vm, OUTSIDE, INSIDE), 30, "traffic")

    @staticmethod
    def passes(here, there, source, destination):
        there.drain()
        for flow in range(FLOWS):
            here.send(packet(source, destination, flow, 0))
        return len(Lacp.received(there, FLOWS)) == FLOWS

    @staticmethod
    def received(wire, count):
        found = []
        while len(found) < count and (data := wire.receive(1)):
            if data[12:14] == b"\x08\x00":
                found.append(struct.unpack_from("!II", data, 42))
        return found

    def check_order(self, here, there, source, destination):
        """Every flow arrives whole and in order."""
        there.drain()
        for begin in range(0, REPEATS, AT_ONCE):
            sent = [(flow, number) for number in range(begin, begin + AT_ONCE)
                    for flow in range(FLOWS)]
            for flow, number in sent:
                here.send(packet(source, destination, flow, number))
            found = self.received(there, len(sent))
            for flow in range(FLOWS):
                self.assertEqual([number for of, number in found if of == flow],
                                 list(range(begin, begin + AT_ONCE)))

    def check_traffic(self):
        before = [self.switch.counters(name)["tx_packets"] for name in MEMBERS]
        self.check_order(self.vm, self.outside, INSIDE, OUTSIDE)
        self.check_order(self.outside, self.vm, OUTSIDE, INSIDE)
        return [self.switch.counters(name)["tx_packets"] - count
                for name, count in zip(MEMBERS, before)]

    def test_both_ends_agree(self):
        self.add_bond("lacp=active", "lacp_time=fast")
        self.says(self.switch.port("uplink")["reason"], "lacp")
        self.connect("lacp=active", "other_config:lacp-time=fast")
        self.wait_used()
        for count in self.check_traffic():
            self.assertGreater(count, FLOWS * REPEATS // 10)
        bond = self.switch.port("uplink")["bond"]
        self.assertEqual({member["partner"]["system"] for member in bond["members"].values()},
                         {bond["partner"]})
        for member in bond["members"].values():
            self.assertEqual((member["receive_machine"], member["mux_machine"], member["selected"]),
                             ("current", "distributing", True))
            for end in ("actor", "partner"):
                self.assertEqual(member[end]["state"], ["activity", "timeout", "aggregation",
                                                        "synchronization", "collecting",
                                                        "distributing"])
        self.assertIn("negotiated", self.peer.appctl("lacp/show", "far"))

    def test_passive_end_answers(self):
        self.add_bond("lacp=passive", "lacp_time=slow")
        self.connect("lacp=active", "other_config:lacp-time=fast")
        self.wait_used()
        self.check_traffic()

    def test_link_lost_and_found(self):
        self.add_bond("lacp=active", "lacp_time=fast")
        self.connect("lacp=active", "other_config:lacp-time=fast")
        self.wait_used()
        run("ip", "link", "set", "w1", "down")
        self.wait_used(["w2"])
        self.assertEqual(self.check_traffic()[0], 0)
        run("ip", "link", "set", "w1", "up")
        self.wait_used()
        self.assertGreater(min(self.check_traffic()), 0)

    def test_partner_falls_silent(self):
        """The links stay up, nobody speaks: three seconds, and the port is down; then it is back."""
        self.add_bond("lacp=active", "lacp_time=fast")
        self.connect("lacp=active", "other_config:lacp-time=fast")
        self.wait_used()
        self.peer.signal(signal.SIGSTOP)
        self.switch.wait_link("uplink", "down", seconds=30)
        self.peer.signal(signal.SIGCONT)
        self.switch.wait_link("uplink", "up", seconds=30)
        self.wait_used()
        self.says(str(self.switch.rows("events", "show")), "bond-member-idle")

    def test_fallback_without_a_partner(self):
        self.add_bond("lacp=active", "lacp_time=fast", "lacp_fallback=yes")
        wait_until(lambda: self.switch.port("uplink")["bond"].get("active") == "w1", 30, "fallback")
        self.one.send(frame(INSIDE, OUTSIDE, b"no partner"))
        wait_until(lambda: b"no partner" in (self.vm.receive(0.5) or b""), 5, "frame in")
        self.connect("lacp=active", "other_config:lacp-time=fast")
        self.wait_used()
        self.switch("port", "set", "uplink", "lacp_fallback=no")
        self.peer.vsctl("del-port", "far")
        self.switch.wait_link("uplink", "down", seconds=30)
        wait_until(lambda: "lacp_fallback=yes" in self.switch.port("uplink")["reason"], 10, "cure")

    def test_markers_are_answered(self):
        self.add_bond("lacp=active", "lacp_time=fast")
        self.one.send(marker(OUTSIDE))

        def answer():
            data = self.one.receive(0.5) or b""
            return data if data[14:17] == b"\x02\x01\x02" else None

        found = wait_until(answer, 5, "answer to the marker")
        self.assertEqual(found[16:40], marker(OUTSIDE, kind=2)[16:40])
        self.one.send(marker(OUTSIDE, kind=2))
        self.one.send(frame("01:80:c2:00:00:02", OUTSIDE, b"\1\1\1", protocol=0x8809))
        wait_until(lambda: self.switch.counters("w1")["drops"]["slow_protocol"] == 3, 5, "drops")
        self.assertEqual(self.members()["w1"]["markers_answered"], 1)
        self.assertTrue(self.vm.silent())

    def test_cable_from_here_to_here(self):
        """Both members on one wire hear each other: neither is used."""
        wire = self.bench.wire("w4")
        for name in (wire.name, wire.far):
            self.switch("port", "add", name, "afpacket", f"dev={name}")
        self.switch("port", "add", "uplink", "bond", "bridge=br0", "members=w4,w4x",
                    "bond_mode=balance-tcp", "lacp=active", "lacp_time=fast")
        wait_until(lambda: self.members()["w4"]["looped"], 10, "loop noticed")
        self.says(self.switch.port("uplink")["reason"], "cable from here to here")
        sent = self.members()["w4"]["lacpdus_sent"]
        self.assertLess(sent, 30)
