# SPDX-License-Identifier: BSD-3-Clause
"""Frames made by scapy, odd ones among them: what passes, and by which name the others end."""

from harness import scapy_frames
from harness.case import TestCase, requires_root
from harness.process import run
from harness.tagged import TaggedSocket
from harness.wait import wait_until

A, B = "02:00:00:00:00:0a", "02:00:00:00:00:0b"
TO_B = f"Ether(dst='{B}', src='{A}')"
TO_ALL = f"Ether(dst='ff:ff:ff:ff:ff:ff', src='{A}')"
TO_GROUP = f"Ether(dst='01:00:5e:01:02:03', src='{A}')"
TO_GROUP6 = f"Ether(dst='33:33:00:00:00:01', src='{A}')"
PAD = "Raw(bytes(40))"
PASSES = None


@requires_root
class Scapy(TestCase):
    def open(self, bridge=(), *keys):
        self.switch = self.bench.switch()
        self.switch("bridge", "add", "br0", *bridge)
        self.sockets = {}
        for name, more in (("a", keys), ("b", ())):
            self.switch("port", "add", name, "tap", "bridge=br0", f"dev=t{name}", *more)
            with open(f"/proc/sys/net/ipv6/conf/t{name}/disable_ipv6", "w") as file:
                file.write("1")
            run("ip", "link", "set", f"t{name}", "up")
            self.sockets[name] = TaggedSocket(f"t{name}")
            self.bench.cleanup.add(self.sockets[name].close)
        for name in self.sockets:
            self.switch.wait_link(name)

    def drops(self):
        return self.switch.counters("a")["drops"]

    def check(self, rows):
        """rows: (what scapy is to build, PASSES or the name of the drop)."""
        frames = scapy_frames.build([text for text, _ in rows])
        for (text, outcome), frame in zip(rows, frames):
            with self.subTest(text):
                before, there = self.drops(), dict(self.drops())
                self.sockets["a"].send(frame)
                if outcome is PASSES:
                    self.assertEqual(self.sockets["b"].receive(10), frame, self.drops())
                    self.assertEqual(self.drops(), before)
                    continue
                there[outcome] = there.get(outcome, 0) + 1
                wait_until(lambda there=there: self.drops() == there, 10,
                           lambda there=there: f"drops {there} (they are {self.drops()})",
                           pause=0.02)
        # Frames that were to be dropped are not on their way either.
        self.sockets["a"].send(frames[0].ljust(60, b"\0")[:12] + b"\x88\xb5" + b"the end".ljust(46))
        self.assertIn(b"the end", self.sockets["b"].receive(10))

    def test_kinds_of_frames(self):
        self.open()
        self.check([
            (f"{TO_B}/IP()/UDP()/{PAD}", PASSES),
            (f"Dot3(dst='{B}', src='{A}')/LLC(dsap=0xaa, ssap=0xaa, ctrl=3)/SNAP()/{PAD}", PASSES),
            (f"Dot3(dst='{B}', src='{A}')/LLC(dsap=0xe0, ssap=0xe0, ctrl=3)/{PAD}", PASSES),
            (f"Dot3(dst='01:80:c2:00:00:00', src='{A}')/LLC()/STP()/{PAD}", "reserved_address"),
            (f"Ether(dst='01:80:c2:00:00:0e', src='{A}', type=0x88cc)/{PAD}", "reserved_address"),
            (f"Ether(dst='{B}', src='01:00:5e:00:00:01')/IP()/{PAD}", "bad_source"),
            (f"Ether(dst='{B}', src='00:00:00:00:00:00')/IP()/{PAD}", "bad_source"),
            (f"{TO_B}/Dot1AD(vlan=5)/Dot1Q(vlan=6)/Dot1Q(vlan=7)/IP()/{PAD}", PASSES),
            (f"{TO_B}/Dot1Q(vlan=4095)/IP()/{PAD}", "vlan_malformed"),
            (f"{TO_B}/Dot1Q(vlan=5)/Dot1Q(vlan=4095)/IP()/{PAD}", PASSES),
            (f"{TO_B}/IP(options=[IPOption_Router_Alert()], proto=255)/{PAD}", PASSES),
            (f"{TO_B}/IP(len=9999)/UDP()/{PAD}", PASSES),
            (f"{TO_B}/IPv6()/IPv6ExtHdrHopByHop()/IPv6ExtHdrDestOpt()/UDP()/{PAD}", PASSES),
            (f"{TO_ALL}/ARP(hwlen=255, plen=255)/{PAD}", PASSES),
        ])

    def test_filters(self):
        """An expression asks what tcpdump would ask: no more headers are followed than there."""
        self.open()
        router_alert = "IP(options=[IPOption_Router_Alert()])"
        for number, text in enumerate(("udp port 53", "vlan 5 and udp port 53"), 1):
            self.switch("filter", "add", "a", "in", str(number), "deny", text)
        self.check([
            (f"{TO_B}/IP()/UDP(sport=1024, dport=53)/{PAD}", "filter_in"),
            (f"{TO_B}/{router_alert}/UDP(sport=1024, dport=53)/{PAD}", "filter_in"),
            (f"{TO_B}/{router_alert}/UDP(sport=1024, dport=54)/{PAD}", PASSES),
            (f"{TO_B}/IP(frag=10)/UDP(sport=1024, dport=53)/{PAD}", PASSES),
            (f"{TO_B}/IPv6()/UDP(sport=1024, dport=53)/{PAD}", "filter_in"),
            (f"{TO_B}/IPv6()/IPv6ExtHdrHopByHop()/UDP(sport=1024, dport=53)/{PAD}", PASSES),
            (f"{TO_B}/Dot1Q(vlan=5)/IP()/UDP(sport=1024, dport=53)/{PAD}", "filter_in"),
            (f"{TO_B}/Dot1Q(vlan=6)/IP()/UDP(sport=1024, dport=53)/{PAD}", PASSES),
            (f"{TO_B}/IP()/UDP(sport=1024, dport=54)/{PAD}", PASSES),
        ])

    def test_guards(self):
        self.open((), "profile=tenant", f"mac={A}", "ips=10.0.0.5,2001:db8::5")
        own6 = "IPv6(src='2001:db8::5', dst='ff02::1')"
        advertisement = "ICMPv6ND_RA()"
        self.check([
            (f"{TO_B}/IP(src='10.0.0.5')/UDP()/{PAD}", PASSES),
            (f"{TO_B}/IP(src='10.0.0.6')/UDP()/{PAD}", "ip_lock"),
            (f"{TO_B}/Dot1Q(vlan=5)/IP(src='10.0.0.6')/UDP()/{PAD}", "ip_lock"),
            (f"{TO_ALL}/ARP(op=1, hwsrc='{A}', psrc='10.0.0.5', pdst='10.0.0.1')/{PAD}", PASSES),
            (f"{TO_ALL}/ARP(op=2, hwsrc='{A}', psrc='10.0.0.1', pdst='10.0.0.1')/{PAD}",
             "ip_lock"),
            (f"{TO_ALL}/ARP(op=2, hwsrc='{B}', psrc='10.0.0.5', pdst='10.0.0.1')/{PAD}",
             "ip_lock"),
            (f"Ether(dst='{B}', src='{B}')/IP(src='10.0.0.5')/{PAD}", "mac_lock"),
            (f"{TO_GROUP6}/{own6}/{advertisement}", "ra_guard"),
            (f"{TO_GROUP6}/{own6}/IPv6ExtHdrDestOpt()/{advertisement}", "ra_guard"),
            (f"{TO_GROUP6}/{own6}/IPv6ExtHdrHopByHop()/IPv6ExtHdrDestOpt()/{advertisement}",
             "ra_guard"),
            (f"{TO_GROUP6}/Dot1Q(vlan=7)/{own6}/{advertisement}", "ra_guard"),
            (f"{TO_B}/IP(src='10.0.0.5')/UDP(sport=67, dport=68)/BOOTP(op=2)/DHCP(options="
             "[('message-type', 'offer'), 'end'])", "dhcp_guard"),
            (f"{TO_B}/{own6}/UDP(sport=547, dport=546)/DHCP6_Reply()", "dhcp_guard"),
        ])

    def test_group_messages(self):
        """What breaks the rules of IGMP and MLD joins nothing."""
        self.open(("mcast_snooping=yes",))
        ip = "IP(src='10.0.0.5', dst='224.0.0.22', ttl=1, options=[IPOption_Router_Alert()])"
        join = "IGMPv3(type=0x22)/IGMPv3mr(numgrp={})/IGMPv3gr(rtype=4, maddr='239.1.2.3')"
        good = f"{TO_GROUP}/{ip}/" + join.format(1)
        bad = [
            f"bytes({good})[:-3]",
            f"bytes({TO_GROUP}/{ip}/" + join.format(200) + ")",
            f"{TO_GROUP}/{ip}/" + join.format(1).replace("type=0x22", "type=0x22, chksum=1"),
            f"{TO_GROUP}/" + ip.replace("ttl=1", "ttl=64") + "/" + join.format(1),
            f"{TO_GROUP}/{ip}/IGMP(type=0x16, gaddr='10.1.2.3')",
            f"{TO_GROUP6}/IPv6(src='fe80::5', dst='ff02::16', hlim=64)/IPv6ExtHdrHopByHop(options="
            "[RouterAlert()])/ICMPv6MLReport2(records=[ICMPv6MLDMultAddrRec(rtype=4, "
            "dst='ff05::7')])",
        ]
        frames = scapy_frames.build(bad + [good])
        received = self.switch.counters("a")["rx_packets"]
        for frame in frames[:-1]:
            self.sockets["a"].send(frame)
        wait_until(lambda: self.switch.counters("a")["rx_packets"] >= received + len(bad), 10,
                   "the frames to be received")
        self.sockets["a"].send(frames[-1])
        wait_until(lambda: self.switch.rows("mdb", "show", "br0"), 10, "the member that is one")
        self.assertEqual({row["group"] for row in self.switch.rows("mdb", "show", "br0")},
                         {"239.1.2.3"})
