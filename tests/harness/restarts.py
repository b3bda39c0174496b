# SPDX-License-Identifier: BSD-3-Clause
"""One daemon after the other under the traffic of front ends of ours, and how long each took."""

import json
import os
import pathlib
import random
import re
import signal
import time

from harness import couple, front
from harness.process import tail
from harness.wait import wait_until

FLOW_SECONDS = 20
FLOW = 20  # frames that arrive in each direction before all is said to be well
WAITED = re.compile(r"packets waited (\d+) us")


def quantile(values, share):
    """The value that this share of them does not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0


def distribution(values):
    """For people, in milliseconds."""
    return (f"p50 {quantile(values, 0.5):.1f} ms, p90 {quantile(values, 0.9):.1f} ms, "
            f"p99 {quantile(values, 0.99):.1f} ms, max {max(values, default=0):.1f} ms")


def resident(pid):
    """Bytes."""
    fields = pathlib.Path(f"/proc/{pid}/statm").read_text().split()
    return int(fields[1]) * os.sysconf("SC_PAGE_SIZE")


class Restarts:
    """kill() and take_over() do it once; what was seen collects in gaps, waits, lost, doubled."""

    def __init__(self, bench, *options, rate=2000, seed=1, mode="server"):
        self.bench = bench
        self.random = random.Random(seed)
        self.switch = bench.switch("--state", bench.folder / "state")
        self.pair = front.Front(bench, self.switch, mode=mode)
        self.running = self.pair.begin("--reconnect", "--rate", rate, "--seconds", 86400,
                                       "--timeout", 20000, *options)
        self.gaps = []  # ms: the longest time without an arrival, in the worse direction
        wait_until(lambda: min(self.switch.counters(port)["tx_packets"] for port in "ab"),
                   FLOW_SECONDS, "traffic")
        # Which ports are up is in the tables, too.
        wait_until((bench.folder / "state" / "tables").exists, FLOW_SECONDS, "saved tables")
        self.last = self.flow()
        self.use_before = self.front_end_use()

    # ---- what the front ends say ----

    def marks(self):
        lines = self.running.log.read_text(errors="replace").splitlines()
        return [line for line in lines if line.startswith('{"mark"')]

    def mark(self):
        """How far they are; the longest silence counts from here on."""
        count = len(self.marks())
        os.kill(self.running.pid, signal.SIGUSR1)

        def answered():
            self.running.check()
            return len(self.marks()) > count

        wait_until(answered, FLOW_SECONDS, "answer of the front ends")
        return json.loads(self.marks()[-1])

    def flow(self):
        """Waits until frames arrive in both directions again; how far they are, and the silence."""
        first = self.mark()
        gap = first["gap_ms"]

        def flows():
            now = self.mark()
            gap[:] = map(max, gap, now["gap_ms"])
            came = [now["received"][i] - first["received"][i] for i in (0, 1)]
            return now if min(came) >= FLOW else None

        now = wait_until(flows, FLOW_SECONDS, lambda: "traffic: a queue is stuck\n"
                         f"{self.pair.state()}\n{tail(self.switch.log)}")
        return {**now, "gap_ms": gap}

    def front_end_use(self):
        """(descriptors, resident bytes) of the process that stands for the guests."""
        return len(os.listdir(f"/proc/{self.running.pid}/fd")), resident(self.running.pid)

    # ---- one step ----

    def at_any_moment(self):
        """Lets some traffic pass, a random time of it: each moment of a turn is to be hit."""
        time.sleep(self.random.uniform(0, 0.03))

    def step(self, fault):
        self.at_any_moment()
        self.mark()
        fault()
        self.last = self.flow()
        self.gaps.append(max(self.last["gap_ms"]))

    def kill(self):
        def fault():
            self.switch.kill()
            self.switch.start()

        self.step(fault)

    def take_over(self):
        self.step(self.switch.take_over)

    # ---- the end ----

    def waits(self):
        """ms that packets waited in each takeover, as the daemons say."""
        text = "".join(path.read_text(errors="replace") for path in
                       (self.switch.log, self.switch.log.with_suffix(".next")) if path.exists())
        return [int(us) / 1000 for us in WAITED.findall(text)]

    def end(self):
        """The report of the front ends."""
        self.running.popen.send_signal(signal.SIGTERM)
        return self.pair.end(self.running, check=False)

    def imbalance(self):
        return couple.imbalance(self.switch.rows("stats", "show"))


class ForeignRestarts:
    """kill -9 under the traffic of DPDK's virtio driver, whose sockets the switch connects to."""

    def __init__(self, bench, form):
        self.switch = bench.switch("--state", bench.folder / "state")
        self.couple = couple.Couple(bench, self.switch, [{**form, "queue_size": 256}] * 2,
                                    server=True).start()
        self.couple.flood(couple.traffic(range(60, 1515, 7), 1))
        self.couple.await_flow()
        self.gaps = []  # ms: from the kill to the first frame counted by the next daemon

    def sent(self, rpc):
        rows = rpc.call("stats.show")["result"]["rows"]
        return [row["tx_packets"] for row in rows]

    def kill(self):
        begin = time.monotonic()
        self.switch.kill()
        self.switch.spawn()
        self.switch.wait_ready()
        rpc = self.switch.rpc()
        # Counters go on where the saved tables ended.
        first = self.sent(rpc)
        wait_until(lambda: all(now > was for now, was in zip(self.sent(rpc), first)), FLOW_SECONDS,
                   "traffic: a queue is stuck", pause=0.002)
        self.gaps.append((time.monotonic() - begin) * 1000)
        rpc.close()
        self.couple.await_flow()
