# SPDX-License-Identifier: BSD-3-Clause
"""Queues that have work and do not move: an event says which and why, another one when it is over."""

import ctypes
import os
import pathlib

from harness import front
from harness.case import TestCase, requires_root
from harness.wait import wait_until
from harness.wire import frame
from hostile.front import F_MRG_RXBUF, Front, RX, SET_VRING_ENABLE, TX

A, B = "02:00:00:00:00:0a", "02:00:00:00:00:0b"
PTRACE_DETACH, PTRACE_SEIZE, PTRACE_INTERRUPT = 17, 0x4206, 0x4207
SECONDS = 20


class Stalls(TestCase):
    """Port x stalls, port y sends to it; a and b talk meanwhile and lose nothing."""

    def begin(self, *arguments, features=()):
        self.switch = self.bench.switch(*arguments)
        self.others = front.Front(self.bench, self.switch)
        self.running = self.others.begin("--rate", 500, "--seconds", 600)
        self.switch("bridge", "add", "br1")
        self.fronts = {}
        for name in ("x", "y"):
            path = self.bench.folder / f"{name}.sock"
            self.switch("port", "add", name, "vhost-user", "bridge=br1", f"path={path}",
                        "profile=open")
            self.fronts[name] = Front(path).up(features if name == "x" else ())
            self.bench.cleanup.add(self.fronts[name].close)
            self.switch.wait_link(name)
        wait_until(lambda: self.switch.counters("b")["rx_packets"] > 10, 10, "the others")
        return self.fronts["x"], self.fronts["y"]

    def end(self):
        self.running.popen.terminate()
        report = self.others.end(self.running)
        self.assertEqual([report[way]["lost"] for way in front.DIRECTIONS], [0, 0])

    def event(self, kind, port="x"):
        wait_until(lambda: self.switch.rows("events", kind), SECONDS, f"event {kind}")
        rows = self.switch.rows("events", kind)
        self.assertEqual(rows[-1].get("port"), port)
        return rows[-1]["text"]

    def stalled(self, ring, *words):
        text = self.event("queue-stalled")
        self.says(text, "port x", f"ring {ring},", *words)
        row = self.switch.port("x")
        self.assertEqual([stall["ring"] for stall in row["vhost"]["stalled"]], [ring])
        self.says(row["reason"], *words)
        self.assertEqual(self.switch.rows("events", "queue-moves"), [])

    def moves(self, *words):
        self.says(self.event("queue-moves"), "port x", *words)
        self.assertEqual(self.switch.port("x")["vhost"]["stalled"], [])
        self.end()

    def send_to_x(self, sender, count=1):
        for index in range(count):
            sender.transmit(frame(A, B, b"to x"), index=index % 8)

    def test_no_buffers(self):
        x, y = self.begin()
        self.send_to_x(y)
        self.stalled(RX, "gives no buffers")
        x.buffers()
        self.moves("ring 0 moves again")

    def test_buffers_that_are_too_small(self):
        x, y = self.begin()
        x.buffers(8, 20)
        self.send_to_x(y)
        self.stalled(RX, "too small")
        x.close()
        self.moves("ring 0 was stopped")

    def test_broken_index(self):
        x, _ = self.begin()
        x.offer(TX, jump=1000)
        self.stalled(TX, "available index")
        x.close()
        self.moves("ring 1 was stopped")

    def test_ring_that_is_not_enabled(self):
        x, _ = self.begin()
        x.state(SET_VRING_ENABLE, TX, 0)
        x.is_alive()
        x.transmit(frame(B, A, b"waits"))
        self.stalled(TX, "started or enabled")
        x.state(SET_VRING_ENABLE, TX, 1)
        self.moves("ring 1 moves again")
        self.assertEqual(self.switch.counters("x")["rx_packets"], 1)

    def test_kick_that_was_lost(self):
        """The worker is woken in its stead."""
        self.switch = self.bench.switch()
        self.switch("bridge", "add", "br1")
        path = self.bench.folder / "x.sock"
        self.switch("port", "add", "x", "vhost-user", "bridge=br1", f"path={path}")
        x = Front(path).up()
        self.bench.cleanup.add(x.close)
        self.switch.wait_link("x")
        wait_until(lambda: self.switch.rows("worker", "show")[0]["sleeping"], 10, "a sleeping worker")
        x.transmit(frame(B, A, b"hello"), kick=False)
        wait_until(lambda: x.used(TX) == 1, SECONDS, "wake-up")
        self.says(self.event("queue-stalled"), "ring 1,", "has not kicked")
        self.says(self.event("queue-moves"), "ring 1 moves again")

    def test_nothing_to_say(self):
        """Guests without buffers that nobody sends to, and with work that is done."""
        x, y = self.begin(features=(F_MRG_RXBUF,))
        y.buffers()
        seen = self.switch.counters("b")["rx_packets"]
        for index in range(4):
            x.transmit(frame(B, A, b"hello"), index=index)
            wait_until(lambda n=index: self.switch.counters("b")["rx_packets"] > seen + 500 * n, 10,
                       "some time")
        wait_until(lambda: self.switch.counters("y")["tx_packets"] == 4, 10, "four frames")
        self.assertEqual(self.switch.rows("events", "queue-stalled"), [])
        self.end()


@requires_root
class StuckWorker(TestCase):
    """A worker's thread is stopped as a debugger stops it; the control thread goes on."""

    def set_up(self):
        self.switch = self.bench.switch("--busy-poll")
        self.switch("bridge", "add", "br0")
        self.libc = ctypes.CDLL(None, use_errno=True)
        self.worker = wait_until(self.find_worker, 10, "worker")

    def find_worker(self):
        """Its thread, once it has given itself a name."""
        for name in pathlib.Path(f"/proc/{self.switch.pid}/task").glob("*/comm"):
            if name.read_text().strip() == "worker/0":
                return int(name.parent.name)
        return None

    def port(self, name):
        """Adds a port with a front end."""
        path = self.bench.folder / f"{name}.sock"
        self.switch("port", "add", name, "vhost-user", "bridge=br0", f"path={path}",
                    "profile=open")
        there = Front(path).up()
        self.bench.cleanup.add(there.close)
        return there

    def stop_worker(self):
        self.assertEqual(self.libc.ptrace(PTRACE_SEIZE, self.worker, 0, 0), 0, ctypes.get_errno())
        self.libc.ptrace(PTRACE_INTERRUPT, self.worker, 0, 0)
        os.waitpid(self.worker, 0x40000000)  # __WALL

    def let_worker_go(self):
        self.libc.ptrace(PTRACE_DETACH, self.worker, 0, 0)

    def event(self, kind):
        wait_until(lambda: self.switch.rows("events", kind), SECONDS, f"event {kind}")
        return self.switch.rows("events", kind)[0]["text"]

    def test_events(self):
        x = self.port("x")
        self.switch.wait_link("x")
        self.stop_worker()
        x.transmit(frame(B, A, b"hello"))
        self.says(self.event("worker-stalled"), "worker 0", "CPU")
        self.says(self.event("queue-stalled"), "ring 1,", "worker is stuck")
        self.let_worker_go()
        self.event("worker-moves")
        self.event("queue-moves")
        wait_until(lambda: x.used(TX) == 1, 10, "the frame")

    def test_everything_changes_meanwhile(self):
        """What the worker may be looking at stays until it comes back, and goes then."""
        self.port("y").buffers()
        self.switch.wait_link("y")
        used = self.switch.descriptors()
        x = self.port("x")
        self.switch.wait_link("x")
        self.switch("set", "add", "some", "10.0.0.1")
        self.switch("filter", "add", "x", "in", "20", "deny", "tcp")
        self.stop_worker()
        self.switch("filter", "del", "x", "in", "20")
        self.switch("set", "add", "some", "10.0.0.2")
        self.switch("set", "del", "some")
        self.switch("port", "set", "x", "in_rate=1G")
        self.switch("bridge", "set", "br0", "capacity=1000")
        x.close()
        self.switch.wait_link("x", "down")
        self.switch("port", "del", "x")
        for _ in range(3):
            self.switch("bridge", "add", "br1")
            self.switch("bridge", "del", "br1")
            x = self.port("x")
            x.is_alive()
            x.close()
            self.switch("port", "del", "x")
        self.let_worker_go()
        wait_until(lambda: self.switch.descriptors() <= used, SECONDS,
                   lambda: f"{used} descriptors ({self.switch.descriptors()} are left)")
        x = self.port("x")
        self.switch.wait_link("x")
        x.transmit(frame("02:00:00:00:00:77", A, b"hello"))
        wait_until(lambda: self.switch.counters("y")["tx_packets"] == 1, 10, "a frame from x to y")
        self.switch.process.check()
