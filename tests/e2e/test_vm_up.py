# SPDX-License-Identifier: BSD-3-Clause
"""`patchbay up` and `patchbay down`; definitions in files and folders."""

import json
import shutil

from harness import guest_image
from harness.switch import ROOT
from harness.vm import APPEND, Vm
from harness.vm_case import VmCase, alive
from harness.wait import wait_until

CONFIG = ROOT / "configs/two-vms.yaml"


class UpCase(VmCase):
    def set_up(self):
        image = guest_image.build()
        self.definitions = self.bench.folder / "definitions"
        self.definitions.mkdir()
        for path in (image.kernel, image.initramfs):
            shutil.copyfile(path, self.definitions / path.name)
        self.file = self.definitions / "two-vms.yaml"
        text = CONFIG.read_text().replace("console=ttyS0 quiet", APPEND)
        self.file.write_text(text.replace("256M", "192M"))
        self.bench.cleanup.add(self.end)

    def end(self):
        self.patchbay("down", self.file, "wait=0", check=False)

    def rows(self, *words):
        return json.loads(self.patchbay("--json", *words).stdout)["rows"]


class Up(UpCase):
    def test_two_machines_meet(self):
        done = self.patchbay("up", self.file)
        for word in ("start patchbayd", "add bridge br0", "vm1", "vm2"):
            self.assertIn(word, done.stdout)
        daemon = json.loads(self.patchbay("--json", "daemon", "version").stdout)["pid"]
        self.assertEqual(self.patchbay("up", self.file).stdout, "no changes\n")
        guests = []
        for number, name in enumerate(("vm1", "vm2"), 1):
            guest = Vm(name, self.bench.folder, None)
            guest.connect()
            self.bench.cleanup.add(guest.agent.close)
            guest.wait_boot()
            guest.addresses(0, f"10.0.0.{number}/24")
            guests.append(guest)
        wait_until(lambda: guests[0].sh("ping -c 1 -W 1 10.0.0.2", check=False)[0] == 0, 20,
                   "answer from vm2 to vm1")
        self.assertEqual({row["name"] for row in self.rows("port", "show")}, {"vm1.0", "vm2.0"})
        pids = [row["pid"] for row in self.rows("vm", "list")] + [daemon]
        done = self.patchbay("down", self.file)
        for word in ("end virtual machine vm1", "end virtual machine vm2", "delete bridge br0",
                     "stop patchbayd"):
            self.assertIn(word, done.stdout)
        self.nothing_left(None, pids)
        again = self.patchbay("down", self.file, check=False)
        self.assertEqual(again.returncode, 1)
        self.says(again.stderr, "nothing of", "two-vms.yaml")

    def test_a_failure_takes_everything_back(self):
        text = self.file.read_text()
        head, tail = text.rsplit("kernel: vmlinuz", 1)
        self.file.write_text(f"{head}kernel: missing{tail}")
        done = self.patchbay("up", self.file, check=False)
        self.assertEqual(done.returncode, 1)
        self.says(done.stderr, "vm2", "missing", "no such file")
        self.nothing_left()
        self.assertEqual(self.patchbay("daemon", "ping", check=False).returncode, 3)

    def test_a_switch_that_runs_already_stays(self):
        switch = self.bench.switch()
        switch("bridge", "add", "br0", "ageing=77")
        switch("port", "add", "p", "null", "bridge=br0")
        self.patchbay("up", self.file)
        self.assertEqual(switch.rows("bridge", "show", "br0")[0]["ageing"], 77)
        self.patchbay("down", self.file, "wait=0")
        self.assertTrue(alive(switch.pid))
        self.assertEqual([row["name"] for row in switch.rows("port", "show")], ["p"])
        self.assertEqual([row["name"] for row in switch.rows("bridge", "show")], ["br0"])

    def rules(self):
        return [row["port"] for row in self.rows("filter", "show") if row["priority"] == "10"]

    def test_every_section_of_a_configuration(self):
        """Sets, ports, addresses and rules; those of a machine's port when the machine is there."""
        file = self.definitions / "network.yaml"
        vms = self.file.read_text().split("vms:")[1].split("  vm2:")[0]
        file.write_text(f"""\
bridges: {{br0: }}
sets:
  some: [10.0.0.0/8, "2001:db8::/32"]
  none: []
ports:
  p: {{type: "null", bridge: br0, trunks: [1, 5]}}
  watcher: {{type: "null", bridge: br0}}
mirrors:
  m1: {{bridge: br0, from: vm1.0, to: watcher}}
fdb:
  - {{bridge: br0, mac: "52:54:00:00:00:07", port: p}}
  - {{bridge: br0, mac: "52:54:00:00:00:08", port: vm1.0, vlan: 5}}
filters:
  - {{port: p, direction: in, priority: 10, action: deny, expression: udp}}
  - {{port: vm1.0, direction: in, priority: 10, action: deny, src_set: some}}
vms:{vms}""")
        self.bench.cleanup.add(lambda: self.patchbay("down", file, "wait=0", check=False))
        done = self.patchbay("up", file)
        for word in ("add set some", "add rule 10 of port p", "add rule 10 of port vm1.0",
                     "add mirror m1", "add address 52:54:00:00:00:08 of bridge br0"):
            self.assertIn(word, done.stdout)
        self.assertEqual(self.patchbay("up", file).stdout, "no changes\n")
        self.assertEqual(self.rules(), ["p", "vm1.0"])
        self.assertEqual(self.rows("mirror", "show")[0]["from"], "vm1.0")
        self.assertEqual(self.rows("set", "show", "some")[0]["count"], 2)
        self.assertEqual(self.rows("port", "show", "vm1.0")[0]["owner"], "vm:vm1")
        self.assertEqual(len(self.rows("fdb", "show", "br0")), 2)
        # What is applied to the switch meanwhile leaves the machine its port, rules included.
        small = self.definitions / "small.yaml"
        small.write_text("bridges: {br0: }\n")
        done = self.patchbay("config", "apply", small)
        self.assertIn("keep port vm1.0 of vm:vm1", done.stdout)
        self.assertEqual(self.rules(), ["vm1.0"])
        self.assertTrue(self.rows("port", "show", "vm1.0")[0]["vhost"]["connected"])
        self.patchbay("down", file, "wait=0")
        self.nothing_left()

    def test_faults_have_lines(self):
        rows = [("vms:\n  a:\n    kernl: x\n", ":3:", 'did you mean "kernel"'),
                ("bridges:\n  br0:\n    ageing: 9999999\n", ":2:", "ageing"),
                ("vms:\n  a:\n    kernel: x\n    net:\n    - bridge: br0\n    - tag: 5\n", ":2:",
                 "net 1"),
                ("vms:\n  a:\n    kernel: x\n    net:\n    - queues: 99\n", ":5:", "queues"),
                ("sets:\n  a: 5\n", ":2:", "list of addresses"),
                ("filters:\n- port: p\n  direction: in\n", ":2:", "priority"),
                ("filters:\n  p: x\n", ":1:", "list of mappings"),
                ("vm:\n", ":1:", 'did you mean "vms"'),
                ("vms: [a]\n", ":1:", "mapping"),
                ("vms:\n  a: {\n", "", ""),
                ("vms:\n  a:\n    memory: 1\n", ":3:", "memory")]
        for text, line, says in rows:
            with self.subTest(text=text):
                self.file.write_text(text)
                done = self.patchbay("up", self.file, check=False)
                self.assertEqual(done.returncode, 2, done.stderr)
                self.says(done.stderr, f"two-vms.yaml{line}", says)
                self.nothing_left()

    def test_the_daemon_refuses_such_a_file_with_a_hint(self):
        switch = self.bench.switch()
        self.says(switch.refused("config", "apply", CONFIG), "vms", "patchbay up")


class Folders(UpCase):
    def test_a_folder_can_be_moved(self):
        disk = self.definitions / "disk.img"
        disk.write_bytes(b"on the disk".ljust(4096, b"\0"))
        (self.definitions / "vm.yaml").write_text(
            f"kernel: vmlinuz\ninitrd: initramfs\nappend: {APPEND}\nmemory: 192M\n"
            f"disk: disk.img,ro\n")
        moved = self.bench.folder / "moved"
        self.definitions.rename(moved)
        vm = self.bench.vm("moved", detach=True)
        vm.words = ["vm", "run", moved]
        vm.start()
        vm.wait_boot()
        self.assertEqual(vm.sh("head -c 11 /dev/vda"), "on the disk")
        row = vm.show()
        self.assertEqual(row["disks"], [{"file": f"{moved}/disk.img", "ro": True}])
        code, _ = vm.sh("echo no > /dev/vda", check=False)
        self.assertNotEqual(code, 0)
        vm.stop()
        self.nothing_left()

    def test_a_file_and_what_is_typed_over_it(self):
        path = self.definitions / "small.yaml"
        path.write_text("kernel: vmlinuz\nmemory: 96M\ncpus: 2\n")
        self.patchbay("vm", "run", path, "memory=128M", "--detach")
        row = self.rows("vm", "show", "small")[0]
        self.assertEqual((row["memory"], row["cpus"]), (128 << 20, 2))
        self.patchbay("vm", "kill", "small")
        self.nothing_left()
