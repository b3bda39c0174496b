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
