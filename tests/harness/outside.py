# SPDX-License-Identifier: BSD-3-Clause
"""The network outside: a namespace behind an interface of the host, with DHCP and web servers.

VLAN 20 of the cable ends in the same namespace, on an interface of its own.
"""

import hashlib
import os
import subprocess
import sys

from harness.process import Process, run
from harness.wait import wait_until

NAME = "outside"
NEAR, FAR = "eth1", "eth0"
IPV4, IPV6 = "192.0.2.254", "fd00:2::254"
POOL = ("192.0.2.100", "192.0.2.150")
VLAN = 20
VLAN_IPV4 = "10.20.0.254"
WEB_FILE_BYTES = 4 << 20

# Carries frames between VLAN 20 of an interface and a tap: this kernel may have no 802.1Q module.
VLAN_END = """
import fcntl, os, select, socket, struct, sys
dev, tap, vlan = sys.argv[1], sys.argv[2], int(sys.argv[3])
fd = os.open("/dev/net/tun", os.O_RDWR)
fcntl.ioctl(fd, 0x400454ca, struct.pack("16sH22x", tap.encode(), 0x1002))
wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
wire.setsockopt(263, 8, 1)
wire.setsockopt(socket.SOL_SOCKET, 33, 8 << 20)
wire.bind((dev, 0))
tag = struct.pack("!HH", 0x8100, vlan)
print("ready", flush=True)
while True:
    for ready in select.select([fd, wire], [], [])[0]:
        if ready == fd:
            frame = os.read(fd, 65536)
            try:
                wire.send(frame[:12] + tag + frame[12:])
            except OSError:
                pass
            continue
        frame, extra, _, address = wire.recvmsg(65536, 256)
        status, _, _, _, _, tci, _ = struct.unpack("=IIIHHHH", extra[0][2])
        if address[2] != socket.PACKET_OUTGOING and status & 16 and tci & 0xfff == vlan:
            try:
                os.write(fd, frame)
            except OSError:
                pass
"""

# One connection after another: takes everything, tells the sum of what came.
SINK = """
import hashlib, socket, sys
server = socket.create_server(("", 5001), family=socket.AF_INET6, dualstack_ipv6=True)
print("ready", flush=True)
while True:
    connection = server.accept()[0]
    connection.settimeout(60)
    digest = hashlib.sha256()
    while piece := connection.recv(65536):
        digest.update(piece)
    connection.close()
    print(digest.hexdigest(), flush=True)
"""

WEB = """
import http.server, socket, socketserver, sys
class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    address_family = socket.AF_INET6
    daemon_threads = True
Server(("::", 80), http.server.SimpleHTTPRequestHandler).serve_forever()
"""


class Outside:
    """The host's end of the cable is `eth1`; it has no address yet."""

    def __init__(self, bench, mtu=1500, offloads=False):
        """`offloads`: the cable's far end leaves checksums and segments undone, as veths do."""
        self.bench = bench
        run("ip", "netns", "add", NAME)
        bench.cleanup.add(run, "ip", "netns", "del", NAME)
        run("ip", "link", "add", NEAR, "mtu", mtu, "type", "veth", "peer", "name", FAR, "mtu", mtu,
            "netns", NAME)
        run("ip", "link", "set", NEAR, "up")
        self.run("ip", "link", "set", "lo", "up")
        # What goes to a virtual machine is completed by nobody on the way.
        if not offloads:
            self.run("ethtool", "-K", FAR, "tx", "off", "txvlan", "off")
        self.run("sysctl", "-qw", "net.ipv6.conf.all.accept_dad=0",
                 f"net.ipv6.conf.{FAR}.accept_dad=0")
        self.run("ip", "link", "set", FAR, "up")
        self.run("ip", "addr", "add", f"{IPV4}/24", "dev", FAR)
        self.run("ip", "addr", "add", f"{IPV6}/64", "dev", FAR)

    def command(self, *words):
        return ["ip", "netns", "exec", NAME, *map(str, words)]

    def run(self, *words, **options):
        return run(*self.command(*words), **options)

    def spawn(self, name, *words, **options):
        """A server in the background; its words go to NAME.log."""
        process = Process(self.command(*words), self.bench.folder / f"{name}.log", **options)
        self.bench.cleanup.add(process.kill)
        return process

    # ---- servers ----

    def serve_dhcp(self):
        dnsmasq = self.spawn(
            "dnsmasq", "dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--port=0",
            f"--interface={FAR}", "--bind-interfaces", "--no-ping", "--leasefile-ro",
            f"--dhcp-range={POOL[0]},{POOL[1]},255.255.255.0,1h", "--log-facility=-", "--user=root")
        wait_until(lambda: "DHCP, IP range" in dnsmasq.log.read_text(), 10, "DHCP server")

    def serve_web(self):
        """A random file, as FILE on every address; its sum."""
        folder = self.bench.folder / "web"
        folder.mkdir()
        data = os.urandom(WEB_FILE_BYTES)
        (folder / "FILE").write_bytes(data)
        self.spawn("web", sys.executable, "-c", WEB, cwd=folder)
        wait_until(lambda: ":80 " in self.run("ss", "-ltn").stdout, 10, "web server")
        return hashlib.sha256(data).hexdigest()

    def serve_sink(self):
        """Takes uploads on port 5001; readline() of the result gives the sum of each."""
        process = subprocess.Popen(self.command(sys.executable, "-c", SINK),
                                   stdout=subprocess.PIPE, text=True)
        self.bench.cleanup.add(process.wait)
        self.bench.cleanup.add(process.kill)
        self.bench.cleanup.add(process.stdout.close)
        if process.stdout.readline() != "ready\n":
            raise AssertionError("the sink does not start")
        return process.stdout

    def end_vlan(self):
        """VLAN 20, with an address of its own."""
        tap = f"vlan{VLAN}"
        process = self.spawn("vlan", sys.executable, "-c", VLAN_END, FAR, tap, VLAN)
        wait_until(lambda: "ready" in process.log.read_text(), 10, "end of the VLAN")
        self.run("ip", "link", "set", tap, "up")
        self.run("ip", "addr", "add", f"{VLAN_IPV4}/24", "dev", tap)
