# SPDX-License-Identifier: BSD-3-Clause
"""Open vSwitch with its userspace datapath, as a foreign peer to compare with."""

import os
import pathlib
import shutil

from harness.process import Process, run
from harness.wait import wait_until

SCHEMA = "/usr/share/openvswitch/vswitch.ovsschema"


def missing():
    """Why it cannot run here; None when it can."""
    for program in ("ovsdb-tool", "ovsdb-server", "ovs-vswitchd", "ovs-vsctl", "ovs-appctl"):
        if not shutil.which(program):
            return f"{program} is not installed (openvswitch-switch)"
    return None


class OpenVswitch:
    """A bridge "ovs"; its ports are tap devices of the same name."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.database = f"unix:{self.folder}/db.sock"
        self.environment = {"OVS_RUNDIR": str(self.folder), "OVS_LOGDIR": str(self.folder),
                            "OVS_DBDIR": str(self.folder)}
        self.processes = []

    def start(self):
        self.folder.mkdir(parents=True)
        run("ovsdb-tool", "create", self.folder / "conf.db", SCHEMA)
        self.spawn("ovsdb-server", self.folder / "conf.db",
                   f"--remote=punix:{self.folder}/db.sock")
        wait_until(lambda: (self.folder / "db.sock").exists(), 20, "socket of ovsdb-server")
        self.vsctl("--no-wait", "init", "--", "set", "Open_vSwitch", ".",
                   "other_config:vlan-limit=2")
        self.spawn("ovs-vswitchd", self.database, f"--unixctl={self.folder}/control")
        wait_until(lambda: (self.folder / "control").exists(), 20, "socket of ovs-vswitchd")
        self.vsctl("add-br", "ovs", "--", "set", "bridge", "ovs", "datapath_type=netdev")
        # Entries of its cache for the headers of one frame would be used for others.
        self.appctl("upcall/disable-megaflows")
        return self

    def spawn(self, program, *arguments):
        process = Process([program, *map(str, arguments), "--no-chdir"],
                          self.folder / f"{program}.log", env={**os.environ, **self.environment})
        self.processes.append(process)

    def vsctl(self, *words):
        return run("ovs-vsctl", f"--db={self.database}", "--timeout=30", *words,
                   env={**os.environ, **self.environment})

    def forget_flows(self):
        """What was decided before the last change is decided anew."""
        self.appctl("revalidator/purge")

    def appctl(self, *words):
        """A command of the running switch; what it answers."""
        return run("ovs-appctl", "-t", self.folder / "control", *words).stdout

    def signal(self, number):
        """To the switch, not to its database."""
        os.kill(self.processes[-1].pid, number)

    def stop(self):
        for process in reversed(self.processes):
            process.kill()
