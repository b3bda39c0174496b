# SPDX-License-Identifier: BSD-3-Clause
"""Compares the speed of the working tree with that of a revision: bench/path of both in turn, about
a minute.

Printed per case: cycles per packet on the worker (lowest tenth of short windows) of both, medians
over the rounds, and the median of the ratios of each round; above 1 the working tree is slower.
"""

import argparse
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time

from harness.cleanup import Cleanup
from harness.process import Failed
from harness.progress import say
from measure import build, said
from measure.figures import median
from measure.threads import RealTime

SECONDS = 40         # for measuring
RUN_SECONDS = 60     # one measurement takes 2
CASES = {
    "64-split": [],
    "64-packed": ["-p"],
    "64-split-in-order": ["-i"],
    "1500-split": ["-s", "1500"],
    "1500-packed": ["-s", "1500", "-p"],
}
# What a build folder must have been configured with to be compared with one made here.
OPTIONS = {"buildtype": "debugoptimized", "optimization": "3", "b_sanitize": "none",
           "b_coverage": False, "b_lto": False}


def resolve(revision):
    """The commit behind a name."""
    text = build.command(f"revision {revision}", "git", "-C", build.ROOT, "rev-parse", "--verify",
                         "--quiet", "--end-of-options", f"{revision}^{{commit}}", seconds=60)
    return text.strip()


def unpack(commit, folder):
    """The tree of a commit, without touching the repository."""
    archive = folder.with_suffix(".tar")
    build.command(f"unpacking {commit[:12]}", "git", "-C", build.ROOT, "archive", "--format=tar",
                  f"--output={archive}", commit, seconds=60)
    folder.mkdir()
    build.command(f"unpacking {commit[:12]}", "tar", "-xf", archive, "-C", folder, seconds=60)
    archive.unlink()


def check_options(folder):
    """Both trees must be compiled alike."""
    text = build.command("build options", "meson", "introspect", "--buildoptions", folder,
                         seconds=60)
    values = {option["name"]: option["value"] for option in json.loads(text)}
    for name, value in OPTIONS.items():
        if values.get(name) != value:
            raise Failed(f"{folder} is configured with {name}={values.get(name)}, not {value}: set "
                         f"PATCHBAY_BUILD to a folder of its own")


def measure(program, arguments, realtime):
    """Cycles per packet.  All threads of bench/path poll, but one that sleeps.  Revisions whose bench/path knows no -j print a line."""
    def prepare():
        build.die_with_parent()
        realtime.give(0, program)

    for words in (["-j", *arguments], arguments):
        try:
            done = subprocess.run([str(program), *words], stdin=subprocess.DEVNULL, text=True,
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                  timeout=RUN_SECONDS, preexec_fn=prepare)
        except subprocess.TimeoutExpired:
            raise Failed(f"{program}: no end after {RUN_SECONDS} s") from None
        except subprocess.SubprocessError:
            raise Failed("--realtime: SCHED_FIFO may not be had; in a container it needs "
                         "CAP_SYS_NICE and real-time run time") from None
        if done.returncode == 0:
            break
    else:
        raise Failed(f"{program} {' '.join(arguments)}: exit code {done.returncode}\n"
                     f"{done.stderr.strip()}")
    if words[:1] == ["-j"]:
        return json.loads(done.stdout)["switch_cycles"]
    return said.path_cycles(done.stdout)


def rounds(programs, cases, seconds, realtime):
    """{case: [(cycles of the revision, cycles of the working tree)]}: as many rounds as fit."""
    found = {name: [] for name in cases}
    begin = time.monotonic()
    done = 0
    while not done or (time.monotonic() - begin) * (done + 1) / done <= seconds:
        for name in cases:
            found[name].append(tuple(measure(program, CASES[name], realtime)
                                     for program in programs))
        done += 1
    return found


def summary(pairs):
    """(median before, median now, median ratio, lowest, highest ratio)."""
    ratios = [now / before for before, now in pairs if before > 0]
    if not ratios:
        raise Failed("nothing was measured: is the machine too busy?")
    return (median([before for before, _ in pairs]), median([now for _, now in pairs]),
            median(ratios), min(ratios), max(ratios))


def parse_options(arguments):
    parser = argparse.ArgumentParser(prog="guard", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("revision", nargs="?", default="HEAD", help="default: HEAD")
    add("--case", action="append", choices=list(CASES), help="default: all; may be repeated")
    add("--seconds", type=float, default=SECONDS, metavar="S",
        help="for measuring, at least one round; default: %(default)s")
    add("--realtime", action="store_true",
        help="with real-time priority: for machines that do other work too; needs root")
    add("--fail-over", type=float, metavar="PERCENT",
        help="exit with code 1 when a case is slower by more than this")
    return parser.parse_args(arguments)


def run(options, cleanup):
    """The exit code."""
    if len(os.sched_getaffinity(0) & {0, 1}) < 2:
        raise Failed("needs CPUs 0 and 1")
    build.install("build")
    commit = resolve(options.revision)
    scratch = pathlib.Path(tempfile.mkdtemp(prefix="patchbay-guard."))
    cleanup.add(shutil.rmtree, scratch, True)
    say(f"building {commit[:12]}")
    unpack(commit, scratch / "tree")
    build.build(scratch / "build", "bench/path", source=scratch / "tree")
    say("building the working tree")
    folder = build.build_folder()
    build.build(folder, "bench/path")
    check_options(folder)
    realtime = RealTime(options.realtime)
    cleanup.add(realtime.end)
    realtime.begin()
    say(f"measuring for about {options.seconds:.0f} s")
    cases = options.case or list(CASES)
    found = rounds([scratch / "build/bench/path", folder / "bench/path"], cases, options.seconds,
                   realtime)
    slower = []
    print(f"{'case':20} {commit[:12]:>12} {'now':>8} cycles/packet   ratio  [lowest, highest]")
    for name, pairs in found.items():
        before, now, ratio, low, high = summary(pairs)
        print(f"{name:20} {before:12.1f} {now:8.1f} {'':15} {ratio:5.3f}  [{low:.3f}, {high:.3f}]")
        if options.fail_over is not None and ratio > 1 + options.fail_over / 100:
            slower.append(name)
    print(f"rounds: {len(pairs)}")
    if slower:
        print(f"slower by more than {options.fail_over:g} %: {', '.join(slower)}")
    return 1 if slower else 0


def interrupted(signum, _):
    signal.signal(signum, signal.SIG_IGN)
    raise KeyboardInterrupt


def main(arguments=None):
    options = parse_options(arguments)
    for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(signum, interrupted)
    cleanup = Cleanup()
    try:
        code = run(options, cleanup)
    except KeyboardInterrupt:
        sys.exit("guard: interrupted")
    except (Failed, said.Unreadable) as error:
        sys.exit(f"guard: {error}")
    finally:
        cleanup.run()
    sys.exit(code)
