# SPDX-License-Identifier: BSD-3-Clause
"""Draws packet rates with gnuplot: a bar per switch and case, its ends the lowest and highest round."""

import shutil
import subprocess

from harness.process import Failed
from measure.cases import OVS, PATCHBAY, TESTPMD, TITLES

SECONDS = 60
COLOURS = {OVS: "#8c8c8c", TESTPMD: "#5b8db8", PATCHBAY: "#d1603d"}


def installed():
    return shutil.which("gnuplot") is not None


def script(title, found, path):
    """found: the rows (measure.report.Row) of one traffic side."""
    lines = ["set terminal svg size 860,420 enhanced background 'white' font 'sans-serif,13'",
             f"set output '{path}'", f"set title '{title}'", "set ylabel 'Mpps'",
             "set style data histogram", "set style histogram errorbars gap 1 lw 1",
             "set style fill solid 0.9 noborder", "set yrange [0:*]", "set grid ytics lc '#dddddd'",
             "set key top right", "set border 3", "set xtics nomirror", "set ytics nomirror"]
    for name in TITLES:
        lines.append(f"${name} << END")
        for row in found:
            values = [samples[name].mpps for samples in row.rounds if name in samples]
            data = (f"{row.mpps(name):g} {min(values):g} {max(values):g}" if values else "NaN NaN NaN")
            lines.append(f'"{row.case.title}" {data}')
        lines.append("END")
    bars = [f"${name} using 2:3:4:xtic(1) title '{TITLES[name]}' lc rgb '{COLOURS[name]}'"
            for name in TITLES]
    return "\n".join(lines) + "\nplot " + ", \\\n  ".join(bars) + "\n"


def draw(title, found, path):
    try:
        done = subprocess.run(["gnuplot"], input=script(title, found, path), text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=SECONDS)
    except subprocess.TimeoutExpired:
        raise Failed(f"gnuplot: no end after {SECONDS} s") from None
    if done.returncode or not path.exists():
        raise Failed(f"gnuplot: {done.stdout.strip()}")
