# SPDX-License-Identifier: BSD-3-Clause
"""`vm run --net socket=` on back ends of others: DPDK's testpmd and Open vSwitch with DPDK."""

import os
import shutil

from harness import testpmd
from harness.case import requires
from harness.process import Process, run
from harness.vm_case import VmCase
from harness.wait import wait_until

OVS = "/usr/lib/openvswitch-switch-dpdk/ovs-vswitchd-dpdk"
OVS_MEGABYTES = 256
SCHEMA = "/usr/share/openvswitch/vswitch.ovsschema"


class BackEnds(VmCase):
    engine = "auto"

    def guests(self, paths, *more):
        vms = []
        for number, path in enumerate(paths, 1):
            vm = self.bench.vm(f"vm{number}", options=[
                "--engine", self.engine, "--net", ",".join([f"socket={path}", *more])])
            vm.start()
            vms.append(vm)
        for number, vm in enumerate(vms, 1):
            vm.wait_boot()
            vm.addresses(0, f"10.0.0.{number}/24")
        return vms

    def meet(self, vms):
        wait_until(lambda: vms[0].sh("ping -c 1 -W 1 10.0.0.2", check=False)[0] == 0, 30,
                   "answer from vm2 to vm1")
        self.assertIn(" 0% packet loss", vms[0].sh("ping -c 3 -i 0.2 -W 5 -s 1400 10.0.0.2"))

    @requires(testpmd.installed(), "dpdk-testpmd is not installed (dpdk-dev)")
    def test_testpmd(self):
        """Two net_vhost devices that testpmd joins; they listen."""
        paths = [self.bench.folder / f"p{number}" for number in (0, 1)]
        peer = testpmd.Testpmd(self.bench.folder, "testpmd", [
            f"net_vhost{number},iface={path},queues=1" for number, path in enumerate(paths)])
        self.bench.cleanup.add(peer.kill)
        peer.start()
        vms = self.guests(paths)
        peer.forward(0, 1)
        self.meet(vms)
        for vm in vms:
            self.patchbay("vm", "kill", vm.name)
        self.nothing_left()

    @requires(os.path.exists(OVS) and shutil.which("ovsdb-server"),
              "Open vSwitch with DPDK is not installed (openvswitch-switch-dpdk)")
    def test_open_vswitch(self):
        """Two dpdkvhostuserclient ports: the virtual machines listen."""
        pages = testpmd.Hugepages(2 * OVS_MEGABYTES)
        self.bench.cleanup.add(pages.release)
        if not pages.reserve():
            self.skipTest(f"Open vSwitch with DPDK needs {OVS_MEGABYTES} MiB of hugepages")
        folder = self.bench.folder / "ovs"
        folder.mkdir()
        environment = dict(os.environ, **{f"OVS_{name}DIR": str(folder) for name in
                                          ("RUN", "LOG", "DB", "SYSCONF")})

        def spawn(name, *command):
            process = Process(command, folder / f"{name}.log", env=environment)
            self.bench.cleanup.add(process.kill)
            return process

        def vsctl(*words):
            return run("ovs-vsctl", f"--db=unix:{folder}/db.sock", "--timeout=60", *words,
                       env=environment).stdout.strip()

        run("ovsdb-tool", "create", folder / "conf.db", SCHEMA, env=environment)
        spawn("ovsdb", "ovsdb-server", folder / "conf.db", f"--remote=punix:{folder}/db.sock",
              f"--unixctl={folder}/db.ctl")
        wait_until(lambda: (folder / "db.sock").exists(), 20, "socket of ovsdb-server")
        vsctl("--no-wait", "init")
        vsctl("--no-wait", "set", "Open_vSwitch", ".", "other_config:dpdk-init=true",
              f"other_config:dpdk-socket-mem={OVS_MEGABYTES}",
              'other_config:dpdk-extra="--no-pci --iova-mode=va"')
        daemon = spawn("vswitchd", OVS, f"unix:{folder}/db.sock", f"--unixctl={folder}/ctl")

        def ready():
            daemon.check()
            return vsctl("get", "Open_vSwitch", ".", "dpdk_initialized") == "true"

        wait_until(ready, 60, "DPDK in Open vSwitch", pause=0.1)
        paths = [folder / f"p{number}" for number in (0, 1)]
        vsctl("add-br", "br0", "--", "set", "bridge", "br0", "datapath_type=netdev")
        for path in paths:
            vsctl("add-port", "br0", path.name, "--", "set", "Interface", path.name,
                  "type=dpdkvhostuserclient", f"options:vhost-server-path={path}", "mtu_request=1500")
            self.assertEqual(vsctl("get", "Interface", path.name, "error"), "[]")
        vms = self.guests(paths, "server")
        self.assertIn("connects to", vms[0].words_said())
        self.meet(vms)
        for vm in vms:
            self.patchbay("vm", "kill", vm.name)
        self.nothing_left()
