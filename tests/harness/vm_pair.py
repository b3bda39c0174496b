# SPDX-License-Identifier: BSD-3-Clause
"""Two virtual machines of our own monitor on a bridge: vm1 has one processor, vm2 has two."""

import pathlib
import re

from harness.wait import wait_until

ADDRESSES = ["10.0.0.1", "10.0.0.2"]
BRIDGE = "bridges:\n  br0:\n"
DISK_BYTES = 64 << 20


class VmPair:
    """`switch` has the bridge br0; cards have two queue pairs, long frames and a disk each."""

    def __init__(self, bench):
        path = bench.folder / "switch.yaml"
        path.write_text(BRIDGE)
        self.switch = bench.switch("--config", path)
        self.vms = []
        for number in (1, 2):
            disk = bench.folder / f"vm{number}.img"
            with open(disk, "wb") as file:
                file.truncate(DISK_BYTES)
            self.vms.append(bench.vm(f"vm{number}", options=[
                "--engine", "kvm", "--cpus", number, "--disk", disk,
                "--net", "bridge=br0,queues=2,mtu=9000"]))
        self.one, self.two = self.vms

    def start(self):
        for vm in self.vms:
            vm.start()
        for number in range(2):
            self.ready(number)
        self.reach()
        return self

    def ready(self, number):
        """Waits for the boot of one of them and gives it its address."""
        self.vms[number].wait_boot()
        self.configure(number)

    def configure(self, number):
        self.vms[number].addresses(0, ADDRESSES[number] + "/24")

    def reach(self, address=ADDRESSES[1]):
        wait_until(lambda: self.one.sh(f"ping -c 1 -W 1 {address}", check=False)[0] == 0, 30,
                   f"answer from {address} to vm1", pause=0.2)


def lost(said):
    """Packets that a ping has lost, by its last words."""
    sent, received = re.search(r"(\d+) packets transmitted, (\d+) (?:packets )?received", said).groups()
    return int(sent) - int(received)


def sockets(pid):
    """The sockets of a process, by their inodes."""
    links = (path.readlink() for path in pathlib.Path(f"/proc/{pid}/fd").iterdir())
    return {str(link) for link in links if str(link).startswith("socket:")}
