# SPDX-License-Identifier: BSD-3-Clause
"""A machine with hardware virtualisation where there is none: QEMU's TCG with AMD's SVM.

The outer guest runs Debian's stock kernel with KVM and sees the host's files at the same paths; what
was built outside runs inside.  /run, /mnt and /dev/shm are its own.
"""

import itertools
import shlex

from harness import accel
from harness.guest import Guest
from harness.process import Failed
from harness.switch import ROOT
from harness.wait import Timeout, wait_until


class Nested(Guest):
    """The outer guest.  `sh` runs a command in the host's files, as root, with /dev/kvm."""

    def command_line(self):
        return [accel.QEMU, "-M", "q35", "-nodefaults", "-no-user-config", "-display", "none",
                "-accel", "tcg,thread=multi", "-cpu", "EPYC,+svm,+npt", "-no-reboot",
                "-m", f"{self.memory}M", "-smp", self.cpus, "-name", self.name,
                "-kernel", self.image.kernel, "-initrd", self.image.initramfs,
                "-append", "console=ttyS0 quiet panic=-1 mitigations=off random.trust_cpu=on",
                "-virtfs", "local,path=/,mount_tag=host,security_model=none,multidevs=remap",
                "-serial", f"file:{self.path('console')}",
                "-chardev", f"socket,id=agent,path={self.path('agent')},server=on,wait=off",
                "-serial", "chardev:agent",
                "-qmp", f"unix:{self.path('qmp')},server=on,wait=off"]


class Job:
    """A command at work in the outer machine, in the sources' folder; its words come bit by bit."""

    numbers = itertools.count()
    END = "the job has ended"

    def __init__(self, outer, command, silence, poll=2):
        """silence: seconds without a word after which it is given up; poll: between two looks."""
        self.outer, self.silence, self.poll = outer, silence, poll
        self.file = f"/dev/shm/job{next(self.numbers)}"
        self.text = self.pending = ""
        self.ended = False
        inner = shlex.quote(f"{command}; echo; echo {self.END}")
        outer.sh(f"cd {ROOT} && (setsid sh -c {inner} >{self.file} 2>&1 </dev/null & "
                 f"echo $! >{self.file}.pid)", timeout=silence)

    def read(self):
        """The lines since the last time."""
        more = self.outer.sh(f"tail -c +{len(self.text.encode()) + 1} {self.file}",
                             timeout=self.silence)
        self.text += more
        lines = (self.pending + more).split("\n")
        self.pending = lines.pop()
        if self.END in lines:
            self.ended = True
            lines.remove(self.END)
        return lines

    def wait(self):
        """The next lines, at least one; none at the end."""
        lines = []

        def more():
            lines.extend(self.read())
            return lines or self.ended

        try:
            wait_until(lambda: self.ended or more(), self.silence, "word", pause=self.poll)
            return lines
        except Timeout as error:
            raise Failed(f"{error} in the outer machine; until then:\n{self.text}") from None

    def stop(self):
        if not self.ended:
            self.outer.sh(f"kill -KILL -$(cat {self.file}.pid)", check=False)
