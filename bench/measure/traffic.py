# SPDX-License-Identifier: BSD-3-Clause
"""The loads: two guests on a CPU, driven for a while; each gives a Sample."""

import json
import os
import subprocess
import time

from harness import switch as harness_switch
from harness.process import Failed, die_with_parent, tail
from measure import said
from measure.cases import OURS, VIRTIO_USER
from measure.figures import Sample
from measure.loop import VirtioUserLoop
from measure.threads import find_pinned, find_poller, wait_of

BENCH_SPARE_SECONDS = 60  # what `patchbay bench` may take beside its measurement
PAUSE = 0.1


def waited(before, after, seconds):
    return before.percent_until(after, seconds) if before and after else None


class Phase:
    """Two threads watched for a while: how long each was ready but did not run, in per cent."""

    def __init__(self, threads=()):
        self.threads = threads
        self.begin = time.monotonic()
        self.before = [wait_of(thread) for thread in threads]
        self.seconds = 0
        self.percents = [None, None]

    def look(self):
        self.seconds = time.monotonic() - self.begin
        self.percents = [waited(a, wait_of(thread), self.seconds)
                         for a, thread in zip(self.before, self.threads)]


class VirtioUser:
    """DPDK's virtio driver in a loop; counts what both guests receive in the window."""

    name = VIRTIO_USER

    def __init__(self, cpus, timing, realtime):
        self.cpus, self.timing, self.realtime = cpus, timing, realtime
        self.tsc_hz = None

    def drive(self, switch, case, cleanup):
        loop = VirtioUserLoop(switch.folder, self.cpus.traffic, self.cpus.all, switch.sockets,
                              case.size, case.ring)
        cleanup.add(loop.stop)
        loop.start()
        self.tsc_hz = said.tsc_hz(loop.text)
        pollers = [switch.poller(), find_poller(loop.pid, self.cpus.traffic, "guests")]
        loop.go()
        # Not earlier: addresses are learnt by threads that would get no CPU any more.
        for poller, what in zip(pollers, (switch.name, "the guests")):
            self.realtime.give(poller, what)
        time.sleep(self.timing.settle)
        phase = Phase(pollers)
        switch.reset()
        loop.begin()
        time.sleep(self.timing.window)
        busy, cycles = switch.read()
        mpps = loop.end()
        phase.look()
        return Sample(mpps=mpps, gbps=mpps * case.size * 8 / 1000, busy_percent=busy, cycles=cycles,
                      lost=switch.dropped(), switch_wait_percent=phase.percents[0],
                      traffic_wait_percent=phase.percents[1])


class Ours:
    """`patchbay bench`: numbered frames, each verified."""

    name = OURS

    def __init__(self, cpus, timing, realtime):
        self.cpus, self.timing, self.realtime = cpus, timing, realtime
        self.tsc_hz = None

    def command(self, switch, case):
        sockets = [word for path in switch.sockets for word in ("--socket", path)]
        more = [f"control={switch.control}"] if switch.control else []
        more += ["--listen"] if switch.connects else []
        return [harness_switch.CLIENT, "--json", "bench", *sockets, *more,
                f"cpus={self.cpus.traffic}", f"size={case.size}", f"ring={case.ring}",
                f"seconds={self.timing.window:g}"]

    def drive(self, switch, case, cleanup):
        out, log = switch.folder / "bench.json", switch.folder / "bench.log"
        # A patchbayd that serves this machine has nothing to do with the switch that is measured.
        environment = dict(os.environ, PATCHBAY_SOCKET=str(switch.folder / "none.sock"))
        with open(out, "wb") as output, open(log, "wb") as errors:
            bench = subprocess.Popen([str(word) for word in self.command(switch, case)],
                                     stdin=subprocess.DEVNULL, stdout=output, stderr=errors,
                                     start_new_session=True, preexec_fn=die_with_parent,
                                     env=environment)
        cleanup.add(bench.wait)
        cleanup.add(bench.kill)
        poller = switch.poller()
        self.realtime.give(poller, switch.name)
        waits = self.watch(bench, poller)
        words = tail(log)
        try:
            report = json.loads(out.read_text())
        except ValueError:
            raise Failed(f"patchbay bench ended with code {bench.returncode} and without a "
                         f"report:\n{words}") from None
        result = said.bench_result(report)
        self.tsc_hz = result.tsc_hz
        return Sample(mpps=result.mpps, gbps=result.gbps, busy_percent=result.busy_percent,
                      cycles=result.cycles, traffic_cycles=result.traffic_cycles,
                      ceiling_mpps=result.ceiling_mpps, lost=result.lost,
                      verified=result.verified,
                      switch_wait_percent=waits[0], traffic_wait_percent=waits[1],
                      note="" if result.verified else words)

    def watch(self, bench, switch_poller):
        """Until the end; how long both threads waited for their CPU, in per cent.

        Each of its phases is a thread: the longest one is the measurement.
        """
        deadline = time.monotonic() + self.timing.window + BENCH_SPARE_SECONDS
        phase, longest = None, Phase()
        while bench.poll() is None:
            if time.monotonic() > deadline:
                raise Failed(f"patchbay bench: no end within "
                             f"{self.timing.window + BENCH_SPARE_SECONDS:g} s")
            thread = find_pinned(bench.pid, self.cpus.traffic)
            if thread and (not phase or thread != phase.threads[1]):
                self.realtime.give(thread, "the guests")
                phase = Phase([switch_poller, thread])
            elif thread:
                phase.look()
                longest = max(longest, phase, key=lambda p: p.seconds)
            time.sleep(PAUSE)
        return longest.percents


KINDS = {kind.name: kind for kind in (VirtioUser, Ours)}
