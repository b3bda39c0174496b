# SPDX-License-Identifier: BSD-3-Clause
"""Guests of our own monitor: their network, disks, processors and clock, a reboot, a neighbour's end.

All of it under KVM: here, or in an outer machine (harness.hardware).
"""

import hashlib
import json
import os
import pathlib
import re
import signal
import time

from harness.case import TestCase
from harness.hardware import virtualised_at_length
from harness.process import run
from harness.vm_pair import VmPair, lost, sockets
from harness.wait import PATIENCE, wait_until

HOST_CLOCK = pathlib.Path("/sys/devices/system/clocksource/clocksource0/current_clocksource")
PACKED = 34  # feature bit, as sysfs shows it
MB = 1 << 20
HOST = "10.0.0.100"
# What a kernel says at this level because the machine that it runs on is slow or busy.
BUSY = re.compile(r"hrtimer: interrupt took|clocksource|sched_clock|rcu.*stall|took too long|"
                  r"random: crng|Unstable clock")


@virtualised_at_length
class Guests(TestCase):
    """One pair for all of them."""

    @classmethod
    def set_up_class(cls, bench):
        cls.pair = VmPair(bench).start()
        cls.switch, cls.one, cls.two = cls.pair.switch, cls.pair.one, cls.pair.two

    def test_engine(self):
        for vm in self.pair.vms:
            self.assertEqual(vm.show()["engine"], "kvm")
            self.says(vm.words_said(), "engine kvm", "/dev/kvm runs")

    def test_processors(self):
        self.assertEqual(self.one.sh("nproc").strip(), "1")
        self.assertEqual(self.two.sh("nproc").strip(), "2")
        text = self.two.sh("grep -E '^(physical id|cpu cores|siblings|core id)' /proc/cpuinfo")
        self.assertEqual(re.findall(r"cpu cores\s*: (\d+)", text), ["2", "2"])
        self.assertEqual(re.findall(r"physical id\s*: (\d+)", text), ["0", "0"])
        self.assertEqual(re.findall(r"core id\s*: (\d+)", text), ["0", "1"])

    def test_clock(self):
        """The guest's time of day, taken between two looks at ours."""
        source = self.one.sh("cat /sys/devices/system/clocksource/clocksource0/current_clocksource")
        self.assertEqual(source.strip(), "kvm-clock")
        # KVM passes on a clock of its own only where the host's is the TSC; else it is a copy that
        # is as good as the calibration of an emulated TSC.
        if HOST_CLOCK.read_text().strip() != "tsc":
            self.skipTest(f"the host's clock is {HOST_CLOCK.read_text().strip()}, not the TSC")
        before = time.time()
        said = self.one.sh("adjtimex")
        after = time.time()
        seconds, micro = (int(re.search(rf"time\.tv_{unit}:\s*(\d+)", said).group(1))
                          for unit in ("sec", "usec"))
        there = seconds + micro / 1e6
        self.assertGreater(there, before - 0.001)
        self.assertLess(there, after + 0.001)

    def test_no_warning_that_q35_does_not_have(self):
        """The kernel's log from level warning on, beside that of the same kernel on QEMU's q35."""
        if PATIENCE != 1:
            self.skipTest("on an emulated processor's virtualisation QEMU's guest of two CPUs stops "
                          "answering now and then: needs hardware's")
        peer = self.bench.guest("q35", acceleration="kvm", cpus=2)
        peer.start()
        peer.wait_boot()
        theirs = warnings(peer)
        peer.stop()
        for vm in self.pair.vms:
            self.assertEqual(warnings(vm) - theirs, set())
        self.assertIn("MMCONFIG", self.one.sh("dmesg | grep 'PCI: MMCONFIG at'"))

    def test_ping_tcp_and_udp(self):
        self.assertEqual(lost(self.one.sh("ping -c 10 -i 0.1 -W 10 10.0.0.2")), 0)
        self.two.sh("iperf3 -s -D >/dev/null 2>&1")
        self.one.sh("iperf3 -c 10.0.0.2 -n 4M >/dev/null", timeout=60)
        said = json.loads(self.one.sh("iperf3 -J -c 10.0.0.2 -u -b 2M -n 200K", timeout=60))
        self.assertLess(said["end"]["sum"]["lost_percent"], 10)
        self.two.sh("killall iperf3")

    def test_file_by_tcp(self):
        self.one.sh("dd if=/dev/urandom of=/tmp/file bs=64k count=64 2>/dev/null")
        self.one.sh("httpd -p 80 -h /tmp")
        self.assertEqual(self.two.sh("wget -q -O - http://10.0.0.1/file | sha256sum", timeout=60),
                         self.one.sh("sha256sum </tmp/file"))
        self.one.sh("killall httpd")

    def test_frames_of_9000_bytes(self):
        self.assertIn("mtu 9000", self.one.sh("ip link show eth0"))
        self.assertEqual(lost(self.one.sh("ping -c 3 -i 0.2 -W 10 -s 8972 10.0.0.2")), 0)

    def test_packed_rings_and_two_queues(self):
        for vm in self.pair.vms:
            features = vm.sh("cat /sys/class/net/eth0/device/features").strip()
            self.assertEqual(features[PACKED], "1", features)
        self.two.sh("ethtool -L eth0 combined 2")
        self.one.sh("ping -c 3 -i 0.2 -W 10 10.0.0.2")
        interrupts = self.two.sh("grep virtio /proc/interrupts")
        for name in ("input.0", "output.0", "input.1", "output.1"):
            self.assertIn(name, interrupts)
        self.two.sh("ethtool -L eth0 combined 1")
        self.one.sh("ping -c 3 -i 0.2 -W 10 10.0.0.2")

    def test_driver_is_loaded_again(self):
        self.one.sh("rmmod virtio_net && insmod /modules/virtio_net.ko")
        self.pair.configure(0)
        self.pair.reach()

    def test_disk_keeps_what_was_written(self):
        self.one.sh("dd if=/dev/urandom of=/tmp/data bs=64k count=64 2>/dev/null && "
                    "dd if=/tmp/data of=/dev/vda bs=64k seek=16 conv=fsync 2>/dev/null")
        digest = self.one.sh("sha256sum </tmp/data").split()[0]
        self.one.sh("echo 3 >/proc/sys/vm/drop_caches")
        again = self.one.sh("dd if=/dev/vda bs=64k skip=16 count=64 2>/dev/null | sha256sum")
        self.assertEqual(again.split()[0], digest)
        with open(self.shared.folder / "vm1.img", "rb") as file:
            file.seek(16 * 65536)
            self.assertEqual(hashlib.sha256(file.read(64 * 65536)).hexdigest(), digest)

    def test_disk_discards_and_writes_zeros(self):
        path = self.shared.folder / "vm2.img"
        self.two.sh("dd if=/dev/urandom of=/dev/vda bs=1M count=8 conv=fsync 2>/dev/null")
        held = path.stat().st_blocks
        self.two.sh("blkdiscard -o 0 -l 4194304 /dev/vda")
        self.assertLess(path.stat().st_blocks, held)
        self.two.sh("dd if=/dev/zero of=/dev/vda bs=1M seek=4 count=4 conv=fsync 2>/dev/null")
        self.two.sh("echo 3 >/proc/sys/vm/drop_caches")
        count = self.two.sh("dd if=/dev/vda bs=1M count=8 2>/dev/null | tr -d '\\0' | wc -c")
        self.assertEqual(count.strip(), "0")

    def test_disk_has_a_queue_for_each_processor(self):
        self.assertEqual(self.two.sh("ls /sys/block/vda/mq | wc -l").strip(), "2")

    def test_random_bytes(self):
        self.one.sh("[ -d /sys/module/virtio_rng ] || insmod /modules/virtio-rng.ko")
        self.assertIn("virtio_rng", self.one.sh("cat /sys/class/misc/hw_random/rng_current"))
        self.assertEqual(self.one.sh("dd if=/dev/hwrng bs=32 count=1 2>/dev/null | wc -c").strip(),
                         "32")

    def test_pause_and_resume(self):
        self.one.command("vm", "pause", "vm1")
        self.assertEqual(self.one.show()["state"], "paused")
        self.assertEqual(lost(self.two.sh("ping -c 2 -W 1 10.0.0.1", check=False)[1]), 2)
        self.one.command("vm", "resume", "vm1")
        self.assertEqual(self.one.show()["state"], "running")
        self.pair.reach()

    def test_reboot_in_place(self):
        """Same process, same connection to the switch, everything works again; with two processors."""
        for number, vm in enumerate(self.pair.vms):
            before, held = vm.show(), sockets(vm.show()["pid"])
            boot = vm.boot_id
            vm.reboot()
            after = vm.show()
            self.assertNotEqual(vm.boot_id, boot)
            self.assertEqual((after["pid"], after["restarts"]),
                             (before["pid"], before["restarts"] + 1))
            self.assertEqual(sockets(after["pid"]), held)
            self.assertEqual(vm.sh("nproc").strip(), str(number + 1))
            self.assertEqual(vm.sh("dd if=/dev/vda bs=1M count=1 2>/dev/null | wc -c").strip(),
                             str(MB))
            self.pair.configure(number)
            self.pair.reach()

    def test_kill_of_a_neighbour(self):
        """vm2's monitor is killed while vm1 talks to the host."""
        self.switch("port", "add", "host", "tap", "bridge=br0", "dev=pbtap0")
        run("ip", "addr", "add", f"{HOST}/24", "dev", "pbtap0")
        run("ip", "link", "set", "pbtap0", "up")
        self.pair.reach(HOST)
        row = self.one.show()
        self.one.send(f"ping -c 40 -i 0.1 -W 10 {HOST}")
        os.kill(self.two.show()["pid"], signal.SIGKILL)
        self.two.end_code()
        wait_until(lambda: not self.two.show(), 20, "end of vm2")
        self.assertEqual(lost(self.one.receive("ping")), 0)
        self.assertEqual(self.one.show()["pid"], row["pid"])
        self.assertEqual({port["name"] for port in self.switch.rows("port", "show")},
                         {"vm1.0", "host"})
        self.switch("port", "del", "host")
        self.two.start()
        self.pair.ready(1)
        self.pair.reach()


def warnings(guest):
    """What the kernel says at level warning or worse, without times and numbers."""
    said = guest.sh("dmesg -r | grep -E '^<[0-4]>' || true")
    # Of a warning with registers and stack, what it warns of.
    said = re.sub(r"(-+\[ cut here \]-+\n(?:.*\n)??.*WARNING: .*\n)(?:.*\n)*?.*\[ end trace.*\n", r"\1",
                  said)
    texts = (re.sub(r"^<\d+>\[ *[\d.]+\] ", "", line) for line in said.splitlines())
    return {re.sub(r"(0x)?[0-9a-f]{2,}|\d+", "N", text) for text in texts if not BUSY.search(text)}
