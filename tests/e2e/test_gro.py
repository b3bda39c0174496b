# SPDX-License-Identifier: BSD-3-Clause
"""Segments from outside reach a receiver as large frames: its kernel is the judge."""

from harness.case import TestCase, requires_root
from harness.netns import Netns
from harness.process import run

SIZE = 16 << 20


@requires_root
class Gro(TestCase):
    """Namespace "outside" at the other end of eth1; namespace "inside" is a container on the bridge."""

    MTU = 1500

    @classmethod
    def setUpClass(cls):
        run("mount", "-t", "bpf", "bpf", "/sys/fs/bpf")
        cls.addClassCleanup(run, "umount", "/sys/fs/bpf")
        super().setUpClass()

    def set_up(self):
        self.outside, self.inside = Netns(self.bench, "outside"), Netns(self.bench, "inside")
        run("ip", "link", "add", "eth1", "mtu", self.MTU, "type", "veth", "peer", "name", "eth0",
            "mtu", self.MTU, "netns", "outside")
        self.bench.cleanup.add(lambda: run("ip", "link", "del", "eth1", check=False))
        run("ip", "link", "set", "eth1", "up")
        for words in (("ip", "addr", "add", "10.0.0.1/24", "dev", "eth0"),
                      ("ip", "addr", "add", "fd00::1/64", "dev", "eth0", "nodad"),
                      # What leaves is complete and no longer than the MTU, as on a wire.
                      ("ethtool", "-K", "eth0", "tx", "off", "tso", "off", "gso", "off",
                       "txvlan", "off"),
                      ("ip", "link", "set", "eth0", "up")):
            self.outside(*words)
        self.switch = self.bench.switch()
        self.switch("bridge", "add", "br0")
        self.switch("port", "add", "uplink", "afxdp", "bridge=br0", "dev=eth1", "gro=yes")
        self.switch("port", "add", "vm", "veth", "bridge=br0", "netns=inside", "dev=eth0",
                    "address=10.0.0.2/24,fd00::2/64", f"mtu={self.MTU}")
        self.switch.wait_link("vm")

    def bad_sums(self):
        """Segments that the receiver's kernel refused for their checksum."""
        lines = [line.split() for line in self.inside("cat", "/proc/net/snmp").splitlines()
                 if line.startswith(("Tcp:", "Ip:"))]
        ip, tcp = (dict(zip(lines[at], lines[at + 1])) for at in (0, 2))
        return int(tcp["InCsumErrors"]) + int(ip["InHdrErrors"])

    def receive_file(self, address):
        before = self.switch.counters("uplink")
        taker = self.inside.take(address, 5000)
        digest = self.outside.send(address, 5000, SIZE)
        self.assertEqual(taker.stdout.readline().strip(), digest)
        after = self.switch.counters("uplink")
        self.assertEqual(after["rx_packets"], after["rx_forwarded"] + after["rx_flooded"]
                         + sum(after["drops"].get(name, 0) for name in ("hairpin", "no_member")))
        return [after[name] - before[name] for name in ("rx_joined", "rx_packets")]

    def test_files_arrive_whole(self):
        for address in ("10.0.0.2", "fd00::2"):
            joined, frames = self.receive_file(address)
            self.assertGreater(joined, SIZE // self.MTU // 4)
            self.assertLess(frames, SIZE // self.MTU)
        self.assertEqual(self.bad_sums(), 0)
        self.switch("port", "set", "uplink", "gro=no")
        joined, frames = self.receive_file("10.0.0.2")
        self.assertEqual(joined, 0)
        self.assertGreaterEqual(frames, SIZE // self.MTU)

    def test_receiver_without_offloads(self):
        """What was joined is cut again for a port that takes no large frames."""
        wire = self.bench.wire("w0", mtu=self.MTU)
        end = Netns(self.bench, "end")
        run("ip", "link", "set", wire.far, "netns", "end")
        end("ip", "addr", "add", "10.0.0.3/24", "dev", wire.far)
        end("ethtool", "-K", wire.far, "tx", "off", "txvlan", "off")
        end("ip", "link", "set", wire.far, "up")
        self.switch("port", "add", "plain", "afxdp", "bridge=br0", f"dev={wire.name}")
        taker = end.take("10.0.0.3", 5000)
        digest = self.outside.send("10.0.0.3", 5000, SIZE)
        self.assertEqual(taker.stdout.readline().strip(), digest)
        self.assertGreater(self.switch.counters("uplink")["rx_joined"], 0)
        self.assertGreater(self.switch.counters("plain")["tx_segmented"], 0)


@requires_root
class GroJumbo(Gro):
    MTU = 3800
