# SPDX-License-Identifier: BSD-3-Clause
"""Loops, addresses that move, sticky addresses: what happens and what is said about it."""

import json
import signal
import subprocess

from harness.case import TestCase, requires_root
from harness.process import run
from harness.switch import CLIENT
from harness.wait import wait_until
from harness.wire import frame

A, B = "02:00:00:00:00:0a", "02:00:00:00:00:0b"
BROADCAST = "ff:ff:ff:ff:ff:ff"


@requires_root
class Loops(TestCase):
    def set_up(self):
        self.switch = self.bench.switch()
        self.switch("bridge", "add", "br0")

    def add(self, name, *keys):
        wire = self.bench.wire(name)
        self.switch("port", "add", name, "afpacket", "bridge=br0", f"dev={name}", *keys)
        self.switch.wait_link(name)
        return wire

    def events(self, kind):
        return self.switch.rows("events", kind)

    def await_event(self, kind):
        wait_until(lambda: self.events(kind), 15, f"event {kind}")
        return self.events(kind)[0]

    def link(self, name):
        return self.switch.rows("port", "show", name)[0]["link"]

    def cable(self, *keys):
        """A cable with both ends in the bridge."""
        run("ip", "link", "add", "loop0", "type", "veth", "peer", "name", "loop1")
        self.bench.cleanup.add(run, "ip", "link", "del", "loop0")
        for name in ("loop0", "loop1"):
            run("ip", "link", "set", name, "up")
            self.switch("port", "add", name, "afpacket", "bridge=br0", f"dev={name}", *keys)

    def test_cable_between_two_ports_is_cut(self):
        self.switch("bridge", "set", "br0", "loop_guard=yes")
        wires = [self.add("w0"), self.add("w1")]
        self.cable()
        event = self.await_event("port-blocked")
        self.assertEqual(event["port"], "loop1")
        self.assertIn("loop0", event["text"])
        row = self.switch.rows("port", "show", "loop1")[0]
        self.assertEqual(row["link"], "blocked")
        self.assertIn("loop0", row["reason"])
        self.assertEqual(self.link("loop0"), "up")
        # The others work, and get each frame once.
        for wire in wires:
            wire.drain()
        wires[0].send(frame(BROADCAST, A, b"once"))
        self.assertIn(b"once", wires[1].receive())
        wires[0].send(frame(BROADCAST, A, b"again"))
        self.assertIn(b"again", wires[1].receive())
        # Without guard nothing is blocked.
        run("ip", "link", "set", "loop0", "down")
        self.switch("bridge", "set", "br0", "loop_guard=no")
        wait_until(lambda: self.link("loop1") != "blocked", 10, "loop1 let back")
        self.await_event("port-unblocked")

    def test_cable_between_vlans_is_no_loop(self):
        self.switch("bridge", "set", "br0", "loop_guard=yes")
        self.cable()
        self.switch("port", "set", "loop0", "tag=10")
        self.switch("port", "set", "loop1", "tag=20")
        seen = self.switch.counters("loop1")["rx_packets"]
        wait_until(lambda: self.switch.counters("loop1")["rx_packets"] > seen + 3, 15, "probes")
        self.assertEqual([e for e in self.events("port-blocked") if e["port"] == "loop0"], [])

    def test_guest_that_gives_probes_back_blocks_itself(self):
        self.switch("bridge", "set", "br0", "loop_guard=yes")
        good, bad = self.add("good"), self.add("bad")
        probe = good.receive(10)
        for _ in range(5):
            bad.send(probe)
        event = self.await_event("port-blocked")
        self.assertEqual(event["port"], "bad")
        self.assertEqual(self.link("good"), "up")
        self.assertGreaterEqual(self.switch.counters("bad")["drops"]["probe"], 1)

    def test_address_that_flaps_is_pinned(self):
        self.switch("bridge", "set", "br0", "mac_moves=2")
        one, two, three = self.add("w0"), self.add("w1"), self.add("w2")
        three.send(frame(BROADCAST, B))

        def flap():
            for wire in (one, two):
                wire.send(frame(B, A))
            return self.events("mac-pinned")

        wait_until(flap, 15, "event mac-pinned")
        event = self.events("mac-pinned")[0]
        self.assertEqual(event["mac"], A)
        self.assertEqual(self.link("w0"), "up")
        self.assertEqual(self.link("w1"), "up")
        self.switch("bridge", "set", "br0", "loop_guard=yes", "mac_moves=1")
        self.switch("fdb", "flush", "br0")
        wait_until(lambda: flap() and self.events("port-blocked"), 15, "event port-blocked")

    def test_sticky(self):
        sticky, other = self.add("w0", "sticky=yes"), self.add("w1")
        sticky.send(frame(BROADCAST, A))
        wait_until(lambda: self.switch.rows("fdb", "show", "br0"), 5, "address")

        def spoof():
            other.send(frame(B, A))
            return self.events("mac-stuck")

        wait_until(spoof, 10, "event mac-stuck")
        self.assertEqual(self.switch.rows("fdb", "show", "br0", f"mac={A}")[0]["port"], "w0")
        self.assertEqual(self.switch.json("fdb", "flush", "br0", f"mac={A}"), {"flushed": 1})

        def moved():
            other.send(frame(B, A))
            rows = self.switch.rows("fdb", "show", "br0", f"mac={A}")
            return rows and rows[0]["port"] == "w1"

        wait_until(moved, 10, "address learnt anew")

    def test_follow(self):
        self.switch("bridge", "set", "br0", "loop_guard=yes")
        command = [CLIENT, "--socket", self.switch.socket, "--json", "events",
                   "--follow", "type=port-blocked"]
        follow = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self.bench.cleanup.add(follow.stdout.close)
        self.bench.cleanup.add(follow.wait)
        self.bench.cleanup.add(follow.kill)
        self.cable()
        self.await_event("port-blocked")
        event = json.loads(follow.stdout.readline())
        self.assertEqual((event["type"], event["port"]), ("port-blocked", "loop1"))
        follow.send_signal(signal.SIGINT)
        self.assertEqual(follow.wait(10), 0)
