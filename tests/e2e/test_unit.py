# SPDX-License-Identifier: BSD-3-Clause
"""The systemd unit in configs/: how exposed it leaves the host, and that its rights are enough."""

import pathlib
import re
import shutil

from harness.case import TestCase, requires, requires_root
from harness.process import run
from harness.switch import ROOT

UNIT = ROOT / "configs/patchbayd.service"
DROP_INS = UNIT.with_suffix(".service.d")
BPFFS = pathlib.Path("/sys/fs/bpf")
USER = 23456


def setting(text, name):
    """The last value of a setting."""
    return re.findall(rf"^{name}=(.*)$", text, re.M)[-1]


@requires(shutil.which("systemd-analyze"), "systemd-analyze is missing")
class Exposure(TestCase):
    """Of 10; at most so many tenths."""

    def exposure(self, *drop_ins):
        units = self.bench.folder / "-".join(["root", *drop_ins]) / "etc/systemd/system"
        (units / DROP_INS.name).mkdir(parents=True)
        shutil.copy(UNIT, units)
        for name in drop_ins:
            shutil.copy(DROP_INS / f"{name}.conf", units / DROP_INS.name)
        done = run("systemd-analyze", "security", "--offline=yes", "--no-pager",
                   f"--root={units.parents[2]}", UNIT.name, check=False)
        return float(re.search(r"exposure level for \S+: ([0-9.]+)", done.stdout)[1])

    def test_virtual_machines_alone(self):
        self.assertLessEqual(self.exposure("guests"), 0.6)

    def test_with_interfaces_that_the_host_keeps(self):
        self.assertLessEqual(self.exposure(), 2.1)

    def test_every_type(self):
        self.assertLessEqual(self.exposure("all"), 4.1)


@requires_root
class Enough(TestCase):
    """The daemon runs as a user with the capabilities of the unit and makes its ports."""

    def daemon(self, text):
        self.bench.folder.chmod(0o777)
        types = re.search(r"--port-types (\S+)", setting(text, "ExecStart"))[1]
        words = [f"+{name.removeprefix('CAP_').lower()}"
                 for name in setting(text, "AmbientCapabilities").split()]
        some = ",".join(["-all", *words])
        prefix = ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups",
                  "--no-new-privs", f"--inh-caps={some}", f"--ambient-caps={some}",
                  f"--bounding-set={some}"]
        return self.bench.switch("--port-types", types, prefix=prefix), types.split(",")

    def test_interfaces_that_the_host_keeps(self):
        run("mount", "-t", "bpf", "bpf", BPFFS)
        self.bench.cleanup.add(run, "umount", BPFFS)
        run("chown", f"{USER}:{USER}", BPFFS)
        switch, types = self.daemon(UNIT.read_text())
        self.assertEqual(set(types), {"vhost-user", "afxdp", "afpacket", "bond", "null"})
        wires = [self.bench.wire(name) for name in ("w0", "w1")]
        switch("bridge", "add", "br0")
        switch("port", "add", "vm1", "vhost-user", "bridge=br0", f"path={self.bench.folder}/1.sock")
        switch("port", "add", "x", "afxdp", "bridge=br0", f"dev={wires[0].name}")
        switch("port", "add", "p", "afpacket", "bridge=br0", f"dev={wires[1].name}")
        self.assertEqual(switch.port("x")["link"], "up")
        self.assertEqual(switch.port("p")["link"], "up")
        switch("port", "del", "x")
        self.says(switch.refused("port", "add", "t", "tap", "bridge=br0", "dev=t0"), "--port-types")

    def test_virtual_machines_alone(self):
        switch, _ = self.daemon((DROP_INS / "guests.conf").read_text())
        switch("bridge", "add", "br0")
        switch("port", "add", "vm1", "vhost-user", "bridge=br0", f"path={self.bench.folder}/1.sock")
        self.assertEqual(switch.stop()[0], 0)
