# SPDX-License-Identifier: BSD-3-Clause
"""Tests of `patchbay vm`: commands on terminals, and what may not be left behind."""

import fcntl
import json
import os
import pathlib
import pty
import select
import subprocess
import termios

from harness.case import TestCase
from harness.process import run
from harness.switch import CLIENT
from harness.wait import wait_until


def alive(pid):
    """Is there a process that has not ended?"""
    try:
        state = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state not in "ZX"


class Terminal:
    """A command on a terminal of its own."""

    def __init__(self, *words, env):
        self.master, slave = pty.openpty()
        self.before = termios.tcgetattr(slave)
        self.slave = slave
        self.seen = b""

        def own_terminal():
            os.setsid()
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)

        self.process = subprocess.Popen([str(word) for word in words], stdin=slave, stdout=slave,
                                        stderr=slave, env=env, preexec_fn=own_terminal)

    def read(self):
        while select.select([self.master], [], [], 0)[0]:
            self.seen += os.read(self.master, 65536)
        return self.seen

    def wait_for(self, text, seconds=20):
        wait_until(lambda: text in self.read(), seconds, lambda: f"{text} in {self.seen}")

    def type(self, data):
        os.write(self.master, data)

    def is_raw(self):
        return not termios.tcgetattr(self.slave)[3] & termios.ICANON

    def is_restored(self):
        return termios.tcgetattr(self.slave) == self.before

    def end_code(self, seconds=20):
        wait_until(lambda: self.read() is not None and self.process.poll() is not None, seconds,
                   lambda: f"end of the command; it said {self.seen}")
        return self.process.returncode

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self.master)
        os.close(self.slave)


class VmCase(TestCase):
    """Tests that look at what is left behind."""

    def environment(self, bench=None):
        return dict(os.environ, PATCHBAY_RUNTIME_DIR=str((bench or self.bench).folder))

    def patchbay(self, *words, check=True, **options):
        return run(CLIENT, *words, check=check, env=self.environment(), **options)

    def rows(self):
        return json.loads(self.patchbay("--json", "vm", "list").stdout)["rows"]

    def start(self, name="vm1", **options):
        """A virtual machine whose processor runs; its guest may not be up yet."""
        vm = self.bench.vm(name, **options)
        vm.start()
        vm.wait_running()
        return vm

    def nothing_left(self, switch=None, pids=()):
        """No folder, no port, no process."""
        folder = self.bench.folder / "vm"
        wait_until(lambda: not folder.exists() or os.listdir(folder) in ([], [".register"]), 10,
                   lambda: f"empty runtime directory: {os.listdir(folder)}")
        if switch:
            self.assertEqual(switch.rows("port", "show"), [])
        for pid in pids:
            wait_until(lambda pid=pid: not alive(pid), 10, f"end of process {pid}")

    def terminal(self, *words):
        terminal = Terminal(CLIENT, *words, env=self.environment())
        self.bench.cleanup.add(terminal.close)
        return terminal
