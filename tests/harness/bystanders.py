# SPDX-License-Identifier: BSD-3-Clause
"""A pair that talks while something bad happens to others, and what it must not notice."""

import os

from harness import front
from harness.restarts import resident
from harness.wait import wait_until

BASELINE_SECONDS = 10
GROWTH = 8 << 20  # bytes: caches of threads and of the allocator


class Bystanders:
    """Ports a and b of br0.  end() checks all that must hold after a fault; test: a TestCase."""

    def __init__(self, test, switch, rate=500):
        self.test = test
        self.switch = switch
        self.pair = front.Front(test.bench, switch)
        self.running = self.pair.begin("--rate", rate, "--seconds", 3600, "--window", 128)
        wait_until(lambda: switch.counters("b")["rx_packets"] > 10, 20, "traffic of bystanders")
        self.pid = switch.pid
        self.descriptors = switch.descriptors()
        self.resident = switch.rss()

    def talk(self, count=50):
        """Waits until so many more of their frames have arrived."""
        before = self.switch.counters("b")["tx_packets"]
        wait_until(lambda: self.switch.counters("b")["tx_packets"] - before >= count, 20,
                   "traffic of bystanders")

    def baseline(self):
        """The same daemon, with the descriptors and the memory it had."""
        test, switch = self.test, self.switch
        switch.process.check()
        test.assertEqual(switch.pid, self.pid)
        wait_until(lambda: switch.descriptors() <= self.descriptors, BASELINE_SECONDS,
                   lambda: f"{self.descriptors} descriptors ({switch.descriptors()} are left)")
        if "ASAN_OPTIONS" not in os.environ:
            test.assertLess(resident(self.pid) - self.resident, GROWTH)

    def end(self):
        self.talk()
        self.baseline()
        self.running.popen.terminate()
        report = self.pair.end(self.running)
        for way in front.DIRECTIONS:
            found = [report[way][key] for key in ("lost", "doubled", "reordered", "damaged")]
            self.test.assertEqual(found, [0, 0, 0, 0], report[way])
        self.test.assertEqual(report["reconnects"], 0)
        for name in "ab":
            self.test.assertEqual(self.switch.counters(name)["drops"], {})
        return report
