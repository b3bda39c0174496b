# SPDX-License-Identifier: BSD-3-Clause
"""Guests of our own monitor: how they end, and how much memory they get."""

import json

from harness.hardware import virtualised_at_length
from harness.machine import KILLED
from harness.vm import APPEND
from harness.vm_case import VmCase
from harness.wait import wait_until

REBOOT, CRASH, KILL = 10, 11, 12
MB = 1 << 20
# What the kernel keeps for itself, at most: 1/20 and what it takes in any case.
KEPT = 50 * MB


@virtualised_at_length
class Ends(VmCase):
    """How a virtual machine ends, and that nothing is left of it."""

    def set_up(self):
        self.switch = self.bench.switch()
        self.switch("bridge", "add", "br0")

    def boot(self, *options, append=APPEND):
        vm = self.start(append=append, options=["--engine", "kvm", "--net", "bridge=br0", *options])
        vm.wait_boot()
        return vm

    def check(self, vm, code, *says):
        self.assertEqual(vm.end_code(), code, vm.words_said())
        self.says(vm.words_said(), *says)
        self.nothing_left(self.switch)

    def test_power_button(self):
        vm = self.boot("--cpus", 2)
        done = json.loads(self.patchbay("--json", "vm", "stop", "vm1", "wait=60").stdout)
        self.assertEqual(done["how"], "shutdown")
        self.check(vm, 0, "the guest has shut down")

    def test_reboot_that_ends(self):
        vm = self.boot("--on-reboot", "stop")
        vm.send("reboot -f")
        self.check(vm, REBOOT, "wanted to reboot")

    def test_triple_fault(self):
        vm = self.boot(append=f"{APPEND} reboot=t")
        vm.send("reboot -f")
        self.check(vm, CRASH, "triple fault")

    def test_kill(self):
        vm = self.boot()
        self.patchbay("vm", "kill", "vm1")
        self.check(vm, KILL, "killed")


@virtualised_at_length
class Memory(VmCase):
    """No network: only as much memory as was asked for, wherever it lies."""

    def check(self, size):
        vm = self.bench.vm("memory", memory=f"{size}M", options=["--engine", "kvm"])
        vm.start()
        vm.wait_boot()
        total = int(vm.sh("grep MemTotal /proc/meminfo").split()[1]) << 10
        self.assertLess(total, size * MB)
        self.assertGreater(total, size * MB * 19 // 20 - KEPT)
        # The kernel takes pages from the top first, from the other side of the hole.
        vm.sh("dd if=/dev/urandom of=/tmp/f bs=1M count=16 2>/dev/null && "
              "sha256sum /tmp/f >/tmp/sum && sha256sum -c /tmp/sum", timeout=60)

    def test_128_mib(self):
        self.check(128)

    def test_up_to_the_hole(self):
        self.check(3072)

    def test_just_beyond_the_hole(self):
        self.check(3200)

    def test_4_gib(self):
        self.check(4096)

    def test_balloon_takes_and_gives(self):
        guest = self.bench.machine("balloon", memory=160)
        guest.start()
        guest.wait_boot()
        before = guest.state()[2]
        guest.keep_memory(before - 32 * MB)
        wait_until(lambda: guest.state()[2] <= before - 31 * MB, 30, "smaller guest", pause=0.1)
        guest.keep_memory(before)
        wait_until(lambda: guest.state()[2] == before, 30, "guest with all its memory", pause=0.1)
        guest.command("k")
        self.assertEqual(guest.wait_end(), KILLED)
