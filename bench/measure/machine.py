# SPDX-License-Identifier: BSD-3-Clause
"""The machine: which CPUs are used, what is to be said of it in each report, its hugepages."""

import dataclasses
import datetime
import os
import pathlib
import platform
import re

from harness.process import Failed, run
from harness.switch import ROOT
from harness.testpmd import HUGEPAGES, Hugepages

# OVS takes 512 MiB, the guests and testpmd as a switch 256 MiB each, not all at the same time.
HUGEPAGES_MB = 800


@dataclasses.dataclass
class Cpus:
    switch: int
    traffic: int
    all: list

    @staticmethod
    def choose(switch, traffic):
        allowed = sorted(os.sched_getaffinity(0))
        for cpu in (switch, traffic):
            if cpu not in allowed:
                raise Failed(f"CPU {cpu} may not be used: this process may use "
                             f"{', '.join(map(str, allowed))}; see --switch-cpu and --traffic-cpu")
        if switch == traffic:
            raise Failed(f"switch and traffic need a CPU each, not both CPU {switch}")
        return Cpus(switch, traffic, allowed)

    def share_a_core(self):
        """Are both CPUs threads of one core?"""
        path = f"/sys/devices/system/cpu/cpu{self.switch}/topology/core_cpus_list"
        try:
            return self.traffic in parse_cpus(pathlib.Path(path).read_text())
        except OSError:
            return False


def parse_cpus(text):
    """{0, 2, 3} of "0,2-3"."""
    cpus = set()
    for part in text.strip().split(","):
        first, _, last = part.partition("-")
        cpus.update(range(int(first), int(last or first) + 1))
    return cpus


class Pages:
    """Hugepages for a run: what is missing is reserved, and given back."""

    def __init__(self):
        self.pages = Hugepages(HUGEPAGES_MB)

    def reserve(self):
        if not HUGEPAGES.exists():
            raise Failed("this kernel has no 2 MiB hugepages (CONFIG_HUGETLBFS), which DPDK's "
                         "virtio-user and Open vSwitch need")
        if self.pages.reserve():
            return
        free = self.pages.read("free_hugepages")
        self.pages.release()
        raise Failed(
            f"only {free} of {self.pages.need} hugepages of 2 MiB can be had: free memory (memory is "
            f"fragmented after a while: echo 1 > /proc/sys/vm/compact_memory), or boot with "
            f"hugepages={self.pages.need}; in a container the host has to reserve them")

    def release(self):
        self.pages.release()


def first_match(pattern, path, default="?"):
    try:
        match = re.search(pattern, pathlib.Path(path).read_text(), re.M)
    except OSError:
        return default
    return match.group(1).strip() if match else default


def revision(root=ROOT):
    """The revision of the tree, with a + when files differ from it."""
    done = run("git", "-C", root, "rev-parse", "--short=12", "HEAD", check=False)
    if done.returncode:
        return "unknown"
    changed = run("git", "-C", root, "status", "--porcelain", "--untracked-files=no", check=False)
    return done.stdout.strip() + ("+" if changed.stdout.strip() else "")


def describe(cpus):
    """What a reader has to know of the machine to judge figures."""
    return {
        "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "revision": revision(),
        "cpu": first_match(r"^model name\s*:(.*)$", "/proc/cpuinfo"),
        "cpus": len(cpus.all),
        "switch_cpu": cpus.switch,
        "traffic_cpu": cpus.traffic,
        "one_core": cpus.share_a_core(),
        "memory_gib": round(int(first_match(r"^MemTotal:\s*(\d+)", "/proc/meminfo", "0")) / 2**20),
        "kernel": platform.release(),
        "hypervisor": "hypervisor" in first_match(r"^flags\s*:(.*)$", "/proc/cpuinfo").split(),
        "governor": first_match(r"(.*)", f"/sys/devices/system/cpu/cpu{cpus.switch}/cpufreq/"
                                         "scaling_governor", "none"),
        "load": os.getloadavg()[0],
        "tsc_hz": None,
    }
