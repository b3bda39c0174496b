# SPDX-License-Identifier: BSD-3-Clause
"""A run of bench/compare: switch after switch, case after case, round after round."""

import dataclasses
import pathlib
import shutil
import tempfile
import time

from harness.cleanup import Cleanup
from harness.process import Failed
from harness.progress import say
from harness.wait import Timeout
from measure import switches, traffic
from measure.cases import TITLES
from measure.figures import DISTURBED_PERCENT
from measure.said import Unreadable

BROKEN = (Failed, Timeout, Unreadable, OSError)


@dataclasses.dataclass
class Timing:
    settle: float  # seconds of load before the window
    window: float  # seconds that are averaged


class Campaign:
    """results: {(traffic, case name): [{switch name: Sample} of each round]}."""

    def __init__(self, cpus, timing, realtime, pairs, chosen, keep=None):
        """pairs: (traffic name, Case) to measure; chosen: names of switches, in order; keep: a
        folder for the logs of each measurement."""
        self.cpus, self.timing, self.realtime = cpus, timing, realtime
        self.pairs, self.chosen, self.keep = pairs, chosen, keep
        self.results = {(name, case.name): [] for name, case in pairs}
        self.failures = []  # (traffic name, Case, switch name, text)
        self.tsc_hz = None
        self.rounds = 0  # completed

    def run(self, rounds):
        total = rounds * sum(len(case.switches(self.chosen)) for _, case in self.pairs)
        begun, done = time.monotonic(), 0
        for number in range(1, rounds + 1):
            for name, case in self.pairs:
                samples = {}
                self.results[name, case.name].append(samples)
                for switch in case.switches(self.chosen):
                    where = f"round {number}, {case.title}, {name}, {TITLES[switch]}"
                    try:
                        samples[switch] = self.measure(switch, name, case, where)
                        text = self.describe(samples[switch])
                    except BROKEN as error:  # the others are measured nevertheless
                        text = self.failed(name, case, switch, str(error))
                    done += 1
                    left = (time.monotonic() - begun) / done * (total - done)
                    say(f"{where}: {text}   ({done}/{total}, {left / 60:.0f} min left)")
            self.rounds = number

    def failed(self, name, case, switch, text):
        """Notes a failure; its words are worth showing once."""
        known = any(failure[:3] == (name, case, switch) for failure in self.failures)
        self.failures.append((name, case, switch, text))
        return "failed: " + (text.splitlines()[0] if known else text)

    @staticmethod
    def describe(sample):
        words = f"{sample.mpps:.2f} Mpps" if sample.mpps >= 0.1 else f"{sample.gbps:.1f} Gbit/s"
        if sample.cycles:
            words += f", {sample.cycles:.0f} cycles/packet"
        if sample.wait_percent > DISTURBED_PERCENT:
            words += f", disturbed: waited for its CPU {sample.wait_percent:.0f} % of the time"
        if sample.note:
            words += f" ({sample.note.splitlines()[-1]})"
        return words

    def measure(self, switch_name, traffic_name, case, where):
        """One sample, with a switch and guests of its own."""
        folder = pathlib.Path(tempfile.mkdtemp(prefix="pbcmp."))
        cleanup = Cleanup()
        cleanup.add(shutil.rmtree, folder, True)
        try:
            switch = switches.KINDS[switch_name](folder, self.cpus, case.segmentation)
            load = traffic.KINDS[traffic_name](self.cpus, self.timing, self.realtime)
            cleanup.add(switch.stop)
            switch.start()
            sample = load.drive(switch, case, cleanup)
            self.tsc_hz = load.tsc_hz or self.tsc_hz
            return sample
        except BROKEN as error:
            raise Failed(f"{error}\n{switches.log_of(folder)}".rstrip()) from None
        finally:
            self.keep_logs(folder, where)
            cleanup.run()

    def keep_logs(self, folder, where):
        if not self.keep:
            return
        target = pathlib.Path(self.keep) / where.replace(", ", "-").replace(" ", "_")
        target.mkdir(parents=True, exist_ok=True)
        for path in folder.glob("*.log"):
            shutil.copy(path, target)
