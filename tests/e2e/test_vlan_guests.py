# SPDX-License-Identifier: BSD-3-Clause
"""A guest with a VLAN device on a trunk port and one on an access port: ping, TCP with offloads."""

from harness.case import TestCase
from harness.pair import Pair
from harness.wait import wait_until

TRUNK, ACCESS = "10.8.0.1", "10.8.0.2"


class VlanGuests(TestCase):
    @classmethod
    def set_up_class(cls, bench):
        cls.switch = bench.switch()
        cls.pair = Pair(bench, cls.switch).start()
        cls.switch("port", "set", cls.pair.one.name, "trunks=10,20")
        cls.switch("port", "set", cls.pair.two.name, "tag=10")
        one, two = cls.pair.guests
        one.sh("insmod_all() { for m in \"$@\"; do grep -q \"^$m \" /proc/modules || "
               "insmod /modules/$m.ko; done; }; insmod_all llc stp garp mrp 8021q")
        one.sh(f"ip link add link eth0 name eth0.10 type vlan id 10; ip link set eth0.10 up;"
               f"ip address add {TRUNK}/24 dev eth0.10")
        two.sh(f"ip address add {ACCESS}/24 dev eth0")
        cls.pair.serve()
        wait_until(lambda: one.sh(f"ping -c 1 -W 1 {ACCESS}", check=False)[0] == 0, 20,
                   "answer through the tag")

    def test_full_size_frames(self):
        for size in (56, 1000, 1472, 1473, 8000):
            self.pair.ping(size, address=ACCESS)

    def test_tcp_with_offloads(self):
        self.pair.offloads("on")
        for rate in self.pair.tcp(addresses=(TRUNK, ACCESS)):
            self.assertGreater(rate, 100_000)
        self.pair.transfer(4, 0, ACCESS)
        self.pair.transfer(4, 1, TRUNK)
        # Neither end needs what the other does not offer: nothing was cut in software.
        self.assertNotIn("no_offload", self.switch.counters(self.pair.one.name)["drops"])

    def test_tcp_without_offloads(self):
        self.addCleanup(self.pair.offloads, "on")
        self.pair.offloads("off")
        for rate in self.pair.tcp(addresses=(TRUNK, ACCESS)):
            self.assertGreater(rate, 100_000)
