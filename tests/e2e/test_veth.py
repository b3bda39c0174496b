# SPDX-License-Identifier: BSD-3-Clause
"""Containers as ports: interfaces that the switch puts into network namespaces."""

import os
import pathlib

from harness.case import TestCase, requires_root
from harness.netns import Netns
from harness.process import run
from harness.wait import wait_until

SIZE = 4 << 20


def interfaces():
    return set(os.listdir("/sys/class/net"))


@requires_root
class Containers(TestCase):
    MTU = 1500

    def set_up(self):
        self.switch = self.bench.switch()
        self.switch("bridge", "add", "br0")
        self.one, self.two = Netns(self.bench, "one"), Netns(self.bench, "two")

    def add(self, name, *more):
        number = 1 + ("one", "two").index(name)
        self.switch("port", "add", name, "veth", "bridge=br0", f"netns={name}", "dev=eth0",
                    f"address=10.0.0.{number}/24,fd00::{number}/64", f"mtu={self.MTU}", *more)
        self.switch.wait_link(name)

    def add_both(self, *more):
        self.add("one", *more)
        self.add("two", *more)

    def assert_no_drops(self, counters):
        """A kernel says something on each new interface, before anybody is there to hear it."""
        for reason in ("port_down", "no_member"):
            counters["drops"].pop(reason, None)
        self.assertEqual(counters["drops"], {})

    def pass_file(self, sender, receiver, address, port=5000):
        taker = receiver.take(address, port)
        digest = sender.send(address, port, SIZE)
        self.assertEqual(taker.stdout.readline().strip(), digest)

    def test_ping_of_every_length(self):
        self.add_both()
        for size in (0, 56, 200, 500, self.MTU - 28):
            self.one.ping("10.0.0.2", size)
        self.one.ping("fd00::2", self.MTU - 48)

    def test_tcp_without_turning_anything_off(self):
        """Long frames without checksums pass whole from one kernel to the other."""
        self.add_both()
        self.pass_file(self.one, self.two, "10.0.0.2")
        self.pass_file(self.two, self.one, "fd00::1")
        for name in ("one", "two"):
            counters = self.switch.counters(name)
            self.assertEqual((counters["tx_segmented"], counters["tx_csum"]), (0, 0))
            # Fewer frames than a cut file has segments.
            self.assertLess(counters["rx_packets"], SIZE // self.MTU)
            self.assert_no_drops(counters)

    def test_tcp_through_a_tagged_cable(self):
        """Two bridges, a trunk between them: long frames get a tag, carry it, and lose it."""
        cable = self.bench.wire("w0", mtu=self.MTU + 4)
        cable.socket.close()
        self.switch("bridge", "add", "br1")
        self.switch("port", "add", "near", "afpacket", "bridge=br0", f"dev={cable.name}")
        self.switch("port", "add", "far", "afpacket", "bridge=br1", f"dev={cable.far}", "trunks=7")
        self.add_both("vlan_mode=access", "tag=7")
        self.switch("port", "set", "two", "bridge=br1")
        # What it said of itself on br0 came to br1 by the cable.
        self.switch("fdb", "flush", "br1")
        self.switch.wait_link("near")
        self.switch.wait_link("far")
        self.one.ping("10.0.0.2", self.MTU - 28)
        self.pass_file(self.one, self.two, "10.0.0.2")
        self.pass_file(self.two, self.one, "fd00::1")
        for name in ("near", "far"):
            counters = self.switch.counters(name)
            self.assert_no_drops(counters)
            self.assertEqual(counters["tx_segmented"], 0)
            self.assertLess(counters["rx_packets"], SIZE // self.MTU)
        self.assertEqual({row["vlan"] for row in self.switch.rows("fdb", "show")}, {7})

    def test_several_queues(self):
        self.switch.kill()
        self.switch = self.bench.switch("--workers", ",".join(map(str, sorted(
            os.sched_getaffinity(0))[:2])))
        self.switch("bridge", "add", "br0")
        self.add_both("queues=4")
        self.assertEqual(len(self.switch.port("one")["workers"]), 4)
        for port in range(5000, 5008):
            self.pass_file(self.one, self.two, "10.0.0.2", port)
        self.assert_no_drops(self.switch.counters("two"))

    def test_mtu_of_the_namespace_is_kept(self):
        """A longer frame is dropped by name, the pieces of a large one are looked at too."""
        self.add("one")
        self.switch("port", "add", "two", "veth", "bridge=br0", "netns=two", "dev=eth0",
                    "address=10.0.0.2/24", "mtu=1000")
        self.switch.wait_link("two")
        self.one("ping", "-c", "1", "-W", "1", "-M", "do", "-s", "1200", "10.0.0.2", check=False)
        self.assertGreater(self.switch.counters("two")["drops"]["mtu"], 0)
        self.assertEqual(self.switch.port("two")["mtu"], 1000)
        events = self.switch.rows("events", "show")
        self.assertTrue(any(row["type"] == "mtu-differs" and row["port"] == "two"
                            for row in events), events)

    def test_namespace_gone_and_back(self):
        self.add_both()
        self.one.ping("10.0.0.2")
        run("ip", "netns", "del", "two")
        self.switch.wait_link("two", "down")
        self.assertIn("two", self.switch.port("two")["reason"])
        run("ip", "netns", "add", "two")
        self.switch.wait_link("two")
        wait_until(lambda: " 0% packet loss" in self.one(
            "ping", "-c", "1", "-W", "1", "10.0.0.2", check=False), 20, "answer of the new one")

    def test_deleted_without_a_trace(self):
        before = interfaces()
        self.add_both()
        self.assertEqual(len(interfaces() - before), 2)
        self.switch("port", "del", "one")
        self.switch.stop()
        self.assertEqual(interfaces(), before)

    def test_found_again_after_a_crash(self):
        self.add_both()
        self.switch.kill()
        self.two("ip", "addr", "add", "10.9.9.9/32", "dev", "eth0")
        self.switch = self.bench.switch()
        self.switch("bridge", "add", "br0")
        self.add_both()
        self.one.ping("10.0.0.2")
        self.assertIn("10.9.9.9", self.two("ip", "addr", "show", "dev", "eth0"))

    def test_refusals(self):
        before = interfaces()
        add = ["port", "add", "c", "veth", "bridge=br0", "dev=eth0"]
        self.says(self.switch.refused(*add, "netns=nobody"), "nobody", "ip netns add nobody")
        self.says(self.switch.refused(*add, "netns=one", "address=10.0.0.1"), "10.0.0.1", "prefix")
        self.one("ip", "link", "add", "eth0", "type", "veth")
        self.says(self.switch.refused(*add, "netns=one"), "eth0", "choose another dev=")
        self.assertEqual(interfaces(), before)
        run("ip", "link", "add", "pb-c", "type", "veth")
        self.bench.cleanup.add(run, "ip", "link", "del", "pb-c")
        self.says(self.switch.refused(*add, "netns=two"), "pb-c", "ip link del pb-c")
        self.assertTrue(pathlib.Path("/sys/class/net/pb-c").exists())


@requires_root
class JumboContainers(Containers):
    MTU = 9000


@requires_root
class Flaps(TestCase):
    def test_a_thousand_flaps_leave_nothing_behind(self):
        switch = self.bench.switch()
        wires = [self.bench.wire(name) for name in ("w0", "w1")]
        switch("bridge", "add", "br0")
        for wire in wires:
            switch("port", "add", wire.name, "afpacket", "bridge=br0", f"dev={wire.name}")
        self.flap(wires[1], 20)
        switch.wait_link("w1")
        descriptors, rss = switch.descriptors(), switch.rss()
        self.flap(wires[1], 480)
        switch.wait_link("w1")
        wait_until(lambda: switch.descriptors() == descriptors, 5, "closed descriptors")
        self.assertLess(switch.rss() - rss, 1 << 20)
        stream = self.bench.stream(*wires)
        self.assert_no_loss(stream)

    def flap(self, wire, count):
        """Two changes of the link each, by one process."""
        commands = self.bench.folder / "flaps"
        commands.write_text(f"link set {wire.name} down\nlink set {wire.name} up\n" * count)
        run("ip", "-batch", commands)

    def test_interface_deleted_and_made_again(self):
        switch = self.bench.switch()
        wires = [self.bench.wire(name) for name in ("w0", "w1")]
        switch("bridge", "add", "br0")
        for wire in wires:
            switch("port", "add", wire.name, "afpacket", "bridge=br0", f"dev={wire.name}")
        for turn in range(6):
            if turn == 1:
                descriptors = switch.descriptors()
            wires[1].close()
            switch.wait_link("w1", "down")
            self.says(switch.port("w1")["reason"], "w1 is gone")
            wires[1] = self.bench.wire("w1")
            switch.wait_link("w1")
        wait_until(lambda: switch.descriptors() == descriptors, 5, "closed descriptors")
        self.assert_no_loss(self.bench.stream(*wires))
