# SPDX-License-Identifier: BSD-3-Clause
"""A kernel tap as the third port: the host talks to guests through its own stack."""

import hashlib
import os
import socket
import threading

from harness.case import TestCase, requires_root
from harness.pair import IPV4, LISTEN, Pair
from harness.process import run
from harness.wait import wait_until

TAP = "pbtap0"
HOST = "10.0.0.100"


@requires_root
class Tap(TestCase):
    @classmethod
    def set_up_class(cls, bench):
        cls.switch = bench.switch()
        cls.pair = Pair(bench, cls.switch)
        cls.switch("port", "add", "host", "tap", "bridge=br0", f"dev={TAP}")
        run("ip", "addr", "add", f"{HOST}/24", "dev", TAP)
        run("ip", "link", "set", TAP, "up")
        cls.pair.start()
        for guest in cls.pair.guests:
            wait_until(lambda g=guest: g.sh(f"ping -c 1 -W 1 {HOST}", check=False)[0] == 0, 15,
                       f"answer from the host to {guest.name}")

    def test_ping_between_host_and_guests(self):
        for guest in self.pair.guests:
            for size in (56, 1000, 1472):
                output = guest.sh(f"ping -c 3 -i 0.05 -W 2 -s {size} {HOST}")
                self.assertIn(" 0% packet loss", output)

    def test_guests_reach_each_other_as_well(self):
        self.pair.reach()
        self.pair.ping(1400)

    def test_file_from_guest_to_host(self):
        """Long frames without checksum from the guest arrive as good TCP segments."""
        one = self.pair.one
        want = one.sh("dd if=/dev/urandom of=/tmp/file bs=1M count=8 2>/dev/null;"
                      "sha256sum </tmp/file").split()[0]
        server = socket.create_server((HOST, 5001))
        self.addCleanup(server.close)
        server.settimeout(20)
        digest = hashlib.sha256()

        def take():
            connection, _ = server.accept()
            with connection:
                connection.settimeout(20)
                while piece := connection.recv(65536):
                    digest.update(piece)

        thread = threading.Thread(target=take, daemon=True)
        thread.start()
        one.sh(f"nc {HOST} 5001 </tmp/file", timeout=40)
        thread.join(20)
        self.assertEqual(digest.hexdigest(), want)

    def test_file_from_host_to_guest(self):
        two = self.pair.two
        data = os.urandom(8 << 20)
        receive = f"{LISTEN} -p 5002 >/tmp/file; sha256sum </tmp/file"
        two.send(receive, timeout=40)
        connection = wait_until(self.attempt, 10, "listener in the guest")
        with connection:
            connection.settimeout(20)
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(65536):
                pass
        self.assertEqual(two.receive(receive, timeout=40).split()[0],
                         hashlib.sha256(data).hexdigest())

    @staticmethod
    def attempt():
        try:
            return socket.create_connection((IPV4[1], 5002), timeout=2)
        except OSError:
            return None

    def test_deleted_with_its_interface(self):
        self.switch("port", "add", "other", "tap", "bridge=br0", "dev=pbtap1")
        self.assertTrue(os.path.exists("/sys/class/net/pbtap1"))
        self.switch("port", "del", "other")
        wait_until(lambda: not os.path.exists("/sys/class/net/pbtap1"), 3, "end of pbtap1")


@requires_root
class Interfaces(TestCase):
    """The interfaces themselves, without guests."""

    MOST = 32  # devices that Debian's DPDK has room for

    def set_up(self):
        self.switch = self.bench.switch("--no-huge")
        self.switch("bridge", "add", "br0")

    def add(self, number, *more):
        return self.switch.run("port", "add", f"t{number}", "tap", "bridge=br0", f"dev=pb{number}",
                               *more, check=False)

    def test_many(self):
        """As many as DPDK takes, in ordinary memory; then the error says what is left."""
        number = 0
        while (done := self.add(number)).returncode == 0:
            number += 1
        self.assertEqual(number, self.MOST)
        self.says(done.stderr, str(self.MOST), "veth")
        self.switch("port", "add", "w", "afpacket", "bridge=br0", "dev=lo")
        self.assertEqual(len(self.switch.rows("port", "show")), self.MOST + 1)

    def test_deleted_by_somebody(self):
        self.assertEqual(self.add(0, "address=192.0.2.1/24").returncode, 0)
        self.switch.wait_link("t0")
        run("ip", "link", "del", "pb0")
        wait_until(lambda: "deleted" in self.switch.port("t0").get("reason", ""), 10, "reason")
        self.assertEqual(self.switch.port("t0")["link"], "down")
        self.switch("port", "del", "t0")
        self.assertEqual(self.add(0, "address=192.0.2.1/24").returncode, 0)
        self.switch.wait_link("t0")
