# SPDX-License-Identifier: BSD-3-Clause
"""Waiting for something to become true, always with a deadline."""

import os
import time

# In a machine that is emulated everything takes so many times longer.
PATIENCE = float(os.environ.get("PATCHBAY_PATIENCE") or 1)


class Timeout(Exception):
    """What was awaited did not happen in time."""


def patient(seconds):
    """How long to wait here for what takes so long at most on an ordinary machine."""
    return seconds * PATIENCE


def wait_until(condition, seconds, what, pause=0.01):
    """Calls condition() until it is true and returns its value; `what` completes "no ..."."""
    seconds = patient(seconds)
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() >= deadline:
            raise Timeout(f"no {what() if callable(what) else what} within {seconds:g} s")
        time.sleep(patient(pause))
