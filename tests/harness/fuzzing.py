# SPDX-License-Identifier: BSD-3-Clause
"""Fuzzing for hours: `./check fuzz --hours N`.

All targets take turns, several at the same time.  What they found goes on from turn to turn in a
folder beside the build; at the end the fewest small inputs that reach the same code are added to the
corpora in the tree.
"""

import argparse
import concurrent.futures
import os
import pathlib
import resource
import shutil
import subprocess
import tempfile
import time

from harness.progress import say
from harness.switch import ROOT

CORPORA = ROOT / "tests/fuzz/corpus"
TURN_SECONDS = 600
INPUT_BYTES = 4096  # of an input that is kept in the tree
CORPUS_BYTES = 512 * 1024  # of all that are kept of one target
FINDINGS = ("crash-*", "leak-*", "timeout-*", "oom-*")


def arguments(words):
    parser = argparse.ArgumentParser(prog="check fuzz")
    parser.add_argument("--hours", type=float, required=True, help="of the clock, in all")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="targets at the same time")
    parser.add_argument("targets", nargs="*", help="vring, rpc, ...; default: all")
    return parser.parse_args(words)


class LongRun:
    def __init__(self, programs, folder, options):
        self.options = options
        self.folder = folder
        self.programs = [path for path in programs
                         if not options.targets or self.name(path) in options.targets]
        self.end = time.monotonic() + options.hours * 3600

    @staticmethod
    def name(program):
        return program.name.removeprefix("fuzz_")

    def turn(self, program):
        """Some minutes of one target; what it printed when it ended badly, else ""."""
        seconds = int(min(TURN_SECONDS, self.end - time.monotonic()))
        if seconds <= 0:
            return ""
        found = self.folder / self.name(program)
        found.mkdir(parents=True, exist_ok=True)
        seeds = CORPORA / self.name(program)
        command = [program, f"-max_total_time={seconds}", "-timeout=10", "-rss_limit_mb=2048",
                   f"-artifact_prefix={self.folder}/{self.name(program)}.", found]
        if seeds.is_dir():
            command.append(seeds)
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, errors="replace", check=False)
        say(f"{program.name}: {len(list(found.iterdir()))} inputs")
        return f"{program.name}: {done.stdout[-4000:]}" if done.returncode else ""

    def merge(self, program):
        """Puts the fewest small inputs with the same coverage into the tree."""
        seeds, found = CORPORA / self.name(program), self.folder / self.name(program)
        with tempfile.TemporaryDirectory(prefix="patchbay-merge.", dir=self.folder) as folder:
            subprocess.run([program, "-merge=1", f"-max_len={INPUT_BYTES}", folder,
                            *[path for path in (seeds, found) if path.is_dir()]],
                           stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                           stderr=subprocess.DEVNULL, check=False)
            kept = sorted(pathlib.Path(folder).iterdir(), key=lambda path: path.stat().st_size)
            size = 0
            seeds.mkdir(exist_ok=True)
            for path in kept:
                size += path.stat().st_size
                if size <= CORPUS_BYTES and not (seeds / path.name).exists():
                    shutil.copy(path, seeds / path.name)

    def run(self):
        """True when nothing was found."""
        faults = []
        with concurrent.futures.ThreadPoolExecutor(self.options.jobs) as pool:
            while time.monotonic() < self.end and not faults:
                faults = [words for words in pool.map(self.turn, self.programs) if words]
            list(pool.map(self.merge, self.programs))
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        for words in faults:
            print(words)
        for pattern in FINDINGS:
            for path in sorted(self.folder.glob(f"*.{pattern}")):
                print(f"the input that did it: {path}")
        say(f"{(used.ru_utime + used.ru_stime) / 3600:.2f} CPU-hours")
        return not faults
