# SPDX-License-Identifier: BSD-3-Clause
"""Runs suites of end-to-end tests, each in its own namespaces, and prints TAP.

    tests/e2e/run [--pause] [--keep] [--match TEXT] [NAME...]

NAME is that of a file tests/e2e/test_NAME.py; all of them without.  --pause stops at a failure and
says how to get into the namespaces; --keep leaves the folder with all logs.
"""

import argparse
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading

from harness import guest_image, tap
from harness.process import die_with_parent

TESTS = pathlib.Path(__file__).resolve().parents[1]
SUITE_SECONDS = 1200


def suites(names):
    folder = TESTS / "e2e"
    if not names:
        return sorted(folder.glob("test_*.py"))
    paths = [folder / f"test_{name}.py" for name in names]
    for path in paths:
        if not path.exists():
            known = " ".join(p.stem.removeprefix("test_") for p in sorted(folder.glob("test_*.py")))
            sys.exit(f"no suite {path.stem.removeprefix('test_')}; there are: {known}")
    return paths


def namespaces():
    """The command that gives a suite its own network, mounts and processes."""
    words = ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
    if os.geteuid() != 0:
        words[1:1] = ["--user", "--map-root-user"]
    probe = subprocess.run([*words, "true"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return words if probe.returncode == 0 else []


def inner_pid(pid):
    """The process that unshare forked."""
    children = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return children[0] if children else "?"


def run_suite(path, options, prefix, counts):
    scratch = tempfile.mkdtemp(prefix="patchbay-e2e.")
    os.chmod(scratch, 0o755)
    failed = counts.failed
    try:
        run_isolated(path, options, prefix, counts, scratch)
    finally:
        if options.keep and counts.failed > failed:
            print(f"# kept: {scratch}", flush=True)
        else:
            shutil.rmtree(scratch, ignore_errors=True)


def run_isolated(path, options, prefix, counts, scratch):
    environment = dict(os.environ, PATCHBAY_SCRATCH=scratch, PYTHONPATH=str(TESTS),
                       PYTHONDONTWRITEBYTECODE="1")
    environment.pop("XDG_RUNTIME_DIR", None)
    if prefix:
        environment["PATCHBAY_ISOLATED"] = "yes"
    if options.pause:
        environment["PATCHBAY_PAUSE"] = "yes"
    command = [*prefix, sys.executable, "-m", "harness.suite", str(path), options.match]
    child = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True,
                             stdin=subprocess.DEVNULL, preexec_fn=die_with_parent)
    timer = threading.Timer(SUITE_SECONDS, child.kill)
    if not options.pause:
        timer.start()
    planned, before, failed = 0, counts.total, counts.failed
    try:
        for line in child.stdout:
            line = line.rstrip("\n")
            planned = tap.plan(line) or planned
            result = tap.parse(line)
            if result:
                counts.add(*result)
                # Numbered through all suites.
                line = re.sub(r"\d+", str(counts.total), line, count=1)
            elif tap.plan(line) is not None:
                continue
            if line == "# paused":
                print(f"# paused: `nsenter -at {inner_pid(child.pid)}` enters, files are in "
                      f"{scratch}, Enter here goes on", flush=True)
                continue
            print(line, flush=True)
        child.wait()
    finally:
        timer.cancel()
        if child.poll() is None:
            child.kill()
            child.wait()
    lost = planned - (counts.total - before)
    if lost > 0 or (child.returncode and counts.failed == failed):
        for _ in range(max(lost, 1)):
            name = f"{path.stem.removeprefix('test_')}: ended early with code {child.returncode}"
            counts.add("failed", name)
            print(f"not ok {counts.total} - {name}", flush=True)


def main():
    parser = argparse.ArgumentParser(usage=__doc__.strip().split("\n\n")[1].strip(),
                                     description=__doc__.strip().split("\n\n")[2])
    parser.add_argument("--pause", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--keep", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--match", default="", metavar="TEXT",
                        help="run only tests whose name holds TEXT")
    parser.add_argument("names", nargs="*", metavar="NAME", help=argparse.SUPPRESS)
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        guest_image.build_or_update()  # in the suites' namespaces there is no network to get it by
    except guest_image.ImageError as error:
        print(f"# guest image: {error}", flush=True)
    counts = tap.Counts()
    prefix = namespaces()
    for path in suites(options.names):
        run_suite(path, options, prefix, counts)
    print(f"1..{counts.total}")
    sys.exit(1 if counts.failed else 0)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
