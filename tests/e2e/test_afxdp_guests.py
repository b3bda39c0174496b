# SPDX-License-Identifier: BSD-3-Clause
"""A guest on the network outside, by an interface that the host goes on using."""

import os
import socket
import struct
import subprocess
import threading

from harness import outside
from harness.case import TestCase, requires, requires_root
from harness.outside import IPV4, IPV6, NEAR, VLAN, VLAN_IPV4, Outside
from harness.process import run
from harness.wait import wait_until

BPFFS = "/sys/fs/bpf"
HOST = "192.0.2.10"
MACS = ("52:54:00:00:00:01", "52:54:00:00:00:02")
KILLS = 20
PORT = 7001

# What udhcpc calls with what it got.
SCRIPT = """#!/bin/sh
[ "$1" = bound ] && ip addr flush dev $interface && ip addr add $ip/$mask dev $interface
exit 0
"""
# Numbered datagrams, at most PER_SECOND, until standard input ends; prints how many.
SENDER = """
import select, socket, struct, sys, time
target, port, per_second = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
out = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sent, begin = 0, time.monotonic()
while not select.select([sys.stdin], [], [], 0)[0]:
    out.sendto(struct.pack("!I", sent), (target, port))
    sent += 1
    ahead = begin + sent / per_second - time.monotonic()
    if ahead > 0:
        time.sleep(ahead)
print(sent)
"""

requires_namespaces = requires(os.environ.get("PATCHBAY_ISOLATED") == "yes",
                               "no namespaces: mounts and interfaces are not our own")


def set_up(cls, bench, mtu=1500, guests=1, xdp_mode="auto"):
    """The network outside, the host on it, a switch, guests vm1 and vm2 (which is in VLAN 20)."""
    run("mount", "-t", "bpf", "bpf", BPFFS)
    bench.cleanup.add(run, "umount", BPFFS)
    cls.outside = Outside(bench, mtu)
    run("ip", "addr", "add", f"{HOST}/24", "dev", NEAR)
    cls.config = bench.folder / "network.yaml"
    cls.config.write_text(f"""
bridges:
  br0:
ports:
  uplink: {{type: afxdp, bridge: br0, dev: {NEAR}, xdp_mode: {xdp_mode}}}
  vm1: {{type: vhost-user, bridge: br0, path: {bench.folder}/vm1.sock, storm: 100000}}
  vm2: {{type: vhost-user, bridge: br0, path: {bench.folder}/vm2.sock, tag: {VLAN}}}
""")
    cls.switch = bench.switch("--config", cls.config)
    cls.guests = []
    for number in range(guests):
        guest = bench.guest(f"vm{number + 1}")
        guest.add_vhost_user(bench.folder / f"vm{number + 1}.sock", MACS[number], reconnect=1,
                             **({"host_mtu": mtu} if mtu > 1500 else {}))
        guest.start()
        cls.guests.append(guest)
    for guest in cls.guests:
        guest.wait_boot()
    cls.guest = cls.guests[0]


def reach(guest, address, seconds=20):
    wait_until(lambda: guest.sh(f"ping -c 1 -W 1 {address}", check=False)[0] == 0, seconds,
               f"answer from {address}")


def download(guest, address):
    """The sum of the file that the web server has."""
    return guest.sh(f"wget -q -O - 'http://{address}/FILE' | sha256sum", timeout=90).split()[0]


def upload(guest, address, sums, megabytes=4):
    """The sums of a file at its source and where it arrived."""
    sent = guest.sh(f"dd if=/dev/urandom of=/tmp/file bs=1M count={megabytes} 2>/dev/null;"
                    f"nc {address} 5001 </tmp/file; sha256sum </tmp/file", timeout=90)
    return sent.split()[0], sums.readline().strip()


@requires_root
@requires_namespaces
class Guests(TestCase):
    @classmethod
    def set_up_class(cls, bench):
        set_up(cls, bench, guests=2)
        cls.outside.serve_dhcp()
        cls.outside.end_vlan()
        cls.sum = cls.outside.serve_web()
        cls.sums = cls.outside.serve_sink()
        one, two = cls.guests
        one.sh(f"cat >/tmp/script <<'E'\n{SCRIPT}E\nchmod +x /tmp/script; ip link set eth0 up")
        cls.lease = one.sh("udhcpc -i eth0 -n -q -f -t 10 -T 1 -s /tmp/script; ip -4 addr show eth0",
                           timeout=40)
        one.addresses(0, "fd00:2::1/64")
        two.addresses(0, "10.20.0.2/24", "192.0.2.2/24")
        reach(one, IPV4)
        reach(one, IPV6)
        reach(two, VLAN_IPV4)

    def test_address_from_the_dhcp_server_outside(self):
        self.assertRegex(self.lease, r"inet 192\.0\.2\.1[0-5][0-9]/24")

    def test_ping_of_all_sizes(self):
        for address in (IPV4, IPV6):
            for size in (56, 200, 1000, 1452):
                self.assertIn(" 0% packet loss",
                              self.guest.sh(f"ping -c 5 -i 0.05 -W 2 -s {size} {address}"))

    def test_web(self):
        for address in (IPV4, f"[{IPV6}]"):
            self.assertEqual(download(self.guest, address), self.sum, address)

    def test_upload_with_guest_offloads(self):
        """Long frames without checksums from the guest, cut and completed for the interface."""
        for address in (IPV4, IPV6):
            before = self.switch.counters("uplink")["tx_segmented"]
            sent, arrived = upload(self.guest, address, self.sums)
            self.assertEqual(sent, arrived, address)
            self.assertGreater(self.switch.counters("uplink")["tx_segmented"], before)

    def test_vlan(self):
        two = self.guests[1]
        self.assertEqual(download(two, VLAN_IPV4), self.sum)
        sent, arrived = upload(two, VLAN_IPV4, self.sums, 2)
        self.assertEqual(sent, arrived)
        self.assertNotEqual(two.sh(f"ping -c 1 -W 1 {IPV4}", check=False)[0], 0)

    def test_host_lives_on_the_interface(self):
        connection = socket.create_connection((IPV4, 80), timeout=10)
        with connection:
            connection.sendall(b"GET /FILE HTTP/1.0\r\n\r\n")
            count = 0
            while piece := connection.recv(65536):
                count += len(piece)
        self.assertGreater(count, outside.WEB_FILE_BYTES)
        self.assertGreater(self.switch.port("uplink")["xdp"]["host_packets"], 0)

    def test_host_is_unharmed_while_the_daemon_is_killed(self):
        """20 times kill -9 and start under load: of the host's datagrams none is lost."""
        listener = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.addCleanup(listener.close)
        listener.setsockopt(socket.SOL_SOCKET, 33, 32 << 20)  # SO_RCVBUFFORCE
        listener.bind((HOST, PORT))
        seen, ending = set(), threading.Event()

        def listen():
            listener.settimeout(0.5)
            while True:
                try:
                    seen.add(struct.unpack("!I", listener.recv(64))[0])
                except TimeoutError:
                    if ending.is_set():
                        return
        thread = threading.Thread(target=listen, daemon=True)
        thread.start()
        sender = self.spawn_sender()
        self.guest.sh(f"(while true; do wget -q -O /dev/null http://{IPV4}/FILE; done)"
                      " >/dev/null 2>&1 & echo $! >/tmp/load")
        for number in range(KILLS):
            before = self.switch.counters("uplink")["rx_packets"]
            wait_until(lambda b=before: self.switch.counters("uplink")["rx_packets"] > b + 200, 60,
                       f"load after start {number}")
            self.switch.kill()
            self.switch.start()
            self.assertTrue(self.switch.port("uplink")["xdp"]["taken_over"])
        self.guest.sh("kill $(cat /tmp/load); killall wget; true")
        sent = int(sender.communicate("\n")[0])
        ending.set()
        thread.join(20)
        self.assertGreater(sent, KILLS * 50)
        self.assertEqual(sent - len(seen), 0, f"lost of {sent} datagrams")
        reach(self.guest, IPV4)
        self.assertEqual(download(self.guest, IPV4), self.sum)

    def spawn_sender(self):
        sender = subprocess.Popen(self.outside.command("python3", "-c", SENDER, HOST, PORT, 2000),
                                  stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.addCleanup(sender.wait)
        self.addCleanup(sender.kill)
        return sender


@requires_root
@requires_namespaces
class Jumbo(TestCase):
    @classmethod
    def set_up_class(cls, bench):
        set_up(cls, bench, mtu=9000)
        cls.sum = cls.outside.serve_web()
        cls.sums = cls.outside.serve_sink()
        cls.guest.addresses(0, "192.0.2.1/24", "fd00:2::1/64", mtu=9000)
        reach(cls.guest, IPV4)
        reach(cls.guest, IPV6)

    def test_long_packets(self):
        for address, size in ((IPV4, 8972), (IPV6, 8952)):
            self.assertIn(" 0% packet loss",
                          self.guest.sh(f"ping -c 5 -i 0.05 -W 2 -s {size} {address}"))

    def test_files(self):
        for address, host in ((IPV4, IPV4), (IPV6, f"[{IPV6}]")):
            self.assertEqual(download(self.guest, host), self.sum)
            sent, arrived = upload(self.guest, address, self.sums)
            self.assertEqual(sent, arrived)


@requires_root
@requires_namespaces
class Generic(TestCase):
    @classmethod
    def set_up_class(cls, bench):
        set_up(cls, bench, xdp_mode="generic")
        run("ethtool", "-K", NEAR, "gro", "off")
        cls.sum = cls.outside.serve_web()
        cls.sums = cls.outside.serve_sink()
        cls.guest.addresses(0, "192.0.2.1/24", "fd00:2::1/64")
        reach(cls.guest, IPV4)

    def test_files(self):
        self.assertEqual(self.switch.port("uplink")["xdp"]["mode"], "generic")
        self.assertEqual(download(self.guest, IPV4), self.sum)
        sent, arrived = upload(self.guest, IPV6, self.sums)
        self.assertEqual(sent, arrived)
