# SPDX-License-Identifier: BSD-3-Clause
"""Ports to the outside that need no hardware: capture files, cards that are not there."""

import os
import pathlib
import random

from harness import pcap
from harness.case import TestCase
from harness.process import run
from harness.switch import CLIENT
from harness.wait import wait_until
from harness.wire import mac_bytes

SIZES = (14, 15, 59, 60, 61, 127, 128, 129, 255, 256, 257, 1514, 2047, 2048, 2049, 9018, 16110)
CARD = "0000:7f:1f.7"


class Pcap(TestCase):
    def test_replay_comes_out_byte_equal(self):
        """Frames of every length, with and without tags, through the switch into another file."""
        source, sink = self.bench.folder / "in.pcap", self.bench.folder / "out.pcap"
        generator = random.Random(5)
        header = mac_bytes("02:00:00:00:00:02") + mac_bytes("02:00:00:00:00:01")
        frames = []
        for number in range(1000):
            size = SIZES[number % len(SIZES)]
            kind = b"\x88\xb5" if number % 3 or size < 18 else b"\x81\x00\x00\x07\x88\xb5"
            frames.append((header + kind + generator.randbytes(size))[:size])
        pcap.write(source, frames)
        switch = self.bench.switch()
        switch("bridge", "add", "br0")
        switch("port", "add", "sink", "pcap", "bridge=br0", f"write={sink}")
        switch("port", "add", "source", "pcap", "bridge=br0", f"file={source}")
        wait_until(lambda: switch.counters("source")["rx_packets"] == len(frames), 20,
                   "end of the replay")
        switch("port", "del", "sink")
        self.assertEqual(pcap.read(sink), frames)
        self.assertEqual(switch.counters("source")["drops"], {})

    def test_files_are_needed(self):
        switch = self.bench.switch()
        self.says(switch.refused("port", "add", "p", "pcap"), "file=", "write=")
        self.says(switch.refused("port", "add", "p", "pcap", "file=/nonexistent"),
                  "/nonexistent", "no such file")
        self.says(switch.refused("port", "add", "p", "pcap", "write=/nonexistent/x"),
                  "/nonexistent/x", "no such file")
        self.assertEqual(switch.rows("port", "show"), [])


class Pci(TestCase):
    def test_wrong_addresses(self):
        switch = self.bench.switch()
        self.says(switch.refused("port", "add", "p", "pci", "pci=3:0.0"), "0000:03:00.0",
                  "nic list")
        self.says(switch.refused("port", "add", "p", "pci", f"pci={CARD}"), CARD, "nic list")
        self.assertEqual(switch.rows("port", "show"), [])

    def test_card_of_the_kernel_is_left_alone(self):
        """Whatever network card this machine has: its port is refused with the cure."""
        switch = self.bench.switch()
        for card in switch.rows("nic", "list"):
            if card["driver"] and card["driver"] != "vfio-pci":
                self.says(switch.refused("port", "add", "p", "pci", f"pci={card['pci']}"),
                          card["driver"], f"nic bind {card['pci']}")
                self.assertEqual(switch.rows("nic", "list")[0]["driver"], card["driver"])


class Nic(TestCase):
    """The command that hands cards over, on a sysfs that the test has made."""

    def set_up(self):
        self.sysfs = self.bench.folder / "sys"
        self.add("0000:03:00.0", 0x020000, "e1000e", 7, "lo")
        self.add("0000:04:00.0", 0x010802, "nvme", 8)
        (self.sysfs / "bus/pci/drivers/vfio-pci").mkdir(parents=True)

    def add(self, address, kind, driver, group, interface=None):
        device = self.sysfs / "bus/pci/devices" / address
        (device / "net").mkdir(parents=True)
        if interface:
            (device / "net" / interface).mkdir()
        (device / "class").write_text(f"{kind:#08x}\n")
        (device / "vendor").write_text("0x8086\n")
        (device / "device").write_text("0x10d3\n")
        (device / "driver").symlink_to(f"../../drivers/{driver}")
        (device / "iommu_group").symlink_to(f"../../../kernel/iommu_groups/{group}")
        (self.sysfs / f"kernel/iommu_groups/{group}/devices/{address}").mkdir(parents=True)

    def nic(self, *words):
        return run(CLIENT, "nic", *words, check=False,
                   env={**os.environ, "PATCHBAY_SYSFS": str(self.sysfs)})

    def files(self):
        return {str(path): path.read_text() if path.is_file() else None
                for path in pathlib.Path(self.sysfs).rglob("*")}

    def test_list(self):
        shown = self.nic("list").stdout
        self.assertIn("0000:03:00.0", shown)
        self.assertIn("8086:10d3", shown)
        self.assertIn("e1000e", shown)
        self.assertNotIn("0000:04:00.0", shown)

    def test_refusals_change_nothing(self):
        before = self.files()
        for words, says in ((["bind", "0000:04:00.0"], "not a network card"),
                            (["bind", "0000:05:00.0"], "no PCI device"),
                            (["bind", "nonsense"], "not a PCI address")):
            done = self.nic(*words)
            self.assertEqual(done.returncode, 1)
            self.says(done.stderr, says)
        self.assertEqual(self.nic("unbind", "0000:03:00.0").returncode, 0)
        (self.sysfs / "bus/pci/drivers/vfio-pci").rmdir()
        self.says(self.nic("bind", "0000:03:00.0", "--force").stderr, "modprobe vfio-pci")
        (self.sysfs / "bus/pci/drivers/vfio-pci").mkdir()
        self.assertEqual(self.files(), before)
