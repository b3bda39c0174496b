# SPDX-License-Identifier: BSD-3-Clause
"""Counts what each feature of a port costs per packet of 64 bytes, against the same path without
it.

Callgrind counts instructions, which do not depend on how busy the machine is; with --cycles the
fastest of many turns is timed as well, which a busy machine disturbs.  Frames are measured alike, as one
flow brings them, and different from one to the next, which is the worst case.  Exit code 1 when a
feature costs more instructions than its limit.
"""

import pathlib
import re

from measure import build, program, said
from measure.instructions import count

# Feature of bench/steps.c -> most per cent that it may cost; None = no limit.
FEATURES = {
    "vlan": 5,
    "vlan-tag": None,
    "loop-guard": None,
    "mcast-snooping": None,
    "mac-lock": 3,
    "in-rate": 5,
    "out-rate": 5,
    "isolated": 1,
    "in-filter": 15,
    "out-filter": 15,
    "guards": None,
    "ip-lock": None,
}
KINDS = {"alike": [], "different": ["-d"]}
TIMED_TURNS = 20000
SECONDS = 60


def cost(value, base):
    """Per cent more."""
    return 100 * (value / base - 1)


def over(found, bases):
    """[(feature, kind)] whose cost is above the feature's limit."""
    return [(name, kind) for (name, kind), value in found.items()
            if FEATURES[name] is not None and cost(value, bases[kind]) > FEATURES[name]]


def cycles(text):
    match = re.search(r"^cycles ([\d.]+)$", text, re.M)
    if not match:
        raise said.Unreadable("steps: no cycles")
    return float(match.group(1))


def time(steps, arguments):
    return cycles(build.command("timing", steps, "-c", "-n", TIMED_TURNS, *arguments,
                                seconds=SECONDS))


def parse_options(arguments):
    def more(add):
        add("--cycles", action="store_true", help="time it, too")

    return program.parse("features", __doc__, "feature", FEATURES, more, arguments)[0]


def run(options):
    """The exit code."""
    _, steps = program.built("bench/steps", "instructions")
    bases, found, timed = {}, {}, {}
    with program.scratch("features") as scratch:
        scratch = pathlib.Path(scratch)
        for kind, words in KINDS.items():
            bases[kind], _ = count(steps, words, scratch)
            print(f"{'none':10} {kind:10} {bases[kind]:8.1f} instructions/packet", end="")
            if options.cycles:
                timed[kind] = time(steps, words)
                print(f" {timed[kind]:8.1f} cycles", end="")
            print(flush=True)
        for name in options.feature or FEATURES:
            for kind, words in KINDS.items():
                words = [*words, "-f", name]
                value, _ = count(steps, words, scratch)
                found[name, kind] = value
                print(f"{name:10} {kind:10} {value:8.1f} {cost(value, bases[kind]):+6.1f} %",
                      end="")
                if options.cycles:
                    now = time(steps, words)
                    print(f" {now:16.1f} {cost(now, timed[kind]):+6.1f} %", end="")
                limit = FEATURES[name]
                print(f"  limit {limit} %" if limit is not None else "", flush=True)
    worse = over(found, bases)
    for name, kind in worse:
        print(f"{name}: costs more than {FEATURES[name]} % of frames that are {kind}")
    return 1 if worse else 0


def main(arguments=None):
    program.main("features", parse_options, run, arguments)
