# SPDX-License-Identifier: BSD-3-Clause
"""`patchbay vm` where hardware virtualisation works: in a machine that QEMU gives AMD's SVM."""

import json

from harness import guest_image, nested_image
from harness.case import TestCase
from harness.nested import Nested
from harness.switch import CLIENT, DAEMON
from harness.vm import APPEND
from harness.wait import wait_until

BOOT_SECONDS = 300


class OwnMonitor(TestCase):
    @classmethod
    def set_up_class(cls, bench):
        cls.image = guest_image.build()
        cls.outer = Nested("outer", bench.folder, nested_image.build(), memory=2048, cpus=2)
        bench.cleanup.add(cls.outer.stop)
        cls.outer.start()
        cls.outer.wait_boot(BOOT_SECONDS)
        cls.outer.sh(f"mkdir -p /run/patchbay; (setsid {DAEMON} >/run/patchbayd.log 2>&1 &)")
        wait_until(lambda: cls.outer.sh(f"{CLIENT} bridge add br0", check=False)[0] == 0, 60,
                   "patchbayd in the outer machine", pause=0.5)

    def patchbay(self, words, check=True):
        return self.outer.sh(f"{CLIENT} {words}", check=check, timeout=90)

    def row(self):
        return json.loads(self.patchbay("--json vm show vm1"))["rows"][0]

    def test_life(self):
        """Auto takes our own monitor; the guest boots, stands still, goes on, is switched off."""
        said = self.patchbay(
            f"vm run vm1 --kernel {self.image.kernel} --initrd {self.image.initramfs} --memory 192M "
            f"--append '{APPEND}' --net bridge=br0 --detach")
        self.says(said, "engine kvm", "/dev/kvm runs")
        self.assertEqual((self.row()["engine"], self.row()["state"]), ("kvm", "running"))
        self.patchbay("vm pause vm1")
        self.assertEqual(self.row()["state"], "paused")
        self.patchbay("vm resume vm1")
        self.assertEqual(self.row()["state"], "running")
        wait_until(lambda: "ready " in self.patchbay("vm log vm1"), BOOT_SECONDS,
                   lambda: f"boot of vm1: {self.patchbay('vm log vm1')[-500:]}", pause=1)
        wait_until(lambda: json.loads(self.patchbay("--json port show vm1.0"))["rows"][0]["link"]
                   == "up", 30, "link up", pause=0.5)
        self.says(self.patchbay("vm stop vm1 wait=60"), "shutdown")
        self.assertEqual(self.patchbay("vm list"), "none\n")
        self.assertEqual(self.patchbay("port show"), "none\n")
