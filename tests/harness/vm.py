# SPDX-License-Identifier: BSD-3-Clause
"""A virtual machine run by `patchbay vm run`; the agent of its guest speaks on the serial console."""

import json
import os
import pathlib
import time

from harness.guest import Guest, Line
from harness.process import Failed, Process, run
from harness.switch import CLIENT
from harness.wait import Timeout, patient, wait_until

APPEND = ("console=ttyS0 quiet panic=-1 mitigations=off random.trust_cpu=on patchbay.agent=ttyS0 "
          "patchbay.modules=button,evdev,virtio_blk")


class Vm(Guest):
    """folder is the runtime directory ($PATCHBAY_RUNTIME_DIR), where patchbayd listens too.

    It runs in the foreground of a command that dies with us, or detached; `sh` runs commands in it.
    """

    def __init__(self, name, folder, image, memory="192M", append=APPEND, options=(), detach=False):
        super().__init__(name, folder, image)
        self.options = [str(word) for word in options]
        self.words = ["vm", "run", name, "--kernel", str(image.kernel) if image else "",
                      "--initrd", str(image.initramfs) if image else "", "--append", append,
                      "--memory", memory, *self.options]
        self.detach = detach
        self.said = ""

    @property
    def runtime(self):
        return self.folder / "vm" / self.name

    @property
    def log(self):
        return self.path("log")

    def environment(self):
        return dict(os.environ, PATCHBAY_RUNTIME_DIR=str(self.folder))

    def command(self, *words, check=True, **options):
        return run(CLIENT, *words, check=check, env=self.environment(), **options)

    def start(self):
        """Returns when its console can be reached."""
        if self.detach:
            self.said = self.command(*self.words, "--detach").stderr
        else:
            self.process = Process([CLIENT, *self.words], self.log, env=self.environment())
        self.connect()
        return self

    def connect(self):
        try:
            self.agent = Line(self.runtime / "console.sock",
                              self.process.check if self.process else lambda: None)
        except Timeout as error:
            raise Failed(f"{self.name}: {error}\n{self.words_said()}") from None
        # The console shows its last bytes again: answers in there are not to ours.
        self.count = time.monotonic_ns()

    def words_said(self):
        """What the command has said."""
        if self.detach:
            return self.said
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def wait_running(self, seconds=20):
        wait_until(lambda: self.show().get("state") == "running", seconds, f"{self.name} running")

    def show(self):
        """The row of `vm show`; {} when there is none."""
        done = self.command("--json", "vm", "show", self.name, check=False)
        return json.loads(done.stdout)["rows"][0] if done.returncode == 0 else {}

    def end_code(self, seconds=20):
        """The exit code of the command in the foreground."""
        self.process.popen.wait(patient(seconds))
        return self.process.popen.returncode

    def stop(self):
        if self.agent:
            self.agent.close()
            self.agent = None
        if self.runtime.exists():
            self.command("vm", "kill", self.name, check=False)
        if self.process:
            self.process.kill()

    def path(self, kind):
        folder = pathlib.Path(self.folder)
        return folder / "log" / f"{self.name}.console" if kind == "console" else super().path(kind)
