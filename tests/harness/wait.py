# SPDX-License-Identifier: BSD-3-Clause
"""Waiting for something to become true, always with a deadline."""

import time


class Timeout(Exception):
    """What was awaited did not happen in time."""


def wait_until(condition, seconds, what, pause=0.01):
    """Calls condition() until it is true and returns its value; `what` completes "no ..."."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() >= deadline:
            raise Timeout(f"no {what() if callable(what) else what} within {seconds:g} s")
        time.sleep(pause)
