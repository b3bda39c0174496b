# SPDX-License-Identifier: BSD-3-Clause
"""DPDK's virtio driver comes, dies and comes back, and so does the switch."""

import signal

from harness import couple, testpmd
from harness.case import TestCase, requires, requires_root
from harness.wait import wait_until
from harness.wire import Stream

FORMS = {
    "split": {"packed_vq": 0, "in_order": 0, "mrg_rxbuf": 1},
    "split_in_order": {"packed_vq": 0, "in_order": 1, "mrg_rxbuf": 1},
    "packed": {"packed_vq": 1, "in_order": 0, "mrg_rxbuf": 1},
    "packed_in_order": {"packed_vq": 1, "in_order": 1, "mrg_rxbuf": 0},
}
# Fewer frames than a ring has entries: DPDK forgets --txd when a packed ring is reconnected.
FEW = range(60, 1515, 7)

requires_testpmd = requires(testpmd.installed(), "dpdk-testpmd is missing: apt-get install dpdk")


def drivers(form):
    return [{**FORMS[form], "queue_size": 256}] * 2


@requires_testpmd
class Killed(TestCase):
    """The front end is killed in full traffic, five times; others do not notice."""

    TIMES = 5

    @requires_root
    def check(self, form):
        switch = self.bench.switch()
        stream = self.stream(switch)
        pair = couple.Couple(self.bench, switch, drivers(form))
        used = switch.descriptors()
        for _ in range(self.TIMES):
            pair.start()
            pair.exchange(couple.traffic(FEW, 1))
            pair.flood(couple.traffic(FEW, 1))
            pair.await_flow()
            pair.testpmd.kill(signal.SIGKILL)
            for port in couple.PORTS:
                switch.wait_link(port, "down")
        wait_until(lambda: switch.descriptors() <= used, 5,
                   lambda: f"{used} descriptors left (there are {switch.descriptors()})")
        self.assertEqual(pair.vhost(0)["reconnects"], self.TIMES - 1)
        sent, lost, twice = stream.stop()
        self.assertGreater(sent, 250)
        self.assertEqual((lost, twice), (0, 0), switch.rows("stats", "show"))
        self.assertEqual(couple.imbalance(switch.rows("stats", "show")), "")

    def stream(self, switch):
        """Frames between two wires on a bridge of their own."""
        switch("bridge", "add", "others")
        wires = [self.bench.wire(name) for name in ("w0", "w1")]
        for wire in wires:
            switch("port", "add", wire.name, "afpacket", "bridge=others", f"dev={wire.name}")
            switch.wait_link(wire.name)
        # Slow enough for the kernel's ring to bridge a second in which the worker gets no CPU.
        stream = Stream(*wires, per_second=250).start()
        self.bench.cleanup.add(stream.stop)
        return stream

    def test_killed_split(self):
        self.check("split")

    def test_killed_packed(self):
        self.check("packed_in_order")


@requires_testpmd
class Server(TestCase):
    """The front end listens, the switch comes to it."""

    def pair(self, form):
        return couple.Couple(self.bench, self.bench.switch(), drivers(form), server=True)

    def check_restart(self, form):
        """The switch ends, is killed, is killed in full traffic; the front end stays."""
        pair = self.pair(form).start()
        switch, few = pair.switch, couple.traffic(FEW, 1)
        pair.exchange(few)
        config = self.bench.folder / "config.yaml"
        config.write_text(switch("config", "show"))
        switch.arguments += ["--config", str(config)]
        for way in ("ended", "killed", "killed in traffic"):
            with self.subTest(switch=way):
                if way == "ended":
                    self.assertEqual(switch.stop()[0], 0)
                else:
                    if way == "killed in traffic":
                        pair.flood(few)
                        pair.await_flow()
                    switch.kill()
                switch.start()
                pair.wait_up()
                if way == "killed in traffic":
                    pair.await_flow()
                    pair.calm()
                for _ in range(3):
                    pair.exchange(few)

    def test_switch_restarts_split(self):
        self.check_restart("split")

    def test_switch_restarts_split_in_order(self):
        self.check_restart("split_in_order")

    def test_switch_restarts_packed(self):
        self.check_restart("packed")

    def test_switch_restarts_packed_in_order(self):
        self.check_restart("packed_in_order")

    def test_front_end_restarts(self):
        pair = self.pair("split_in_order")
        for _ in range(3):
            pair.start()
            pair.exchange()
            pair.testpmd.quit()
            for port in couple.PORTS:
                pair.switch.wait_link(port, "down")

    def test_front_end_was_there_first(self):
        pair = self.pair("packed")
        for port in couple.PORTS:
            pair.switch("port", "del", port)
        pair.switch("bridge", "del", "br0")
        pair.testpmd.spawn()
        wait_until(pair.paths[0].exists, testpmd.START_SECONDS, "socket of the front end")
        pair.add_ports()
        pair.testpmd.ready()
        pair.wait_up()
        pair.exchange()
