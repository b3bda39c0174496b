# SPDX-License-Identifier: BSD-3-Clause
"""Guests whose virtio-net devices differ: queues, rings, buffers, offloads."""

from harness.case import TestCase
from harness.pair import IPV6, Pair

LEAST = 100_000  # bit/s: this is no measurement
OFFLOADS = ("csum", "gso", "guest_csum", "guest_tso4", "guest_tso6", "guest_ecn", "guest_ufo",
            "host_tso4", "host_tso6", "host_ecn", "host_ufo")
NO_OFFLOADS = {name: "off" for name in OFFLOADS}
NO_RECEIVE_OFFLOADS = {name: "off" for name in OFFLOADS if name.startswith("guest_")}


class Devices(TestCase):
    def start(self, **options):
        self.switch = self.bench.switch()
        self.pair = Pair(self.bench, self.switch, **options).start()
        self.pair.reach()

    def work(self, sizes=(56, 1400)):
        """A bit of everything, with content checked."""
        for size in sizes:
            self.pair.ping(size, count=3)
        self.pair.ping(address=IPV6[1], count=2)
        for number in (0, 1):
            self.pair.transfer(4, number)
        self.pair.transfer(2, 0, IPV6[1])
        for name in ("vm1", "vm2"):
            drops = self.switch.counters(name)["drops"]
            self.assertFalse({"bad_descriptor", "bad_buffer", "bad_offload", "no_offload"} &
                             set(drops), drops)

    def test_two_queues(self):
        self.start(queues=2, cpus=2)
        one = self.pair.one
        self.assertIn("Combined:\t2", one.sh("ethtool -l eth0"))
        for count in (1, 2, 1, 2):
            for guest in self.pair.guests:
                guest.sh(f"ethtool -L eth0 combined {count}")
            self.pair.reach()
            self.pair.ping(count=3)
        self.pair.serve()
        for rate in self.pair.tcp("-P", 4):
            self.assertGreater(rate, LEAST)
        self.work()
        self.assertEqual(self.switch.port("vm1")["queues_used"], 2)

    def test_more_queues_than_the_port_has(self):
        """The port offers one pair: QEMU says so, and the port works for the next one."""
        switch = self.bench.switch()
        switch("bridge", "add", "br0")
        path = self.bench.folder / "vm1.sock"
        switch("port", "add", "vm1", "vhost-user", "bridge=br0", f"path={path}", "queues=1")
        greedy = self.bench.guest("greedy", cpus=2)
        greedy.add_vhost_user(path, "52:54:00:00:00:01", queues=4)
        greedy.must_complain("more queues than supported")
        modest = self.bench.guest("modest")
        modest.add_vhost_user(path, "52:54:00:00:00:01")
        modest.start()
        modest.wait_boot()
        modest.addresses(0, "10.0.0.1/24")
        switch.wait_link("vm1")

    def test_packed_rings(self):
        self.start(packed="on")
        self.assertEqual(self.switch.port("vm1")["vhost"]["ring"], "packed")
        self.work()

    def test_one_packed_one_split(self):
        self.start(each=({"packed": "on"}, {}))
        self.work()

    def test_rings_of_1024(self):
        self.start(rx_queue_size=1024, tx_queue_size=1024)
        self.assertEqual(self.switch.port("vm1")["vhost"]["ring_size"], 1024)
        self.work()

    def test_receive_buffers_are_not_mergeable(self):
        self.start(mrg_rxbuf="off", mtu=9000)
        self.work(sizes=(56, 1400, 8000))

    def test_only_one_has_mergeable_buffers(self):
        self.start(each=({"mrg_rxbuf": "off"}, {}))
        self.work()

    def test_no_offloads(self):
        self.start(**NO_OFFLOADS)
        self.work()

    def test_receiver_without_offloads(self):
        """vm1 sends long frames without checksum; vm2 takes neither: software does it."""
        self.start(each=({}, NO_RECEIVE_OFFLOADS))
        before = self.switch.counters("vm2")["tx_segmented"]
        self.work()
        counters = self.switch.counters("vm2")
        self.assertGreater(counters["tx_segmented"], before)
        self.assertGreater(counters["tx_csum"], 0)

    def test_receiver_without_offloads_and_big_buffers(self):
        self.start(each=({}, {**NO_RECEIVE_OFFLOADS, "mrg_rxbuf": "off"}))
        self.work()

    def test_no_indirect_descriptors_no_event_index(self):
        self.start(indirect_desc="off", event_idx="off")
        self.work()

    def test_mtu_is_told_to_the_guest(self):
        switch = self.bench.switch()
        switch("bridge", "add", "br0")
        path = self.bench.folder / "vm1.sock"
        switch("port", "add", "vm1", "vhost-user", "bridge=br0", f"path={path}", "mtu=4000")
        guest = self.bench.guest("vm1")
        guest.add_vhost_user(path, "52:54:00:00:00:01", host_mtu=4000)
        guest.start()
        guest.wait_boot()
        self.assertEqual(guest.sh("cat /sys/class/net/eth0/mtu").strip(), "4000")
