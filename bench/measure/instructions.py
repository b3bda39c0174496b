# SPDX-License-Identifier: BSD-3-Clause
"""Counts the instructions of the packet path per packet, between two vhost-user ports, and compares
them with the numbers recorded in bench/instructions.txt.

Callgrind counts what a worker's turn executes; driver side and start are left out.  The numbers do
not depend on how busy the machine is, but on the compiler.  Exit code 1 when a number has risen by
more than the tolerance.
"""

import pathlib
import re

from measure import build, program, said

RECORD = build.ROOT / "bench/instructions.txt"
TOLERANCE = 3.0
TURNS = 256
SECONDS = 300
# The level of vectors is fixed: valgrind knows no AVX-512, and machines differ.
V2 = ["-v", "x86-64-v2"]
V3 = ["-v", "x86-64-v3"]
CASES = {
    "64-split": ["-s", "64", *V3],
    "64-packed": ["-s", "64", "-p", *V3],
    "64-split-in-order": ["-s", "64", "-i", *V3],
    "64-packed-in-order": ["-s", "64", "-p", "-i", *V3],
    "1500-split": ["-s", "1500", *V3],
    "1500-packed": ["-s", "1500", "-p", *V3],
    "64-split-v2": ["-s", "64", *V2],
    "64-packed-v2": ["-s", "64", "-p", *V2],
    "64-split-different": ["-s", "64", "-d", *V3],
    "64-split-tag": ["-s", "64", "-f", "vlan-tag", *V3],
    "64-split-tag-different": ["-s", "64", "-d", "-f", "vlan-tag", *V3],
}
HEADER = """\
# SPDX-License-Identifier: BSD-3-Clause
# Instructions per packet of the packet path, bursts of 32: written by bench/instructions --record.
# Vectors of level x86-64-v3, where the name does not say otherwise.
# A change that raises a number by more than 3 % says why in its commit.
# compiler: {compiler}
"""


def count(steps, arguments, folder):
    """(instructions per packet, callgrind's output file)."""
    out = folder / "callgrind.out"
    out.unlink(missing_ok=True)
    said_ = build.command(
        "counting instructions", "valgrind", "--tool=callgrind",
        "--toggle-collect=steps_measured", f"--callgrind-out-file={out}", steps, "-n", TURNS,
        *arguments, seconds=SECONDS)
    return said.callgrind_total(out.read_text()) / said.packets(said_), out


def functions(out, total):
    """[(function, share of the total)], the most expensive first."""
    text = build.command("reading callgrind's output", "callgrind_annotate", "--threshold=100", out,
                         seconds=SECONDS)
    found = said.callgrind_functions(text)
    everything = sum(found.values())
    return sorted(((name, total * value / everything) for name, value in found.items()),
                  key=lambda item: -item[1])


def compiler(folder):
    """Of the build folder, as its log of configuration says."""
    log = (folder / "meson-logs/meson-log.txt").read_text(errors="replace")
    match = re.search(r"^C compiler for the host machine: [^(]*\((\S+ \S+)", log, re.M)
    return match.group(1) if match else "unknown"


def risen(found, before, tolerance):
    """Names whose number is more than `tolerance` per cent above the recorded one."""
    return [name for name, value in found.items()
            if name in before and value > before[name] * (1 + tolerance / 100)]


def parse_options(arguments):
    def more(add):
        add("--record", action="store_true", help=f"write {RECORD.name}")
        add("--tolerance", type=float, default=TOLERANCE, metavar="PERCENT",
            help="default: %(default)s")
        add("--functions", action="store_true", help="show the functions behind each number")

    options, parser = program.parse("instructions", __doc__, "case", CASES, more, arguments)
    if options.record and options.case:
        parser.error("--record takes all cases")
    return options


def run(options):
    """The exit code."""
    folder, steps = program.built("bench/steps", "instructions")
    before, before_compiler = said.recorded(RECORD.read_text()) if RECORD.exists() else ({}, None)
    now_compiler = compiler(folder)
    found = {}
    with program.scratch("instructions") as scratch:
        for name in options.case or CASES:
            found[name], out = count(steps, CASES[name], pathlib.Path(scratch))
            change = ""
            if name in before:
                change = f"{100 * (found[name] / before[name] - 1):+6.1f} % of {before[name]:.1f}"
            print(f"{name:20} {found[name]:8.1f} instructions/packet  {change}".rstrip(), flush=True)
            for function, value in functions(out, found[name]) if options.functions else []:
                if value >= 0.5:
                    print(f"{'':20} {value:8.1f} {function}")
    if options.record:
        RECORD.write_text(HEADER.format(compiler=now_compiler) + "".join(
            f"{name} {value:.1f}\n" for name, value in found.items()))
        return 0
    if before and before_compiler != now_compiler:
        print(f"note: recorded with {before_compiler}, built with {now_compiler}: a difference may "
              f"be the compiler's")
    worse = risen(found, before, options.tolerance)
    for name in worse:
        print(f"{name}: more than {options.tolerance:g} % above what is recorded")
    return 1 if worse else 0


def main(arguments=None):
    program.main("instructions", parse_options, run, arguments)
