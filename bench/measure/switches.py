# SPDX-License-Identifier: BSD-3-Clause
"""The switches that are compared: each with two vhost-user ports and one forwarding thread."""

import os
import pathlib
import shutil

from harness import switch as harness_switch
from harness.process import Failed, Process, run, tail
from harness.wait import Timeout, wait_until
from measure import said
from measure.cases import OVS, PATCHBAY, TESTPMD
from measure.loop import vhost_switch
from measure.threads import find_poller

START_SECONDS = 30
OVS_PROGRAM = "/usr/lib/openvswitch-switch-dpdk/ovs-vswitchd-dpdk"
OVS_SCHEMA = "/usr/share/openvswitch/vswitch.ovsschema"
OVS_MEMORY_MB = 512
OVS_BRIDGE = "br-compare"


def package_version(package):
    """Of a Debian package: testpmd does not say its own version."""
    done = run("dpkg-query", "-W", "-f", "${Version}", package, check=False)
    return done.stdout.strip() or "?"


class Switch:
    """start() makes the sockets; stop() leaves nothing behind, whatever happened before."""

    name = None
    control = None    # the control socket, where `patchbay bench` can use it
    connects = False  # the guests listen on the sockets

    def __init__(self, folder, cpus, segmentation):
        """folder: a pathlib.Path of its own, short; cpus: measure.machine.Cpus."""
        self.folder = folder
        self.cpus = cpus
        self.segmentation = segmentation
        self.sockets = [folder / name for name in ("vm1", "vm2")]

    def poller(self):
        """The forwarding thread."""
        return find_poller(self.pid(), self.cpus.switch, self.name)

    def await_sockets(self, alive, log):
        def there():
            alive()
            return all(path.exists() for path in self.sockets)

        try:
            wait_until(there, START_SECONDS, f"sockets of {self.name}")
        except Timeout as error:
            raise Failed(f"{error}\n{tail(log)}") from None

    def reset(self):
        """Its own measurement begins."""

    def read(self):
        """(busy per cent, busy cycles per packet) since reset(); None where it does not know."""
        return None, None

    def dropped(self):
        """Frames that it has not delivered since its start."""
        raise NotImplementedError


class Patchbay(Switch):
    name = PATCHBAY

    def start(self):
        self.switch = harness_switch.Switch(self.folder, "--workers", self.cpus.switch).start()
        self.control = self.switch.socket
        self.switch("bridge", "add", "br0")
        for i, path in enumerate(self.sockets):
            self.switch("port", "add", f"vm{i + 1}", "vhost-user", "bridge=br0", f"path={path}")

    def pid(self):
        return self.switch.pid

    def reset(self):
        self.switch("worker", "reset")

    def read(self):
        return said.worker(self.switch.rows("worker", "show"))

    def dropped(self):
        return sum(sum(row["drops"].values()) for row in self.switch.rows("stats", "show"))

    def stop(self):
        if hasattr(self, "switch") and self.switch.process:
            self.switch.stop()

    @staticmethod
    def version():
        words = run(harness_switch.DAEMON, "--version").stdout.split()
        return words[-1] if words else "?"


class VhostTestpmd(Switch):
    name = TESTPMD
    testpmd = None

    def start(self):
        self.testpmd = vhost_switch(self.folder, self.cpus.switch, self.cpus.all, self.sockets)
        self.testpmd.start()
        self.testpmd.start_forwarding()
        self.await_sockets(lambda: None, self.testpmd.log)

    def pid(self):
        return self.testpmd.pid

    def dropped(self):
        return said.forward_dropped(self.testpmd("show fwd stats all"))

    def stop(self):
        if self.testpmd:
            self.testpmd.stop()

    @staticmethod
    def version():
        return package_version("dpdk")


class OpenVSwitch(Switch):
    """ovs-vswitchd with a database of its own in a network namespace of its own: none of the
    system's services, interfaces and files is involved."""

    name = OVS
    database = None
    daemon = None

    @property
    def connects(self):
        """The ports that listen offer guests no segmentation offload."""
        return self.segmentation

    def start(self):
        self.environment = dict(os.environ, **{f"OVS_{name}DIR": str(self.folder) for name in
                                               ("RUN", "LOG", "DB", "SYSCONF")})
        for program in ("ovsdb-tool", "ovsdb-server", "ovs-vsctl", OVS_PROGRAM):
            if not shutil.which(program):
                raise Failed(f"{program}: not installed; package openvswitch-switch-dpdk has it")
        self.start_database()
        self.start_daemon()
        self.add_ports()

    def start_database(self):
        self.run("ovsdb-tool", "create", self.folder / "conf.db", OVS_SCHEMA)
        self.database = self.process(
            "ovsdb-server", "ovsdb-server", self.folder / "conf.db",
            f"--remote=punix:{self.folder}/db.sock", f"--unixctl={self.folder}/db.ctl")
        self.wait_for(self.database, lambda: (self.folder / "db.sock").exists(), "its database")

    def start_daemon(self):
        mask = f"{1 << self.cpus.switch:#x}"
        self.vsctl("--no-wait", "init")
        self.vsctl(
            "--no-wait", "set", "Open_vSwitch", ".", "other_config:dpdk-init=true",
            f"other_config:pmd-cpu-mask={mask}",
            f"other_config:dpdk-lcore-mask={1 << self.cpus.traffic:#x}",
            f"other_config:dpdk-socket-mem={OVS_MEMORY_MB}",
            f"other_config:dpdk-socket-limit={OVS_MEMORY_MB}",
            f"other_config:userspace-tso-enable={str(self.segmentation).lower()}",
            'other_config:dpdk-extra="--no-pci --iova-mode=va --in-memory"')
        self.daemon = self.process("ovs-vswitchd", "unshare", "--net", OVS_PROGRAM,
                                   f"unix:{self.folder}/db.sock",
                                   f"--unixctl={self.folder}/vswitchd.ctl")
        self.wait_for(self.daemon, lambda: self.vsctl(
            "get", "Open_vSwitch", ".", "dpdk_initialized") == "true", "DPDK in it", pause=0.1)

    def add_ports(self):
        self.vsctl("add-br", OVS_BRIDGE, "--", "set", "bridge", OVS_BRIDGE, "datapath_type=netdev",
                   "fail_mode=standalone")
        for path in self.sockets:
            kind = ["type=dpdkvhostuser"]
            if self.connects:
                kind = ["type=dpdkvhostuserclient", f"options:vhost-server-path={path}"]
            self.vsctl("add-port", OVS_BRIDGE, path.name, "--", "set", "Interface", path.name,
                       *kind)
            error = self.vsctl("get", "Interface", path.name, "error")
            if error != "[]":
                raise Failed(f"ovs-vswitchd: port {path.name}: {error}\n{tail(self.daemon.log)}")
        if not self.connects:
            self.await_sockets(self.daemon.check, self.daemon.log)

    # ---- its programs ----

    def process(self, name, *command):
        return Process(command, self.folder / f"{name}.log", env=self.environment)

    def run(self, *command):
        return run(*command, timeout=START_SECONDS, env=self.environment).stdout.strip()

    def vsctl(self, *words):
        return self.run("ovs-vsctl", f"--db=unix:{self.folder}/db.sock",
                        f"--timeout={START_SECONDS}", *words)

    def appctl(self, *words):
        return self.run("ovs-appctl", "-t", self.folder / "vswitchd.ctl", *words)

    def wait_for(self, process, condition, what, pause=0.01):
        def ready():
            process.check()
            return condition()

        try:
            wait_until(ready, START_SECONDS, what, pause)
        except Timeout as error:
            raise Failed(f"Open vSwitch: {error}\n{tail(process.log)}") from None

    # ---- what it is asked ----

    def pid(self):
        return self.daemon.pid

    def reset(self):
        self.appctl("dpif-netdev/pmd-stats-clear")

    def read(self):
        return said.pmd_stats(self.appctl("dpif-netdev/pmd-stats-show"))[self.cpus.switch]

    def dropped(self):
        return said.ports_dropped(
            self.vsctl("get", "Interface", path.name, "statistics") for path in self.sockets)

    def stop(self):
        try:
            for process in (self.daemon, self.database):
                if process:
                    process.stop(seconds=10)
        finally:
            for process in (self.daemon, self.database):
                if process:
                    process.kill()

    @staticmethod
    def version():
        return said.ovs_version(run(OVS_PROGRAM, "--version").stdout)


KINDS = {kind.name: kind for kind in (OpenVSwitch, VhostTestpmd, Patchbay)}


def version(name):
    return KINDS[name].version()


def log_of(folder):
    """The last words of everything that ran in a folder."""
    parts = [f"--- {path.name}\n{tail(path)}" for path in sorted(pathlib.Path(folder).glob("*.log"))
             if tail(path)]
    return "\n".join(parts)
