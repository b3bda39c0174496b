# SPDX-License-Identifier: BSD-3-Clause
"""Frames between kernel interfaces: learning, flooding, static entries, counters."""

from harness.case import TestCase, requires_root
from harness.wait import wait_until
from harness.wire import frame

A, B, C = "02:00:00:00:00:0a", "02:00:00:00:00:0b", "02:00:00:00:00:0c"
BROADCAST = "ff:ff:ff:ff:ff:ff"
MULTICAST = "01:00:5e:00:00:fb"
BPDU = "01:80:c2:00:00:00"


@requires_root
class Forwarding(TestCase):
    def set_up(self):
        self.wires = [self.bench.wire(f"w{number}") for number in range(3)]
        self.switch = self.bench.switch()
        self.switch("bridge", "add", "br0")
        for wire in self.wires:
            self.switch("port", "add", wire.name, "afpacket", "bridge=br0", f"dev={wire.name}")
        for wire in self.wires:
            self.switch.wait_link(wire.name)

    def learnt(self, mac, vlan=0):
        """The port behind which the switch knows the address."""
        for row in self.switch.rows("fdb", "show", "br0"):
            if row["mac"] == mac and row["vlan"] == vlan:
                return row["port"]
        return None

    def learn(self, mac, wire, vlan=None):
        wire.send(frame(BROADCAST, mac, vlan=vlan))
        wait_until(lambda: self.learnt(mac, vlan or 0) == wire.name, 3, f"{mac} behind {wire.name}")
        for other in self.wires:
            other.drain()

    def test_broadcast_reaches_all_but_the_source(self):
        one, two, three = self.wires
        one.send(frame(BROADCAST, A, b"all"))
        self.assertIn(b"all", two.receive())
        self.assertIn(b"all", three.receive())
        self.assertTrue(one.silent())

    def test_multicast_is_flooded(self):
        one, two, three = self.wires
        two.send(frame(MULTICAST, B, b"group"))
        self.assertIn(b"group", one.receive())
        self.assertIn(b"group", three.receive())

    def test_unknown_address_is_flooded(self):
        one, two, three = self.wires
        one.send(frame(C, A, b"where"))
        self.assertIn(b"where", two.receive())
        self.assertIn(b"where", three.receive())

    def test_known_address_goes_to_one_port(self):
        one, two, three = self.wires
        self.learn(B, two)
        one.send(frame(B, A, b"private"))
        self.assertIn(b"private", two.receive())
        self.assertTrue(three.silent())

    def test_frames_arrive_unchanged(self):
        one, two, _ = self.wires
        for size in (60, 61, 127, 128, 129, 256, 1000, 1514):
            sent = frame(BROADCAST, A, bytes(number % 251 for number in range(size - 14)))
            one.send(sent)
            self.assertEqual(two.receive(), sent, f"{size} bytes")

    def test_address_that_moves_is_followed(self):
        one, two, three = self.wires
        self.learn(B, two)
        self.learn(B, three)
        one.send(frame(B, A, b"moved"))
        self.assertIn(b"moved", three.receive())
        self.assertTrue(two.silent())
        moved = self.switch.rows("bridge", "show", "br0")[0]["moved"]
        self.assertGreaterEqual(moved, 1)

    def test_frame_for_its_own_port_is_dropped(self):
        one, two, three = self.wires
        self.learn(A, one)
        self.learn(B, one)
        one.send(frame(A, B, b"hairpin"))
        self.assertTrue(two.silent())
        self.assertTrue(three.silent(0.05))
        self.assertEqual(self.switch.counters(one.name)["drops"].get("hairpin"), 1)

    def test_group_address_as_source_is_dropped(self):
        one, two, _ = self.wires
        one.send(frame(BROADCAST, MULTICAST, b"bad"))
        self.assertTrue(two.silent())
        self.assertEqual(self.switch.counters(one.name)["drops"].get("bad_source"), 1)

    def test_bpdu_is_not_forwarded(self):
        one, two, _ = self.wires
        one.send(frame(BPDU, A, b"bpdu"))
        self.assertTrue(two.silent())
        self.assertEqual(self.switch.counters(one.name)["drops"].get("reserved_address"), 1)

    def test_bpdu_is_forwarded_when_asked(self):
        one, two, _ = self.wires
        self.switch("bridge", "set", "br0", "forward_bpdu=yes")
        one.send(frame(BPDU, A, b"bpdu"))
        self.assertIn(b"bpdu", two.receive())

    def test_static_entry_holds(self):
        one, two, three = self.wires
        self.switch("fdb", "add", "br0", B, two.name)
        three.send(frame(BROADCAST, B))
        one.drain()
        two.drain()
        one.send(frame(B, A, b"static"))
        self.assertIn(b"static", two.receive())
        self.assertTrue(three.silent())
        rows = [row for row in self.switch.rows("fdb", "show", "br0") if row["mac"] == B]
        self.assertEqual([(row["port"], row["type"]) for row in rows], [(two.name, "static")])

    def test_deleted_entry_is_flooded_again(self):
        one, two, three = self.wires
        self.switch("fdb", "add", "br0", B, two.name)
        self.switch("fdb", "del", "br0", B)
        one.send(frame(B, A, b"again"))
        self.assertIn(b"again", three.receive())

    def test_flush_forgets_what_was_learnt(self):
        one, two, three = self.wires
        self.learn(B, two)
        self.switch("fdb", "add", "br0", C, three.name)
        self.switch("fdb", "flush", "br0")
        self.assertIsNone(self.learnt(B))
        self.assertEqual(self.learnt(C), three.name)

    def test_silent_address_ages(self):
        self.switch("bridge", "set", "br0", "ageing=1")
        self.learn(B, self.wires[1])
        wait_until(lambda: self.learnt(B) is None, 6, f"end of {B}", pause=0.1)
        self.assertGreaterEqual(self.switch.rows("bridge", "show", "br0")[0]["aged"], 1)

    def test_addresses_are_learnt_per_vlan(self):
        one, two, three = self.wires
        self.learn(B, two, vlan=10)
        self.learn(B, three, vlan=20)
        one.send(frame(B, A, b"ten", vlan=10))
        self.assertIn(b"ten", two.receive())
        self.assertTrue(three.silent())
        one.send(frame(B, A, b"twenty", vlan=20))
        self.assertIn(b"twenty", three.receive())
        self.assertTrue(two.silent())

    def test_bridges_are_apart(self):
        one, two, three = self.wires
        self.switch("bridge", "add", "br1")
        self.switch("port", "set", three.name, "bridge=br1")
        one.send(frame(BROADCAST, A, b"here"))
        self.assertIn(b"here", two.receive())
        self.assertTrue(three.silent())

    def test_port_without_bridge_drops(self):
        one, two, _ = self.wires
        self.switch("port", "set", one.name, "bridge=")
        one.send(frame(BROADCAST, A, b"nowhere"))
        self.assertTrue(two.silent())
        self.assertEqual(self.switch.counters(one.name)["drops"].get("detached"), 1)

    def test_deleted_port_is_forgotten(self):
        one, two, three = self.wires
        self.learn(B, two)
        self.switch("port", "del", two.name)
        self.assertIsNone(self.learnt(B))
        one.send(frame(B, A, b"flooded"))
        self.assertIn(b"flooded", three.receive())

    def test_counters_add_up(self):
        one, two, three = self.wires
        self.learn(B, two)
        before = self.switch.counters(one.name)
        for _ in range(10):
            one.send(frame(B, A))
        for _ in range(5):
            one.send(frame(BROADCAST, A))
        one.send(frame(BROADCAST, MULTICAST))
        wait_until(lambda: self.received(one, before) == 16, 3, "16 frames counted")
        after = self.switch.counters(one.name)
        gain = {key: after[key] - before[key] for key in after
                if isinstance(after[key], int)}
        self.assertEqual(gain["rx_forwarded"], 10)
        self.assertEqual(gain["rx_flooded"], 5)
        self.assertEqual(gain["rx_copies"], 10)
        self.assertEqual(after["drops"].get("bad_source"), 1)
        self.assertEqual(gain["rx_bytes"], 16 * 60)
        self.assertGreaterEqual(self.switch.counters(two.name)["tx_packets"], 15)
        self.assertGreaterEqual(self.switch.counters(three.name)["tx_packets"], 5)

    def received(self, wire, before):
        return self.switch.counters(wire.name)["rx_packets"] - before["rx_packets"]
