# SPDX-License-Identifier: BSD-3-Clause
"""DPDK's virtio driver asks for checksums and segmentation; receivers with and without them."""

import random
import struct

from harness import couple, pcap, testpmd
from harness.case import TestCase, requires
from harness.wait import wait_until

RINGS = {"split": {"packed_vq": 0, "in_order": 0}, "packed": {"packed_vq": 1, "in_order": 0}}
SEGMENT = 1400
TCP = struct.Struct("!HHIIBBHHH")
TCP_START = 14 + pcap.IPV4.size
TCP_HEADERS = TCP_START + TCP.size
SEQUENCE, ACK_PSH, PSH = 77, 0x18, 0x08

requires_testpmd = requires(testpmd.installed(), "dpdk-testpmd is missing: apt-get install dpdk")


def udp_frames():
    """Datagrams with a checksum that is wrong, for DPDK to ask for the right one."""
    frames = pcap.datagrams(couple.MACS[1], couple.MACS[0], (60, 61, 127, 1000, 1514, 5000, 9000))
    return [data[:40] + b"\x12\x34" + data[42:] for data in frames]


def tcp_frames():
    """Frames for a receiver without offloads to get in pieces (DPDK writes files up to 16,128)."""
    generator = random.Random(2)
    ethernet = pcap.datagrams(couple.MACS[1], couple.MACS[0], [60])[0][:14]
    frames = []
    for payload in (6, 100, SEGMENT, SEGMENT + 1, 3 * SEGMENT, 8961, 15001):
        words = [0x45, 0, TCP_HEADERS - 14 + payload, 7, 0x4000, 64, 6, 0,
                 b"\x0a\0\0\1", b"\x0a\0\0\2"]
        words[7] = pcap.checksum(pcap.IPV4.pack(*words))
        tcp = TCP.pack(1000, 2000, SEQUENCE, 5, 0x50, ACK_PSH, 500, 0x4321, 0)
        frames.append(ethernet + pcap.IPV4.pack(*words) + tcp + generator.randbytes(payload))
    return frames


def checksums_right(data):
    """Are the IPv4 header's and the transport's checksums those of the frame?"""
    transport = data[TCP_START:]
    pseudo = data[26:34] + struct.pack("!BBH", 0, data[23], len(transport))
    padded = transport + b"\0" * (len(transport) % 2)
    return pcap.checksum(data[14:TCP_START]) == 0 and pcap.checksum(pseudo + padded) == 0


@requires_testpmd
class Offload(TestCase):
    """One testpmd that sends a file with offloads, one that writes what it receives to a file."""

    def set_up(self):
        self.switch = self.bench.switch()
        self.switch("bridge", "add", "br0")
        for port, mac in zip(couple.PORTS, couple.MACS):
            path = self.bench.folder / f"{port}.sock"
            self.switch("port", "add", port, "vhost-user", "bridge=br0", f"path={path}")
            self.switch("fdb", "add", "br0", mac, port)

    def run_testpmd(self, side, ring, source, sink, *commands):
        """A file on port 0, the driver on port 1, started after the commands."""
        files = [self.bench.folder / f"{couple.PORTS[side]}.{kind}" for kind in ("in", "out")]
        pcap.write(files[0], source)
        driver = testpmd.virtio_user(side, self.bench.folder / f"{couple.PORTS[side]}.sock",
                                     mac=couple.MACS[side], queue_size=256, **RINGS[ring])
        process = testpmd.Testpmd(
            self.bench.folder, f"testpmd{side}",
            [testpmd.net_pcap(side, [files[0]], [files[1] if sink else "/dev/null"]), driver],
            "--disable-device-start")
        self.bench.cleanup.add(process.kill)
        process.start()
        for command in (*commands, "port start all"):
            said = process(command)
            if "Fail" in said or "Error" in said.replace("Error during enabling", ""):
                raise AssertionError(said)
        self.switch.wait_link(couple.PORTS[side])
        return process

    def send(self, ring, frames, *receiver):
        """Sends the frames with all offloads; yields the file that the receiver writes."""
        sink = self.run_testpmd(1, ring, [], True, *receiver)
        source = self.run_testpmd(
            0, ring, frames, False, "csum set udp hw 1", "csum set tcp hw 1",
            f"tso set {SEGMENT} 1", f"set eth-peer 1 {couple.MACS[1]}", "set fwd csum")
        for feature in ("csum", "tso4"):
            self.assertIn(feature, self.switch.port("a")["vhost"]["features"])
        sink("start")
        source("start")
        return self.bench.folder / "b.out"

    def received(self, path, count):
        wait_until(lambda: len(pcap.read(path)) >= count, 20,
                   lambda: f"{count} frames ({self.switch.rows('stats', 'show')})")
        frames = pcap.read(path)
        self.assertEqual(len(frames), count)
        return frames

    def check_checksums(self, ring):
        frames = udp_frames()
        for sent, got in zip(frames, self.received(self.send(ring, frames), len(frames))):
            self.assertEqual((got[:40], got[42:]), (sent[:40], sent[42:]))
            self.assertNotEqual(got[40:42], b"\0\0")
            self.assertTrue(checksums_right(got), got.hex())
        self.counted(tx_csum=len(frames), tx_segmented=0)

    def counted(self, **wanted):
        counters = self.switch.counters("b")
        self.assertEqual({key: counters[key] for key in wanted}, wanted)
        self.assertEqual(couple.imbalance(self.switch.rows("stats", "show")), "")

    def test_checksums_are_completed_split(self):
        self.check_checksums("split")

    def test_checksums_are_completed_packed(self):
        self.check_checksums("packed")

    def check_segments(self, ring):
        frames = tcp_frames()
        counts = [-(-(len(data) - TCP_HEADERS) // SEGMENT) for data in frames]
        segments = self.received(self.send(ring, frames), sum(counts))
        for sent, count in zip(frames, counts):
            self.join(sent, [segments.pop(0) for _ in range(count)])
        self.counted(tx_csum=sum(counts), tx_segmented=sum(counts) - len(frames))

    def join(self, sent, segments):
        """The segments are the frame: each in its place, and nothing else changed."""
        payload = b""
        for place, data in enumerate(segments):
            last = place == len(segments) - 1
            self.assertTrue(checksums_right(data), data.hex())
            length, identity = struct.unpack_from("!HH", data, 16)
            self.assertEqual((length, identity), (len(data) - 14, 7 + place))
            header = TCP.unpack_from(data, TCP_START)
            flags = ACK_PSH if last else ACK_PSH & ~PSH
            self.assertEqual(header[:7],
                             (1000, 2000, SEQUENCE + len(payload), 5, 0x50, flags, 500))
            self.assertEqual((data[:16], data[20:24], data[26:34]),
                             (sent[:16], sent[20:24], sent[26:34]))
            self.assertTrue(last or len(data) == TCP_HEADERS + SEGMENT)
            payload += data[TCP_HEADERS:]
        self.assertEqual(payload, sent[TCP_HEADERS:])

    def test_frames_are_segmented_split(self):
        self.check_segments("split")

    def test_frames_are_segmented_packed(self):
        self.check_segments("packed")

    def check_pass_through(self, ring):
        """A receiver that negotiated the same gets the frame as it was sent, in one piece."""
        frames = tcp_frames()
        path = self.send(ring, frames, *[f"port config 1 rx_offload {name} on" for name in
                                         ("udp_cksum", "tcp_cksum", "tcp_lro")])
        for sent, got in zip(frames, self.received(path, len(frames))):
            at = TCP_START + 16  # the checksum, not complete
            self.assertEqual((got[:at], got[at + 2:]), (sent[:at], sent[at + 2:]))
        self.counted(tx_csum=0, tx_segmented=0)

    def test_offloads_pass_through_split(self):
        self.check_pass_through("split")

    def test_offloads_pass_through_packed(self):
        self.check_pass_through("packed")
