# SPDX-License-Identifier: BSD-3-Clause
"""A guest on the network outside by packet sockets, with all offloads of both sides on."""

from harness.case import TestCase, requires_root
from harness.outside import IPV4, IPV6, NEAR, WEB_FILE_BYTES, Outside
from harness.process import run
from harness.wait import wait_until

MAC = "52:54:00:00:00:01"
# What udhcpc calls with what it got.
SCRIPT = """#!/bin/sh
[ "$1" = bound ] && ip addr flush dev $interface && ip addr add $ip/$mask dev $interface
exit 0
"""


class Uplinked(TestCase):
    MTU = 1500

    @classmethod
    def set_up_class(cls, bench):
        cls.outside = Outside(bench, cls.MTU, offloads=True)
        cls.switch = bench.switch()
        cls.switch("bridge", "add", "br0")
        cls.switch("port", "add", "uplink", "afpacket", "bridge=br0", f"dev={NEAR}")
        path = bench.folder / "vm1.sock"
        cls.switch("port", "add", "vm1", "vhost-user", "bridge=br0", f"path={path}",
                   "storm=100000")
        cls.guest = bench.guest("vm1")
        cls.guest.add_vhost_user(path, MAC, reconnect=1,
                                 **({"host_mtu": cls.MTU} if cls.MTU > 1500 else {}))
        cls.guest.start()
        cls.guest.wait_boot()
        cls.sum = cls.outside.serve_web()
        cls.sums = cls.outside.serve_sink()
        cls.connect(cls.guest)

    @staticmethod
    def reach(guest, address, seconds=20):
        wait_until(lambda: guest.sh(f"ping -c 1 -W 1 {address}", check=False)[0] == 0, seconds,
                   f"answer from {address}")

    def download(self, guest, host):
        got = guest.sh(f"wget -q -O - 'http://{host}/FILE' | sha256sum", timeout=90).split()[0]
        self.assertEqual(got, self.sum, host)

    def upload(self, guest, address):
        sent = guest.sh("dd if=/dev/urandom of=/tmp/file bs=1M count=4 2>/dev/null;"
                        f"nc {address} 5001 </tmp/file; sha256sum </tmp/file", timeout=90)
        self.assertEqual(self.sums.readline().strip(), sent.split()[0], address)

    def pings(self, *sizes):
        for address in (IPV4, IPV6):
            for size in sizes:
                self.assertIn(" 0% packet loss", self.guest.sh(
                    f"ping -c 5 -i 0.05 -W 2 -s {size} {address}"))

    def files(self, guest):
        """Both ways, IPv4 and IPv6; nothing is cut or summed by the switch."""
        before = {name: self.switch.counters(name) for name in ("uplink", "vm1")}
        for address, host in ((IPV4, IPV4), (IPV6, f"[{IPV6}]")):
            self.download(guest, host)
            self.upload(guest, address)
        for name, counters in before.items():
            after = self.switch.counters(name)
            self.assertEqual(after["tx_segmented"], counters["tx_segmented"], name)
            self.assertEqual(after["tx_csum"], counters["tx_csum"], name)
            self.assertLess(after["rx_packets"] - counters["rx_packets"],
                            4 * WEB_FILE_BYTES // 1448, name)


@requires_root
class Guests(Uplinked):
    @classmethod
    def connect(cls, one):
        cls.outside.serve_dhcp()
        one.sh(f"cat >/tmp/script <<'E'\n{SCRIPT}E\nchmod +x /tmp/script; ip link set eth0 up")
        cls.lease = one.sh("udhcpc -i eth0 -n -q -f -t 10 -T 1 -s /tmp/script; ip -4 addr show eth0",
                           timeout=40)
        one.addresses(0, "fd00:2::1/64")
        cls.reach(one, IPV4)
        cls.reach(one, IPV6)

    def test_address_from_the_dhcp_server_outside(self):
        self.assertRegex(self.lease, r"inet 192\.0\.2\.1[0-5][0-9]/24")

    def test_pings(self):
        self.pings(56, 200, 1000, 1452)

    def test_files(self):
        self.files(self.guest)

    def test_link_of_the_uplink_is_followed(self):
        """The guest's card has a link exactly while the uplink has one."""
        self.says(self.switch.refused("port", "set", "vm1", "link_follow=vm1"), "vm1", "uplink")
        self.switch("port", "set", "vm1", "link_follow=uplink")
        self.addCleanup(self.switch, "port", "set", "vm1", "link_follow=")
        for _ in range(3):
            run("ip", "link", "set", NEAR, "down")
            self.wait_carrier("0")
            self.says(self.switch.port("vm1")["reason"], "uplink")
            run("ip", "link", "set", NEAR, "up")
            self.wait_carrier("1")
        self.reach(self.guest, IPV4)
        self.download(self.guest, IPV4)
        self.says(self.switch.refused("port", "del", "uplink"), "vm1", "link_follow")

    def wait_carrier(self, value):
        wait_until(lambda: self.guest.sh("cat /sys/class/net/eth0/carrier").strip() == value, 20,
                   f"carrier {value} in the guest")

    def test_guest_without_offloads(self):
        """What comes whole is cut and summed for a guest that takes neither."""
        one = self.guest
        one.sh("ethtool -K eth0 tx off tso off")
        self.addCleanup(one.sh, "ethtool -K eth0 tx on tso on")
        self.download(one, IPV4)
        self.upload(one, IPV6)


@requires_root
class Jumbo(Uplinked):
    MTU = 9000

    @classmethod
    def connect(cls, guest):
        guest.addresses(0, "192.0.2.1/24", "fd00:2::1/64", mtu=9000)
        cls.reach(guest, IPV4)
        cls.reach(guest, IPV6)

    def test_long_packets(self):
        self.pings(8952)

    def test_files(self):
        self.files(self.guest)
