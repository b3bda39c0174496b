# SPDX-License-Identifier: BSD-3-Clause
"""Two cables to the network outside: one takes over when the other has no link."""

import time

from harness.case import TestCase, requires_root
from harness.process import run
from harness.wait import wait_until
from harness.wire import frame, mac_bytes

INSIDE = [f"02:00:00:00:01:{number:02x}" for number in range(100)]
OUTSIDE = "02:00:00:00:0e:01"
RARP = b"\x80\x35"


@requires_root
class Backup(TestCase):
    def set_up(self):
        self.switch = self.bench.switch()
        self.vm, self.one, self.two = (self.bench.wire(name) for name in ("w0", "w1", "w2"))
        self.switch("bridge", "add", "br0")
        self.switch("port", "add", "vm", "afpacket", "bridge=br0", "dev=w0", "profile=open")
        self.switch("port", "add", "uplink", "afpacket", "bridge=br0", "dev=w1", "backup=w2")
        self.switch.wait_link("uplink")

    def learn(self):
        for mac in INSIDE:
            self.vm.send(frame("ff:ff:ff:ff:ff:ff", mac))
        wait_until(lambda: sum(row["port"] == "vm" for row in self.switch.rows(
            "fdb", "show", "br0", "limit=1000")) >= len(INSIDE), 5, "addresses learnt")

    def announced(self, wire, seconds):
        """The addresses that reverse ARP requests on the wire speak of, and when the first came."""
        seen, first, end = set(), None, time.monotonic() + seconds
        while len(seen) < len(INSIDE) and time.monotonic() < end:
            data = wire.receive(0.2)
            if data and data[12:14] == RARP:
                first = first or time.monotonic()
                seen.add(data[6:12])
        return seen, first

    def test_takes_over_and_announces_all_addresses(self):
        self.learn()
        self.two.drain()
        begin = time.monotonic()
        run("ip", "link", "set", self.one.name, "down")
        seen, first = self.announced(self.two, 10)
        self.assertEqual(seen, {mac_bytes(mac) for mac in INSIDE})
        # 100 ms on a machine that has nothing else to do; an order of magnitude on others.
        self.assertLess(first - begin, 1)
        port = self.switch.port("uplink")
        self.assertEqual((port["link"], port["interface"]["name"], port["interface"]["failovers"]),
                         ("up", "w2", 1))
        self.two.send(frame(INSIDE[0], OUTSIDE, b"by the second cable"))
        wait_until(lambda: b"by the second cable" in (self.vm.receive(0.5) or b""), 5, "frame in")
        self.vm.send(frame(OUTSIDE, INSIDE[0], b"out again"))
        wait_until(lambda: b"out again" in (self.two.receive(0.5) or b""), 5, "frame out")

    def test_stays_where_it_is_and_goes_back_when_it_must(self):
        run("ip", "link", "set", self.one.name, "down")
        self.wait_interface("w2")
        run("ip", "link", "set", self.one.name, "up")
        run("ip", "link", "set", self.vm.far, "down")
        self.switch.wait_link("vm", "down")  # what came before has been seen
        self.assertEqual(self.switch.port("uplink")["interface"]["name"], "w2")
        self.two.close()
        self.wait_interface("w1")
        self.assertEqual(self.switch.port("uplink")["interface"]["failovers"], 2)

    def test_both_gone(self):
        self.one.close()
        self.wait_interface("w2")
        self.two.close()
        self.switch.wait_link("uplink", "down")
        self.says(self.switch.port("uplink")["reason"], "w2 is gone")
        self.one = self.bench.wire("w1")
        self.switch.wait_link("uplink")
        self.wait_interface("w1")

    def wait_interface(self, name):
        wait_until(lambda: self.switch.port("uplink")["interface"]["name"] == name, 10,
                   f"traffic by {name}")

    def test_interfaces_belong_to_one_port(self):
        self.says(self.switch.refused("port", "add", "p", "afpacket", "dev=w2"), "w2", "uplink")
