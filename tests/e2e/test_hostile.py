# SPDX-License-Identifier: BSD-3-Clause
"""Every row of tests/hostile/rows.py against a switch that carries others' traffic meanwhile.

After each: the same process, the port's state says what happened, descriptors are back; at the end
the bystanders have lost nothing.
"""

import os

from harness import front
from harness.case import TestCase
from harness.wait import wait_until
from hostile import rows
from hostile.front import Closed, Front

BYSTANDER_RATE = 500


class Rows(TestCase):
    @classmethod
    def set_up_class(cls, bench):
        cls.switch = bench.switch()
        cls.bystanders = front.Front(bench, cls.switch)
        cls.traffic = cls.bystanders.begin("--rate", BYSTANDER_RATE, "--seconds", 600)
        cls.switch("bridge", "add", "hostile")
        cls.paths = {}
        for name in ("evil", "neighbour"):
            cls.paths[name] = bench.folder / f"{name}.sock"
            cls.switch("port", "add", name, "vhost-user", "bridge=hostile",
                       f"path={cls.paths[name]}", *(["profile=open"] if name != "evil" else []))
        wait_until(lambda: cls.switch.counters("b")["rx_packets"] > 10, 10, "the bystanders")
        cls.pid = cls.switch.pid
        cls.descriptors = cls.switch.descriptors()
        cls.resident = cls.switch.rss()

    def drops(self):
        found = dict(self.switch.counters("evil")["drops"])
        for name, count in self.switch.counters("neighbour")["drops"].items():
            found[name] = found.get(name, 0) + count
        return found

    def check(self, outcome, word, action, options):
        switch = self.switch
        neighbour = Front(self.paths["neighbour"]).up()
        neighbour.buffers()
        switch.wait_link("neighbour")
        before = self.drops()
        evil = Front(self.paths["evil"])
        evil.neighbour = neighbour
        try:
            try:
                ring = action(evil)
                closed = False
            except Closed:
                ring, closed = None, True
            getattr(self, f"ends_in_{outcome.lower()}")(evil, word, before, ring, closed)
        finally:
            evil.close()
            neighbour.close()
        self.assertEqual(switch.pid, self.pid)
        self.assertTrue(switch.process.running())
        wait_until(lambda: switch.descriptors() <= self.descriptors, 10,
                   lambda: f"{self.descriptors} descriptors ({switch.descriptors()} are left)")
        self.assertTrue(self.traffic.running())

    def ends_in_close(self, evil, word, before, ring, closed):
        self.assertTrue(closed or evil.is_closed(), "the connection stays")
        wait_until(lambda: self.switch.port("evil")["link"] == "down", 5, "link down")
        reason = self.switch.port("evil")["reason"]
        self.assertIn(word.lower(), reason.lower())
        self.assertNotEqual(reason, "the peer closed")

    def ends_in_stay(self, evil, word, before, ring, closed):
        self.assertFalse(closed, "the connection was closed")
        self.assertTrue(evil.is_alive())

    def ends_in_drop(self, evil, word, before, ring, closed):
        self.ends_in_count(evil, word, before, ring, closed)
        self.assertTrue(evil.is_alive())
        self.assertEqual(self.switch.port("evil")["link"], "up")

    def ends_in_count(self, evil, word, before, ring, closed):
        def moved():
            now = self.drops()
            return [name for name in now if now[name] > before.get(name, 0)]

        self.assertFalse(closed, "the connection was closed")
        wait_until(lambda: word in moved() if word else moved(), 5,
                   lambda: f"count of {word or 'any drop'} (moved: {moved()})")

    def ends_in_break(self, evil, word, before, ring, closed):
        self.assertFalse(closed, "the connection was closed")
        self.assertTrue(evil.error_signalled(ring), "no word on the error descriptor")
        wait_until(lambda: "ring" in self.switch.port("evil")["reason"], 5, "a reason")
        self.assertIn(f"ring {ring}", self.switch.port("evil")["reason"])
        self.assertTrue(evil.is_alive())

    def test_zz_bystanders_have_lost_nothing(self):
        """The last by name."""
        self.traffic.popen.terminate()
        report = self.bystanders.end(self.traffic, check=False)
        for direction in front.DIRECTIONS:
            way = report[direction]
            self.assertEqual([way["lost"], way["doubled"], way["reordered"], way["damaged"]],
                             [0, 0, 0, 0], way)
        self.assertGreater(report["a_to_b"]["frames"], 100)
        self.assertEqual(self.switch.counters("a")["drops"], {})
        self.assertEqual(self.switch.counters("b")["drops"], {})
        # A sanitizer keeps what was freed for a while.
        if "ASAN_OPTIONS" not in os.environ:
            self.assertLess(self.switch.rss() - self.resident, 16 << 20)


for name, outcome, word, action, options in rows.ROWS:
    test = f"test_{name}"
    assert not hasattr(Rows, test), f"two rows are called {name}"
    setattr(Rows, test, lambda self, o=outcome, w=word, a=action, p=options:
            self.check(o, w, a, p))
