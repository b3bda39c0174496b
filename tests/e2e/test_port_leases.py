# SPDX-License-Identifier: BSD-3-Clause
"""Ports held to addresses that DHCP servers have granted: a real client, servers, a rogue one."""

import ipaddress
import shutil
import struct

from harness.case import TestCase, requires, requires_root
from harness.front import Front
from harness.process import Process, run
from harness.wait import wait_until
from harness.wire import frame, mac_bytes

CLIENT, OTHER, SERVER = "02:00:00:00:00:0c", "02:00:00:00:00:0d", "02:00:00:00:00:05"
FIRST, SECOND = "02:00:00:00:00:0e", "02:00:00:00:00:0f"
BROADCAST = "ff:ff:ff:ff:ff:ff"

UDHCPC_SCRIPT = """#!/bin/sh
[ "$1" = bound ] && ip addr replace "$ip/24" dev "$interface"
exit 0
"""


def ack(mac, address, seconds, kind=5):
    """What a server sends to a client: DHCPACK, or another kind of answer."""
    boot = struct.pack("!BBBBIHH4s4s4s4s16s192s", 2, 1, 6, 0, 7, 0, 0x8000, bytes(4),
                       ipaddress.ip_address(address).packed, bytes(4), bytes(4),
                       mac_bytes(mac), bytes(192))
    boot += bytes.fromhex("63825363") + bytes([53, 1, kind, 51, 4]) + struct.pack("!I", seconds)
    boot += b"\xff"
    packet = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 28 + len(boot), 1, 0, 64, 17, 0,
                         ipaddress.ip_address("10.9.0.1").packed, b"\xff" * 4)
    packet += struct.pack("!HHHH", 67, 68, 8 + len(boot), 0) + boot
    return frame(BROADCAST, SERVER, packet, 0x0800)


def reply6(mac, address, seconds):
    """A DHCPv6 Reply with one address."""
    grant = struct.pack("!HH16sII", 5, 24, ipaddress.ip_address(address).packed, 10, seconds)
    body = struct.pack("!I", 7 << 24) + struct.pack("!HHIII", 3, 12 + len(grant), 1, 0, 0) + grant
    udp = struct.pack("!HHHH", 547, 546, 8 + len(body), 0) + body
    header = struct.pack("!IHBB", 6 << 28, len(udp), 17, 64)
    header += ipaddress.ip_address("fe80::5").packed + ipaddress.ip_address("fe80::c").packed
    return frame(mac, SERVER, header + udp, 0x86DD)


def arp(mac, address):
    return frame(BROADCAST, mac, struct.pack(
        "!HHBBH6s4s6s4s", 1, 0x0800, 6, 4, 1, mac_bytes(mac),
        ipaddress.ip_address(address).packed, bytes(6), ipaddress.ip_address("10.9.0.1").packed),
        0x0806)


class Leases:
    """What a test asks of the switch."""

    def leases(self, port):
        rows = self.switch.rows("port", "show", port)[0].get("leases") or []
        return {row["address"]: row["expires"] for row in rows}

    def wait_leases(self, port, *addresses):
        wait_until(lambda: set(self.leases(port)) == set(addresses), 10,
                   f"leases {addresses} of {port}")

    def drops(self, port, reason):
        return self.switch.counters(port)["drops"].get(reason, 0)


@requires_root
class MadeLeases(Leases, TestCase):
    """Servers' answers made by hand."""

    def set_up(self):
        self.wires = [self.bench.wire(f"w{number}") for number in range(3)]
        self.switch = self.bench.switch()
        self.switch("bridge", "add", "br0")
        for wire, mac in zip(self.wires, (CLIENT, OTHER, None)):
            lock = [f"mac={mac}", "ip_lock=dhcp"] if mac else []
            self.switch("port", "add", wire.name, "afpacket", "bridge=br0", f"dev={wire.name}",
                        *lock)
        for wire in self.wires:
            self.switch.wait_link(wire.name)
        self.server = self.wires[2]

    def may_use(self, wire, mac, address):
        wire.send(arp(mac, address))
        return self.server.receive() == arp(mac, address)

    def test_an_address_can_be_used_while_it_is_leased(self):
        client = self.wires[0]
        before = self.drops("w0", "ip_lock")
        client.send(arp(CLIENT, "10.9.0.7"))
        wait_until(lambda: self.drops("w0", "ip_lock") == before + 1, 5, "drop ip_lock")
        self.server.send(ack(CLIENT, "10.9.0.7", 3600))
        self.wait_leases("w0", "10.9.0.7")
        self.assertTrue(self.may_use(client, CLIENT, "10.9.0.7"))
        # The answer reached the other port as well, and says nothing about it.
        self.assertEqual(self.leases("w1"), {})
        # Other settings leave it alone; another address of the port does not.
        self.switch("port", "set", "w0", "storm=5000")
        self.wait_leases("w0", "10.9.0.7")
        self.switch("port", "set", "w0", "mac=02:00:00:00:00:99")
        self.wait_leases("w0")

    def test_what_is_no_lease(self):
        self.server.send(ack(CLIENT, "10.9.0.7", 3600, kind=2))
        self.server.send(ack("02:00:00:00:00:77", "10.9.0.8", 3600))
        self.server.send(ack(CLIENT, "10.9.0.9", 3600))
        self.wait_leases("w0", "10.9.0.9")

    def test_it_expires(self):
        self.server.send(ack(CLIENT, "10.9.0.7", 1))
        self.server.send(ack(CLIENT, "10.9.0.8", 3600))
        self.wait_leases("w0", "10.9.0.8")
        self.assertLessEqual(self.leases("w0")["10.9.0.8"], 3600)
        self.server.drain()
        self.wires[0].send(arp(CLIENT, "10.9.0.7"))
        wait_until(lambda: self.drops("w0", "ip_lock") >= 1, 5, "drop ip_lock")

    def test_it_moves_to_whom_it_is_granted_next(self):
        self.server.send(ack(CLIENT, "10.9.0.7", 3600))
        self.wait_leases("w0", "10.9.0.7")
        self.server.send(ack(OTHER, "10.9.0.7", 3600))
        self.wait_leases("w1", "10.9.0.7")
        self.wait_leases("w0")

    def test_an_address_of_another_port_is_refused(self):
        self.switch("port", "set", "w1", "ips=10.9.0.7")
        self.server.send(ack(CLIENT, "10.9.0.7", 3600))
        wait_until(lambda: self.switch.rows("events", "type=lease-refused"), 10, "an event")
        self.says(self.switch.rows("events")[-1]["text"], "w0", "10.9.0.7", "w1")
        self.assertEqual(self.leases("w0"), {})

    def test_dhcpv6(self):
        self.server.send(reply6(CLIENT, "2001:db8:9::7", 3600))
        self.wait_leases("w0", "2001:db8:9::7")
        self.server.send(reply6(CLIENT, "2001:db8:9::7", 0))
        self.wait_leases("w0")

    def test_no_more_than_sixteen(self):
        for number in range(20):
            self.server.send(ack(CLIENT, f"10.9.1.{number}", 0xFFFFFFFF))
            # The control thread looks at 20 answers in 100 ms only.
            if number < 16:
                wait_until(lambda: len(self.leases("w0")) == number + 1, 10, "one lease more")
        wait_until(lambda: self.switch.rows("events", "type=lease-refused"), 10, "an event")
        self.assertEqual(set(self.leases("w0").values()), {None})
        self.assertEqual(len(self.leases("w0")), 16)

    def test_the_next_daemon_knows_them(self):
        guests = Front(self.bench, self.switch, add=False)
        for name, path, mac in zip(("a", "b"), guests.paths, (FIRST, SECOND)):
            self.switch("port", "add", name, "vhost-user", "bridge=br0", f"path={path}",
                        f"mac={mac}", "ip_lock=dhcp", "profile=open")
        running = guests.begin("--rate", 500, "--seconds", 60)
        for name in ("a", "b"):
            self.switch.wait_link(name)
        self.server.send(ack(FIRST, "10.9.0.7", 3600))
        self.server.send(ack(SECOND, "10.9.0.8", 0xFFFFFFFF))
        self.wait_leases("a", "10.9.0.7")
        self.wait_leases("b", "10.9.0.8")
        self.switch.take_over()
        self.wait_leases("a", "10.9.0.7")
        self.assertLessEqual(self.leases("a")["10.9.0.7"], 3600)
        self.assertEqual(self.leases("b"), {"10.9.0.8": None})
        running.kill()

    def test_it_needs_a_mac(self):
        self.says(self.switch.refused("port", "set", "w2", "ip_lock=dhcp"), "mac=")


@requires_root
class RealServers(Leases, TestCase):
    """dnsmasq, and udhcpd where it has no business; udhcpc asks."""

    def set_up(self):
        requires(shutil.which("dnsmasq"), "needs dnsmasq (apt-get install dnsmasq-base)")
        requires(shutil.which("busybox"), "needs busybox (apt-get install busybox)")
        self.switch = self.bench.switch()
        self.switch("bridge", "add", "br0")
        self.host("client", f"mac={CLIENT}", "ip_lock=dhcp", "profile=tenant")
        self.host("server")
        self.host("rogue", "dhcp_guard=yes")

    def host(self, name, *keys):
        """A network namespace on a port of its own."""
        run("ip", "netns", "add", name)
        self.bench.cleanup.add(run, "ip", "netns", "del", name)
        mac = ("address", CLIENT) if name == "client" else ()
        run("ip", "link", "add", name, "type", "veth", "peer", "name", "eth0", *mac, "netns", name)
        run("ip", "link", "set", name, "up")
        self.at(name, "ethtool", "-K", "eth0", "tx", "off")
        self.at(name, "sysctl", "-qw", "net.ipv6.conf.eth0.disable_ipv6=1")
        self.at(name, "ip", "link", "set", "eth0", "up")
        self.switch("port", "add", name, "afpacket", "bridge=br0", f"dev={name}", *keys)
        self.switch.wait_link(name)

    @staticmethod
    def at(name, *command, **options):
        return run("ip", "netns", "exec", name, *command, **options)

    def start(self, name, *command):
        process = Process(["ip", "netns", "exec", name, *command], f"{self.bench.folder}/{name}.log")
        self.bench.cleanup.add(process.stop)

    def start_servers(self):
        folder = self.bench.folder
        self.at("server", "ip", "addr", "add", "10.9.0.1/24", "dev", "eth0")
        self.start("server", "dnsmasq", "--no-daemon", "--conf-file=/dev/null", "--user=root",
                   "--port=0", "--leasefile-ro", "--interface=eth0", "--bind-interfaces",
                   "--dhcp-authoritative", "--dhcp-range=10.9.0.100,10.9.0.120,2m")
        self.at("rogue", "ip", "addr", "add", "10.66.0.1/24", "dev", "eth0")
        with open(f"{folder}/udhcpd.conf", "w") as file:
            file.write(f"start 10.66.0.100\nend 10.66.0.120\ninterface eth0\n"
                       f"lease_file {folder}/udhcpd.leases\npidfile {folder}/udhcpd.pid\n")
        with open(f"{folder}/udhcpd.leases", "w"):
            pass
        self.start("rogue", "busybox", "udhcpd", "-f", f"{folder}/udhcpd.conf")

    def ping(self, source):
        return self.at("client", "busybox", "ping", "-c", "1", "-W", "2", "-I", source, "10.9.0.1",
                       check=False).returncode == 0

    def test_a_client_gets_its_address_from_the_right_server(self):
        self.at("client", "ip", "addr", "add", "10.9.0.77/24", "dev", "eth0")
        self.start_servers()
        self.assertFalse(self.ping("10.9.0.77"))
        self.assertGreater(self.drops("client", "ip_lock"), 0)
        script = f"{self.bench.folder}/udhcpc.sh"
        with open(script, "w") as file:
            file.write(UDHCPC_SCRIPT)
        run("chmod", "+x", script)
        self.at("client", "busybox", "udhcpc", "-i", "eth0", "-f", "-q", "-n", "-t", "20", "-T",
                "1", "-s", script)
        wait_until(lambda: self.leases("client"), 10, "a lease")
        (address, seconds), = self.leases("client").items()
        self.assertTrue(address.startswith("10.9.0.1"), address)
        self.assertLessEqual(seconds, 120)
        wait_until(lambda: self.ping(address), 20, f"ping from {address}")
        self.assertFalse(self.ping("10.9.0.77"))
        wait_until(lambda: self.drops("rogue", "dhcp_guard") > 0, 10, "drop dhcp_guard")
