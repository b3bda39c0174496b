# SPDX-License-Identifier: BSD-3-Clause
"""The kernel's 8021q devices on trunk ports: ping with full-size frames, and TCP."""

import hashlib
import subprocess
import sys

from harness.case import TestCase, requires_root
from harness.process import run
from harness.wait import wait_until

TAKE = """
import hashlib, socket
s = socket.create_server(("10.7.0.2", 5001))
print("ready", flush=True)
c, _ = s.accept()
h = hashlib.sha256()
while data := c.recv(65536):
    h.update(data)
print(h.hexdigest(), flush=True)
"""
SEND = """
import socket, sys
c = socket.create_connection(("10.7.0.2", 5001))
c.sendall(sys.stdin.buffer.read())
c.close()
"""


def in_space(space, *words, **options):
    return run("ip", "netns", "exec", space, *words, **options)


@requires_root
class VlanKernel(TestCase):
    def set_up(self):
        self.switch = self.bench.switch()
        self.switch("bridge", "add", "br0")
        self.switch("port", "add", "trunk", "tap", "bridge=br0", "dev=k0", "trunks=10,20")
        self.switch("port", "add", "access", "tap", "bridge=br0", "dev=k1", "tag=10")
        for space, device in (("left", "k0"), ("right", "k1")):
            run("ip", "netns", "add", space)
            self.bench.cleanup.add(run, "ip", "netns", "del", space)
            run("ip", "link", "set", device, "netns", space)
            in_space(space, "ip", "link", "set", device, "up")
        done = in_space("left", "ip", "link", "add", "link", "k0", "name", "k0.10", "type", "vlan",
                        "id", "10", check=False)
        if done.returncode:
            self.skipTest("the kernel has no 8021q devices")
        in_space("left", "ip", "address", "add", "10.7.0.1/24", "dev", "k0.10")
        in_space("left", "ip", "link", "set", "k0.10", "up")
        in_space("right", "ip", "address", "add", "10.7.0.2/24", "dev", "k1")
        wait_until(lambda: self.ping(56), 15, "answer from the other VLAN member")

    @staticmethod
    def ping(size):
        return in_space("left", "ping", "-c", "1", "-W", "1", "-M", "do", "-s", str(size),
                        "10.7.0.2", check=False).returncode == 0

    def test_full_size_frame_plus_tag(self):
        # 1500 bytes of IP packet, and a tag on top at the trunk.
        wait_until(lambda: self.ping(1472), 10, "answer to a full-size ping")
        rows = {(row["mac"], row["vlan"]) for row in self.switch.rows("fdb", "show", "br0")}
        self.assertTrue(any(vlan == 10 for _, vlan in rows))

    def test_other_vlan_is_another_network(self):
        self.switch("port", "set", "access", "tag=20")
        self.switch("fdb", "flush", "br0")
        self.assertFalse(self.ping(56))

    def test_tcp(self):
        data = bytes(number % 251 for number in range(1 << 16)) * 64
        process = subprocess.Popen(["ip", "netns", "exec", "right", sys.executable, "-c", TAKE],
                                   stdout=subprocess.PIPE, text=True)
        self.bench.cleanup.add(process.stdout.close)
        self.bench.cleanup.add(process.wait)
        self.bench.cleanup.add(process.kill)
        self.assertEqual(process.stdout.readline(), "ready\n")
        subprocess.run(["ip", "netns", "exec", "left", sys.executable, "-c", SEND], input=data,
                       check=True, timeout=60)
        self.assertEqual(process.stdout.readline().strip(), hashlib.sha256(data).hexdigest())
