# SPDX-License-Identifier: BSD-3-Clause
"""Two guests with the stock Debian kernel: everything that people do over a network."""

from harness.case import TestCase
from harness.pair import IPV4, IPV6, MACS, NAMES, Pair
from harness.wait import wait_until

LEAST = 100_000  # bit/s: this is no measurement


class Guests(TestCase):
    @classmethod
    def set_up_class(cls, bench):
        cls.switch = bench.switch()
        cls.pair = Pair(bench, cls.switch, mtu=9000).start()
        cls.pair.reach()
        cls.pair.serve()

    def tearDown(self):
        self.switch.process.check()

    def test_ping_of_all_sizes(self):
        for size in (56, 200, 214, 300, 1000, 1472, 1473, 2000, 4000, 8000):
            self.pair.ping(size)

    def test_ping_of_fragments(self):
        self.pair.ping(30000, count=2)

    def test_ipv6(self):
        for size in (56, 1452, 8000):
            self.pair.ping(size, address=IPV6[1])
        for rate in self.pair.tcp(addresses=IPV6):
            self.assertGreater(rate, LEAST)

    def test_tcp_with_offloads(self):
        self.pair.offloads("on")
        for rate in self.pair.tcp(seconds=2):
            self.assertGreater(rate, LEAST)

    def test_tcp_without_offloads(self):
        self.addCleanup(self.pair.offloads, "on")
        self.pair.offloads("off")
        for rate in self.pair.tcp(seconds=2):
            self.assertGreater(rate, LEAST)
        self.pair.transfer(4)

    def test_udp(self):
        for client, address in ((self.pair.one, IPV4[1]), (self.pair.two, IPV4[0])):
            for length in (64, 1400, 8000):
                end = self.pair.iperf(client, address, "-u", "-b", 500 * 8 * length, "-l", length)
                self.assertGreater(end["sum"]["packets"], 100)
                # An emulated guest on a busy machine may fall asleep over a full socket buffer.
                self.assertLess(end["sum"]["lost_percent"], 2, f"{length} bytes: {end['sum']}")

    def test_file_from_one_to_two(self):
        self.pair.transfer(16, 0)

    def test_file_from_two_to_one_over_ipv6(self):
        self.pair.transfer(16, 1, IPV6[0])

    def test_segmentation_offload_is_passed_through(self):
        """With offloads on, frames are longer than the MTU: fewer frames than segments."""
        self.pair.offloads("on")
        before = self.switch.counters("vm1")
        self.pair.transfer(8, 0)
        after = self.switch.counters("vm1")
        mean = ((after["rx_bytes"] - before["rx_bytes"]) /
                (after["rx_packets"] - before["rx_packets"]))
        self.assertGreater(mean, 9000)
        self.assertEqual(after["tx_segmented"], 0)

    def test_link_down_and_up(self):
        one, two = self.pair.guests
        for _ in range(3):
            one.sh("ip link set eth0 down")
            self.assertNotEqual(two.sh(f"ping -c 1 -W 1 {IPV4[0]}", check=False)[0], 0)
            one.sh("ip link set eth0 up")
            one.sh(f"ip addr add {IPV6[0]}/64 dev eth0 2>/dev/null || true")
            self.pair.reach()
            self.pair.ping(count=2)

    def test_carrier_goes_and_comes(self):
        """The monitor unplugs the cable and plugs it in again."""
        one = self.pair.one
        one.set_link(0, False)
        wait_until(lambda: one.sh("cat /sys/class/net/eth0/carrier").strip() == "0", 5,
                   "carrier loss in the guest")
        one.set_link(0, True)
        wait_until(lambda: one.sh("cat /sys/class/net/eth0/carrier").strip() == "1", 5,
                   "carrier in the guest")
        self.pair.reach()

    def test_switch_saw_what_happened(self):
        self.pair.ping()
        rows = {row["mac"]: row["port"] for row in self.switch.rows("fdb", "show", "br0")}
        self.assertEqual([rows[mac] for mac in MACS], list(NAMES))
        for name in NAMES:
            port, counters = self.switch.port(name), self.switch.counters(name)
            self.assertEqual(port["link"], "up")
            self.assertGreater(counters["rx_packets"], 0)
            self.assertGreater(counters["tx_packets"], 0)
            for drop in ("bad_descriptor", "bad_buffer", "bad_offload", "no_offload",
                         "buffer_too_small"):
                self.assertNotIn(drop, counters["drops"])

    def test_idle_load_with_guests(self):
        share = self.switch.cpu_share(3)
        self.assertLessEqual(share, 0.01, f"{share:.2%}")
