# SPDX-License-Identifier: BSD-3-Clause
"""DPDK's virtio driver against ours: each form of ring it knows, frame by frame."""

from harness import couple, pcap, testpmd
from harness.case import TestCase, requires
from harness.wait import wait_until

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
        # What is sent at once fits the receiver's 1024 buffers of 2 KiB: DPDK takes back as many
        # buffers at a time as it sends frames.
        frames = couple.traffic((60, 1514, 2048, 2049, 4096, 6000, 8999, 9000, 9013, 9014), 28)
        pair = self.check(one, two, sizes=(1024, 1024), frames=frames, mtu=9000, **options)
        for _ in range(4):
            pair.exchange(frames)

    def test_jumbo_frames_over_many_buffers(self):
        self.jumbo("split_mergeable", "packed_mergeable")

    def test_jumbo_frames_over_many_buffers_in_order(self):
        self.jumbo("split_in_order_mergeable", "packed_in_order_mergeable")

    def test_jumbo_frames_in_one_buffer(self):
        self.jumbo("split", "packed", arguments=["--mbuf-size=9728", "--max-pkt-len=9018"],
                   megabytes=128)


@requires_testpmd
class Memory(TestCase):
    """The front end's memory in pages of 2 MiB, which comes and goes while the rings run."""

    MEGABYTES = 128

    def set_up(self):
        pages = testpmd.Hugepages(self.MEGABYTES)
        self.bench.cleanup.add(pages.release)
        if not pages.reserve():
            self.skipTest(f"no {self.MEGABYTES} MiB of 2 MiB hugepages to be had")

    def check(self, one, two, size):
        skip_unless_possible(self, one, two)
        drivers = [properties(name, size) for name in (one, two)]
        pair = couple.Couple(self.bench, self.bench.switch(), drivers, eal=eal(one, two),
                             huge=True).start()
        pair.exchange()
        # The packet buffers were allocated when the rings ran already.
        for side in (0, 1):
            self.assertGreater(pair.vhost(side)["memory_bytes"], 16 << 20)

    def test_hugepages_split(self):
        self.check("split_in_order_mergeable", "split_vectorized", 256)

    def test_hugepages_packed(self):
        self.check("packed_vectorized", "packed_mergeable", 1024)


@requires_testpmd
class Overload(TestCase):
    """A receiver that does not look: its buffers are filled, the rest is counted as lost."""

    def check(self, name, size=256):
        pair = couple.Couple(self.bench, self.bench.switch(), [properties(name, size)] * 2).start()
        frames = couple.traffic()
        for side in (0, 1):
            with self.subTest(sender=couple.PORTS[side]):
                self.overrun(pair, side, frames[side], size)
        pair.exchange()

    def overrun(self, pair, side, frames, size):
        sender, receiver = couple.PORTS[side], couple.PORTS[1 - side]
        before = pair.counters()
        self.assertEqual(before[1 - side]["drops"], {})
        pair.load((frames, ()) if side == 0 else ((), frames))
        pair.testpmd.forward(couple.FILE_PORTS[side], couple.DRIVER_PORTS[side])
        wait_until(lambda: pair.counters()[side]["rx_packets"] - before[side]["rx_packets"]
                   == len(frames), 30, f"end of the file at {sender}")
        pair.testpmd("stop")
        after = pair.switch.counters(receiver)
        self.assertEqual(after["tx_packets"] - before[1 - side]["tx_packets"], size)
        self.assertEqual(after["drops"], {"no_buffer": len(frames) - size})
        self.assertEqual(couple.imbalance(pair.rows()), "")
        pair.testpmd.forward(couple.DRIVER_PORTS[1 - side], couple.FILE_PORTS[1 - side])
        kept = frames[:size]
        wait_until(lambda: pair.arrived_bytes(1 - side) >= pcap.size(kept) - pcap.HEADER.size, 20,
                   "frames from the ring")
        pair.testpmd("stop")
        self.assertEqual(pcap.difference(kept, pair.arrived(1 - side)[0]), "")

    def test_overload_split(self):
        self.check("split")

    def test_overload_split_in_order(self):
        self.check("split_in_order_mergeable")

    def test_overload_packed(self):
        self.check("packed_mergeable")

    def test_overload_packed_in_order(self):
        self.check("packed_in_order")
