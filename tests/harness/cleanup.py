# SPDX-License-Identifier: BSD-3-Clause
"""Undo in reverse order, all of it, whatever fails."""

import sys


class Cleanup:
    def __init__(self):
        self.steps = []

    def add(self, function, *arguments):
        self.steps.append((function, arguments))

    def run(self):
        while self.steps:
            function, arguments = self.steps.pop()
            try:
                function(*arguments)
            except Exception as error:  # the remaining steps must run
                print(f"# clean-up: {error}", file=sys.stderr)
