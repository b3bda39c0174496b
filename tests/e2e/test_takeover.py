# SPDX-License-Identifier: BSD-3-Clause
"""A daemon takes the place of another one, and nobody notices."""

import json
import os
import signal
import socket

from harness import couple, front, testpmd
from harness.case import TestCase, requires, requires_root
from harness.process import run
from harness.switch import DAEMON
from harness.wait import wait_until

RINGS = {
    "split": ["--in-order"],
    "split_asleep": ["--event-idx", "--wait", "--indirect", "--pieces", 3],
    "packed": ["--packed", "--mergeable"],
    "packed_asleep": ["--packed", "--event-idx", "--wait", "--in-order"],
}


class Traffic(TestCase):
    """test_NAME: our front ends, at a rate that leaves room to catch up."""

    TIMES = 5

    def check(self, options, **port):
        switch = self.bench.switch()
        pair = front.Front(self.bench, switch, **port)
        pids = {switch.pid}
        running = pair.begin("--rate", 5000, "--seconds", 6, *options)
        for turn in range(1, self.TIMES + 1):
            wait_until(lambda n=turn: min(switch.counters(p)["tx_packets"] for p in "ab") > 2000 * n,
                       20, "traffic")
            switch.take_over()
            pids.add(switch.pid)
        report = pair.end(running)
        self.assertEqual(len(pids), self.TIMES + 1)
        for direction in front.DIRECTIONS:
            way = report[direction]
            self.assertEqual([way["lost"], way["doubled"], way["reordered"], way["damaged"]],
                             [0, 0, 0, 0], way)
        # Counters go along, and add up.
        rows = switch.rows("stats", "show")
        self.assertEqual(couple.imbalance(rows), "")
        self.assertEqual([row["drops"] for row in rows], [{}, {}])
        for row in rows:
            self.assertGreaterEqual(row["rx_packets"], report["a_to_b"]["frames"])
        self.assertEqual(report["reconnects"], 0)

    def test_ports_that_connect(self):
        self.check(["--packed"], mode="client")

    def test_queues(self):
        self.check(["--queues", 2], queues=2)


for ring in RINGS:
    setattr(Traffic, f"test_{ring}", lambda self, o=RINGS[ring]: self.check(o))


class Others(TestCase):
    def pair(self):
        switch = self.bench.switch()
        return switch, front.Front(self.bench, switch)

    def test_what_was_learnt_and_configured_goes_along(self):
        switch, pair = self.pair()
        switch("fdb", "add", "br0", "02:00:00:00:00:99", "a", "vlan=7")
        switch("port", "set", "b", "mtu=9000", "trunks=0,5-9")
        switch("bridge", "add", "br1", "ageing=77")
        before = switch("config", "show")
        running = pair.begin("--rate", 500, "--seconds", 60)
        wait_until(lambda: switch.counters("b")["rx_packets"] > 500, 10, "traffic")
        learnt = {(row["mac"], row["vlan"], row["port"])
                  for row in switch.rows("fdb", "show") if row["type"] == "learnt"}
        self.assertTrue(learnt)
        switch.take_over()
        self.assertEqual(switch("config", "show"), before)
        after = {(row["mac"], row["vlan"], row["port"]) for row in switch.rows("fdb", "show")}
        self.assertLessEqual(learnt, after)
        running.kill()

    def test_ports_can_be_deleted_and_made_again(self):
        switch, pair = self.pair()
        pair.exchange("--frames", 100)
        switch.take_over()
        pair.exchange("--frames", 100)
        for name, path in zip("ab", pair.paths):
            switch("port", "del", name)
            self.assertFalse(path.exists())
            switch("port", "add", name, "vhost-user", "bridge=br0", f"path={path}",
                   "profile=open")
        pair.exchange("--frames", 100)
        code, _ = switch.stop()
        self.assertEqual(code, 0)
        self.assertFalse(any(path.exists() for path in [*pair.paths, switch.socket]))

    def test_descriptors_and_memory_do_not_grow(self):
        switch, pair = self.pair()
        running = pair.begin("--rate", 500, "--seconds", 60)
        wait_until(lambda: switch.counters("b")["rx_packets"] > 100, 10, "traffic")
        switch.take_over()
        used = switch.descriptors()
        for _ in range(5):
            switch.take_over()
        wait_until(lambda: switch.descriptors() <= used, 5, "descriptors to be closed")
        running.kill()

    def answers(self, switch):
        """The pid of who answers; None for a client that the change cut off."""
        done = switch.run("--json", "daemon", "version", check=False)
        return json.loads(done.stdout)["pid"] if done.returncode == 0 else None

    def test_restart_by_command(self):
        switch, pair = self.pair()
        running = pair.begin("--rate", 1000, "--seconds", 6)
        wait_until(lambda: switch.counters("b")["rx_packets"] > 100, 10, "traffic")
        for _ in range(2):
            old = switch.json("daemon", "version")["pid"]
            answer = switch.json("daemon", "restart")
            wait_until(lambda p=answer["pid"]: self.answers(switch) == p, 10, "the new daemon")
            self.assertNotEqual(old, answer["pid"])
        report = pair.end(running)
        self.assertEqual([report[way]["lost"] for way in front.DIRECTIONS], [0, 0])
        os.kill(answer["pid"], signal.SIGTERM)
        wait_until(lambda: not switch.socket.exists(), 5, "its end")

    @requires_root
    def test_interfaces_are_opened_again(self):
        switch, pair = self.pair()
        wire = self.bench.wire("w0")
        switch("port", "add", "w0", "afpacket", "bridge=br0", "dev=w0")
        switch("fdb", "add", "br0", "02:00:00:00:00:98", "w0")
        switch("set", "add", "mail", "10.0.0.25")
        switch("filter", "add", "w0", "in", "20", "deny", "ip")
        before = switch("config", "show")
        switch.take_over()
        self.assertEqual(switch("config", "show"), before)
        switch.wait_link("w0")
        self.assertTrue(wire)
        pair.exchange("--frames", 100)


class Failures(TestCase):
    """Whatever goes wrong, the old daemon carries on and nothing is lost."""

    def stream(self):
        switch = self.bench.switch()
        pair = front.Front(self.bench, switch)
        running = pair.begin("--rate", 2000, "--seconds", 5)
        wait_until(lambda: switch.counters("b")["rx_packets"] > 500, 10, "traffic")
        return switch, pair, running

    def visit(self, switch):
        """Comes in the place of a new daemon."""
        name = switch.rpc().call("daemon.takeover")["result"]["name"]
        other = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        other.connect("\0" + name)
        self.bench.cleanup.add(other.close)
        return other

    def unharmed(self, switch, pair, running, pid):
        report = pair.end(running)
        for direction in front.DIRECTIONS:
            self.assertEqual(report[direction]["lost"], 0)
        self.assertEqual(switch.pid, pid)
        self.assertTrue(switch.json("daemon", "version")["pid"] == pid)

    def test_nobody_runs(self):
        done = run(DAEMON, "--socket", self.bench.folder / "none.sock", "--takeover", check=False)
        self.assertEqual(done.returncode, 1)
        self.says(done.stderr, "--takeover", "none.sock")

    def test_new_daemon_asks_and_goes(self):
        switch, pair, running = self.stream()
        pid = switch.pid
        other = self.visit(switch)
        other.close()
        wait_until(lambda: "not taken over" in switch.log.read_text(), 10, "the end of it")
        self.unharmed(switch, pair, running, pid)

    def test_new_daemon_says_nonsense(self):
        switch, pair, running = self.stream()
        pid = switch.pid
        other = self.visit(switch)
        other.send(b"x" * 100)
        wait_until(lambda: "not taken over" in switch.log.read_text(), 10, "the end of it")
        self.unharmed(switch, pair, running, pid)
        other.close()


@requires(testpmd.installed(), "dpdk-testpmd is missing: apt-get install dpdk")
class Foreign(TestCase):
    """DPDK's virtio driver at full speed."""

    def check(self, form):
        driver = {"packed_vq": form == "packed", "in_order": 0, "mrg_rxbuf": 1, "queue_size": 256}
        switch = self.bench.switch()
        pair = couple.Couple(self.bench, switch, [driver, driver])
        pair.start()
        frames = couple.traffic(range(60, 1515, 7), 1)
        pair.exchange(frames)
        for _ in range(3):
            switch.take_over()
            pair.exchange(frames)
        self.assertEqual(switch.port("a")["vhost"]["reconnects"], 0)

    def test_split(self):
        self.check("split")

    def test_packed(self):
        self.check("packed")
