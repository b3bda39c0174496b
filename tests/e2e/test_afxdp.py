# SPDX-License-Identifier: BSD-3-Clause
"""An interface shared with the host by XDP: which frames go where, and what remains of it."""

import contextlib
import json
import os
import pathlib
import shutil
import socket
import struct
import time

from harness import pcap
from harness.case import TestCase, requires, requires_root
from harness.process import Failed, run
from harness.switch import Switch
from harness.wait import wait_until
from harness.wire import ETH_P_ALL, TEST_PROTOCOL, frame

BPFFS = pathlib.Path("/sys/fs/bpf")
NIC = "nic"
VM, OTHER_VM, OUTSIDE, STRANGER = (f"02:00:00:00:01:0{number}" for number in range(1, 5))
BROADCAST = "ff:ff:ff:ff:ff:ff"
IPV6_GROUP = "33:33:00:00:00:01"
KILLS = 20
FLAPS = 1000

requires_namespaces = requires(os.environ.get("PATCHBAY_ISOLATED") == "yes",
                               "no namespaces: mounts and interfaces are not our own")


class Host:
    """What the kernel receives on an interface: frames of the tests, read behind XDP."""

    def __init__(self, interface):
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
        self.socket.bind((interface, 0))

    def receive(self, seconds=2):
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            self.socket.settimeout(left)
            try:
                data, address = self.socket.recvfrom(65600)
            except TimeoutError:
                break
            if address[2] != socket.PACKET_OUTGOING:
                return data
        return None

    def silent(self, seconds=0.3):
        return self.receive(seconds) is None

    def close(self):
        self.socket.close()


def link(name):
    return json.loads(run("ip", "-j", "-d", "link", "show", name).stdout)[0]


SOL_PACKET, PACKET_AUXDATA = 263, 8
VLAN_VALID = 1 << 4


class Tagged(Host):
    """The same with the tag that the kernel took out of a frame."""

    def __init__(self, interface):
        super().__init__(interface)
        self.socket.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)

    def receive(self, seconds=2):
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            self.socket.settimeout(left)
            try:
                data, extra, _, address = self.socket.recvmsg(65600, 256)
            except TimeoutError:
                break
            if address[2] == socket.PACKET_OUTGOING:
                continue
            status, _, _, _, _, tci, kind = struct.unpack("=IIIHHHH", extra[0][2])
            tag = struct.pack("!HH", kind, tci) if status & VLAN_VALID else b""
            return data[:12] + tag + data[12:]
        return None


def has_program(name):
    return "xdp" in link(name)


def mac_of(name):
    return link(name)["address"]


def left_in_bpffs():
    return sorted(path.name for path in BPFFS.iterdir() if not path.name.endswith(".debug"))


class Case(TestCase):
    """Interface `nic` of the host, its far end in the test's hand; a VM's place on wire w0."""

    MTU = 1500
    KEYS = ()

    @classmethod
    def setUpClass(cls):
        run("mount", "-t", "bpf", "bpf", BPFFS)
        cls.addClassCleanup(run, "umount", BPFFS)
        super().setUpClass()

    def set_up(self):
        self.outside = self.cable(self.bench)
        self.host = Host(NIC)
        self.bench.cleanup.add(self.host.close)
        self.vm = self.bench.wire("w0", mtu=self.MTU)
        self.switch = self.bench.switch()
        self.build(self.switch)

    def cable(self, bench):
        wire = bench.wire(NIC, mtu=self.MTU)
        run("ethtool", "-K", wire.far, "tx", "off", "txvlan", "off")
        return wire

    def build(self, switch, *keys):
        switch("bridge", "add", "br0")
        switch("port", "add", "vm", "afpacket", "bridge=br0", "dev=w0", f"mac={VM}")
        switch("port", "add", "up", "afxdp", "bridge=br0", f"dev={NIC}", *self.KEYS, *keys)

    def xdp(self, name="up"):
        return self.switch.port(name)["xdp"]

    def send(self, destination, payload=b"", source=OUTSIDE, **options):
        data = frame(destination, source, payload, **options)
        self.outside.send(data)
        return data


@requires_root
@requires_namespaces
class Sharing(Case):
    def test_each_frame_goes_where_it_belongs(self):
        data = self.send(VM, b"for the vm")
        self.assertEqual(self.vm.receive(), data)
        self.assertTrue(self.host.silent())

        data = self.send(mac_of(NIC), b"for the host")
        self.assertEqual(self.host.receive(), data)
        data = self.send(STRANGER, b"for nobody here")
        self.assertEqual(self.host.receive(), data)
        self.assertTrue(self.vm.silent())

        self.vm.send(frame(OUTSIDE, VM, b"from the vm"))
        self.assertIn(b"from the vm", self.outside.receive())
        counters = self.xdp()
        self.assertEqual((counters["taken_packets"], counters["host_packets"]), (1, 2))

    def test_group_frames_reach_both(self):
        for destination in (BROADCAST, IPV6_GROUP):
            for size in (0, 60, 250, 300, 1480):
                data = self.send(destination, b"g" * size)
                self.assertEqual(self.vm.receive(), data)
                self.assertEqual(self.host.receive(), data)
        far = Tagged(self.vm.far)
        self.addCleanup(far.close)
        for size in (0, 238, 240, 1400):
            data = self.send(BROADCAST, b"t" * size, vlan=42)
            self.assertEqual(far.receive(), data, "the tag must be put back")
        self.assertEqual(self.xdp()["group_packets"], 14)

    def test_all_lengths_both_ways(self):
        for size in (60, 61, 127, 128, 129, 255, 256, 257, 1000, 1513, 1514):
            data = frame(VM, OUTSIDE, os.urandom(size - 14))[:size]
            self.outside.send(data)
            self.assertEqual(self.vm.receive(), data)
            data = frame(OUTSIDE, VM, os.urandom(size - 14))[:size]
            self.vm.send(data)
            self.assertEqual(self.outside.receive(), data)

    def test_bursts_lose_nothing(self):
        count = 0
        for burst in range(20):
            for number in range(100):
                self.send(VM, struct.pack("!I", burst * 100 + number))
            for number in range(100):
                data = self.vm.receive()
                self.assertIsNotNone(data, self.xdp())
                self.assertEqual(struct.unpack_from("!I", data, 14)[0], burst * 100 + number)
                count += 1
        for burst in range(20):
            for number in range(100):
                self.vm.send(frame(OUTSIDE, VM, struct.pack("!I", burst * 100 + number)))
            for number in range(100):
                data = self.outside.receive()
                self.assertIsNotNone(data, self.switch.counters("up"))
                self.assertEqual(struct.unpack_from("!I", data, 14)[0], burst * 100 + number)
                count += 1
        self.assertEqual(count, 4000)
        self.assertEqual(self.switch.counters("up")["drops"], {})

    def test_addresses_follow_the_table(self):
        """Learnt: the switch's; flushed: the host's; moved outside: the host's."""
        self.send(OTHER_VM)
        self.assertIsNotNone(self.host.receive())
        self.vm.send(frame(OUTSIDE, OTHER_VM, b"here I am"))
        wait_until(lambda: self.xdp()["addresses"] == 2, 5, "second address")
        self.outside.drain()
        self.send(OTHER_VM, b"learnt")
        self.assertIn(b"learnt", self.vm.receive())
        self.switch("fdb", "flush", "br0")
        wait_until(lambda: self.xdp()["addresses"] == 1, 5, "end of the address")
        self.send(OTHER_VM, b"forgotten")
        self.assertIn(b"forgotten", self.host.receive())
        self.switch("fdb", "add", "br0", OTHER_VM, "port=vm")
        wait_until(lambda: self.xdp()["addresses"] == 2, 5, "static address")
        self.send(OTHER_VM, b"static")
        self.assertIn(b"static", self.vm.receive())
        self.switch("fdb", "del", "br0", OTHER_VM)
        wait_until(lambda: self.xdp()["addresses"] == 1, 5, "end of the static address")

    def test_a_vm_cannot_take_the_hosts_address(self):
        own = mac_of(NIC)
        self.vm.send(frame(OUTSIDE, own, b"I am the host"))
        self.outside.receive()
        self.switch("fdb", "add", "br0", own, "port=vm")
        self.send(own, b"still mine")
        self.assertIn(b"still mine", self.host.receive())
        self.assertTrue(self.vm.silent())
        # The host may change its address.
        run("ip", "link", "set", NIC, "address", "02:00:00:00:09:09")
        self.switch("fdb", "add", "br0", "02:00:00:00:09:09", "port=vm")
        wait_until(lambda: self.switch.port("up")["mac"] == "02:00:00:00:09:09", 5, "new address")
        self.send("02:00:00:00:09:09", b"mine as well")
        self.assertIn(b"mine as well", self.host.receive())

    def test_chosen_vlans_are_the_switchs(self):
        self.send(STRANGER, b"before", vlan=7)
        self.assertIsNotNone(self.host.receive())
        self.switch("port", "set", "up", "vlans=7,100-200")
        far = Tagged(self.vm.far)
        self.addCleanup(far.close)
        for destination in (STRANGER, BROADCAST, mac_of(NIC)):
            data = self.send(destination, b"chosen", vlan=7)
            self.assertEqual(far.receive(), data)
        self.assertTrue(self.host.silent())
        self.send(STRANGER, b"another", vlan=8)
        self.assertIn(b"another", self.host.receive())
        self.switch("port", "set", "up", "vlans=")
        self.send(STRANGER, b"after", vlan=7)
        self.assertIsNotNone(self.host.receive())
        self.says(self.switch.refused("port", "set", "up", "vlans=0"), "untagged", "1..4094")

    def test_checksums_of_broadcasts_are_completed(self):
        """From a sender on this host that leaves them to a card: the kernel says so."""
        far = self.outside.far
        run("ethtool", "-K", far, "tx", "on")
        run("ip", "addr", "add", "198.51.100.1/24", "brd", "+", "dev", far)
        sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.addCleanup(sender.close)
        sender.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        sender.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, far.encode())
        sender.bind(("198.51.100.1", 4000))
        sink = self.bench.folder / "sink.pcap"  # a file takes no unfinished checksums
        self.switch("port", "add", "sink", "pcap", "bridge=br0", f"write={sink}")
        sizes = (1, 100, 1001)
        for size in sizes:
            sender.sendto(b"c" * size, ("198.51.100.255", 4001))
        wait_until(lambda: self.switch.counters("sink")["tx_csum"] == len(sizes), 5, "datagrams")
        self.switch("port", "del", "sink")
        packets = [data for data in pcap.read(sink) if data[12:14] == b"\x08\0"]
        self.assertEqual(len(packets), len(sizes))
        for size, packet in zip(sizes, packets):
            datagram = packet[34:34 + 8 + size]
            self.assertEqual(datagram[8:], b"c" * size)
            pseudo = packet[26:34] + struct.pack("!BBH", 0, 17, len(datagram))
            words = (pseudo + datagram + b"\0" * (len(datagram) % 2))
            total = sum(struct.unpack(f"!{len(words) // 2}H", words))
            while total >> 16:
                total = (total & 0xffff) + (total >> 16)
            self.assertEqual(total, 0xffff, f"checksum of {size} bytes")

    def test_long_and_short_frames(self):
        run("ip", "link", "set", NIC, "mtu", 1400)
        wait_until(lambda: self.switch.port("up")["mtu"] == 1400, 5, "mtu")
        self.vm.send(frame(OUTSIDE, VM, b"x" * 1500))
        wait_until(lambda: self.switch.counters("up")["drops"].get("mtu") == 1, 5, "drop")
        self.vm.send(frame(OUTSIDE, VM, b"y" * 1400))
        self.assertEqual(len(self.outside.receive()), 1414)

    def test_idle_costs_nothing(self):
        self.send(VM)
        self.vm.receive()
        self.switch("port", "del", "vm")  # this one has no wake-ups
        shares = [self.switch.cpu_share(0.5) for _ in range(6)]
        self.assertLess(min(shares), 0.02, shares)

    def test_port_del_leaves_nothing(self):
        self.assertTrue(has_program(NIC))
        self.switch("port", "del", "up")
        self.assertFalse(has_program(NIC))
        self.assertEqual(left_in_bpffs(), [])
        self.assertEqual(link(NIC).get("promiscuity", 0), 0)
        self.assertEqual(link(NIC).get("allmulti", 0), 0)
        self.send(VM, b"the host's again")
        self.assertIn(b"the host's again", self.host.receive())

    def test_the_end_of_the_daemon_leaves_nothing(self):
        self.assertEqual(self.switch.stop()[0], 0)
        self.assertFalse(has_program(NIC))
        self.assertEqual(left_in_bpffs(), [])

    def test_vlan_offload_is_restored(self):
        def rxvlan():
            return "rx-vlan-offload: on" in run("ethtool", "-k", NIC).stdout
        self.assertFalse(rxvlan())
        self.switch.kill()
        self.switch.start()
        self.build(self.switch)
        self.assertFalse(rxvlan())
        self.switch("port", "del", "up")
        self.assertTrue(rxvlan())


@requires_root
@requires_namespaces
class Generic(Case):
    KEYS = ("xdp_mode=generic",)

    def test_each_frame_goes_where_it_belongs(self):
        run("ethtool", "-K", NIC, "gro", "off")
        self.assertEqual(self.xdp()["mode"], "generic")
        for number in range(100):
            data = self.send(VM, struct.pack("!I", number) + b"x" * (number * 14))
            self.assertEqual(self.vm.receive(), data)
        data = self.send(mac_of(NIC), b"for the host")
        self.assertEqual(self.host.receive(), data)
        data = self.send(BROADCAST, b"for both")
        self.assertEqual(self.host.receive(), data)
        self.assertEqual(self.vm.receive(), data)
        self.vm.send(frame(OUTSIDE, VM, b"from the vm"))
        self.assertIn(b"from the vm", self.outside.receive())
        self.switch("port", "del", "up")
        self.assertFalse(has_program(NIC))

    def test_joined_frames_are_warned_of(self):
        self.switch("port", "del", "up")
        run("ethtool", "-K", NIC, "gro", "on")
        self.switch("port", "add", "up", "afxdp", "bridge=br0", f"dev={NIC}", *self.KEYS)
        self.says(self.switch.log.read_text(), f"ethtool -K {NIC} gro off")


@requires_root
@requires_namespaces
class Crash(Case):
    def test_frames_without_a_daemon(self):
        for policy in ("drop", "pass"):
            with self.subTest(unattended=policy):
                self.switch("port", "set", "up", f"unattended={policy}")
                self.switch.kill()
                self.assertTrue(has_program(NIC))
                self.send(VM, b"nobody there")
                got = self.host.receive(0.5)
                self.assertEqual(got is not None, policy == "pass")
                self.send(mac_of(NIC), b"the host is")
                self.assertIn(b"the host is", self.host.receive())
                before = link(NIC)["xdp"]["prog"]["id"]
                self.switch.start()
                self.build(self.switch, f"unattended={policy}")
                self.assertTrue(self.xdp()["taken_over"])
                self.assertEqual(link(NIC)["xdp"]["prog"]["id"], before)
                self.assertEqual(self.xdp()["unattended_packets"], 1 + (policy == "pass"))
                data = self.send(VM, b"and again")
                self.assertEqual(self.vm.receive(), data)
        self.switch("port", "del", "up")
        self.assertFalse(has_program(NIC))
        self.assertEqual(left_in_bpffs(), [])

    def test_learnt_addresses_outlive_the_daemon(self):
        """A guest that is silent after the restart is still reached."""
        self.vm.send(frame(OUTSIDE, OTHER_VM, b"here I am"))
        wait_until(lambda: self.xdp()["addresses"] == 2, 5, "second address")
        self.switch.kill()
        self.switch.start()
        self.build(self.switch)
        self.assertEqual(self.xdp()["addresses"], 1)
        self.send(OTHER_VM, b"silent since")
        self.assertIn(b"silent since", self.vm.receive())
        self.assertTrue(self.host.silent())

    def test_another_daemon_takes_the_place(self):
        before = link(NIC)["xdp"]["prog"]["id"]
        own = mac_of(NIC)
        self.switch.take_over()
        wait_until(lambda: self.switch.port("up")["link"] == "up", 5, "link")
        self.assertTrue(self.xdp()["taken_over"])
        self.assertEqual(link(NIC)["xdp"]["prog"]["id"], before)
        data = self.send(VM, b"to the new daemon")
        self.assertEqual(self.vm.receive(), data)
        data = self.send(own, b"to the host")
        self.assertEqual(self.host.receive(), data)
        self.switch("port", "del", "up")
        self.assertFalse(has_program(NIC))
        self.assertEqual(left_in_bpffs(), [])

    def test_program_of_another_build_is_replaced(self):
        before = link(NIC)["xdp"]["prog"]["id"]
        self.switch.kill()
        program = json.loads(run("bpftool", "-j", "prog", "show", "id", before).stdout)
        for number in program["map_ids"]:
            shown = json.loads(run("bpftool", "-j", "map", "show", "id", number).stdout)
            if shown["name"] == "settings":
                value = ["0"] * shown["bytes_value"]
                run("bpftool", "map", "update", "id", number, "key", *"0000", "value", *value)
        self.switch.start()
        self.build(self.switch)
        self.assertFalse(self.xdp()["taken_over"])
        self.assertNotEqual(link(NIC)["xdp"]["prog"]["id"], before)
        data = self.send(VM, b"by the new one")
        self.assertEqual(self.vm.receive(), data)
        self.switch("port", "del", "up")
        self.assertFalse(has_program(NIC))

    def test_host_loses_nothing_over_kills(self):
        """Numbered frames from outside to the host, while the daemon is killed and started."""
        own = mac_of(NIC)
        sent, begin = 0, time.monotonic()
        numbers = set()
        lag = 0

        def exchange():
            nonlocal sent
            for _ in range(50):
                self.send(own, struct.pack("!I", sent))
                self.send(VM, b"load")
                sent += 1
            for _ in range(50):
                data = self.host.receive(1)
                if data is None:
                    break
                if data[12:14] == struct.pack("!H", TEST_PROTOCOL) and data[:6] == bytes.fromhex(
                        own.replace(":", "")):
                    numbers.add(struct.unpack_from("!I", data, 14)[0])

        for number in range(KILLS):
            exchange()
            self.switch.kill()
            exchange()
            self.switch.spawn()
            while not self.ready():
                exchange()
            self.build(self.switch)
            exchange()
            self.assertTrue(self.xdp()["taken_over"], f"start {number}")
        while (data := self.host.receive(0.5)) is not None:
            numbers.add(struct.unpack_from("!I", data, 14)[0])
        self.assertEqual(sent - len(numbers), 0, f"lost of {sent} frames")
        self.assertGreater(sent, 100 * KILLS)

    def ready(self):
        try:
            self.switch.wait_ready(0.01)
            return True
        except Failed:
            return False

    def test_second_daemon_is_refused(self):
        folder = self.bench.folder / "second"
        folder.mkdir()
        second = Switch(folder)
        self.bench.cleanup.add(second.kill)
        second.start()
        second("bridge", "add", "br0")
        self.says(second.refused("port", "add", "up", "afxdp", "bridge=br0", f"dev={NIC}"),
                  "another process", NIC)
        data = self.send(VM, b"undisturbed")
        self.assertEqual(self.vm.receive(), data)


@requires_root
@requires_namespaces
class Coming(Case):
    def descriptors(self):
        """Those of a daemon that has seen the end of the last command's connection."""
        self.switch("daemon", "ping")
        return min(self.switch.descriptors() for _ in range(100))

    def test_interface_vanishes_and_comes_back(self):
        descriptors = self.descriptors()
        for _ in range(3):
            self.host.close()
            self.outside.close()
            self.switch.wait_link("up", "down")
            self.says(self.switch.port("up")["reason"], NIC, "gone")
            self.assertIn("port-down", [row["type"] for row in self.switch.rows("events")])
            self.vm.send(frame(OUTSIDE, VM, b"nowhere"))
            self.outside = self.cable(self.bench)
            self.host = Host(NIC)
            self.bench.cleanup.add(self.host.close)
            self.switch.wait_link("up")
            data = self.send(VM, b"back")
            self.assertEqual(self.vm.receive(), data)
            self.vm.send(frame(OUTSIDE, VM, b"out"))
            self.assertIn(b"out", self.outside.receive())
        wait_until(lambda: self.switch.descriptors() <= descriptors, 5,
                   lambda: f"end of descriptors: {self.switch.descriptors()} > {descriptors}")
        self.switch("port", "del", "up")
        self.assertFalse(has_program(NIC))
        self.assertEqual(left_in_bpffs(), [])

    def test_other_interface_in_its_place(self):
        """Deleted and made again faster than anybody looks."""
        self.host.close()
        self.outside.close()
        self.outside = self.cable(self.bench)
        wait_until(lambda: has_program(NIC), 5, "program on the new interface")
        self.switch.wait_link("up")
        data = self.send(VM, b"as before")
        self.assertEqual(self.vm.receive(), data)

    def test_link_flaps(self):
        descriptors = self.descriptors()
        batch = self.bench.folder / "flaps"
        batch.write_text(f"link set {NIC}x down\nlink set {NIC}x up\n" * (FLAPS // 10))
        run("ip", "-batch", batch)
        self.switch.wait_link("up")
        rss = self.switch.rss()
        for _ in range(9):
            run("ip", "-batch", batch)
        self.switch.wait_link("up")
        wait_until(lambda: self.switch.descriptors() <= descriptors, 5,
                   lambda: f"end of descriptors: {self.switch.descriptors()} > {descriptors}")
        self.assertLess(self.switch.rss() - rss, 1 << 20)
        with contextlib.suppress(OSError):  # our own socket remembers that the link was down
            self.send(STRANGER)
        data = self.send(VM, b"after all")
        self.assertEqual(self.vm.receive(), data)

    def test_link_is_shown(self):
        run("ip", "link", "set", f"{NIC}x", "down")
        self.switch.wait_link("up", "down")
        self.says(self.switch.port("up")["reason"], "no link")
        self.vm.send(frame(OUTSIDE, VM, b"nowhere"))
        wait_until(lambda: self.switch.counters("up")["drops"].get("port_down"), 5, "drop")
        run("ip", "link", "set", f"{NIC}x", "up")
        self.switch.wait_link("up")


@requires_root
@requires_namespaces
class Queues(Case):
    """Two receive queues: a socket each, spread over the workers."""

    def cable(self, bench):
        wire = bench.wire(NIC, queues=2)
        run("ethtool", "-K", wire.far, "tx", "off", "txvlan", "off")
        return wire

    def set_up(self):
        self.outside = self.cable(self.bench)
        self.vm = self.bench.wire("w0")
        self.cpus = sorted(os.sched_getaffinity(0))[:2]
        self.switch = self.bench.switch("--workers", ",".join(map(str, self.cpus)))
        self.build(self.switch)

    def flow(self, number):
        """A UDP packet whose ports choose the queue."""
        payload = struct.pack("!I", number)
        udp = struct.pack("!HHHH", 1024 + number, 7, 8 + len(payload), 0) + payload
        address = struct.pack("!BBBB", 192, 0, 2, 1)
        ip = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0) + 2 * address
        total = sum(struct.unpack("!10H", ip))
        total = (total & 0xffff) + (total >> 16)
        ip = ip[:10] + struct.pack("!H", 0xffff - total) + ip[12:]
        return frame(VM, OUTSIDE, ip + udp, protocol=0x0800)

    def test_frames_of_all_queues_arrive(self):
        self.assertEqual(self.xdp()["sockets"], 2)
        self.assertEqual(set(self.switch.port("up")["workers"][:2]), set(range(len(self.cpus))))
        want = [self.flow(number) for number in range(100)]
        for data in want:
            self.outside.send(data)
        have = [self.vm.receive() for _ in want]
        self.assertEqual(sorted(want), sorted(filter(None, have)))
        for data in want:
            self.vm.send(data.replace(data[:12], data[6:12] + data[:6], 1))
        self.assertEqual(len([1 for _ in want if self.outside.receive()]), len(want))

    def test_queue_moves_between_workers(self):
        if len(self.cpus) < 2:
            self.skipTest("one CPU: there is no other worker")
        stream = self.bench.stream(self.outside, self.vm)
        for worker in (0, 1, 0, 1, 0):
            for queue in (0, 1, 2):
                self.switch("worker", "set", worker, "port=up", f"queue={queue}")
        self.assert_no_loss(stream)

    def test_more_queues_than_a_port_takes(self):
        wire = self.bench.wire("many", queues=16)
        self.says(self.switch.refused("port", "add", "m", "afxdp", f"dev={wire.name}"), "16", "15",
                  "ethtool -L many")


@requires_root
@requires_namespaces
class Jumbo(Case):
    """MTU 9000: a frame takes several descriptors, from Linux 6.6 on."""

    MTU = 9000

    def build(self, switch):
        switch("bridge", "add", "br0")
        for name, dev in (("vm", "w0"), ("up", NIC)):
            switch("port", "add", name, "afxdp", "bridge=br0", f"dev={dev}")
        switch("fdb", "add", "br0", VM, "port=vm")
        switch("fdb", "add", "br0", OUTSIDE, "port=up")

    def test_long_frames(self):
        self.assertTrue(self.xdp()["pieces"])
        for size in (60, 1514, 3800, 3840, 3841, 4096, 4097, 8192, 8193, 9014):
            data = frame(VM, OUTSIDE, os.urandom(size - 14))[:size]
            self.outside.send(data)
            self.assertEqual(self.vm.receive(), data, f"{size} bytes in")
            data = frame(OUTSIDE, VM, os.urandom(size - 14))[:size]
            self.vm.send(data)
            self.assertEqual(self.outside.receive(), data, f"{size} bytes out")
        data = self.send(BROADCAST, os.urandom(8900))
        self.assertEqual(self.vm.receive(), data)

    def test_mtu_changes_while_frames_flow(self):
        for mtu in (1500, 3000, 9000, 1500):
            for name in (NIC, f"{NIC}x"):
                run("ip", "link", "set", name, "mtu", mtu)
            wait_until(lambda m=mtu: self.switch.port("up").get("mtu") == m, 5, f"MTU {mtu}")
            self.switch.wait_link("up")
            data = self.send(VM, os.urandom(mtu - 4))
            self.assertEqual(self.vm.receive(), data, f"MTU {mtu}")
            data = frame(OUTSIDE, VM, os.urandom(mtu - 4))
            self.vm.send(data)
            self.assertEqual(self.outside.receive(), data, f"MTU {mtu}")
        self.switch("port", "del", "up")
        self.assertFalse(has_program(NIC))


OTHER_PROGRAM = """
int other(void *context) __attribute__((section("xdp"), used));
int other(void *context) { return 2; }
char text[] __attribute__((section("license"), used)) = "GPL";
"""


@requires_root
@requires_namespaces
class Refusals(Case):
    def set_up(self):
        self.outside = self.cable(self.bench)
        self.switch = None

    def refusal(self, **options):
        """What a daemon says to the port; nothing may be left of it."""
        switch = self.bench.switch(**options)
        switch("bridge", "add", "br0")
        text = switch.refused("port", "add", "up", "afxdp", "bridge=br0", f"dev={NIC}")
        self.assertEqual(switch.rows("port", "show"), [])
        switch.kill()
        return text

    def test_no_interface(self):
        switch = self.bench.switch()
        self.says(switch.refused("port", "add", "up", "afxdp", "dev=missing"), "missing",
                  "does not exist", "ip link")

    def test_no_bpf_file_system(self):
        run("umount", BPFFS)
        try:
            self.says(self.refusal(), "/sys/fs/bpf", "mount -t bpf")
        finally:
            run("mount", "-t", "bpf", "bpf", BPFFS)
        self.assertFalse(has_program(NIC))

    @requires(shutil.which("setpriv"), "setpriv is missing")
    def test_missing_capabilities(self):
        for name in ("net_raw", "net_admin", "sys_admin"):
            with self.subTest(capability=name):
                bounding = f"-{name},-bpf" if name == "sys_admin" else f"-{name}"
                text = self.refusal(prefix=["setpriv", "--bounding-set", bounding])
                self.says(text, f"cap_{name}")
                self.assertFalse(has_program(NIC))

    def test_limit_of_locked_memory(self):
        text = self.refusal(prefix=[
            "setpriv", "--bounding-set", "-ipc_lock,-sys_resource", "prlimit",
            "--memlock=65536:65536"])
        self.says(text, "locked memory", "ulimit -l", "LimitMEMLOCK")
        self.assertFalse(has_program(NIC))

    def test_another_program_in_the_way(self):
        source = self.bench.folder / "other.c"
        source.write_text(OTHER_PROGRAM)
        run("clang-14", "-O2", "-target", "bpf", "-c", source, "-o", source.with_suffix(".o"))
        run("ip", "link", "set", NIC, "xdp", "obj", source.with_suffix(".o"), "sec", "xdp")
        before = link(NIC)["xdp"]["prog"]["id"]
        self.says(self.refusal(), "another XDP program", "other", f"ip link set dev {NIC} xdp off")
        self.assertEqual(link(NIC)["xdp"]["prog"]["id"], before)
        run("ip", "link", "set", NIC, "xdp", "off")
