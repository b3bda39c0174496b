# SPDX-License-Identifier: BSD-3-Clause
"""Runs one file of end-to-end tests, already inside its namespaces, and prints TAP.

    python3 -m harness.suite FILE [PATTERN]
"""

import fnmatch
import importlib.util
import os
import pathlib
import sys
import time
import traceback
import unittest

from harness.process import run


def isolate():
    """Own /run (nothing of it outlives us), loopback up."""
    if os.environ.get("PATCHBAY_ISOLATED") != "yes":
        return
    run("mount", "--make-rprivate", "/")
    run("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", "/run")
    run("mount", "-t", "sysfs", "sysfs", "/sys")  # shows the interfaces of this namespace
    run("ip", "link", "set", "lo", "up")


class TapResult(unittest.TestResult):
    def __init__(self, prefix):
        super().__init__()
        self.prefix = prefix
        self.number = 0
        self.begin = time.monotonic()
        self.subtest_failures = 0
        self.reported = set()

    def name(self, test):
        """guests.Guests.test_udp; what fails around a class: guests.setUpClass of Guests."""
        if isinstance(test, unittest.TestCase):
            return self.prefix + "." + test.id().split(".", 1)[-1]
        step, _, where = test.id().partition(" ")
        return f"{self.prefix}.{step} of {where.strip('()').rsplit('.', 1)[-1]}"

    def report(self, verdict, test, note=""):
        self.number += 1
        self.reported.add(test.id())
        seconds = time.monotonic() - self.begin
        note = note or f"# {seconds:.1f} s"
        print(f"{verdict} {self.number} - {self.name(test)} {note}", flush=True)

    def explain(self, test, error):
        text = "".join(traceback.format_exception(*error))
        if hasattr(test, "logs"):
            text += test.logs() + "\n"
        for line in text.splitlines():
            print("#   " + line, flush=True)
        if os.environ.get("PATCHBAY_PAUSE"):
            print("# paused", flush=True)
            with open("/dev/tty") as terminal:
                terminal.readline()

    def startTest(self, test):
        super().startTest(test)
        self.begin = time.monotonic()
        self.subtest_failures = 0

    def addSuccess(self, test):
        self.report("ok", test)

    def addSkip(self, test, reason):
        self.report("ok", test, f"# SKIP {reason}")

    def addError(self, test, error):
        self.failures.append((test, ""))
        self.report("not ok", test)
        self.explain(test, error)

    addFailure = addError

    def report_rest(self, tests):
        """What did not come to run, because its class could not be set up, is a failure as well."""
        for test in tests:
            if test.id() not in self.reported:
                self.report("not ok", test, "# did not run")

    def addSubTest(self, test, subtest, error):
        if error is None:
            return
        self.explain(subtest, error)
        self.subtest_failures += 1
        if self.subtest_failures == 1:  # addSuccess is not called for it: one verdict per test
            self.failures.append((test, ""))
            self.report("not ok", test)

    def addExpectedFailure(self, test, error):
        self.addError(test, error)

    def addUnexpectedSuccess(self, test):
        self.report("not ok", test)


def flatten(suite):
    for item in suite:
        if isinstance(item, unittest.TestSuite):
            yield from flatten(item)
        else:
            yield item


def load(path, pattern):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    tests = flatten(unittest.defaultTestLoader.loadTestsFromModule(module))
    return unittest.TestSuite(test for test in tests
                              if fnmatch.fnmatch(test.id(), f"*{pattern}*"))


def main():
    path = pathlib.Path(sys.argv[1])
    pattern = sys.argv[2] if len(sys.argv) > 2 else ""
    isolate()
    suite = load(path, pattern)
    tests = list(flatten(suite))
    print(f"1..{len(tests)}", flush=True)
    result = TapResult(path.stem.removeprefix("test_"))
    suite.run(result)
    result.report_rest(tests)
    sys.exit(1 if result.failures else 0)


if __name__ == "__main__":
    main()
