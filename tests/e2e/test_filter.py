# SPDX-License-Identifier: BSD-3-Clause
"""Filters of ports: rules, sets of addresses, default actions, counters, all of it live."""

import struct

from harness.case import TestCase, requires_root
from harness.packet import A, B, IPV4, TCP, UDP, ipv4, packet
from harness.wait import wait_until
from harness.wire import frame


@requires_root
class Filter(TestCase):
    def set_up(self):
        self.one, self.two = (self.bench.wire(name) for name in ("w0", "w1"))
        self.switch = self.bench.switch()
        self.switch("bridge", "add", "br0")
        for wire in (self.one, self.two):
            self.switch("port", "add", wire.name, "afpacket", "bridge=br0", f"dev={wire.name}")
        for wire in (self.one, self.two):
            self.switch.wait_link(wire.name)

    def passes(self, data):
        """Does it arrive?  A frame behind it, that no test filters, says when to stop waiting."""
        self.one.send(data)
        self.one.send(frame(B, A, b"the end"))
        arrived = False
        while True:
            got = self.two.receive()
            self.assertIsNotNone(got, "the frame behind was lost")
            if b"the end" in got:
                return arrived
            arrived = True

    def rule(self, port, direction, priority):
        for row in self.switch.rows("filter", "show", port):
            if row["direction"] == direction and row["priority"] == str(priority):
                return row
        return None

    def test_rules_in_order_with_counters(self):
        self.switch("filter", "add", "w0", "in", "20", "deny", "tcp dst port 25")
        self.assertFalse(self.passes(packet(25, b"mail")))
        self.assertTrue(self.passes(packet(80, b"web")))
        self.switch("filter", "add", "w0", "in", "10", "allow", "src host 10.0.0.7")
        self.assertTrue(self.passes(packet(25, b"mail", source="10.0.0.7")))
        self.assertFalse(self.passes(packet(25, b"mail")))
        self.assertEqual(self.rule("w0", "in", 20)["packets"], 2)
        self.assertEqual(self.rule("w0", "in", 10)["packets"], 1)
        self.assertEqual(self.rule("w0", "in", "default")["packets"], 5)
        counters = self.switch.counters("w0")
        self.assertEqual(counters["drops"]["filter_in"], 2)
        self.assertEqual(counters["rx_packets"], counters["rx_forwarded"] + counters["rx_flooded"] +
                         sum(counters["drops"].values()))

    def test_mixed_bursts_are_judged_frame_by_frame(self):
        for number in range(10):
            self.switch("filter", "add", "w0", "in", str(number + 20), "deny", f"tcp dst port {number + 20}")
        rounds = 60
        kinds = [packet(25, b"mail"), packet(80, b"web"), packet(25, b"udp", UDP), packet(29, b"last"),
                 frame(B, A, b"no ip"), packet(80, b"longer" * 20)]
        for _ in range(rounds):
            for data in kinds:
                self.one.send(data)
        wait_until(lambda: self.switch.counters("w0")["rx_packets"] == rounds * len(kinds), 10, "all")
        rows = {row["priority"]: row for row in self.switch.rows("filter", "show", "w0")}
        self.assertEqual((rows["25"]["packets"], rows["25"]["bytes"]), (rounds, rounds * len(kinds[0])))
        self.assertEqual((rows["29"]["packets"], rows["29"]["bytes"]), (rounds, rounds * len(kinds[3])))
        passed = [kinds[number] for number in (1, 2, 4, 5)]
        self.assertEqual((rows["default"]["packets"], rows["default"]["bytes"]),
                         (rounds * len(passed), rounds * sum(map(len, passed))))
        for _ in range(rounds):
            for data in passed:
                self.assertEqual(self.two.receive(), data)

    def test_options_move_the_port(self):
        self.switch("filter", "add", "w0", "in", "1", "deny", "tcp dst port 25")
        self.assertFalse(self.passes(packet(25, b"x", options=b"\1" * 40)))
        self.assertTrue(self.passes(packet(26, b"x", options=b"\1" * 40)))

    def test_direction_out(self):
        self.switch("filter", "add", "w1", "out", "1", "deny", "udp")
        self.assertFalse(self.passes(packet(53, b"name", UDP)))
        self.assertTrue(self.passes(packet(53, b"name", TCP)))
        self.assertEqual(self.switch.counters("w1")["drops"]["filter_out"], 1)

    def test_default_action(self):
        self.switch("filter", "add", "w0", "in", "10", "allow", "ether proto 0x88b5")
        self.switch("port", "set", "w0", "filter_in=deny")
        self.assertFalse(self.passes(packet(80, b"web")))
        self.assertEqual(self.rule("w0", "in", "default")["action"], "deny")
        self.switch("port", "set", "w0", "filter_in=")
        self.assertTrue(self.passes(packet(80, b"web")))
        self.assertEqual(self.rule("w0", "in", 10)["packets"], 2)

    def test_tags_are_seen_as_on_the_wire_of_the_port(self):
        self.switch("port", "set", "w0", "vlan_mode=access", "tag=7")
        self.switch("filter", "add", "w0", "in", "1", "deny", "vlan")
        self.switch("filter", "add", "w1", "out", "1", "deny", "vlan 7 and tcp dst port 25")
        self.assertTrue(self.passes(packet(80, b"web")))
        self.assertFalse(self.passes(packet(25, b"mail")))
        self.assertEqual(self.rule("w0", "in", 1)["packets"], 0)
        self.assertEqual(self.rule("w1", "out", 1)["packets"], 1)

    def test_bytes_deep_inside(self):
        self.switch("filter", "add", "w0", "in", "1", "deny", "udp[900:4] = 0x64656570")
        filler = bytes(900 - 8)
        self.assertFalse(self.passes(packet(53, filler + b"deep" + bytes(100), UDP)))
        whole = packet(53, filler + b"else" + bytes(400), UDP)
        self.one.send(whole)
        self.assertEqual(self.two.receive(), whole)

    def test_set_of_ten_thousand(self):
        lines = "".join(f"10.{number // 250 + 1}.{number % 250}.5  # {number}\n"
                        for number in range(10000))
        path = self.bench.folder / "set.txt"
        path.write_text(lines)
        self.switch("set", "add", "bad", "02:00:00:00:00:99")
        self.switch("filter", "add", "w0", "in", "1", "deny", "src_set=bad")
        self.assertTrue(self.passes(packet(80, b"x", source="10.20.3.5")))
        self.switch("set", "load", "bad", str(path))
        self.assertEqual(self.switch.rows("set", "show")[0]["count"], 10000)
        self.assertFalse(self.passes(packet(80, b"x", source="10.20.3.5")))
        self.assertFalse(self.passes(packet(80, b"x", source="10.20.3.5", vlan=5)))
        self.assertTrue(self.passes(packet(80, b"x", source="10.20.3.6")))
        self.switch("set", "del", "bad", "10.20.3.5")
        self.assertTrue(self.passes(packet(80, b"x", source="10.20.3.5")))
        self.says(self.switch.refused("set", "del", "bad"), "does not exist")
        self.says(self.switch.refused("set", "add", "bad", "10.0.0.1/8"), "10.0.0.1/8")

    def test_refusals(self):
        add = ("filter", "add", "w0", "in", "1", "deny")
        self.says(self.switch.refused(*add, "tcp dst prt 25"), "position 9")
        self.says(self.switch.refused(*add, "tcp and"), "syntax error at the end")
        self.says(self.switch.refused(*add, "host example.com"), "names of hosts")
        self.says(self.switch.refused(*add, "inbound"), "direction")
        self.says(self.switch.refused(*add, "src_set=none"), "set \"none\" does not exist")
        self.says(self.switch.refused("filter", "add", "w9", "in", "1", "deny"), "w9")
        self.switch(*add, "tcp")
        self.says(self.switch.refused(*add, "udp"), "already")
        self.says(self.switch.refused("filter", "set", "w0", "in", "1", "expression=tcp["), "syntax")
        self.says(self.switch.refused("filter", "del", "w0", "in", "2"), "no rule 2")
        self.assertEqual(self.rule("w0", "in", 1)["expression"], "tcp")

    def test_configuration_file_holds_it(self):
        self.switch("set", "add", "bad", "10.0.0.9,2001:db8::/32,02:00:00:00:00:99")
        self.switch("filter", "add", "w0", "in", "10", "deny", "tcp", "src_set=bad")
        self.switch("filter", "add", "w1", "out", "5", "deny", "udp port 53")
        self.switch("port", "set", "w1", "filter_in=deny")
        text = self.switch("config", "show")
        path = self.bench.folder / "network.yaml"
        path.write_text(text)
        self.assertIn("no changes", self.switch("config", "apply", str(path)))
        self.switch("port", "del", "w0")
        self.switch("port", "del", "w1")
        self.switch("set", "del", "bad")
        self.switch("config", "apply", str(path))
        self.assertEqual(self.switch("config", "show"), text)
        for wire in (self.one, self.two):
            self.switch.wait_link(wire.name)
        self.assertFalse(self.passes(packet(80, b"x", source="10.0.0.9")))
        self.assertFalse(self.passes(packet(53, b"x", UDP)))
        path.write_text(text.replace("udp port 53", "udp prt 53"))
        self.says(self.switch.refused("config", "apply", str(path)), "network.yaml:")

    def test_many_rules(self):
        rules = "".join(f"  - {{port: w0, direction: in, priority: {number}, action: deny, "
                        f"expression: tcp dst port {number}}}\n" for number in range(1, 257))
        path = self.bench.folder / "rules.yaml"
        path.write_text(self.switch("config", "show") + "filters:\n" + rules)
        self.switch("config", "apply", str(path))
        for port in (1, 64, 65, 200, 256):
            self.assertFalse(self.passes(packet(port, b"x")))
        self.assertTrue(self.passes(packet(257, b"x")))
        self.says(self.switch.refused("filter", "add", "w0", "in", "300", "deny"), "256 rules")
        wait_until(lambda: self.rule("w0", "in", 200)["packets"] == 1, 3, "the counter")
