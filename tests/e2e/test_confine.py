# SPDX-License-Identifier: BSD-3-Clause
"""What patchbayd keeps of its rights when it is ready: by the words of the kernel."""

import os
import pathlib

from harness import front
from harness.case import TestCase, requires, requires_root
from harness.wait import wait_until

NET_ADMIN, NET_RAW, SYS_ADMIN, SYS_MODULE = (1 << bit for bit in (12, 13, 21, 16))
confines = requires("ASAN_OPTIONS" not in os.environ, "sanitizers need all system calls")


def threads(pid):
    """{name of a thread: its status, {word: text}}."""
    found = {}
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        lines = (task / "status").read_text().splitlines()
        found[(task / "comm").read_text().strip()] = dict(line.split(":\t", 1) for line in lines)
    return found


def ended(pid):
    """Gone, or dead and not yet waited for."""
    try:
        return not pathlib.Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return True


def main_pid(switch):
    return switch.json("daemon", "version")["pid"]


@confines
class Rights(TestCase):
    def check(self, pid, capabilities):
        found = threads(pid)
        self.assertIn("worker/0", list(found))
        for name, status in found.items():
            with self.subTest(thread=name):
                self.assertEqual(status["Seccomp"], "2")
                self.assertEqual(status["NoNewPrivs"], "1")
                mine = capabilities if name == "patchbayd" else 0
                self.assertEqual(int(status["CapPrm"], 16), mine)
                self.assertEqual(int(status["CapEff"], 16), mine)
                self.assertEqual((status["CapInh"], status["CapAmb"]), ("0" * 16, "0" * 16))

    @requires_root
    def test_all_types(self):
        switch = self.bench.switch()
        had = int(threads(switch.pid)["patchbayd"]["CapPrm"], 16)
        self.assertTrue(had & NET_ADMIN)
        self.assertFalse(had & SYS_MODULE)
        self.check(switch.pid, had)

    @requires_root
    def test_one_type_each(self):
        for types, needed in (("vhost-user", 0), ("null,pcap", 0), ("tap", NET_ADMIN),
                              ("vhost-user,afpacket", NET_ADMIN | NET_RAW),
                              ("veth", NET_ADMIN | NET_RAW | SYS_ADMIN)):
            with self.subTest(types=types):
                switch = self.bench.switch("--port-types", types)
                try:
                    self.check(switch.pid, needed)
                finally:
                    switch.stop()

    @requires_root
    def test_nothing_left_and_everything_works(self):
        """A daemon for vhost-user ports: no capability, and another one in its place has none."""
        switch = self.bench.switch("--port-types", "vhost-user,null", "--state",
                                   self.bench.folder / "state")
        self.check(switch.pid, 0)
        pair = front.Front(self.bench, switch)
        pair.exchange("--frames", 2000, "--sizes", "64,1500")
        text = switch.refused("port", "add", "t", "tap", "bridge=br0", "dev=t0")
        self.says(text, "tap", "--port-types")
        old = main_pid(switch)
        switch("daemon", "restart")
        wait_until(lambda: main_pid(switch) != old, 20, "another daemon")
        self.check(main_pid(switch), 0)
        pair.exchange("--frames", 2000, "--sizes", "64,1500")

    def test_types_that_do_not_exist(self):
        for words in ("", "vhost-user,", "eth", "tap,,null"):
            switch = self.bench.switch("--port-types", words, start=False)
            switch.spawn()
            self.assertEqual(switch.process.popen.wait(20), 2)
            self.says(switch.log.read_text(), "--port-types", "is no type of port")

    def test_without(self):
        switch = self.bench.switch("--no-confine")
        status = threads(switch.pid)["patchbayd"]
        self.assertEqual((status["Seccomp"], status["NoNewPrivs"]), ("0", "0"))


@confines
class Starter(TestCase):
    """The process that starts the next daemon (control/starter.h)."""

    def starter(self, switch):
        children = pathlib.Path(f"/proc/{switch.pid}/task/{switch.pid}/children").read_text()
        return [int(word) for word in children.split()]

    def test_ends_with_the_daemon(self):
        switch = self.bench.switch()
        [pid] = self.starter(switch)
        switch.kill()
        wait_until(lambda: ended(pid), 20, "end of the starter")

    def test_gone(self):
        switch = self.bench.switch()
        [pid] = self.starter(switch)
        os.kill(pid, 9)
        wait_until(lambda: not self.starter(switch), 20, "end of the starter")
        self.says(switch.refused("daemon", "restart"), "--takeover")
        self.assertEqual(main_pid(switch), switch.pid)
