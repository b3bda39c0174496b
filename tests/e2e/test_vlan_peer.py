# SPDX-License-Identifier: BSD-3-Clause
"""The same frames through patchbay and through Open vSwitch's userspace datapath come out the same.

Every VLAN mode as the source, every mode as the destination, frames without tag, with one and with
two.  Left out is what Open vSwitch 3.1 does otherwise than the standard or its own manual say:
VLAN 4095, which IEEE 802.1Q reserves and Open vSwitch forwards; the DEI bit, which it clears; and
what left_out() names.
"""

import itertools

from harness.case import TestCase, requires, requires_root
from harness.open_vswitch import OpenVswitch, missing
from harness.process import run
from harness.tagged import TaggedSocket, tagged
from harness.wait import wait_until

BROADCAST = "ff:ff:ff:ff:ff:ff"
SOURCE = "02:00:00:00:00:0a"
C, S = 0x8100, 0x88A8
TEN, TWENTY, FORTY, URGENT = 10, 20, 40, 0xA000

# Port settings: names and values as patchbay has them.
MODES = [
    {},
    {"trunks": "10,20"},
    {"trunks": "0,10"},
    {"tag": "10"},
    {"vlan_mode": "access", "tag": "20"},
    {"vlan_mode": "access", "tag": "10", "priority_tags": "if-nonzero"},
    {"vlan_mode": "native-tagged", "tag": "10"},
    {"vlan_mode": "native-tagged", "tag": "10", "trunks": "20,30"},
    {"vlan_mode": "native-untagged", "tag": "10"},
    {"vlan_mode": "native-untagged", "tag": "10", "trunks": "20,30"},
    {"vlan_mode": "dot1q-tunnel", "tag": "10"},
    {"vlan_mode": "dot1q-tunnel", "tag": "10", "cvlans": "20,30"},
    {"vlan_mode": "dot1q-tunnel", "tag": "10", "qinq_ethtype": "802.1q"},
    {"priority_tags": "if-nonzero"},
    {"priority_tags": "always"},
    {"tag": "10", "priority_tags": "always"},
    {"vlan_mode": "native-untagged", "tag": "10", "priority_tags": "always"},
]

TAGS = [
    (),
    ((C, 0),), ((C, URGENT),), ((S, 0),),
    ((C, TEN),), ((C, URGENT | TEN),), ((C, TWENTY),), ((C, FORTY),), ((C, 4094),),
    ((S, TEN),), ((S, TWENTY),), ((S, FORTY),),
    ((C, TEN), (C, TWENTY)), ((S, TEN), (C, TWENTY)), ((S, TEN), (C, FORTY)),
    ((S, FORTY), (C, TEN)), ((S, URGENT | TEN), (C, TWENTY)),
]

PEER_KEYS = {"priority_tags": "other_config:priority-tags",
             "qinq_ethtype": "other_config:qinq-ethtype"}


def left_out(source, destination, tags):
    """Is it one of the cases where Open vSwitch is no model?"""
    tunnel = source.get("vlan_mode") == "dot1q-tunnel"
    # It knows two tags of a frame, so that a customer's second one gets lost in a tunnel.
    if tunnel and len(tags) == 2:
        return True
    # A customer's tag with VLAN 0 gets lost, too; we carry it.
    if tunnel and tags and not tags[0][1] & 0xFFF:
        return True
    # It gives the service tag the customer's priority if the destination has priority tags.
    if tunnel and "priority_tags" in destination:
        return True
    # It takes the tag off for the port's own VLAN, and does not retain the header afterwards.
    if "tag" in destination and destination.get("priority_tags") == "always":
        return True
    # Between trunks it keeps a priority tag; the manual says that it omits it by default.
    trunks = all("vlan_mode" not in mode and "tag" not in mode for mode in (source, destination))
    return (trunks and "priority_tags" not in destination and len(tags) == 1
            and tags[0][1] == URGENT)


def describe(mode):
    return " ".join(f"{key}={value}" for key, value in mode.items()) or "trunk"


@requires_root
@requires(not missing(), missing())
class VlanPeer(TestCase):
    """Port s is the source; d0 ... are destinations, which have the modes in turn."""

    AT_ONCE = 4

    @classmethod
    def set_up_class(cls, bench):
        cls.destinations = [f"d{number}" for number in range(cls.AT_ONCE)]
        cls.switch = bench.switch()
        cls.switch("bridge", "add", "br0")
        for name in ["s", *cls.destinations]:
            cls.switch("port", "add", name, "tap", "bridge=br0", f"dev=p{name}")
        cls.peer = OpenVswitch(bench.folder / "ovs").start()
        bench.cleanup.add(cls.peer.stop)
        for name in ["s", *cls.destinations]:
            cls.peer.vsctl("add-port", "ovs", f"o{name}", "--", "set", "interface", f"o{name}",
                           "type=internal")
        cls.sockets = {}
        for prefix, name in itertools.product("po", ["s", *cls.destinations]):
            interface = prefix + name
            with open(f"/proc/sys/net/ipv6/conf/{interface}/disable_ipv6", "w") as file:
                file.write("1")
            run("ip", "link", "set", interface, "up")
            cls.sockets[interface] = TaggedSocket(interface)
            bench.cleanup.add(cls.sockets[interface].close)

    @classmethod
    def configure(cls, name, mode):
        keys = ("vlan_mode", "tag", "trunks", "cvlans", "priority_tags", "qinq_ethtype")
        cls.switch("port", "set", name, *[f"{key}={mode.get(key, '')}" for key in keys])
        words = ["clear", "port", f"o{name}", "vlan_mode", "tag", "trunks", "cvlans",
                 "other_config"]
        if mode:
            words += ["--", "set", "port", f"o{name}"]
            words += [f"{PEER_KEYS.get(key, key)}={value}" for key, value in mode.items()]
        cls.peer.vsctl(*words)

    def collect(self, prefix):
        """What arrived: (destination, number of the frame) -> the frame."""
        got = {}
        for number, name in enumerate(self.destinations):
            while data := self.sockets[prefix + name].receive(0):
                mark = data.find(b"frame ")
                if mark >= 0:
                    got[(number, int(data[mark + 6:mark + 9]))] = data
        return got

    def settle(self, prefix):
        """What arrived when nothing more arrives."""
        got = {}

        def quiet():
            new = self.collect(prefix)
            got.update(new)
            return not new

        for _ in range(2):
            wait_until(quiet, 20, "end of the frames", pause=0.15)
        return got

    def exchange(self, prefix):
        for number, tags in enumerate(TAGS):
            self.sockets[prefix + "s"].send(
                tagged(BROADCAST, SOURCE, tags, b"frame %03d" % number, size=80))

    def test_all_modes(self):
        different, self.count = [], 0
        for first in range(0, len(MODES), self.AT_ONCE):
            modes = MODES[first:first + self.AT_ONCE]
            for name, mode in zip(self.destinations, modes):
                self.configure(name, mode)
            for mode in MODES:
                different += self.compare(mode, modes)
        self.assertEqual(different, [], "\n" + "\n".join(different))
        self.assertGreater(self.count, 3000)

    def compare(self, mode, modes):
        self.configure("s", mode)
        self.peer.forget_flows()
        sent = self.switch.counters("s")["rx_packets"] + len(TAGS)
        for prefix in "po":
            self.exchange(prefix)
        wait_until(lambda: self.switch.counters("s")["rx_packets"] >= sent, 10, "all received")
        ours, theirs = self.settle("p"), self.settle("o")
        self.assertTrue(theirs, f"Open vSwitch forwarded nothing from {describe(mode)}")
        compared = [(number, tags) for number in range(len(modes)) for tags in range(len(TAGS))
                    if not left_out(mode, modes[number], TAGS[tags])]
        self.count += len(compared)
        return [self.difference(mode, modes, key, ours, theirs)
                for key in compared if ours.get(key) != theirs.get(key)]

    @staticmethod
    def difference(mode, modes, key, ours, theirs):
        def show(data):
            return data[12:data.find(b"frame ")].hex() if data else "nothing"

        tags = " ".join(f"{tpid:04x}:{tci:04x}" for tpid, tci in TAGS[key[1]]) or "untagged"
        return (f"{describe(mode)} -> {describe(modes[key[0]])}, {tags}: "
                f"patchbay {show(ours.get(key))}, Open vSwitch {show(theirs.get(key))}")
