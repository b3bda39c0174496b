# SPDX-License-Identifier: BSD-3-Clause
"""The base of test cases: a folder, a switch, guests, wires; undone in reverse order."""

import os
import pathlib
import re
import shutil
import tempfile
import unittest

from harness import accel, guest_image
from harness.cleanup import Cleanup
from harness.guest import Guest
from harness.machine import Machine
from harness.process import tail
from harness.switch import Switch
from harness.vm import Vm
from harness.wire import Stream, Wire


def scratch_root():
    """The suite's folder, given by the runner; it is removed after the suite."""
    return os.environ.get("PATCHBAY_SCRATCH") or tempfile.gettempdir()


class Bench:
    """What a test, or a class of tests, has set up."""

    def __init__(self):
        self.cleanup = Cleanup()
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="t", dir=scratch_root()))
        self.folder.chmod(0o755)
        self.cleanup.add(shutil.rmtree, self.folder, True)

    def switch(self, *arguments, start=True, **options):
        switch = Switch(self.folder, *arguments, **options)
        self.cleanup.add(switch.kill)
        return switch.start() if start else switch

    def wire(self, name, **options):
        wire = Wire(name, **options)
        self.cleanup.add(wire.close)
        return wire

    def stream(self, source, destination, **options):
        """Frames from one wire to another, begun; assert_no_loss() ends it."""
        stream = Stream(source, destination, **options)
        self.cleanup.add(stream.stop)
        return stream.start()

    def guest(self, name, **options):
        """A guest that is not started yet."""
        image = guest_image.build()
        guest = Guest(name, self.folder, image, **{"acceleration": acceleration(image), **options})
        self.cleanup.add(guest.stop)
        return guest

    def vm(self, name, **options):
        """A virtual machine for `patchbay vm run` beside the switch, not started yet."""
        vm = Vm(name, self.folder, guest_image.build(), **options)
        self.cleanup.add(vm.stop)
        return vm

    def machine(self, name, **options):
        """A guest on our own monitor that is not started yet."""
        machine = Machine(name, self.folder, guest_image.build(), **options)
        self.cleanup.add(machine.stop)
        return machine

    def logs(self):
        """The last words of everything that ran here."""
        parts = []
        for path in sorted(self.folder.rglob("*")):
            if path.suffix in (".log", ".console") and tail(path):
                parts.append(f"--- {path.name}\n{tail(path)}")
        return "\n".join(parts)

    def refused_calls(self):
        """What daemons here wanted of the kernel and did not get (lib/confine.h)."""
        words = []
        for path in self.folder.rglob("*"):
            if path.suffix in (".log", ".next") and path.is_file():
                words += re.findall(r"system call .* was refused", path.read_text(errors="replace"))
        if words:
            raise AssertionError(f"a table of needs is not complete: {words}")

    def close(self):
        self.cleanup.run()


chosen = []


def acceleration(image):
    if not chosen:
        chosen.append(accel.choose(image)[0])
    return chosen[0]


def requires(condition, reason):
    """Skips a test whose machine lacks something; the reason is shown."""
    return unittest.skipUnless(condition, reason)


requires_root = requires(os.geteuid() == 0, "needs root")


class TestCase(unittest.TestCase):
    """Each test gets a fresh self.bench; a class that defines set_up_class(bench) shares one.

    In a shared class, cls.shared is the bench and what set_up_class stored on the class is there
    for every test.
    """

    maxDiff = None
    shared = None

    @classmethod
    def setUpClass(cls):
        if hasattr(cls, "set_up_class"):
            cls.shared = Bench()
            cls.addClassCleanup(cls.shared.close)
            cls.addClassCleanup(cls.shared.refused_calls)
            try:
                cls.set_up_class(cls.shared)
            except unittest.SkipTest:
                raise
            except Exception as error:
                raise AssertionError(f"{error}\n{cls.shared.logs()}") from error

    def run(self, result=None):
        # The bench is closed after the result was reported, so that logs can be shown with it.
        self.bench = None
        try:
            return super().run(result)
        finally:
            if self.bench:
                self.bench.close()

    def setUp(self):
        self.bench = Bench()
        self.addCleanup(self.bench.refused_calls)
        self.set_up()

    def set_up(self):
        """For subclasses."""

    def logs(self):
        return "\n".join(bench.logs() for bench in (self.shared, self.bench) if bench).strip()

    def assert_no_loss(self, stream):
        sent, lost, twice = stream.stop()
        self.assertGreater(sent, 0)
        self.assertEqual((lost, twice), (0, 0), f"(lost, arrived twice) of {sent} frames")

    def says(self, text, *words):
        """An error text names all these things."""
        for word in words:
            self.assertIn(str(word).lower(), text.lower())
