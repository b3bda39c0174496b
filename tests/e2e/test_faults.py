# SPDX-License-Identifier: BSD-3-Clause
"""Faults, one by one, next to a pair that loses nothing: docs/faults.md."""

import os
import resource
import shutil
import signal
import socket
import struct
import threading
import time

from harness import front
from harness.bystanders import Bystanders
from harness.case import TestCase, requires, requires_root
from harness.process import Failed, run
from harness.switch import BUILD
from harness.wait import wait_until
from harness.wire import frame
from hostile.front import Front

A, BROADCAST = "02:00:00:00:00:0a", "ff:ff:ff:ff:ff:ff"
CHANGES = int(os.environ.get("PATCHBAY_CHANGES", 20))
CLOCK_JUMP = BUILD / "tests" / "tools" / "libclock_jump.so"
DAY = 86400


class Faults(TestCase):
    def begin(self, *arguments, **options):
        self.switch = self.bench.switch(*arguments, **options)
        self.bystanders = Bystanders(self, self.switch)

    def others(self, queues=1):
        """Ports c and d of a bridge of their own, for front ends that come and go."""
        self.switch("bridge", "add", "br1")
        pair = front.Front(self.bench, self.switch, add=False)
        pair.paths = [self.bench.folder / f"{name}.sock" for name in "cd"]
        for name, path in zip("cd", pair.paths):
            self.switch("port", "add", name, "vhost-user", "bridge=br1", f"path={path}",
                        f"queues={queues}", "profile=open")
        self.bystanders.descriptors = self.switch.descriptors()
        return pair

    # ---- guests ----

    def test_rings_and_queues_change_and_guests_are_killed(self):
        """$PATCHBAY_CHANGES times (20): another ring size, form and number of queues."""
        self.begin()
        pair = self.others(queues=4)
        for turn in range(CHANGES):
            options = ["--ring", 64 << turn % 4, "--queues", 1 + turn % 4, "--timeout", 30000,
                       *(["--packed"] if turn % 2 else [])]
            if turn % 3:
                pair.exchange("--frames", 100, "--window", 16, *options)
                continue
            running = pair.begin("--seconds", 60, *options)
            before = self.switch.counters("d")["tx_packets"]
            wait_until(lambda n=before: self.switch.counters("d")["tx_packets"] > n + 100, 60,
                       "traffic")
            running.kill()
            for port in "cd":
                self.switch.wait_link(port, "down")
        self.bystanders.end()

    def test_guest_that_stands_still(self):
        """SIGSTOP: its ring fills up, it is told of, and goes on when it may."""
        self.begin()
        pair = self.others()
        sender = Front(pair.paths[0]).up()
        self.bench.cleanup.add(sender.close)
        deaf = Front(pair.paths[1]).up()
        self.bench.cleanup.add(deaf.close)
        deaf.buffers(8)
        self.switch.wait_link("d")
        for index in range(60):
            sender.transmit(frame(BROADCAST, A, b"to nobody"), index=index % 16)
        wait_until(lambda: self.switch.counters("d")["drops"].get("no_buffer"), 10, "drops")
        wait_until(lambda: self.switch.rows("events", "queue-stalled"), 20, "event queue-stalled")
        deaf.buffers(64)
        wait_until(lambda: self.switch.rows("events", "queue-moves"), 20, "event queue-moves")
        sender.close()
        deaf.close()
        self.bystanders.end()

    def test_memory_of_guests_is_not_dumped(self):
        self.begin()
        pair = self.others()
        guest = Front(pair.paths[0]).up()
        self.bench.cleanup.add(guest.close)
        smaps = open(f"/proc/{self.switch.pid}/smaps").read()
        flags = [part.split("VmFlags:")[1].split("\n")[0].split()
                 for part in smaps.split("/memfd:hostile")[1:]]
        self.assertTrue(flags)
        for found in flags:
            self.assertIn("dd", found)  # proc(5): do not include in core dumps
        guest.close()
        self.bystanders.end()

    def test_daemon_that_stands_still(self):
        """As a suspended host, or one that gives the daemon no CPU."""
        self.begin()
        os.kill(self.switch.pid, signal.SIGSTOP)
        time.sleep(2)
        os.kill(self.switch.pid, signal.SIGCONT)
        self.bystanders.end()

    # ---- ports and the network ----

    def test_ports_come_and_go(self):
        self.begin()
        self.switch("bridge", "add", "br1")
        rpc = self.switch.rpc()
        for turn in range(10 * CHANGES):
            for method, params in (
                    ("port.add", {"name": "x", "type": "vhost-user", "bridge": "br1",
                                  "path": f"{self.bench.folder}/x.sock"}),
                    ("port.del", {"name": "x"})):
                self.assertIn("result", rpc.call(method, params), turn)
        rpc.close()
        self.bystanders.end()

    def test_socket_file_is_removed(self):
        self.begin()
        pair = self.others()
        for path in (*pair.paths, *self.bystanders.pair.paths):
            path.unlink()
            wait_until(path.exists, 10, f"{path.name} again")
        pair.exchange("--frames", 100)
        self.bystanders.end()

    @requires_root
    def test_broadcast_storm_in_a_loop(self):
        """A cable with both ends in another bridge; then the loop guard cuts it."""
        self.begin()
        self.switch("bridge", "add", "br1")
        run("ip", "link", "add", "loop0", "type", "veth", "peer", "name", "loop1")
        self.bench.cleanup.add(run, "ip", "link", "del", "loop0")
        for name in ("loop0", "loop1"):
            run("ip", "link", "set", name, "up")
            self.switch("port", "add", name, "afpacket", "bridge=br1", f"dev={name}")
        self.switch.wait_link("loop1")
        source = Front(self.bench.folder / "c.sock")
        self.switch("port", "add", "c", "vhost-user", "bridge=br1", f"path={source.path}")
        source.up()
        source.transmit(frame(BROADCAST, A, b"round and round"))
        wait_until(lambda: self.switch.counters("loop1")["rx_packets"] > 2000, 30, "a storm")
        self.bystanders.talk()
        self.switch("bridge", "set", "br1", "loop_guard=yes")
        wait_until(lambda: self.switch.rows("events", "port-blocked"), 30, "event port-blocked")
        source.close()
        for name in ("loop0", "loop1", "c"):
            self.switch("port", "del", name)
        self.bystanders.end()

    # ---- what runs out ----

    def limit(self, what, most):
        """Lets the daemon have no more; what is returned lifts it."""
        before = resource.prlimit(self.switch.pid, what)
        resource.prlimit(self.switch.pid, what, (most, before[1]))
        return lambda: resource.prlimit(self.switch.pid, what, before)

    def test_memory_runs_out(self):
        """RLIMIT_AS: what does not fit is refused, and fits when there is more."""
        self.begin()
        pair = self.others()
        status = open(f"/proc/{self.switch.pid}/status").read()
        size = next(int(line.split()[1]) for line in status.splitlines() if "VmSize" in line) * 1024
        lift = self.limit(resource.RLIMIT_AS, size + (3 << 20))
        self.says(self.switch.refused("bridge", "add", "big", "capacity=1048576"), "memory")
        with self.assertRaises(Failed):
            pair.exchange("--frames", 100, "--timeout", 2000)
        self.bystanders.talk()
        lift()
        self.switch("bridge", "add", "big", "capacity=1048576")
        self.switch("bridge", "del", "big")
        pair.exchange("--frames", 100)
        self.bystanders.end()

    def test_descriptors_run_out(self):
        """RLIMIT_NOFILE: front ends that do not fit are refused or wait, and come later."""
        self.begin()
        pair = self.others()
        lift = self.limit(resource.RLIMIT_NOFILE, self.switch.descriptors() + 4)
        with self.assertRaises(Failed):
            pair.exchange("--frames", 100, "--timeout", 2000)
        self.bystanders.talk()
        lift()
        pair.exchange("--frames", 100)
        self.bystanders.end()

    def test_state_directory_goes_away(self):
        """Commands work, it is said, and the next daemon begins as far as it can."""
        state = self.bench.folder / "state"
        self.begin("--state", state)
        shutil.rmtree(state)
        self.switch("bridge", "add", "br1")
        self.says(self.switch.log.read_text(), "cannot save what runs")
        self.bystanders.end()

    # ---- clocks ----

    @requires("ASAN_OPTIONS" not in os.environ, "a sanitizer wants to be loaded first")
    def test_time_of_day_jumps(self):
        """A day forth and back: nothing ages, nothing expires, traffic goes on."""
        offset = self.bench.folder / "offset"
        offset.write_bytes(struct.pack("<q", 0))
        self.begin(env={**os.environ, "LD_PRELOAD": str(CLOCK_JUMP), "CLOCK_JUMP": str(offset)})
        learnt = {row["mac"] for row in self.switch.rows("fdb", "show")}
        self.assertTrue(learnt)
        self.switch("bridge", "add", "br1", "mac_moves=1")
        pair = self.others_on("br1")
        for seconds in (DAY, -DAY, 400 * DAY, 0):
            with open(offset, "r+b") as file:
                file.write(struct.pack("<q", seconds))
            pair.exchange("--frames", 100, "--sizes", "64,1000")
            self.bystanders.talk(600)
            self.assertLessEqual(learnt, {row["mac"] for row in self.switch.rows("fdb", "show")})
            # The library is at work: events have the time of day.
            self.switch("port", "set", "c", "mtu=1400")
            self.switch("port", "set", "c", "mtu=")
        years = {row["time"][:4] for row in self.switch.rows("events", "show")}
        self.assertGreater(len(years), 1, "the clock has not jumped")
        self.bystanders.end()

    def others_on(self, bridge):
        pair = front.Front(self.bench, self.switch, add=False)
        pair.paths = [self.bench.folder / f"{name}.sock" for name in "cd"]
        for name, path in zip("cd", pair.paths):
            self.switch("port", "add", name, "vhost-user", f"bridge={bridge}", f"path={path}",
                        "profile=open", "mtu=1500" if name == "d" else "mtu=1400")
        self.bystanders.descriptors = self.switch.descriptors()
        return pair

    # ---- the control socket ----

    def test_clients_that_flood_and_never_read(self):
        """32 of them; another one is served all the while."""
        self.begin()
        request = b'{"jsonrpc": "2.0", "id": 1, "method": "port.show"}\n' * 20
        ending = threading.Event()

        def flood():
            while not ending.is_set():
                try:
                    rpc = self.switch.rpc()
                    rpc.socket.settimeout(0.2)
                    for _ in range(1000):
                        rpc.send(request)
                except (TimeoutError, ConnectionError):
                    rpc.close()

        threads = [threading.Thread(target=flood, daemon=True) for _ in range(32)]
        for thread in threads:
            thread.start()
        waits = []
        for _ in range(30):
            begin = time.monotonic()
            self.assertTrue(self.switch.json("port", "show")["rows"])
            waits.append(time.monotonic() - begin)
        self.bystanders.talk()
        ending.set()
        for thread in threads:
            thread.join(30)
        self.assertLess(sorted(waits)[len(waits) // 2], 5)
        self.bystanders.end()


RECORD = struct.Struct("<IIIII512s32s")  # control/takeover.h: takeover_record
PREPARED, READY, ABORT = 1, 7, 9


class Takeovers(TestCase):
    """A takeover that fails at any step leaves the old daemon as it was."""

    def set_up(self):
        self.switch = self.bench.switch()
        self.bystanders = Bystanders(self, self.switch)

    def visit(self):
        """Comes in the place of a new daemon."""
        rpc = self.switch.rpc()
        name = rpc.call("daemon.takeover")["result"]["name"]
        rpc.close()
        other = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        other.settimeout(20)
        other.connect("\0" + name)
        self.bench.cleanup.add(other.close)
        return other

    @staticmethod
    def say(other, kind):
        other.send(RECORD.pack(1, kind, 0, 0, 0, b"", b""))

    @staticmethod
    def hear(other, kind):
        """Reads until a record of this type; its descriptors are closed."""
        while True:
            data, fds, _, _ = socket.recv_fds(other, RECORD.size, 8)
            for fd in fds:
                os.close(fd)
            if not data or RECORD.unpack(data)[1] == kind:
                return data

    def unharmed(self, *words):
        wait_until(lambda: "not taken over" in self.switch.log.read_text(), 30, "the end of it")
        self.says(self.switch.log.read_text(), *words)
        self.bystanders.end()

    def test_goes_before_it_is_prepared(self):
        other = self.visit()
        self.hear(other, 2)
        other.close()
        self.unharmed("hung up")

    def test_says_something_else(self):
        other = self.visit()
        self.say(other, READY)
        self.unharmed("instead of")

    def test_gives_up_before_it_is_prepared(self):
        other = self.visit()
        self.say(other, ABORT)
        self.unharmed()

    def test_is_silent(self):
        self.visit()
        self.unharmed("took too long")

    def test_goes_when_it_is_prepared(self):
        other = self.visit()
        self.say(other, PREPARED)
        other.close()
        self.unharmed()

    def test_is_silent_when_it_gets_the_rings(self):
        other = self.visit()
        self.say(other, PREPARED)
        self.hear(other, 6)
        self.unharmed("did not answer within")

    def test_reads_nothing(self):
        """What it is sent finds no room."""
        other = self.visit()
        other.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
        self.say(other, PREPARED)
        self.unharmed()

    def test_gives_up_when_it_has_the_rings(self):
        other = self.visit()
        self.say(other, PREPARED)
        self.hear(other, 6)
        self.say(other, ABORT)
        self.unharmed()

    def test_ends_when_all_is_ready(self):
        other = self.visit()
        self.say(other, PREPARED)
        self.hear(other, 6)
        self.say(other, READY)
        other.shutdown(socket.SHUT_RDWR)
        other.close()
        # Between the last two words there is a moment in which it is too late.
        if self.switch.process.running():
            self.unharmed("ended when all was ready")

    def test_two_at_once(self):
        first = self.visit()
        refused = self.switch.rpc()
        answer = None
        try:
            refused.socket.settimeout(1)
            answer = refused.call("daemon.takeover")
        except TimeoutError:
            pass  # requests wait until the first has ended
        self.assertTrue(answer is None or "error" in answer)
        refused.close()
        first.close()
        self.unharmed()
