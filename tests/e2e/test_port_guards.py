# SPDX-License-Identifier: BSD-3-Clause
"""What a port may send and receive: profiles, address locks, guards, isolation, rates, owners."""

import struct
import time

from harness.case import TestCase, requires_root
from harness.wait import wait_until
from harness.wire import frame, mac_bytes

A, B, C = "02:00:00:00:00:0a", "02:00:00:00:00:0b", "02:00:00:00:00:0c"
BROADCAST = "ff:ff:ff:ff:ff:ff"
IPV4, ARP, IPV6 = 0x0800, 0x0806, 0x86DD


def ip4(text):
    return bytes(int(part) for part in text.split("."))


def udp4(source, destination, source_port, destination_port, payload=b"x" * 300):
    """An IPv4 packet with a UDP datagram, without checksums."""
    length = 8 + len(payload)
    header = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + length, 1, 0, 64, 17, 0, ip4(source),
                         ip4(destination))
    return header + struct.pack("!HHHH", source_port, destination_port, length, 0) + payload


def arp(operation, mac, sender, target):
    return struct.pack("!HHBBH6s4s6s4s", 1, IPV4, 6, 4, operation, mac_bytes(mac), ip4(sender),
                       bytes(6), ip4(target))


def router_advertisement(source):
    message = struct.pack("!BBHBBHII", 134, 0, 0, 64, 0, 1800, 0, 0)
    header = struct.pack("!IHBB", 6 << 28, 8 + len(message), 60, 255)
    # Behind destination options, as whoever wants past a guard would send it.
    return header + source + bytes.fromhex("ff02" + "00" * 13 + "01") + bytes([58, 0]) + bytes(6) \
        + message


@requires_root
class PortGuards(TestCase):
    def set_up(self):
        self.wires = [self.bench.wire(f"w{number}") for number in range(3)]
        self.switch = self.bench.switch()
        self.switch("bridge", "add", "br0")
        for wire in self.wires:
            self.switch("port", "add", wire.name, "afpacket", "bridge=br0", f"dev={wire.name}")
        for wire in self.wires:
            self.switch.wait_link(wire.name)

    def set(self, *keys, wire=0):
        self.switch("port", "set", self.wires[wire].name, *keys)

    def drops(self, reason, wire=0):
        return self.switch.counters(self.wires[wire].name)["drops"].get(reason, 0)

    def passes(self, data, to=1):
        self.wires[0].send(data)
        self.assertEqual(self.wires[to].receive(), data)

    def refused(self, data, reason):
        before = self.drops(reason)
        self.wires[0].send(data)
        wait_until(lambda: self.drops(reason) == before + 1, 5, f"drop {reason}")

    def test_mac_lock_takes_a_list(self):
        self.set("profile=vm", f"mac={A}", f"macs={C}")
        self.assertTrue(self.switch.rows("port", "show", "w0")[0]["mac_lock"])
        self.passes(frame(BROADCAST, A, b"one"))
        self.passes(frame(BROADCAST, C, b"two"))
        self.refused(frame(BROADCAST, B, b"three"), "mac_lock")
        self.set("macs=" + B)
        self.passes(frame(BROADCAST, B, b"four"))
        self.refused(frame(BROADCAST, C, b"five"), "mac_lock")

    def test_tenant_is_held_to_its_addresses(self):
        self.set("profile=tenant", f"mac={A}", "ips=10.0.0.5,10.1.0.0/24")
        row = self.switch.rows("port", "show", "w0")[0]
        self.assertEqual([row[key] for key in ("ip_lock", "dhcp_guard", "ra_guard")],
                         ["list", "yes", "yes"])
        self.passes(frame(BROADCAST, A, udp4("10.0.0.5", "10.0.0.9", 9, 9), IPV4))
        self.passes(frame(BROADCAST, A, udp4("10.1.0.77", "10.0.0.9", 9, 9), IPV4))
        self.passes(frame(BROADCAST, A, arp(1, A, "10.0.0.5", "10.0.0.1"), ARP))
        self.refused(frame(BROADCAST, A, udp4("10.0.0.6", "10.0.0.9", 9, 9), IPV4), "ip_lock")
        self.refused(frame(BROADCAST, A, arp(2, A, "10.0.0.1", "10.0.0.9"), ARP), "ip_lock")
        self.refused(frame(BROADCAST, A, arp(2, B, "10.0.0.5", "10.0.0.9"), ARP), "ip_lock")
        self.refused(frame(BROADCAST, A, udp4("10.0.0.5", "255.255.255.255", 67, 68), IPV4),
                     "dhcp_guard")
        local = bytes.fromhex("fe80" + "00" * 6 + "0000" + "00ff" + "fe00" + "000a")
        self.refused(frame(BROADCAST, A, router_advertisement(local), IPV6), "ra_guard")
        # Live: the same frames pass when the port says otherwise.
        self.set("ip_lock=off", "dhcp_guard=no", "ra_guard=no")
        self.passes(frame(BROADCAST, A, arp(2, A, "10.0.0.1", "10.0.0.9"), ARP))
        self.passes(frame(BROADCAST, A, udp4("10.0.0.5", "255.255.255.255", 67, 68), IPV4))
        self.passes(frame(BROADCAST, A, router_advertisement(local), IPV6))

    def test_headers_that_cannot_be_followed(self):
        self.set("ra_guard=yes")
        packet = router_advertisement(bytes(16))
        nested = b"\x81\x00\x00\x00" * 4
        data = frame(BROADCAST, A, b"", IPV6)[:12] + nested + struct.pack("!H", IPV6) + packet
        self.refused(data, "bad_headers")

    def test_isolated_ports(self):
        for wire in (0, 1):
            self.set("isolated=yes", wire=wire)
        data = frame(BROADCAST, A, b"flooded")
        self.passes(data, to=2)
        wait_until(lambda: self.drops("isolated", 1) == 1, 5, "drop isolated")
        self.wires[2].send(frame(BROADCAST, C, b"from the promiscuous one"))
        self.assertIn(b"from", self.wires[0].receive())
        self.assertIn(b"from", self.wires[1].receive())
        self.set("isolated=no", wire=1)
        self.passes(data, to=1)

    def test_rates(self):
        self.set("in_rate=8k")
        data = frame(BROADCAST, A, bytes(1400))
        for _ in range(300):
            self.wires[0].send(data)
        wait_until(lambda: self.switch.counters("w0")["rx_packets"] >= 300, 10, "300 frames")
        refused = self.drops("rate_in")
        # 131072 bytes at once, and 1000 more in each second that this took.
        self.assertLess(refused, 300 - 131072 // len(data) + 1)
        self.assertGreater(refused, 100)
        self.set("in_rate=", "out_rate_pps=1", wire=0)
        self.set("out_rate_pps=1", wire=1)
        for _ in range(1000):
            self.wires[0].send(data)
        wait_until(lambda: self.drops("rate_out", 1) > 0, 10, "drop rate_out")
        self.assertEqual(self.drops("rate_in"), refused)

    def test_frames_wait_for_their_rate(self):
        self.set("out_rate=800k", "out_queue=1M", wire=1)
        count, size = 180, 1514
        began = time.monotonic()
        for number in range(count):
            self.wires[0].send(frame(B, A, struct.pack("!I", number) + bytes(size - 18)))
        for number in range(count):
            data = self.wires[1].receive(20)
            self.assertEqual(data[14:18], struct.pack("!I", number))
        # 131072 bytes at once, the others with 100,000 a second; twice as fast would be wrong.
        self.assertGreater(time.monotonic() - began, (count * size - 131072) / 200_000)
        self.assertEqual(self.switch.counters("w1")["drops"], {})
        for number in range(1000):
            self.wires[0].send(frame(B, A, bytes(size - 14)))
        wait_until(lambda: self.drops("queue_full", 1) > 0, 10, "drop queue_full")
        self.set("out_queue=", wire=1)
        for number in range(1000):
            self.wires[0].send(frame(B, A, bytes(size - 14)))
        wait_until(lambda: self.drops("rate_out", 1) > 0, 10, "drop rate_out")

    def test_owners(self):
        self.set(f"mac={A}", "ips=10.0.0.5,10.1.0.0/24,2001:db8::5")
        for key in (f"mac={A}", f"macs={B},{A}", "ips=10.0.0.5", "ips=2001:db8:0::5"):
            self.says(self.switch.refused("port", "set", "w1", key), "w0", "w1", "br0")
            self.says(self.switch.refused("port", "add", "w3", "null", "bridge=br0", key), "w0")
        self.says(self.switch.refused("port", "set", "w0", f"macs={A}"), "twice")
        # A network may be shared, and another bridge is another world.
        self.set("ips=10.1.0.0/24", wire=1)
        self.switch("bridge", "add", "br1")
        self.switch("port", "add", "w3", "null", "bridge=br1", f"mac={A}", "ips=10.0.0.5")
        self.says(self.switch.refused("port", "set", "w3", "bridge=br0"), "w0")
        path = f"{self.bench.folder}/one.sock"
        self.switch("port", "add", "vm1", "vhost-user", "bridge=br0", f"path={path}")
        self.says(self.switch.refused("port", "add", "vm2", "vhost-user", "bridge=br1",
                                      f"path={path}"), "vm1", path)

    def test_keys_that_do_not_suit_each_other(self):
        self.says(self.switch.refused("port", "set", "w0", "ip_lock=list"), "ips=")
        self.says(self.switch.refused("port", "set", "w0", "in_burst=1M"), "in_rate")
        self.says(self.switch.refused("port", "set", "w0", "out_burst=1M"), "out_rate")
        self.says(self.switch.refused("port", "set", "w0", "out_queue=1M"), "out_rate")
        self.says(self.switch.refused("port", "set", "w0", "in_rate=10GB"), "in_rate", "k, M, G")
        self.says(self.switch.refused("port", "set", "w0", "in_rate=1"), "1k..1T bits/s")

    def test_configuration_keeps_it(self):
        keys = ["profile=tenant", f"mac={A}", f"macs={B}", "ips=10.0.0.5,2001:db8::/64",
                "isolated=yes", "in_rate=2.5G", "in_burst=1M", "out_rate_pps=10k"]
        self.set(*keys)
        row = self.switch.rows("port", "show", "w0")[0]
        self.assertEqual(row["in_rate"], "2500M")
        self.assertEqual(row["macs"], B)
        shown = self.switch("config", "show")
        for text in ("2500M", "10k", "10.0.0.5,2001:db8::/64", "tenant"):
            self.assertIn(text, shown)
        for wire in self.wires:
            self.switch("port", "del", wire.name)
        path = f"{self.bench.folder}/config.yaml"
        with open(path, "w") as file:
            file.write(shown)
        self.switch("config", "apply", path)
        again = self.switch.rows("port", "show", "w0")[0]
        for key in ("profile", "mac", "macs", "ips", "isolated", "in_rate", "in_burst",
                    "out_rate_pps"):
            self.assertEqual(again[key], row[key])
