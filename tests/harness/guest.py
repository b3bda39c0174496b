# SPDX-License-Identifier: BSD-3-Clause
"""A QEMU guest with the stock Debian kernel, and its two remote controls: agent and QMP."""

import base64
import json
import pathlib
import socket
import time

from harness import accel
from harness.process import Failed, Process, tail
from harness.wait import Timeout, patient, wait_until

BOOT_SECONDS = 60
# Added to a guest's memory.  When that is a multiple of 256 KiB, QEMU 7.2 under TCG loses what the
# guest's processor writes during a migration: it takes 64 dirty bits at a time without telling the
# processor to report its next write.  Else it goes page by page, and does.
MEMORY_EXTRA_KIB = 8


class Line:
    """A Unix stream socket that carries lines."""

    def __init__(self, path, alive=lambda: None, seconds=10):
        """alive() raises when there is no use in waiting for the other end."""
        self.pending = b""
        self.socket = wait_until(lambda: self.attempt(path, alive), seconds, f"answer on {path}")

    @staticmethod
    def attempt(path, alive):
        alive()
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            connection.connect(str(path))
            return connection
        except (FileNotFoundError, ConnectionRefusedError):
            connection.close()
            return None

    def read(self, deadline):
        """The next line without its end; Timeout after the deadline (time.monotonic)."""
        while b"\n" not in self.pending:
            left = deadline - time.monotonic()
            if left <= 0:
                raise Timeout("no line in time")
            self.socket.settimeout(left)
            try:
                piece = self.socket.recv(65536)
            except TimeoutError:
                continue
            if not piece:
                raise Failed("the other end closed the connection")
            self.pending += piece
        line, self.pending = self.pending.split(b"\n", 1)
        return line.decode(errors="replace").strip("\r\0 ")

    def write(self, text):
        self.socket.settimeout(10)
        self.socket.sendall(text.encode() + b"\n")

    def close(self):
        self.socket.close()


class Qmp:
    """QEMU's control socket."""

    def __init__(self, path, alive):
        self.line = Line(path, alive)
        self.line.read(time.monotonic() + 10)  # the greeting
        self.command("qmp_capabilities")

    def command(self, verb, **arguments):
        self.line.write(json.dumps({"execute": verb, "arguments": arguments}))
        deadline = time.monotonic() + 20
        while True:
            answer = json.loads(self.line.read(deadline))
            if "error" in answer:
                raise Failed(f"QEMU refused {verb}: {answer['error']['desc']}")
            if "return" in answer:
                return answer["return"]

    def close(self):
        self.line.close()


class Guest:
    """One virtual machine.  Nics are added before start(); `sh` runs commands in it."""

    def __init__(self, name, folder, image, acceleration="tcg", memory=192, cpus=1, keep=False):
        self.name = name
        self.folder = pathlib.Path(folder)
        self.image = image
        self.acceleration = acceleration
        self.memory = memory
        self.cpus = cpus
        self.keep = keep
        self.nics = []
        self.process = self.agent = self.qmp = self.boot_id = None
        self.count = 0

    def path(self, kind):
        return self.folder / f"{self.name}.{kind}"

    @property
    def log(self):
        return self.path("qemu.log")

    # ---- before the start ----

    def add_vhost_user(self, path, mac, queues=1, server=False, reconnect=0, **properties):
        """A virtio-net device on a vhost-user socket; `server`: QEMU listens, patchbay connects.

        Properties are those of QEMU's virtio-net-pci: mrg_rxbuf="off", rx_queue_size=1024.
        """
        number = len(self.nics)
        role = ",server=on,wait=on" if server else f",reconnect={reconnect}" if reconnect else ""
        self.nics.append([
            "-chardev", f"socket,id=c{number},path={path}{role}",
            "-netdev", f"vhost-user,id=n{number},chardev=c{number},queues={queues}",
            "-device", self.device(number, mac, queues, properties)])

    def add_netdev(self, netdev, mac, **properties):
        """A virtio-net device on any other QEMU back end: netdev is "stream,addr.type=..."."""
        number = len(self.nics)
        kind, _, rest = netdev.partition(",")
        self.nics.append(["-netdev", f"{kind},id=n{number},{rest}",
                          "-device", self.device(number, mac, 1, properties)])

    def device(self, number, mac, queues, properties):
        # Without an option ROM the firmware does not try to boot from the network.
        words = {"netdev": f"n{number}", "mac": mac, "id": f"d{number}", "romfile": ""}
        if queues > 1:
            words["mq"] = "on"
        # QEMU 7.2 crashes in msix_set_vector_notifiers under TCG with vhost-user and MSI-X.
        if self.acceleration == "tcg":
            words["vectors"] = 0
        words.update(properties)
        return "virtio-net-pci," + ",".join(
            f"{key}={value}" for key, value in words.items())

    def command_line(self):
        memory = f"{self.memory * 1024 + MEMORY_EXTRA_KIB}K"
        line = [accel.QEMU, "-M", "q35", "-nodefaults", "-no-user-config", "-display", "none",
                "-m", memory, "-smp", self.cpus, "-name", self.name,
                "-object", f"memory-backend-memfd,id=m,size={memory},share=on",
                "-numa", "node,memdev=m",
                "-kernel", self.image.kernel, "-initrd", self.image.initramfs,
                "-append", "console=ttyS0 quiet panic=-1 mitigations=off random.trust_cpu=on",
                "-serial", f"file:{self.path('console')}",
                "-chardev", f"socket,id=agent,path={self.path('agent')},server=on,wait=off",
                "-serial", "chardev:agent",
                "-qmp", f"unix:{self.path('qmp')},server=on,wait=off"]
        if self.acceleration == "kvm":
            line += ["-accel", "kvm", "-cpu", "host"]
        else:
            line += ["-accel", "tcg,thread=multi", "-cpu", "max,la57=off"]
        for nic in self.nics:
            line += nic
        return line

    # ---- life ----

    def start(self, *arguments):
        """Starts QEMU, with further arguments of its own; wait_boot() waits for the guest."""
        self.process = Process([*self.command_line(), *arguments], self.log, keep=self.keep)
        self.connect()

    def connect(self):
        """Takes up the connections to a guest that is running (also one kept by another run)."""
        alive = self.process.check if self.process else lambda: None
        try:
            self.agent = Line(self.path("agent"), alive)
            self.qmp = Qmp(self.path("qmp"), alive)
        except Timeout as error:
            raise Failed(f"{self.name}: {error}\n{tail(self.log)}") from None

    def must_complain(self, text, seconds=20):
        """Starts a QEMU that does not get far: waits for these words of it, then ends it."""
        self.process = Process(self.command_line(), self.log)
        wait_until(lambda: text in self.log.read_text(), seconds, f'"{text}" from {self.name}')
        self.process.kill()

    def wait_boot(self, seconds=BOOT_SECONDS):
        """Waits until the agent announces a new boot."""
        deadline = time.monotonic() + patient(seconds)
        while True:
            line = self.read(deadline, f"{self.name} to boot")
            if line.startswith("ready "):
                self.boot_id = line.split()[1]
                return

    def read(self, deadline, what):
        try:
            return self.agent.read(deadline)
        except (Timeout, Failed) as error:
            if self.process:
                self.process.check()
            raise Failed(f"{self.name}: waited for {what}: {error}\n"
                         f"{tail(self.path('console'))}\n{tail(self.log)}") from None

    def stop(self):
        for connection in (self.agent, self.qmp):
            if connection:
                connection.close()
        if self.process:
            self.process.kill()

    # ---- use ----

    def sh(self, command, check=True, timeout=30):
        """Runs a shell command in the guest; its output.  With check=False: (exit code, output)."""
        self.send(command, timeout)
        return self.receive(command, check, timeout)

    def send(self, command, timeout=30):
        """First half of sh(): lets two guests work at the same time."""
        self.count += 1
        text = base64.b64encode(command.encode()).decode()
        self.agent.write(f"{self.count} {int(patient(timeout))} {text}")

    def receive(self, command, check=True, timeout=30):
        deadline = time.monotonic() + patient(timeout) + 10
        while True:
            words = self.read(deadline, f"the end of `{command}`").split()
            if words and words[0] == str(self.count) and len(words) >= 2:
                break
            if words and words[0] == "ready":
                raise Failed(f"{self.name} rebooted during `{command}`")
        code = int(words[1])
        output = base64.b64decode(words[2]).decode(errors="replace") if len(words) > 2 else ""
        if not check:
            return code, output
        if code:
            raise Failed(f"{self.name}: `{command}`: exit code {code}\n{output}".rstrip())
        return output

    def reboot(self):
        """Restarts the guest's kernel and waits for its agent; QEMU stays."""
        self.count += 1
        text = base64.b64encode(b"reboot -f").decode()
        self.agent.write(f"{self.count} 30 {text}")
        self.wait_boot()

    def set_link(self, nic, up):
        """Plugs the cable of a nic in or out."""
        self.qmp.command("set_link", name=f"n{nic}", up=up)

    def addresses(self, nic, *addresses, mtu=None):
        """Gives the nic these addresses and brings it up."""
        commands = [f"ip link set eth{nic} mtu {mtu}"] if mtu else []
        commands.append(f"ip link set eth{nic} up")
        for address in addresses:
            commands.append(f"ip addr add {address} dev eth{nic}")
        self.sh(" && ".join(commands))
