# SPDX-License-Identifier: BSD-3-Clause
"""Child processes that end with us, whatever ends us."""

import ctypes
import pathlib
import signal
import subprocess
import time

from harness.wait import patient

PR_SET_PDEATHSIG = 1
libc = ctypes.CDLL(None, use_errno=True)


def die_with_parent():
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class Failed(Exception):
    """A program did not do what it should; the text says which, and shows its words."""


def tail(path, lines=15):
    try:
        text = pathlib.Path(path).read_text(errors="replace")
    except FileNotFoundError:
        return ""
    return "\n".join(text.splitlines()[-lines:])


def run(*command, check=True, timeout=60, **options):
    """Runs a program to its end; returns subprocess.CompletedProcess with text."""
    command = [str(word) for word in command]
    try:
        done = subprocess.run(command, text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, timeout=patient(timeout), **options)
    except FileNotFoundError:
        raise Failed(f"{command[0]}: not installed") from None
    except subprocess.TimeoutExpired as error:
        said = (error.stdout or b"") + (error.stderr or b"")
        raise Failed(f"{' '.join(command)}: no end after {patient(timeout):g} s\n"
                     f"{said.decode(errors='replace')}") from None
    if check and done.returncode:
        raise Failed(f"{' '.join(command)}: exit code {done.returncode}\n"
                     f"{done.stdout}{done.stderr}".rstrip())
    return done


class Process:
    """A program in the background; its output goes to a file."""

    def __init__(self, command, log, keep=False, prepare=None, **options):
        """With `keep` the process outlives us; prepare() is called in the child before exec."""
        self.command = [str(word) for word in command]
        self.log = pathlib.Path(log)
        self.started = time.monotonic()

        def in_child():
            if not keep:
                die_with_parent()
            if prepare:
                prepare()

        with open(self.log, "ab") as output:
            try:
                self.popen = subprocess.Popen(
                    self.command, stdin=subprocess.DEVNULL, stdout=output,
                    stderr=subprocess.STDOUT, start_new_session=True,
                    preexec_fn=in_child, **options)
            except FileNotFoundError:
                raise Failed(f"{self.command[0]}: not installed") from None

    @property
    def pid(self):
        return self.popen.pid

    def running(self):
        return self.popen.poll() is None

    def check(self):
        """Raises when the process has ended."""
        if not self.running():
            raise Failed(f"{pathlib.Path(self.command[0]).name} ended with code "
                         f"{self.popen.returncode}:\n{tail(self.log)}")

    def stop(self, signum=signal.SIGTERM, seconds=5):
        """Ends the process; returns (exit code, seconds it took)."""
        begin = time.monotonic()
        if self.running():
            self.popen.send_signal(signum)
        try:
            self.popen.wait(patient(seconds))
        except subprocess.TimeoutExpired:
            self.popen.kill()
            self.popen.wait()
            raise Failed(f"{self.command[0]} ignored signal {signum} for {seconds} s") from None
        return self.popen.returncode, time.monotonic() - begin

    def kill(self):
        if self.running():
            self.popen.kill()
        self.popen.wait()
