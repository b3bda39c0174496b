# SPDX-License-Identifier: BSD-3-Clause
"""Measures with `patchbay bench` what is promised of patchbay's speed without a peer, and prints each
figure with its limit.

Where two loads are compared they take turns, and the median of the ratios of each round counts.
Needs CPUs that nobody else uses: two, and four for the case of two workers.  Exit code 1 when a
figure misses its limit; what cannot be measured here is skipped and says why.
"""

import dataclasses
import json
import os

from measure import build, program
from measure.figures import median

SECONDS = 2
ROUNDS = 3
RUN_SECONDS = 300  # of which making addresses known takes most
MANY = ["pairs=32", "macs=1000000", "vlans=4094", "vlan=trunk"]


def cycles(result):
    return result["switch_cycles_per_packet"]


def rate(result):
    return result["pps"] / 1e6


def of_traffic(name):
    return lambda result: result["traffic"][name]


@dataclasses.dataclass
class Case:
    """A figure of one load, or the ratio of that of `words` to that of `base`."""
    what: str
    words: list
    figure: object
    limit: float = None
    least: bool = False   # the limit is the least
    base: list = None
    cpus: int = 2

    def holds(self, value):
        if self.limit is None:
            return True
        return value >= self.limit if self.least else value <= self.limit


CASES = {
    "busy-64-split": Case("busy cycles per packet", [], cycles, 45),
    "busy-64-packed": Case("busy cycles per packet", ["ring=packed"], cycles, 40),
    "busy-1500-split": Case("busy cycles per packet", ["size=1500"], cycles, 115),
    "busy-1500-packed": Case("busy cycles per packet", ["size=1500", "ring=packed"], cycles, 115),
    "ceiling-split": Case("cycles per packet of the traffic side alone", [],
                          of_traffic("ceiling_cycles_per_packet"), 25),
    "ceiling-packed": Case("cycles per packet of the traffic side alone", ["ring=packed"],
                           of_traffic("ceiling_cycles_per_packet"), 25),
    "tagged": Case("busy cycles, tagged both ways / untagged", ["vlan=trunk"], cycles, 1.05,
                   base=[]),
    "tag-edit": Case("busy cycles, tag set and taken off / untagged", ["vlan=mixed"], cycles, 1.05,
                     base=[]),
    "imix": Case("million frames/s, IMIX", ["size=imix"], rate),
    "roofline": Case("64 KiB frames / memcpy of the same bytes", ["size=65536"],
                     lambda result: result["gbps"] / result["roofline_gbps"], 0.8, True),
    "latency": Case("p99 in microseconds at half of the maximum", ["latency=50"],
                    lambda result: result["latency"]["p99_us"]),
    "search": Case("million frames/s without loss (RFC 2544)", ["--search"],
                   lambda result: result["search"]["zero_loss_pps"] / 1e6),
    "spread": Case("rate, 64 ports, 1 M addresses, 4,094 VLANs / two ports, two addresses", MANY,
                   rate, 0.85, True, base=["vlan=trunk"]),
    "workers": Case("rate, two pairs on two workers / on one", ["pairs=2", "workers=0,1",
                                                                "cpus=2,3"],
                    rate, 1.9, True, base=["pairs=2", "workers=0", "cpus=2,3"], cpus=4),
}


def measure(client, words, seconds):
    """One result of `patchbay bench`; what it says of lost frames ends the program."""
    text = build.command(f"patchbay bench {' '.join(words)}", client, "--json", "bench",
                         f"seconds={seconds:g}", *words, seconds=RUN_SECONDS + 20 * seconds)
    # Its errors stand in the same text; a run without a fault has none.
    result, = json.loads(text)["results"]
    return result


def value_of(case, client, options):
    values = []
    for _ in range(options.rounds if case.base is not None else 1):
        base = case.figure(measure(client, case.base, options.seconds)) \
            if case.base is not None else 1
        values.append(case.figure(measure(client, case.words, options.seconds)) / base)
    return median(values)


def parse_options(arguments):
    def more(add):
        add("--seconds", type=float, default=SECONDS, metavar="S",
            help="of each measurement; default: %(default)s")
        add("--rounds", type=int, default=ROUNDS, metavar="N",
            help="where two loads are compared; default: %(default)s")

    return program.parse("cases", __doc__, "case", CASES, more, arguments)[0]


def run(options):
    """The exit code."""
    _, client = program.built("cli/patchbay")
    program.built("control/patchbayd")
    cpus = len(os.sched_getaffinity(0))
    missed = []
    for name in options.case or CASES:
        case = CASES[name]
        if cpus < case.cpus:
            print(f"{name:18} skipped: needs {case.cpus} CPUs, there are {cpus}", flush=True)
            continue
        value = value_of(case, client, options)
        limit = "" if case.limit is None else \
            f"({'≥' if case.least else '≤'} {case.limit:g}: " \
            f"{'met' if case.holds(value) else 'missed'})"
        print(f"{name:18} {value:8.2f}  {case.what} {limit}".rstrip(), flush=True)
        if not case.holds(value):
            missed.append(name)
    if missed:
        print(f"missed: {', '.join(missed)}")
    return 1 if missed else 0


def main(arguments=None):
    program.main("cases", parse_options, run, arguments)
