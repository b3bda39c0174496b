# SPDX-License-Identifier: BSD-3-Clause
"""DPDK's virtio driver with several queue pairs, and its ports stopped, changed, taken away."""

import os

from harness import couple, testpmd
from harness.case import TestCase, requires
from harness.wait import wait_until

SPLIT = {"packed_vq": 0, "in_order": 0, "mrg_rxbuf": 1}
SPLIT_VECTORIZED = {"packed_vq": 0, "in_order": 0, "mrg_rxbuf": 0, "vectorized": 1}
SPLIT_IN_ORDER = {"packed_vq": 0, "in_order": 1, "mrg_rxbuf": 1}
PACKED = {"packed_vq": 1, "in_order": 0, "mrg_rxbuf": 1}
PACKED_IN_ORDER = {"packed_vq": 1, "in_order": 1, "mrg_rxbuf": 0}
FLOWS = 64

requires_testpmd = requires(testpmd.installed(), "dpdk-testpmd is missing: apt-get install dpdk")


@requires_testpmd
class Queues(TestCase):
    def check(self, drivers, queues, size, *switch_words):
        drivers = [{**driver, "queue_size": size, "cq": 1} for driver in drivers]
        pair = couple.Couple(self.bench, self.bench.switch(*switch_words), drivers,
                             "--total-num-mbufs=16384", queues=queues, megabytes=128).start()
        self.use(pair, queues)
        return pair

    def use(self, pair, queues):
        """So many queue pairs are in use, and frames take each of them."""
        for port in couple.PORTS:
            wait_until(lambda p=port: pair.switch.port(p)["queues_used"] == queues, 5,
                       f"{queues} queue pairs on {port}")
        pair.exchange(couple.traffic(flows=FLOWS))
        for port, side in zip(couple.PORTS, (0, 1)):
            for queue, got in enumerate(pair.arrived(side)):
                self.assertGreater(len(got), 0, f"nothing on queue {queue} of port {port}")

    def test_two_queues_split(self):
        self.check((SPLIT, SPLIT_VECTORIZED), 2, 256)

    def test_two_queues_packed(self):
        self.check((PACKED, PACKED_IN_ORDER), 2, 256)

    def test_four_queues(self):
        self.check((SPLIT_IN_ORDER, PACKED), 4, 1024)

    def test_two_workers(self):
        """Frames that come to one worker and leave by a queue of the other."""
        cpus = sorted(os.sched_getaffinity(0))[:2]
        if len(cpus) < 2:
            self.skipTest("needs two CPUs")
        pair = self.check((SPLIT, PACKED), 2, 1024, "--workers", ",".join(map(str, cpus)))
        for port in couple.PORTS:
            self.assertEqual(sorted(pair.switch.port(port)["workers"]), [0, 1])

    def change(self, driver):
        pair = self.check((driver, driver), 4, 1024)
        for queues in (1, 3, 2, 4):
            with self.subTest(queues=queues):
                pair.use_queues(queues)
                self.use(pair, queues)

    def test_number_of_queues_changes_split(self):
        self.change(SPLIT)

    def test_number_of_queues_changes_packed(self):
        self.change(PACKED)


@requires_testpmd
class Restart(TestCase):
    """Devices that stop and come back, one side only and both."""

    def pair(self, driver):
        return couple.Couple(self.bench, self.bench.switch(),
                             [{**driver, "queue_size": 256}] * 2).start()

    def check_stop(self, driver):
        pair = self.pair(driver)
        pair.exchange()
        for ports in ((1,), (2,), (1, 2)):
            with self.subTest(ports=ports):
                for number in ports:
                    pair.testpmd(f"port stop {number}")
                for number in ports:
                    pair.testpmd(f"port start {number}")
                pair.exchange()

    def test_port_stop_and_start_split(self):
        self.check_stop(SPLIT_IN_ORDER)

    def test_port_stop_and_start_packed(self):
        self.check_stop(PACKED)

    def check_replace(self, driver, other):
        """Another size, another form of ring: nothing of the device before is left."""
        pair = self.pair(driver)
        pair.exchange()
        for count, changes in enumerate(({"queue_size": 1024}, {"queue_size": 256, **other},
                                         {"queue_size": 512}), 1):
            with self.subTest(**changes):
                pair.replace(0, **changes)
                vhost = pair.vhost(0)
                packed = {**driver, **changes}["packed_vq"]
                self.assertEqual(vhost["ring"], "packed" if packed else "split")
                self.assertEqual(vhost["ring_size"], changes["queue_size"])
                self.assertEqual(vhost["reconnects"], count)
                pair.exchange()

    def test_device_is_replaced_split(self):
        self.check_replace(SPLIT, PACKED)

    def test_device_is_replaced_packed(self):
        self.check_replace(PACKED_IN_ORDER, SPLIT_IN_ORDER)
