# SPDX-License-Identifier: BSD-3-Clause
"""DPDK's virtio driver against ours: each form of ring it knows, frame by frame."""

from harness import couple, testpmd
from harness.case import TestCase, requires

# packed_vq, in_order, mrg_rxbuf, vectorized, and what DPDK must say that it uses.
DRIVERS = {
    "split": (0, 0, 0, 0, "standard", "standard"),
    "split_mergeable": (0, 0, 1, 0, "standard", "mergeable buffer"),
    "split_vectorized": (0, 0, 0, 1, "standard", "vectorized"),
    "split_in_order": (0, 1, 0, 0, "inorder", "inorder"),
    "split_in_order_mergeable": (0, 1, 1, 0, "inorder", "inorder"),
    "packed": (1, 0, 0, 0, "packed ring standard", "packed ring standard"),
    "packed_mergeable": (1, 0, 1, 0, "packed ring standard", "packed ring mergeable buffer"),
    "packed_in_order": (1, 1, 0, 0, "packed ring standard", "packed ring standard"),
    "packed_in_order_mergeable": (1, 1, 1, 0, "packed ring standard",
                                  "packed ring mergeable buffer"),
    "packed_vectorized": (1, 1, 0, 1, "packed ring vectorized", "packed ring vectorized"),
}
SIZES = (256, 1024)


def properties(name, size):
    packed, in_order, mergeable, vectorized = DRIVERS[name][:4]
    return {"packed_vq": packed, "in_order": in_order, "mrg_rxbuf": mergeable,
            "vectorized": vectorized, "queue_size": size}


def eal(*names):
    """DPDK uses AVX-512 only when allowed to."""
    return ["--force-max-simd-bitwidth=512"] if "packed_vectorized" in names else []


def skip_unless_possible(test, *names):
    if "packed_vectorized" in names and not testpmd.cpu_has("avx512f"):
        test.skipTest("DPDK's packed vector path needs a CPU with AVX-512")


requires_testpmd = requires(testpmd.installed(), "dpdk-testpmd is missing: apt-get install dpdk")


@requires_testpmd
class Driver(TestCase):
    """test_NAME_SIZE: the driver NAME with rings of SIZE entries at both ends."""

    def check(self, name, size):
        skip_unless_possible(self, name)
        pair = couple.Couple(self.bench, self.bench.switch(), [properties(name, size)] * 2,
                             eal=eal(name)).start()
        for side in (0, 1):
            self.uses(pair, side, name, size)
        pair.exchange()
        pair.testpmd.quit()
        for port in couple.PORTS:
            pair.switch.wait_link(port, "down")

    def uses(self, pair, side, name, size):
        """Both ends say that the wanted kind of ring is really in use."""
        packed, in_order, mergeable, _, tx, rx = DRIVERS[name]
        self.assertEqual(pair.testpmd.paths(couple.DRIVER_PORTS[side]), {"Tx": tx, "Rx": rx})
        vhost = pair.vhost(side)
        self.assertEqual(vhost["ring"], "packed" if packed else "split")
        self.assertEqual(vhost["ring_size"], size)
        self.assertEqual("in-order" in vhost["features"], bool(in_order))
        self.assertEqual("mergeable" in vhost["features"], bool(mergeable))
        self.assertEqual(vhost["errors"], 0)


for driver in DRIVERS:
    for entries in SIZES:
        setattr(Driver, f"test_{driver}_{entries}",
                lambda self, d=driver, e=entries: self.check(d, e))


@requires_testpmd
class Pairs(TestCase):
    """Two kinds of ring on one bridge, in both directions."""

    def check(self, one, two, sizes=(256, 256), frames=None, arguments=(), **options):
        skip_unless_possible(self, one, two)
        drivers = [properties(name, size) for name, size in zip((one, two), sizes)]
        pair = couple.Couple(self.bench, self.bench.switch(), drivers, *arguments,
                             eal=eal(one, two), **options).start()
        pair.exchange(frames)
        return pair

    def test_split_and_packed(self):
        self.check("split_mergeable", "packed_mergeable")

    def test_packed_and_split_in_order(self):
        self.check("packed", "split_in_order")

    def test_vectorized_split_and_packed(self):
        self.check("split_vectorized", "packed_vectorized")

    def test_mergeable_and_not(self):
        self.check("packed_in_order_mergeable", "split")

    def test_small_and_large_ring(self):
        self.check("split_in_order_mergeable", "packed_mergeable", sizes=(256, 1024))

    def test_packed_ring_size_that_is_no_power_of_two(self):
        pair = self.check("packed", "packed_mergeable", sizes=(300, 1000))
        self.assertEqual([pair.vhost(side)["ring_size"] for side in (0, 1)], [300, 1000])

    def jumbo(self, one, two, **options):
        sizes = (60, 1514, 2048, 2049, 4096, 6000, 8999, 9000, 9013, 9014)
        return self.check(one, two, frames=couple.traffic(sizes, rounds=100), mtu=9000, **options)

    def test_jumbo_frames_over_many_buffers(self):
        self.jumbo("split_mergeable", "packed_mergeable")

    def test_jumbo_frames_over_many_buffers_in_order(self):
        self.jumbo("split_in_order_mergeable", "packed_in_order_mergeable")

    def test_jumbo_frames_in_one_buffer(self):
        self.jumbo("split", "packed", arguments=["--mbuf-size=9728", "--max-pkt-len=9018"],
                   megabytes=128)
