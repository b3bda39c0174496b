# SPDX-License-Identifier: BSD-3-Clause
"""Samples, and what is computed from them."""

import dataclasses
import statistics

from measure.cases import PATCHBAY

# Above this share of time that a polling thread waited for its CPU, a measurement is called disturbed.
DISTURBED_PERCENT = 2


@dataclasses.dataclass
class Sample:
    """One switch under one load once; None = not known."""
    mpps: float
    gbps: float = None
    busy_percent: float = None        # of the switch's thread
    cycles: float = None              # of the switch per packet
    traffic_cycles: float = None      # of the traffic side per packet
    ceiling_mpps: float = None        # what the traffic side reaches at most
    lost: int = None                  # frames since the start that the switch did not deliver
    verified: bool = None             # every frame arrived once, unchanged, in order
    switch_wait_percent: float = None   # time its thread was ready, but another one ran
    traffic_wait_percent: float = None
    note: str = ""

    @property
    def wait_percent(self):
        """How much the worse of both was disturbed."""
        return max(self.switch_wait_percent or 0, self.traffic_wait_percent or 0)


def median(values):
    """None when there is no value."""
    values = [value for value in values if value is not None]
    return statistics.median(values) if values else None


def ratios(rounds, over, under):
    """over/under of each round that has both; rounds: [{switch: Sample}]."""
    return [samples[over].mpps / samples[under].mpps for samples in rounds
            if over in samples and under in samples and samples[under].mpps > 0]


@dataclasses.dataclass
class Ratio:
    """patchbay against a peer, over the rounds."""
    median: float
    low: float
    high: float
    target: float = None

    @property
    def met(self):
        return None if self.target is None else self.median >= self.target


def ratio(rounds, under, target):
    """None without a round that has both."""
    values = ratios(rounds, PATCHBAY, under)
    return Ratio(median(values), min(values), max(values), target) if values else None


def column(rounds, switch, field):
    """The median of a field of a switch's samples."""
    return median([getattr(samples[switch], field) for samples in rounds if switch in samples])


def lowest_decile(values):
    """The value below which a tenth lies: what it costs when nothing disturbs."""
    return sorted(values)[len(values) // 10]


@dataclasses.dataclass
class Wait:
    """Time a thread spent ready to run without running, as schedstat(5) counts it."""
    ran_ns: int
    waited_ns: int

    @staticmethod
    def parse(text):
        """The text of /proc/PID/task/TID/schedstat."""
        ran, waited = text.split()[:2]
        return Wait(int(ran), int(waited))

    def percent_until(self, later, seconds):
        return 100 * (later.waited_ns - self.waited_ns) / (seconds * 1e9)
