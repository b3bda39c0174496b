# SPDX-License-Identifier: BSD-3-Clause
"""The threads that poll: found, checked to be where they should be, and given the CPU if wanted."""

import os
import pathlib
import re

from harness.process import Failed
from harness.wait import Timeout, wait_until
from measure.figures import Wait

# patchbayd, DPDK's lcores by version, OVS.  Control threads have other names.
POLLING = re.compile(r"(?:worker/\d+|(?:rte|lcore|dpdk)-worker-?\d+|pmd-c\d+/.*)$")
RT_RUNTIME = pathlib.Path("/proc/sys/kernel/sched_rt_runtime_us")
# Of each second, what polling threads with priority leave to the rest.
RT_SHARE_US = 980000
PRIORITY = 50
NAMED_SECONDS = 10


def is_polling(name):
    """By the name of a thread: does it poll?"""
    return POLLING.match(name) is not None


def threads(pid):
    """[(thread, name)] of a process; empty when it has ended."""
    found = []
    for task in pathlib.Path(f"/proc/{pid}/task").glob("*"):
        try:
            found.append((int(task.name), (task / "comm").read_text().strip()))
        except OSError:
            continue  # it has ended
    return sorted(found)


def pinned_to(thread, cpu):
    try:
        return os.sched_getaffinity(thread) == {cpu}
    except ProcessLookupError:
        return False


def pollers(pid):
    return [(thread, name) for thread, name in threads(pid) if is_polling(name)]


def find_poller(pid, cpu, what):
    """The one thread that polls, by its name; it must be pinned to the CPU."""
    try:
        # A thread names itself in its own time.
        found = wait_until(lambda: pollers(pid), NAMED_SECONDS, "thread that polls", pause=0.02)
    except Timeout as error:
        names = " ".join(name for _, name in threads(pid))
        raise Failed(f"{what}: {error} among {names or 'none'}") from None
    if len(found) != 1:
        raise Failed(f"{what}: {len(found)} polling threads instead of one: "
                     f"{' '.join(name for _, name in found)}")
    thread, name = found[0]
    if not pinned_to(thread, cpu):
        raise Failed(f"{what}: {name} is not pinned to CPU {cpu}")
    return thread


def find_pinned(pid, cpu):
    """A thread, not the first one, that is pinned to the CPU; None when there is none (yet)."""
    for thread, _ in threads(pid):
        if thread != pid and pinned_to(thread, cpu):
            return thread
    return None


def wait_of(thread):
    """What the scheduler says of a thread; None where it says nothing."""
    try:
        return Wait.parse(pathlib.Path(f"/proc/{thread}/schedstat").read_text())
    except (OSError, ValueError):
        return None


class RealTime:
    """Gives polling threads SCHED_FIFO; the system's limit is set for as long, and restored."""

    def __init__(self, wanted):
        self.wanted = wanted
        self.before = None

    def begin(self):
        if not self.wanted:
            return
        try:
            self.before = RT_RUNTIME.read_text()
            RT_RUNTIME.write_text(str(RT_SHARE_US))
        except OSError as error:
            self.before = None
            raise Failed(f"--realtime: {RT_RUNTIME}: {error.strerror}") from None

    def give(self, thread, what):
        if not self.wanted:
            return
        try:
            os.sched_setscheduler(thread, os.SCHED_FIFO, os.sched_param(PRIORITY))
        except OSError as error:
            raise Failed(f"--realtime: SCHED_FIFO for {what}: {error.strerror}; needs CAP_SYS_NICE "
                         f"and, in a container, real-time run time") from None

    def end(self):
        if self.before is not None:
            RT_RUNTIME.write_text(self.before)
            self.before = None
