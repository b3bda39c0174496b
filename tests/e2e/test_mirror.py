# SPDX-License-Identifier: BSD-3-Clause
"""Mirrors: what is copied, in which form, and what becomes of the port that gets the copies."""

from harness.case import TestCase, requires_root
from harness.process import run
from harness.tagged import TaggedSocket, tagged
from harness.wait import wait_until

MACS = {name: f"02:00:00:00:00:0{name}" for name in "abc"}
EVERYBODY, BPDU = "ff:ff:ff:ff:ff:ff", "01:80:c2:00:00:00"
PORTS = ("a", "b", "c", "mon")
C = 0x8100


class Frames:
    """What is sent has a number; what arrives is told apart by it."""

    def __init__(self):
        self.count = 0

    def make(self, source, destination, vlan=None, size=60):
        self.count += 1
        tags = () if vlan is None else ((C, vlan),)
        return tagged(destination, source, tags, b"number %06d" % self.count, size=size)

    @staticmethod
    def numbers(frames):
        marks = ((data, data.find(b"number ")) for data in frames)
        return [int(data[at + 7:at + 13]) for data, at in marks if at >= 0]


@requires_root
class Mirror(TestCase):
    workers = ()

    def set_up(self):
        self.frames = Frames()
        self.switch = self.bench.switch(*self.workers)
        self.switch("bridge", "add", "br0")
        self.sockets = {}
        for name in PORTS:
            self.switch("port", "add", name, "tap", "bridge=br0", f"dev=t{name}")
            with open(f"/proc/sys/net/ipv6/conf/t{name}/disable_ipv6", "w") as file:
                file.write("1")
            run("ip", "link", "set", f"t{name}", "up")
            self.sockets[name] = TaggedSocket(f"t{name}")
            self.bench.cleanup.add(self.sockets[name].close)
        for name in PORTS:
            self.switch.wait_link(name)

    def mirror(self, *keys, name="m1"):
        self.switch("mirror", "add", name, "bridge=br0", *keys)

    def send(self, here, there, vlan=None, **keys):
        """From the host behind one port to that behind another, or to this address."""
        data = self.frames.make(MACS[here], MACS.get(there, there), vlan, **keys)
        self.sockets[here].send(data)
        return data

    def taken(self, name):
        got = []
        while data := self.sockets[name].receive(0):
            got.append(data)
        return [data for data in got if b"number " in data]

    def gets(self, name, *frames, in_order=True):
        """These arrive there, each once, and nothing else."""
        got = []

        def enough():
            got.extend(self.taken(name))
            return len(got) >= len(frames)

        wait_until(enough, 10, f"{len(frames)} frames at {name}")
        # A frame that goes everywhere else would be here by the time that another's is there.
        self.await_quiet()
        got.extend(self.taken(name))
        lists = [[data.hex() for data in each] for each in (got, frames)]
        self.assertEqual(*(lists if in_order else map(sorted, lists)))

    def await_quiet(self):
        before = None

        def quiet():
            nonlocal before
            counters = self.switch.json("stats", "show")["rows"]
            same, before = counters == before, counters
            return same

        wait_until(quiet, 10, "all that was sent to be delivered", pause=0.1)

    def meet(self):
        """The switch knows where everybody is."""
        def known():
            learnt = {row["mac"] for row in self.switch.rows("fdb", "show")}
            # An interface that has just come up may lose the first frames.
            for name in MACS:
                if MACS[name] not in learnt:
                    self.send(name, EVERYBODY)
            return set(MACS.values()) <= learnt

        wait_until(known, 30, lambda: f"all addresses in {self.switch.rows('fdb', 'show')}",
                   pause=0.2)
        self.await_quiet()
        for name in PORTS:
            self.taken(name)

    def row(self, name="m1"):
        return next(row for row in self.switch.rows("mirror", "show") if row["name"] == name)

    def test_everything_once(self):
        self.mirror("to=mon")
        self.meet()
        before = self.row()["frames"]
        sent = [self.send("a", "b"), self.send("b", "a"), self.send("c", EVERYBODY)]
        self.gets("mon", *sent, in_order=False)
        self.assertGreaterEqual(self.row()["frames"] - before, 3)
        self.assertEqual(self.row()["dropped"], 0)
        self.assertEqual(self.switch.counters("mon")["tx_packets"], self.row()["frames"])
        self.assertEqual(self.switch.counters("mon")["tx_bytes"], self.row()["bytes"])

    def test_directions(self):
        self.meet()
        for direction, expected in (("in", ("ab", "a*")), ("out", ("ba", "b*")),
                                    ("both", ("ab", "ba", "a*", "b*"))):
            with self.subTest(direction):
                self.mirror("from=a", f"direction={direction}", "to=mon")
                sent = {way: self.send(way[0], EVERYBODY if way[1] == "*" else way[1])
                        for way in ("ab", "ba", "cb", "a*", "b*")}
                self.await_quiet()
                got = self.taken("mon")
                self.assertEqual(sorted(data.hex() for data in got),
                                 sorted(sent[way].hex() for way in expected))
                self.switch("mirror", "del", "m1")
                for name in PORTS:
                    self.taken(name)

    def test_the_port_is_the_mirrors_alone(self):
        self.meet()
        self.mirror("from=b", "to=mon")
        broadcast = self.send("a", EVERYBODY)
        unknown = self.send("c", "02:00:00:00:00:77")
        known = self.send("a", "c")
        # b got the first two; the third is not its business.
        self.gets("mon", broadcast, unknown, in_order=False)
        self.gets("c", broadcast, known)
        self.sockets["mon"].send(self.frames.make("02:00:00:00:00:0d", EVERYBODY))
        wait_until(lambda: self.switch.counters("mon")["drops"].get("mirror_port"), 10, "the drop")
        self.assertNotIn("02:00:00:00:00:0d",
                         [row["mac"] for row in self.switch.rows("fdb", "show")])
        self.assertEqual(self.taken("a"), [unknown])
        self.switch("mirror", "del", "m1")
        self.taken("mon")
        self.gets("mon", self.send("a", EVERYBODY))

    def test_vlans_and_forms(self):
        self.switch("port", "set", "b", "tag=10")
        self.switch("port", "set", "c", "trunks=10,20")
        self.mirror("vlans=10,30-40", "to=mon")
        ten, twenty, none = (self.send("a", EVERYBODY, vlan) for vlan in (10, 20, None))
        untagged = self.send("b", EVERYBODY)
        # A trunk says in which VLAN a frame was, also when it came without a tag.
        self.gets("mon", ten, self.with_tag(untagged, 10), in_order=False)
        self.gets("b", ten[:12] + ten[16:])
        self.gets("c", ten, twenty, self.with_tag(untagged, 10), in_order=False)
        self.taken("a")
        self.switch("port", "set", "mon", "tag=1")
        self.gets("mon", *[data[:12] + data[16:] for data in (self.send("a", EVERYBODY, 10),)])
        self.assertNotEqual(none, twenty)

    @staticmethod
    def with_tag(data, vlan):
        return data[:12] + bytes([0x81, 0, vlan >> 8, vlan & 255]) + data[12:]

    def test_in_a_vlan_of_its_own(self):
        """mon is an ordinary port that carries the copies, too: an uplink."""
        self.switch("port", "set", "c", "tag=20")
        self.mirror("from=a", "to=mon", "vlan=900")
        plain, ten = self.send("a", EVERYBODY), self.send("a", EVERYBODY, 10)
        copy = ten[:14] + bytes([900 >> 8, 900 & 255]) + ten[16:]
        # Of a burst, copies come behind what is ordinary.
        self.gets("mon", plain, self.with_tag(plain, 900), ten, copy, in_order=False)
        # What comes back in that VLAN is not copied again, and a BPDU never is.
        self.send("a", EVERYBODY, 900)
        self.switch("bridge", "set", "br0", "forward_bpdu=yes")
        bpdu = self.send("a", BPDU)
        self.await_quiet()
        got = self.taken("mon")
        self.assertEqual(len(got), 2)
        self.assertEqual(got[1], bpdu)
        reply = self.frames.make("02:00:00:00:00:0d", EVERYBODY)
        self.sockets["mon"].send(reply)
        self.gets("a", reply)

    def test_copies_of_what_is_refused(self):
        """in: after what may enter was decided; out: after what may leave was."""
        self.meet()
        self.mirror("from=a", "direction=in", "to=mon")
        self.switch("filter", "add", "a", "in", "10", "deny", f"ether dst {MACS['b']}")
        self.switch("filter", "add", "c", "out", "10", "deny", "broadcast")
        self.send("a", "b")
        seen = self.send("a", "c")
        self.gets("mon", seen)
        self.switch("mirror", "set", "m1", "from=c", "direction=out")
        self.send("a", EVERYBODY)
        seen = self.send("a", "c")
        self.gets("mon", seen)

    def test_limits_of_the_port_are_the_copies(self):
        self.meet()
        before, sender = self.switch.counters("mon")["tx_packets"], self.switch.counters("a")
        self.mirror("from=a", "direction=in", "to=mon")
        self.switch("port", "set", "mon", "out_rate_pps=1")
        self.switch("filter", "add", "mon", "out", "10", "deny", f"ether dst {MACS['c']}")
        sent = []
        for _ in range(20):
            # No more at once than a tap interface holds while its worker has no CPU.
            sent += [self.send("a", "b", size=100) for _ in range(100)]
            wait_until(lambda: self.row()["frames"] == len(sent), 20, "all copies")
        sent.append(self.send("a", "c"))
        wait_until(lambda: self.row()["frames"] == len(sent), 20, "all copies")
        self.await_quiet()
        self.assertEqual(Frames.numbers(self.taken("b")), Frames.numbers(sent[:-1]))
        drops = self.switch.counters("mon")["drops"]
        self.assertEqual(drops["filter_out"], 1)
        self.assertGreater(drops["rate_out"], 1000)
        self.assertEqual(self.row()["dropped"], sum(drops.values()))
        self.assertEqual(self.row()["frames"], self.switch.counters("mon")["tx_packets"] - before +
                         self.row()["dropped"])
        self.assertEqual(self.switch.counters("a")["drops"], sender["drops"])

    def test_a_port_that_is_down_costs_nobody_anything(self):
        self.meet()
        self.mirror("from=a", "to=mon")
        path = self.bench.folder / "mon.sock"
        self.switch("port", "del", "mon")
        self.assertEqual(self.row()["missing"], "mon")
        self.send("a", "b")
        self.switch("port", "add", "mon", "vhost-user", "bridge=br0", f"path={path}")
        data = self.send("a", "b")
        self.await_quiet()
        self.assertEqual(self.taken("b")[-1], data)
        self.assertEqual(self.row()["frames"], self.row()["dropped"])
        self.assertEqual(set(self.switch.counters("mon")["drops"]), {"port_down"})

    def test_sums(self):
        """Copies are nowhere in received = forwarded + flooded + drops."""
        self.mirror("to=mon")
        self.meet()
        for way in ("ab", "bc", "a*", "ca"):
            self.send(way[0], EVERYBODY if way[1] == "*" else way[1])
        self.await_quiet()
        for name in MACS:
            counters = self.switch.counters(name)
            self.assertEqual(counters["rx_packets"], counters["rx_forwarded"] +
                             counters["rx_flooded"] + sum(counters["drops"].values()))
        self.assertEqual(self.switch.counters("a")["rx_copies"], 2 * self.switch.counters("a")[
            "rx_flooded"])

    def test_refusals(self):
        self.switch("bridge", "add", "br1")
        self.switch("port", "add", "x", "null", "bridge=br1")
        self.mirror("from=a", "to=mon")

        def refused(*words):
            return lambda *keys: self.says(self.switch.refused(*words, *keys[:-1]), keys[-1])

        add = refused("mirror", "add", "m2", "bridge=br0")
        add("from=a,b", "to=b", "cannot be watched and get the copies")
        add("from=nobody", "to=b", 'port "nobody" does not exist')
        add("from=a", "to=nobody", 'port "nobody" does not exist')
        add("to=mon", 'belongs to mirror "m1" already')
        add("to=mon", "vlan=7", 'belongs to mirror "m1" already')
        add("from=mon", "to=b", 'belongs to mirror "m1"')
        add("from=a", "to=x", '"x" is not a port of bridge "br0" but of br1')
        add("from=x", "to=b", '"x" is not a port of bridge "br0" but of br1')
        add("to=b", "vlan=7", "vlans=7", "VLAN 7")
        add("to=b", "vlan=4095", "1..4094")
        add("to")
        refused("mirror", "add", "m1", "bridge=br0")("to=b", "exists already")
        refused("mirror", "add", "m2", "bridge=br9")("to=b", 'bridge "br9" does not exist')
        refused("mirror", "set", "m1")("from=mon", "cannot be watched")
        refused("mirror", "del")("m9", 'mirror "m9" does not exist')
        refused("port", "set", "a")("bridge=br1", 'mirror "m1"')
        self.switch("port", "set", "b", "tag=5")
        add("to=b", "vlan=7", "does not carry VLAN 7")
        self.mirror("to=b", "vlan=5", name="m3")
        refused("port", "set", "b")("tag=6", "does not carry VLAN 5")
        add("from=a", "to=b", "vlan=5", 'VLAN 5 of port "b" belongs to mirror "m3" already')
        for name in PORTS:
            self.switch("port", "del", name)
        self.says(self.switch.refused("bridge", "del", "br0"), "patchbay mirror del m1")

    def test_configuration_file_holds_it(self):
        self.mirror("from=a,b", "direction=in", "vlans=1-5", "to=mon")
        self.mirror("to=c", "vlan=30", name="m2")
        text = self.switch("config", "show")
        self.assertIn("mirrors:", text)
        file = self.bench.folder / "network.yaml"
        file.write_text(text)
        self.assertEqual(self.switch.json("config", "apply", file)["changes"], [])
        file.write_text(text.replace("direction: in", "direction: out"))
        self.assertEqual(self.switch.json("config", "apply", file)["changes"],
                         ["set mirror m1 direction: in -> out"])
        file.write_text(text[:text.index("mirrors:")])
        self.assertEqual(self.switch.json("config", "apply", file)["changes"],
                         ["del mirror m1", "del mirror m2"])
        file.write_text(text.replace("to: mon", "to: a"))
        self.says(self.switch.refused("config", "apply", file), "network.yaml:", "watched")


@requires_root
class MirrorAcrossWorkers(Mirror):
    """The same with the watcher's port at another worker than the others."""

    workers = ("--workers", "0,1")

    def set_up(self):
        super().set_up()
        for name in PORTS:
            self.switch("worker", "set", "1" if name == "mon" else "0", f"port={name}", "queue=0")
