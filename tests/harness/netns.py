# SPDX-License-Identifier: BSD-3-Clause
"""Network namespaces that play the world outside, or containers."""

import hashlib
import random
import subprocess
import sys

from harness.process import run
from harness.wait import wait_until

# Sends or takes a file's worth of bytes by TCP; the receiver prints what it got.
SEND = """
import random, socket, sys
data = random.Random(int(sys.argv[3])).randbytes(int(sys.argv[4]))
with socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=20) as connection:
    connection.sendall(data)
    connection.shutdown(socket.SHUT_WR)
    connection.recv(1)
"""
TAKE = """
import hashlib, socket, sys
family = socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET
server = socket.create_server((sys.argv[1], int(sys.argv[2])), family=family)
server.settimeout(60)
print("ready", flush=True)
connection, _ = server.accept()
connection.settimeout(60)
digest = hashlib.sha256()
while piece := connection.recv(1 << 16):
    digest.update(piece)
connection.close()
print(digest.hexdigest(), flush=True)
"""


class Netns:
    """One namespace; it goes with the test."""

    def __init__(self, bench, name):
        self.name = name
        run("ip", "netns", "add", name)
        bench.cleanup.add(lambda: run("ip", "netns", "del", name, check=False))
        self.bench = bench
        self("ip", "link", "set", "lo", "up")

    def __call__(self, *words, check=True, **options):
        return run("ip", "netns", "exec", self.name, *words, check=check, **options).stdout

    def spawn(self, *words, **options):
        """A process in it, killed with the test."""
        process = subprocess.Popen(["ip", "netns", "exec", self.name, *map(str, words)],
                                   stdin=subprocess.DEVNULL, text=True, **options)

        def end():
            process.kill()
            process.wait()

        self.bench.cleanup.add(end)
        return process

    def take(self, address, port):
        """A receiver of one file that listens; give it to sent_to()."""
        taker = self.spawn(sys.executable, "-c", TAKE, address, port, stdout=subprocess.PIPE)
        if taker.stdout.readline() != "ready\n":
            raise AssertionError(f"{self.name}: nobody listens at {address}")
        return taker

    def send(self, address, port, size, seed=1):
        """Sends that many bytes; their digest."""
        self(sys.executable, "-c", SEND, address, port, seed, size, timeout=90)
        return hashlib.sha256(random.Random(seed).randbytes(size)).hexdigest()

    def ping(self, address, size=56, count=3):
        """No packet is lost, none is cut into fragments; the first may go before the path is up."""
        wait_until(lambda: self("ping", "-c", "1", "-W", "1", address, check=False).find(
            " 0% packet loss") >= 0, 15, f"answer from {address} to {self.name}")
        output = self("ping", "-c", count, "-i", "0.05", "-W", "5", "-M", "do", "-s", size, address,
                      check=False)
        if " 0% packet loss" not in output:
            raise AssertionError(f"{self.name} to {address}, {size} bytes:\n{output}")
