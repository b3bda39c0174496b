# SPDX-License-Identifier: BSD-3-Clause
"""Long runs of faults under traffic, with the distribution of what they cost.

    tests/soak/run [--kills N] [--takeovers N] [--chaos SECONDS] [--ring NAME] [--rate N] [--seed N]

Each ring form gets so many kills, takeovers and seconds of random steps. Prints TAP; the figures are in the lines with "#".
"""

import argparse
import os
import shutil
import signal
import sys
import tempfile

from harness import front, testpmd
from harness.case import Bench
from harness.chaos import Chaos, Wrong
from harness.process import Failed
from harness.restarts import ForeignRestarts, Restarts, distribution, quantile
from harness.run import TESTS, namespaces
from harness.suite import isolate
from harness.wait import Timeout

RINGS = {
    "split": ["--inflight"],
    "split-asleep": ["--inflight", "--event-idx", "--wait", "--in-order"],
    "packed": ["--inflight", "--packed", "--in-order"],
    "packed-asleep": ["--inflight", "--packed", "--event-idx", "--wait", "--mergeable"],
}
# DPDK's virtio-user, in server mode.
FOREIGN = {
    "dpdk-split": {"packed_vq": 0, "in_order": 1, "mrg_rxbuf": 1},
    "dpdk-packed": {"packed_vq": 1, "in_order": 0, "mrg_rxbuf": 1},
}
KILLED_MS = (250, 1000)    # median and 99th percentile
TAKEN_OVER_MS = 20         # 99th percentile
LEAK_BYTES = 4 << 20


def demand(condition, text):
    if not condition:
        raise Wrong(text)


def demand_times(gaps):
    """Those of kills."""
    for share, most in zip((0.5, 0.99), KILLED_MS):
        seen = quantile(gaps, share)
        demand(seen <= most, f"{seen:.0f} ms, {most} are promised")


def report(restarts, name, count):
    """What the front ends saw from the beginning to the end."""
    use = restarts.front_end_use()
    balance = restarts.imbalance()
    ways = [restarts.end()[way] for way in front.DIRECTIONS]
    total = {key: sum(way[key] for way in ways)
             for key in ("sent", "lost", "doubled", "reordered", "damaged")}
    print(f"# {name}: {count}: no frame for {distribution(restarts.gaps)}")
    print(f"# {name}: " + ", ".join(f"{key} {value}" for key, value in total.items()), flush=True)
    demand(balance == "", balance)
    demand(use[0] <= restarts.use_before[0],
           f"the front ends have {use[0]} descriptors instead of {restarts.use_before[0]}")
    demand(use[1] - restarts.use_before[1] < LEAK_BYTES,
           f"the front ends grew by {use[1] - restarts.use_before[1]} bytes")
    demand(total["doubled"] == total["reordered"] == total["damaged"] == 0, str(total))
    return total


def kills(bench, options, name, count, ring):
    restarts = Restarts(bench, *ring, rate=options.rate, seed=options.seed)
    for _ in range(count):
        restarts.kill()
    report(restarts, name, f"{count} kills")
    demand_times(restarts.gaps)


def foreign_kills(bench, options, name, count, form):
    restarts = ForeignRestarts(bench, form)
    for _ in range(count):
        restarts.kill()
    print(f"# {name}: {count} kills: no frame for {distribution(restarts.gaps)}", flush=True)
    demand_times(restarts.gaps)


def takeovers(bench, options, name, count, ring):
    restarts = Restarts(bench, *ring, rate=options.rate, seed=options.seed)
    for _ in range(count):
        restarts.take_over()
    total = report(restarts, name, f"{count} takeovers")
    waits = restarts.waits()
    print(f"# {name}: packets waited {distribution(waits)}", flush=True)
    demand(total["lost"] == 0, f"{total['lost']} frames lost")
    demand(len(waits) == count, f"{len(waits)} of {count} daemons say how long packets waited")
    demand(quantile(waits, 0.99) <= TAKEN_OVER_MS,
           f"packets waited {distribution(waits)}, {TAKEN_OVER_MS} ms are promised")


def chaos(bench, options, name, seconds, ring):
    steps = Chaos(bench, options.seed, *ring).go(seconds)
    print(f"# {name}: {steps} steps with seed {options.seed}", flush=True)


def runs(options):
    """(name, function, arguments) of all that was asked for."""
    for ring, form in FOREIGN.items():
        if options.kills and options.ring in ("", ring) and testpmd.installed():
            yield f"kills {ring}", foreign_kills, options.kills, form
    for ring, words in RINGS.items():
        if options.ring not in ("", ring):
            continue
        if options.kills:
            yield f"kills {ring}", kills, options.kills, words
        if options.takeovers:
            yield f"takeovers {ring}", takeovers, options.takeovers, words
        if options.chaos:
            yield f"chaos {ring}", chaos, options.chaos, words


def run_all(options):
    failed = 0
    todo = list(runs(options))
    print(f"1..{len(todo)}", flush=True)
    for number, (name, function, count, words) in enumerate(todo, 1):
        bench = Bench()
        try:
            function(bench, options, name, count, words)
            print(f"ok {number} - {name}", flush=True)
        except (Wrong, Failed, Timeout) as error:
            failed += 1
            print(f"not ok {number} - {name}")
            print("\n".join(f"# {line}" for line in f"{error}\n{bench.logs()}".splitlines()),
                  flush=True)
        finally:
            bench.close()
    return 1 if failed else 0


def main():
    parser = argparse.ArgumentParser(usage=__doc__.strip().split("\n\n")[1].strip(),
                                     description=__doc__.strip().split("\n\n")[2])
    parser.add_argument("--kills", type=int, default=0, metavar="N")
    parser.add_argument("--takeovers", type=int, default=0, metavar="N")
    parser.add_argument("--chaos", type=int, default=0, metavar="SECONDS")
    parser.add_argument("--ring", default="", choices=["", *RINGS, *FOREIGN], metavar="NAME")
    parser.add_argument("--rate", type=int, default=5000, metavar="N",
                        help="frames a second in each direction")
    parser.add_argument("--seed", type=int, default=1, metavar="N")
    options = parser.parse_args()
    if "PATCHBAY_ISOLATED" in os.environ:
        isolate()
        sys.exit(run_all(options))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    prefix = namespaces()
    scratch = tempfile.mkdtemp(prefix="patchbay-soak.")
    os.chmod(scratch, 0o755)
    os.environ.update(PATCHBAY_SCRATCH=scratch, PYTHONPATH=str(TESTS), PATCHBAY_ISOLATED="yes")
    try:
        sys.exit(os.spawnvp(os.P_WAIT, "env", ["env", *prefix, sys.executable, "-m", "harness.soak",
                                               *sys.argv[1:]]))
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


if __name__ == "__main__":
    main()
