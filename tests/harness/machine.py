# SPDX-License-Identifier: BSD-3-Clause
"""A guest on our own monitor, by tests/tools/machine: the machine without its command."""

import socket
import struct

from harness.guest import Guest, Line
from harness.process import Process, tail
from harness.switch import BUILD
from harness.wait import wait_until

MACHINE = BUILD / "tests" / "tools" / "machine"
BOOT_SECONDS = 120
STATES = ["starting", "running", "paused", "ending"]
# Exit codes: enum machine_end of launcher/machine.h.
SHUTDOWN, ERROR, REBOOT, CRASH, KILLED = 0, 1, 3, 4, 5


class AgentLine(Line):
    """The agent on a socket that is there already."""

    def __init__(self, connection):
        self.pending = b""
        self.socket = connection


class Machine(Guest):
    """One virtual machine.  Its log is the serial port, its agent is on the virtio console."""

    def __init__(self, name, folder, image, **options):
        super().__init__(name, folder, image, "kvm", **options)
        self.words = []
        self.control = None
        self.append = ""
        self.popen = {}  # further arguments of Process, such as user=

    def add_net(self, path, mac, **options):
        words = [f"net={path}", mac]
        words += [f"{key}={value}" if value is not True else key for key, value in options.items()]
        self.words.append(",".join(words))

    def add_disk(self, path, *options):
        self.words.append(",".join([f"disk={path}", *options]))

    def command_line(self):
        return [MACHINE, f"kernel={self.image.kernel}", f"initrd={self.image.initramfs}",
                "append=console=ttyS0 quiet panic=-1 mitigations=off random.trust_cpu=on "
                "patchbay.modules=virtio_console,virtio_blk,virtio-rng,virtio_balloon,button,evdev "
                "patchbay.agent=hvc0 " + self.append,
                f"cpus={self.cpus}", f"memory={self.memory}", *self.words]

    def start(self, *arguments):
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        agent, console = socket.socketpair()
        fds = (theirs.fileno(), console.fileno())
        self.process = Process(
            [*self.command_line(), f"control={fds[0]}", f"console={fds[1]}", *arguments], self.log,
            pass_fds=fds, **self.popen)
        theirs.close()
        console.close()
        self.control = ours
        self.agent = AgentLine(agent)

    def wait_boot(self, seconds=BOOT_SECONDS):
        super().wait_boot(seconds)

    def command(self, byte):
        """Sends a command of enum machine_command."""
        self.control.send(byte.encode())

    def state(self):
        """(state, reboots, memory, links) as the machine says."""
        self.control.settimeout(10)
        self.control.setblocking(False)
        try:
            while self.control.recv(64):
                pass
        except BlockingIOError:
            pass
        self.control.settimeout(10)
        self.command("s")
        state, reboots, memory, links, _ = struct.unpack("<IIQII", self.control.recv(64))
        return STATES[state], reboots, memory, links

    def wait_end(self, seconds=30):
        """The exit code."""
        def ended():
            return not self.process.running()
        wait_until(ended, seconds, lambda: f"end of {self.name}\n{tail(self.log)}")
        return self.process.popen.returncode

    def stop(self):
        if self.control:
            self.control.close()
        super().stop()

    def keep_memory(self, size):
        """Asks the guest, by its balloon, to do with so many bytes."""
        self.control.send(b"B" + struct.pack("<Q", size))
