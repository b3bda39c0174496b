# SPDX-License-Identifier: BSD-3-Clause
"""A program of tests/guest/ in the place of a kernel, on our own monitor.

It runs wherever /dev/kvm makes virtual machines, also where KVM only emulates the processor.
"""

import os

from harness.machine import MACHINE, Machine
from harness.process import Failed, run
from harness.switch import BUILD

GUEST = BUILD / "tests" / "guest" / "guest"
SECTORS = 2048


def environment():
    """A sanitizer cannot look for leaks in a process that may hardly do anything."""
    options = os.environ.get("ASAN_OPTIONS", "")
    return dict(os.environ, ASAN_OPTIONS=f"{options}:detect_leaks=0")


class Program(Machine):
    def __init__(self, bench, word, cpus=1, **options):
        super().__init__(word, bench.folder, None, cpus=cpus, memory=32, **options)
        self.word = word
        self.popen = {"env": environment()}
        bench.cleanup.add(self.stop)

    def command_line(self):
        return [MACHINE, f"kernel={GUEST}", f"append={self.word}", f"cpus={self.cpus}",
                f"memory={self.memory}", *self.words]

    def start(self, *arguments):
        super().start(*arguments)
        return self

    def said(self):
        return self.log.read_text(errors="replace")

    def findings(self):
        """What it found to be as it should, and what not."""
        lines = self.said().splitlines()
        return ([line[3:] for line in lines if line.startswith("ok ")],
                [line[4:] for line in lines if line.startswith("bad ")])

    @staticmethod
    def disk(path):
        """A file whose sectors begin with their numbers."""
        path.write_bytes(b"".join(n.to_bytes(4, "little").ljust(512, b"\0")
                                  for n in range(SECTORS)))
        return path


def why_not():
    """Why such programs cannot run here; "" when they can."""
    try:
        done = run(MACHINE, f"kernel={GUEST}", "append=nothing", "memory=32", check=False, timeout=30,
                   env=environment())
    except Failed as error:
        return str(error).splitlines()[0]
    if done.returncode == 0 and "end\n" in done.stdout:
        return ""
    said = [line for line in done.stderr.splitlines() if "events:" not in line]
    return f"/dev/kvm does not run integer code: {(said or ['?'])[-1]}"
