# SPDX-License-Identifier: BSD-3-Clause
"""dpdk-testpmd: DPDK's own virtio driver (virtio-user), which shares no line with ours."""

import os
import pathlib
import pty
import re
import select
import shutil
import signal
import subprocess
import time

from harness.process import Failed, die_with_parent, tail
from harness.wait import patient

PROGRAM = "dpdk-testpmd"
PROMPT = "testpmd> "
START_SECONDS = 30
HUGEPAGES = pathlib.Path("/sys/kernel/mm/hugepages/hugepages-2048kB")


def installed():
    return shutil.which(PROGRAM) is not None


def cpu_has(flag):
    return re.search(rf"^flags\b.*\b{flag}\b", pathlib.Path("/proc/cpuinfo").read_text(), re.M)


def virtio_user(number, path, **properties):
    """The description of a virtio-user device for --vdev and `port attach`."""
    words = [f"net_virtio_user{number}", f"path={path}"]
    return ",".join(words + [f"{key}={value}" for key, value in properties.items()])


def net_pcap(number, rx, tx, endless=False):
    """A device that receives files (once, or over and over) and sends to files, one per queue."""
    words = [f"net_pcap{number}"] + (["infinite_rx=1"] if endless else [])
    return ",".join(words + [f"rx_pcap={path}" for path in rx] + [f"tx_pcap={path}" for path in tx])


class Hugepages:
    """Room for testpmd in 2 MiB pages: takes what is missing from the system, and gives it back."""

    def __init__(self, megabytes):
        self.added = 0
        self.need = megabytes // 2

    def reserve(self):
        """Whether there are enough."""
        missing = self.need - self.read("free_hugepages")
        if missing <= 0:
            return True
        self.change(missing)
        return self.read("free_hugepages") >= self.need

    def change(self, count):
        before = self.read("nr_hugepages")
        try:
            (HUGEPAGES / "nr_hugepages").write_text(str(before + count))
        except OSError:
            return
        self.added += self.read("nr_hugepages") - before

    def release(self):
        if self.added > 0:
            self.change(-self.added)

    @staticmethod
    def read(name):
        try:
            return int((HUGEPAGES / name).read_text())
        except OSError:
            return 0


class Testpmd:
    """One process with the devices `vdevs`, at its prompt; forwarding is not started yet.

    Its lcores share all CPUs, so that a busy switch on one of them only slows it down.
    """

    def __init__(self, folder, name, vdevs, *arguments, queues=1, huge=False, megabytes=64,
                 eal=()):
        """arguments: further ones of testpmd; eal: of DPDK.

        Without hugepages the memory is one memfd of `megabytes`; with them it grows when needed.
        """
        self.log = pathlib.Path(folder) / f"{name}.log"
        cpus = ",".join(map(str, sorted(os.sched_getaffinity(0))))
        memory = (["--in-memory", "--single-file-segments"] if huge else
                  ["--no-huge", "-m", str(megabytes)])
        self.command = [
            PROGRAM, "--no-pci", *memory, "--no-shconf", "--no-telemetry", "--iova-mode=va",
            "--lcores", f"0@({cpus}),1@({cpus})", f"--file-prefix={name}",
            "--log-level=pmd.net.virtio.*:info", *eal, *[f"--vdev={vdev}" for vdev in vdevs],
            "--", "-i", "--total-num-mbufs=8192", "--mbcache=64", "--nb-cores=1",
            f"--rxq={queues}", f"--txq={queues}", "--rxd=1024", "--no-flush-rx",
            "--port-topology=paired", *arguments]
        self.text = ""
        self.child = None
        self.terminal = -1

    def start(self):
        self.spawn()
        return self.ready()

    def ready(self):
        """Waits for its prompt: all its devices are up."""
        said = self.expect(0, START_SECONDS, "prompt")
        if "Start ports failed" in said:
            raise Failed(f"{PROGRAM}: {said}")
        return self

    def spawn(self):
        self.text = ""
        self.terminal, far = pty.openpty()
        try:
            self.child = subprocess.Popen(self.command, stdin=far, stdout=far, stderr=far,
                                          start_new_session=True, preexec_fn=die_with_parent)
        except FileNotFoundError:
            raise Failed(f"{PROGRAM}: not installed") from None
        finally:
            os.close(far)

    def read(self, seconds):
        """Takes what it has said; False when it has ended."""
        if not select.select([self.terminal], [], [], seconds)[0]:
            return True
        try:
            data = os.read(self.terminal, 65536)
        except OSError:  # EIO: nobody holds the other end
            data = b""
        with self.log.open("ab") as log:
            log.write(data)
        self.text += data.decode(errors="replace").replace("\r", "")
        return bool(data)

    def expect(self, begin, seconds, what):
        """Waits for the prompt; what was said from `begin` on."""
        deadline = time.monotonic() + patient(seconds)
        while PROMPT not in self.text[begin:]:
            left = deadline - time.monotonic()
            if left <= 0:
                raise Failed(f"{PROGRAM}: no {what} within {seconds} s\n{tail(self.log)}")
            if not self.read(left):
                raise Failed(f"{PROGRAM} ended with code {self.child.wait()}:\n{tail(self.log)}")
        return self.text[begin:].split(PROMPT)[0]

    def __call__(self, command, seconds=20):
        """Types a command; what it says until the next prompt."""
        while select.select([self.terminal], [], [], 0)[0]:
            if not self.read(0):
                break
        begin = len(self.text)
        os.write(self.terminal, command.encode() + b"\n")
        return self.expect(begin, seconds, f"end of \"{command}\"")

    def forward(self, *ports):
        """Starts forwarding between these ports, two by two; waits where a ring is full."""
        self(f"set portlist {','.join(map(str, ports))}")
        self("set fwd io retry")
        self("set burst tx delay 10 retry 100000")
        said = self("start")
        if "Logical Core" not in said:
            raise Failed(f"{PROGRAM}: {said}")

    def packets(self, port):
        """(received, sent) of a port by its own count."""
        said = self(f"show port stats {port}")
        return tuple(int(re.search(rf"{way}-packets: (\d+)", said).group(1))
                     for way in ("RX", "TX"))

    def paths(self, port):
        """What the virtio driver says of the functions it chose for a port: {"Rx", "Tx"}."""
        found = re.findall(rf"virtio: using (.*) (Rx|Tx) path on port {port}\b", self.text)
        return {way: name for name, way in found}

    @property
    def pid(self):
        return self.child.pid

    def quit(self, seconds=20):
        """Ends it properly: ports stopped and closed."""
        os.write(self.terminal, b"quit\n")
        deadline = time.monotonic() + seconds
        while self.read(max(0, deadline - time.monotonic())):
            if time.monotonic() > deadline:
                raise Failed(f"{PROGRAM}: no end within {seconds} s\n{tail(self.log)}")
        code = self.child.wait(5)
        self.close()
        if code:
            raise Failed(f"{PROGRAM} ended with code {code}:\n{tail(self.log)}")

    def kill(self, signum=signal.SIGKILL):
        if self.child and self.child.poll() is None:
            self.child.send_signal(signum)
            self.child.wait(20)
        self.close()

    def close(self):
        if self.terminal >= 0:
            os.close(self.terminal)
            self.terminal = -1
