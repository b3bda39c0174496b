# SPDX-License-Identifier: BSD-3-Clause
"""Two virtio-user devices on two ports of the switch, and capture files sent between them.

One testpmd holds four devices: file A - virtio-user A (port a of the switch) and, behind the
switch, virtio-user B (port b) - file B.  What is read from one file must be written to the other,
byte by byte and, within a flow, in order.
"""

import functools
import re

from harness import pcap
from harness.process import Failed
from harness.switch import ROOT
from harness.testpmd import Testpmd, net_pcap, virtio_user
from harness.wait import Timeout, wait_until

MACS = ("02:00:00:00:00:0a", "02:00:00:00:00:0b")
PORTS = ("a", "b")
FILE_PORTS = (0, 3)    # the numbers that testpmd gives
DRIVER_PORTS = (1, 2)
ALL_PORTS = (0, 1, 2, 3)
# One sender has at most this many frames on their way: a ring of 256 never runs out of buffers.
OUTSTANDING = 64
SILENCE_SECONDS = 5
CALM_ATTEMPTS = 5


@functools.lru_cache(4)
def traffic(sizes=range(60, 1515), rounds=8, flows=1):
    """The frames of both directions: each size so many times, from small to large and mixed."""
    order = [sizes[place * step % len(sizes)] for step in (1, 7, 11, 13) * (rounds // 4 or 1)
             for place in range(len(sizes))][:len(sizes) * rounds]
    return tuple(pcap.datagrams(MACS[1 - side], MACS[side], order, flows, seed=side)
                 for side in (0, 1))


def drop_directions():
    """{"IN": names, "OUT": names} of the drops, from the one list of them."""
    found = re.findall(r"X\((\w+), (IN|OUT),", (ROOT / "datapath/drop.h").read_text())
    return {way: {name.lower() for name, other in found if other == way} for way in ("IN", "OUT")}


def imbalance(rows):
    """Says how the counters of all ports of a bridge do not add up; "" when they do."""
    drops = drop_directions()
    sent = arrived = 0
    for row in rows:
        dropped = {way: sum(count for name, count in row["drops"].items() if name in names)
                   for way, names in drops.items()}
        if row["rx_packets"] != row["rx_forwarded"] + row["rx_flooded"] + dropped["IN"]:
            return f"received is not forwarded + flooded + dropped: {row}"
        sent += row["rx_forwarded"] + row["rx_copies"]
        arrived += row["tx_packets"] - row["tx_segmented"] + dropped["OUT"]
    return "" if sent == arrived else f"{sent} frames sent, {arrived} delivered or dropped: {rows}"


class Couple:
    def __init__(self, bench, switch, drivers, *arguments, queues=1, server=False, mtu=None,
                 outstanding=OUTSTANDING, **options):
        """drivers: the properties of the virtio-user devices A and B, `queue_size` among them.

        With `server` they listen and the switch connects.  The rest goes to Testpmd.
        """
        self.switch = switch
        self.folder = bench.folder
        self.queues = queues
        self.paths = [self.folder / f"{port}.sock" for port in PORTS]
        mode = "client" if server else "server"
        self.words = [[port, "vhost-user", "bridge=br0", f"path={path}", f"mode={mode}",
                       f"queues={queues}", "profile=open"] for port, path in
                      zip(PORTS, self.paths)]
        if mtu:
            for words in self.words:
                words.append(f"mtu={mtu}")
        self.add_ports()
        for side in (0, 1):
            for queue in range(queues):
                pcap.write(self.file(side, "in", queue), [])
        self.drivers = [{"mac": mac, "queues": queues, **({"server": 1} if server else {}),
                         **driver} for mac, driver in zip(MACS, drivers)]
        self.testpmd = Testpmd(self.folder, "testpmd", self.devices(), f"--txd={outstanding}",
                               *arguments, queues=queues, **options)
        bench.cleanup.add(self.testpmd.kill)

    # ---- set up ----

    def add_ports(self):
        """Both ports, with the devices' addresses in the MAC table: nothing is ever flooded."""
        self.switch("bridge", "add", "br0")
        for words, mac in zip(self.words, MACS):
            self.switch("port", "add", *words)
            self.switch("fdb", "add", "br0", mac, words[0])

    def file(self, side, kind, queue=0):
        return self.folder / f"{PORTS[side]}.{kind}.{queue}"

    def files(self, side, kind):
        return [self.file(side, kind, queue) for queue in range(self.queues)]

    def driver(self, side, **changes):
        """The description of a virtio-user device."""
        return virtio_user(side, self.paths[side], **{**self.drivers[side], **changes})

    def end(self, side, endless=False):
        """The description of the device that holds the files."""
        out = ["/dev/null"] * self.queues if endless else self.files(side, "out")
        return net_pcap(side, self.files(side, "in"), out, endless)

    def devices(self):
        return [self.end(0), self.driver(0), self.driver(1), self.end(1)]

    def change_ends(self, endless=False):
        """Attaches the files anew; the devices get the numbers that are free: the same ones."""
        for number in FILE_PORTS:
            self.testpmd(f"port stop {number}")
            self.testpmd(f"port detach {number}")
        for side in (0, 1):
            self.testpmd(f"port attach {self.end(side, endless)}")

    def start(self):
        self.testpmd.start()
        self.wait_up()
        return self

    def use_queues(self, queues):
        """Makes both drivers use so many of their queue pairs; forwarding must be stopped."""
        self.queues = queues
        self.testpmd("port stop all")
        self.change_ends()
        self.testpmd("port stop all")
        for way in ("rxq", "txq"):
            self.testpmd(f"port config all {way} {queues}")
        self.testpmd("port start all")

    def replace(self, side, **changes):
        """Takes the virtio-user device away and attaches one with other properties."""
        number = DRIVER_PORTS[side]
        self.testpmd(f"port stop {number}")
        self.testpmd(f"port detach {number}")
        self.switch.wait_link(PORTS[side], "down")
        said = self.testpmd(f"port attach {self.driver(side, **changes)}")
        if f"Port {number} is attached" not in said:
            raise Failed(said)
        self.testpmd(f"port start {number}")
        self.switch.wait_link(PORTS[side])

    def wait_up(self, seconds=20):
        for port in PORTS:
            self.switch.wait_link(port, seconds=seconds)

    def vhost(self, side):
        """What the switch says of the connection."""
        return self.switch.port(PORTS[side])["vhost"]

    # ---- traffic ----

    def load(self, frames):
        """Puts frames (of both directions) into the files; forwarding must be stopped."""
        for side in (0, 1):
            self.testpmd(f"port stop {FILE_PORTS[side]}")
            for queue in range(self.queues):
                pcap.write(self.file(side, "in", queue),
                           [data for data in frames[side]
                            if pcap.flow(data) % self.queues == queue])
        for number in FILE_PORTS:
            self.testpmd(f"port start {number}")  # this empties what it had written

    def arrived(self, side):
        """The frames that left by a file, of each queue."""
        return [pcap.read(path) for path in self.files(side, "out")]

    def arrived_bytes(self, side):
        return sum(path.stat().st_size - pcap.HEADER.size for path in self.files(side, "out"))

    def exchange(self, frames=None):
        """Sends frames both ways; Failed unless all of them arrive as they were sent."""
        frames = frames or traffic()
        self.load(frames)
        before = self.counters()
        self.testpmd.forward(*ALL_PORTS)
        self.await_bytes([pcap.size(frames[1 - side]) - pcap.HEADER.size for side in (0, 1)])
        self.testpmd("stop")
        for side in (0, 1):
            self.compare(side, frames[1 - side])
        self.count(before, [len(some) for some in frames])

    def flood(self, frames):
        """Sends frames both ways without end; calm() ends it."""
        self.load(frames)
        self.change_ends(endless=True)
        self.testpmd("port start all")
        self.testpmd.forward(*ALL_PORTS)

    def await_flow(self, count=1000, seconds=20):
        """Waits until so many more frames have come by each port."""
        before = [row["tx_packets"] for row in self.counters()]
        wait_until(lambda: all(row["tx_packets"] - some >= count
                               for row, some in zip(self.counters(), before)), seconds,
                   lambda: f"{count} more frames by each port: {self.rows()}")

    def calm(self):
        """Ends flood(), and empties the rings: frames sent behind what is in them have arrived."""
        self.testpmd("stop")
        self.change_ends()
        marks = [pcap.datagrams(MACS[1 - side], MACS[side], [60], seed=99) for side in (0, 1)]
        for _ in range(CALM_ATTEMPTS):
            self.load(marks)
            self.testpmd("port start all")
            self.testpmd.forward(*ALL_PORTS)
            try:
                wait_until(lambda: all(marks[1 - side][0] in self.arrived(side)[0]
                                       for side in (0, 1)), 2, "mark")
                return
            except Timeout:  # the ring was too full for it
                continue
            finally:
                self.testpmd("stop")
        raise Failed(f"the rings are not empty\n{self.rows()}")

    def await_bytes(self, wanted):
        """Waits until so much has left by the files, or nothing more comes."""
        have = None
        while have != wanted:
            before = have
            try:
                have = wait_until(lambda b=before: self.progress(b), SILENCE_SECONDS, "progress")
            except Timeout:
                return  # what is missing is for the caller to say

    def progress(self, before):
        have = [self.arrived_bytes(side) for side in (0, 1)]
        return have if have != before else None

    def compare(self, side, sent):
        got = [data for queue in self.arrived(side) for data in queue]
        for flow, some in pcap.by_flow(sent).items():
            says = pcap.difference(some, pcap.by_flow(got).get(flow, []))
            if says:
                raise Failed(f"to port {PORTS[side]}, flow {flow}: {says}\n{self.rows()}")
        if len(got) != len(sent):
            raise Failed(f"to port {PORTS[side]}: {len(sent)} frames were sent, {len(got)} arrived")

    # ---- counters ----

    def rows(self):
        return self.switch.rows("stats", "show")

    def counters(self):
        return [self.switch.counters(port) for port in PORTS]

    def count(self, before, sent):
        """Checks that the switch counted exactly these frames, and that all counters add up."""
        says = []

        def settled():
            # The worker may still be about to count what has arrived already.
            says[:] = [self.miscount(before, self.counters(), sent)]
            return not says[0]

        try:
            wait_until(settled, SILENCE_SECONDS, "right counters")
        except Timeout:
            raise Failed(says[0]) from None

    @staticmethod
    def miscount(before, after, sent):
        for side in (0, 1):
            for key, want in (("rx_packets", sent[side]), ("rx_forwarded", sent[side]),
                              ("tx_packets", sent[1 - side])):
                gain = after[side][key] - before[side][key]
                if gain != want:
                    return f"port {PORTS[side]}: {key} grew by {gain} instead of {want}"
            if after[side]["drops"] != before[side]["drops"]:
                return (f"port {PORTS[side]}: drops {before[side]['drops']} became "
                        f"{after[side]['drops']}")
        return imbalance(after)
