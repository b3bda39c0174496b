# SPDX-License-Identifier: BSD-3-Clause
"""Guests on ports of profile tenant: what is theirs passes with offloads, what is not does not."""

from harness.case import TestCase
from harness.pair import IPV4, IPV6, MACS, NAMES, Pair
from harness.wait import wait_until

FOREIGN = "10.0.0.77"


class GuestGuards(TestCase):
    @classmethod
    def set_up_class(cls, bench):
        cls.switch = bench.switch()
        cls.pair = Pair(bench, cls.switch)
        for name, mac, four, six in zip(NAMES, MACS, IPV4, IPV6):
            cls.switch("port", "set", name, "profile=tenant", f"mac={mac}", f"ips={four},{six}")
        cls.pair.start()
        cls.pair.reach()
        cls.pair.serve()

    def tearDown(self):
        self.switch.process.check()

    def drops(self, reason, name="vm1"):
        return self.switch.counters(name)["drops"].get(reason, 0)

    def test_own_addresses_work(self):
        self.pair.ping()
        self.pair.ping(30000, count=2)  # fragments
        self.pair.ping(address=IPV6[1])
        self.pair.offloads("on")
        for addresses in (IPV4, IPV6):
            for rate in self.pair.tcp(addresses=addresses):
                self.assertGreater(rate, 100_000)
        for name in NAMES:
            for reason in ("mac_lock", "dhcp_guard", "ra_guard", "bad_headers"):
                self.assertEqual(self.drops(reason, name), 0, f"{name}: {reason}")

    def test_a_foreign_address_does_not(self):
        one = self.pair.one
        before = self.drops("ip_lock")
        one.sh(f"ip addr add {FOREIGN}/24 dev eth0")
        try:
            code, _ = one.sh(f"ping -c 1 -W 1 -I {FOREIGN} {IPV4[1]}", check=False)
            self.assertNotEqual(code, 0)
            wait_until(lambda: self.drops("ip_lock") > before, 5, "drop ip_lock")
            self.switch("port", "set", "vm1", f"ips={IPV4[0]},{IPV6[0]},{FOREIGN}")
            wait_until(lambda: one.sh(f"ping -c 1 -W 1 -I {FOREIGN} {IPV4[1]}", check=False)[0] == 0,
                       20, f"an answer to {FOREIGN}")
        finally:
            self.switch("port", "set", "vm1", f"ips={IPV4[0]},{IPV6[0]}")
            one.sh(f"ip addr del {FOREIGN}/24 dev eth0")

    def test_tcp_waits_for_its_rate(self):
        # Far below what even an emulated guest can do: it is the switch that slows it down.
        rate = 2_000_000
        self.pair.offloads("on")
        self.switch("port", "set", "vm2", f"out_rate={rate}", "out_queue=500k")
        try:
            seconds = 4
            end = self.pair.iperf(self.pair.one, IPV4[1], seconds=seconds)
            received = end["sum_received"]["bytes"] * 8
            took = max(end["sum_received"]["seconds"], seconds)
            # What the bucket holds comes at once.
            self.assertLess(received, rate * took + 131072 * 8)
            self.assertGreater(received, 100_000)
        finally:
            self.switch("port", "set", "vm2", "out_rate=", "out_queue=")
