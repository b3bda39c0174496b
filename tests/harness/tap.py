# SPDX-License-Identifier: BSD-3-Clause
"""Reads the Test Anything Protocol line by line and counts."""

import re

LINE = re.compile(r"^\s*(not ok|ok)\b\s*\d*\s*-?\s*(.*?)\s*(?:#\s*(.*))?$")
PLAN = re.compile(r"^\s*1\.\.(\d+)")


class Counts:
    def __init__(self):
        self.passed = self.failed = self.skipped = 0
        self.failures = []
        self.skips = []

    def add(self, verdict, name, reason=""):
        """verdict: "passed", "failed" or "skipped"."""
        setattr(self, verdict, getattr(self, verdict) + 1)
        if verdict == "failed":
            self.failures.append(name)
        if verdict == "skipped":
            self.skips.append((name, reason))

    @property
    def total(self):
        return self.passed + self.failed + self.skipped


def parse(line):
    """(verdict, name, note) of a result line, else None."""
    match = LINE.match(line)
    if not match:
        return None
    state, name, note = match.groups()
    note = note or ""
    if note.upper().startswith("SKIP"):
        return "skipped", name, note[4:].strip() or "no reason given"
    return ("passed" if state == "ok" else "failed"), name, note


def plan(line):
    """The number of tests that a plan line promises, else None."""
    match = PLAN.match(line)
    return int(match.group(1)) if match else None
