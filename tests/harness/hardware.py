# SPDX-License-Identifier: BSD-3-Clause
"""Tests that need hardware virtualisation.

`@virtualised` leaves a class of tests as it is where KVM runs ordinary kernels.  Elsewhere each of its
tests tells the verdict of the same test of the same file in an outer machine, which QEMU's TCG gives
AMD's SVM: one machine for all the classes of a file, one run of the tests for each class.
"""

import atexit
import fnmatch
import functools
import os
import pathlib
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
import unittest

from harness import nested_image, tap
from harness.case import TestCase, requires_root, scratch_root
from harness.nested import Job, Nested
from harness.process import Failed
from harness.switch import BUILD

PROBE = [str(BUILD / "tests" / "tools" / "machine"), "probe"]
OUTER_MEMORY = 4096
OUTER_CPUS = 2
BOOT_SECONDS = 180
SILENCE_SECONDS = 600  # without a verdict
# How much longer than on hardware something may take in the outer machine.
PATIENCE = 8
# Files that programs make in /tmp are the outer machine's own: 9p cannot truncate unlinked ones.
OWN_TMP = ("mkdir /dev/shm/tmp /dev/shm/tmp.work && mount -t overlay -o "
           "lowerdir=/tmp,upperdir=/dev/shm/tmp,workdir=/dev/shm/tmp.work overlay /tmp")


@functools.cache
def probe():
    """(does KVM run ordinary kernels here?, why or why not)"""
    done = subprocess.run(PROBE, text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    return done.returncode == 0, done.stdout.strip()


@functools.cache
def outer_machine():
    """The machine of this process, booted; it ends with the process."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="outer", dir=scratch_root()))
    machine = Nested("outer", folder, nested_image.build(), memory=OUTER_MEMORY, cpus=OUTER_CPUS)
    atexit.register(shutil.rmtree, folder, True)
    atexit.register(machine.stop)
    machine.start()
    machine.wait_boot(BOOT_SECONDS)
    machine.sh(OWN_TMP)
    return machine


def environment():
    """What a program in the outer machine is told of ours, as words of a shell."""
    words = {"TMPDIR": "/dev/shm", "PATCHBAY_BUILD": str(BUILD), "PATH": os.environ["PATH"],
             "PATCHBAY_PATIENCE": str(PATIENCE), "HOME": os.environ.get("HOME", "/root"),
             "XDG_CACHE_HOME": os.environ.get("XDG_CACHE_HOME", "")}
    return " ".join(f"{key}={shlex.quote(value)}" for key, value in words.items())


class InnerRun:
    """The tests of one class at work in the outer machine."""

    def __init__(self, suite, pattern):
        self.verdicts = {}  # name -> (verdict, note, words)
        self.current = None
        self.job = Job(outer_machine(), f"{environment()} tests/e2e/run "
                       f"--match {shlex.quote(pattern)} {suite}", SILENCE_SECONDS)

    def take(self, line):
        result = tap.parse(line)
        if result:
            verdict, name, note = result
            self.current = name.split(".", 1)[-1]
            self.verdicts[self.current] = (verdict, note, [])
        elif line.startswith("#   ") and self.current:
            self.verdicts[self.current][2].append(line[4:])
        elif line.startswith("# "):
            print(line, flush=True)

    def verdict(self, name):
        """Waits for it; why a test has failed is in the lines behind its verdict."""
        while name not in self.verdicts and not self.job.ended:
            for line in self.job.wait():
                self.take(line)
        verdict = self.verdicts.get(name, ("failed", "did not run", self.job.text.splitlines()))
        if verdict[0] == "failed" and not self.job.ended:
            time.sleep(self.job.poll)
            while lines := self.job.read():
                for line in lines:
                    self.take(line)
        return verdict


def inner_pattern(module, name):
    """Which tests of a class run inside: those that the pattern of this process picks."""
    pattern = sys.argv[2] if len(sys.argv) > 2 else ""
    whole = not pattern or fnmatch.fnmatch(f"{module}.{name}.", f"*{pattern}*")
    return f".{name}." if whole else f".{name}.*{pattern}"


def proxy(case, method):
    def test(self):
        try:
            verdict, note, words = self.inner.verdict(f"{case}.{method}")
        except (Failed, OSError) as error:
            self.skipTest(f"the outer machine has stopped answering: {str(error).splitlines()[0]}")
        if verdict == "skipped":
            self.skipTest(note)
        if verdict == "failed":
            self.fail("in the outer machine: " + "\n".join([note, *words]))
    test.__name__ = method
    return test


def virtualised(cls):
    if probe()[0]:
        return requires_root(cls)

    def set_up_class(proxies, bench):
        suite = cls.__module__.removeprefix("test_")
        proxies.inner = InnerRun(suite, inner_pattern(cls.__module__, cls.__name__))
        bench.cleanup.add(proxies.inner.job.stop)

    members = {name: proxy(cls.__name__, name) for name in dir(cls) if name.startswith("test_")}
    members |= {"set_up_class": classmethod(set_up_class), "__module__": cls.__module__,
                "__doc__": cls.__doc__}
    return requires_root(type(cls.__name__, (TestCase,), members))


def virtualised_at_length(cls):
    """The same, for classes whose guests take minutes in an outer machine and hang there now and then."""
    if probe()[0] or os.environ.get("PATCHBAY_OUTER") == "all":
        return virtualised(cls)
    return unittest.skip("KVM does not run ordinary kernels here; in an outer machine with "
                         "PATCHBAY_OUTER=all")(requires_root(cls))
