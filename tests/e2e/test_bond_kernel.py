# SPDX-License-Identifier: BSD-3-Clause
"""LACP with Linux' own bonding driver at the other end: in a guest, since hosts may lack it."""

from harness.case import TestCase, requires_root
from harness.process import run
from harness.wait import wait_until

GUEST, HOST = "10.0.0.1", "10.0.0.2"
# Cards that do not say how fast they are are no members of an aggregate for Linux.
FULL = {"speed": 1000, "duplex": "full"}


@requires_root
class KernelBond(TestCase):
    """The guest's two cards are on bridges of their own, which are but cables to the bond's members."""

    @classmethod
    def set_up_class(cls, bench):
        cls.switch = switch = bench.switch()
        cls.guest = bench.guest("g")
        for number in (1, 2):
            cable = bench.wire(f"c{number}")
            socket = switch.folder / f"card{number}.sock"
            switch("bridge", "add", f"cable{number}", "forward_bpdu=yes")
            switch("port", "add", f"card{number}", "vhost-user", f"bridge=cable{number}",
                   f"path={socket}", "profile=open")
            switch("port", "add", f"near{number}", "afpacket", f"bridge=cable{number}",
                   f"dev={cable.name}")
            switch("port", "add", f"up{number}", "afpacket", f"dev={cable.far}")
            cls.guest.add_vhost_user(socket, f"02:00:00:00:00:0{number}", **FULL)
        switch("bridge", "add", "br0")
        switch("port", "add", "host", "tap", "bridge=br0", "dev=pb0", f"address={HOST}/24")
        switch("port", "add", "uplink", "bond", "bridge=br0", "members=up1,up2",
               "bond_mode=balance-tcp", "lacp=active", "lacp_time=fast")
        cls.guest.start()
        cls.guest.wait_boot()
        cls.guest.sh(
            "insmod_all() { for m; do [ -e /modules/$m.ko ] && insmod /modules/$m.ko; done; }; "
            "insmod_all tls; insmod /modules/bonding.ko mode=802.3ad lacp_rate=fast miimon=100 "
            "xmit_hash_policy=layer3+4 && ip link set eth0 down; ip link set eth1 down; "
            f"ip addr add {GUEST}/24 dev bond0; ip link set bond0 up; "
            "for i in eth0 eth1; do echo +$i > /sys/class/net/bond0/bonding/slaves; done")

    def members(self):
        return self.switch.port("uplink")["bond"]["members"]

    def wait_used(self, names):
        wait_until(lambda: {name for name, member in self.members().items() if member["sends"]}
                   == set(names), 60, lambda: f"use of {names}: {self.members()}")
        wait_until(lambda: self.guest.sh(f"ping -c 1 -W 1 {HOST}", check=False)[0] == 0, 30, "answer")

    def test_agrees_loses_a_link_and_has_it_again(self):
        self.wait_used(["up1", "up2"])
        shown = self.guest.sh("cat /proc/net/bonding/bond0")
        self.assertIn("Number of ports: 2", shown)
        run("ip", "link", "set", "c1", "down")
        self.wait_used(["up2"])
        self.guest.sh(f"ping -c 20 -i 0.05 -W 5 {HOST}")
        run("ip", "link", "set", "c1", "up")
        self.wait_used(["up1", "up2"])
