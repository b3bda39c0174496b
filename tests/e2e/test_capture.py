# SPDX-License-Identifier: BSD-3-Clause
"""`patchbay capture`: what tshark reads of its files, live text, and every way in which one ends."""

import json
import os
import pathlib
import shutil
import signal
import subprocess

from harness import pcap
from harness.case import TestCase, requires, requires_root
from harness.packet import A, B, UDP, packet
from harness.process import run
from harness.switch import CLIENT
from harness.wait import wait_until
from harness.wire import frame

FIELDS = ["frame.interface_name", "frame.packet_flags_direction", "frame.time_epoch", "frame.len",
          "frame.cap_len", "frame.comment", "_ws.col.Protocol"]
IN, OUT = 1, 2


class Capture:
    """One in the background; `words` as typed behind `patchbay capture`."""

    def __init__(self, test, *words, options=(), **popen):
        self.folder = pathlib.Path(test.bench.folder)
        number = len(list(self.folder.glob("capture*.said")))
        self.said = self.folder / f"capture{number}.said"
        self.printed = self.folder / f"capture{number}.out"
        with open(self.said, "wb") as said, open(self.printed, "wb") as printed:
            self.popen = subprocess.Popen(
                [str(CLIENT), "--socket", str(test.switch.socket), *options, "capture", *map(str, words)],
                stdin=subprocess.DEVNULL, stdout=printed, stderr=said, start_new_session=True, **popen)
        test.bench.cleanup.add(self.kill)
        wait_until(lambda: "capturing on" in self.words() or self.popen.poll() is not None, 10,
                   "beginning of the capture")

    def words(self):
        return self.said.read_text()

    def text(self):
        return self.printed.read_text()

    def signal(self, number):
        os.kill(self.popen.pid, number)

    def wait(self):
        return self.popen.wait(30)

    def stop(self):
        """Ctrl-C; the exit code."""
        self.signal(signal.SIGINT)
        return self.wait()

    def kill(self):
        if self.popen.poll() is None:
            self.popen.kill()
            self.popen.wait()


def rows(file):
    """The frames of a file as tshark sees them: lists of FIELDS, the direction as a number."""
    done = run("tshark", "-n", "-r", file, "-T", "fields", *[word for name in FIELDS for word in ("-e", name)])
    found = [line.split("\t") for line in done.stdout.splitlines()]
    for row in found:
        row[1] = int(row[1], 0)
    return found


@requires_root
class Captures(TestCase):
    def set_up(self):
        requires(shutil.which("tshark"), "tshark is not installed")
        self.one, self.two = (self.bench.wire(name) for name in ("w0", "w1"))
        self.switch = self.bench.switch()
        self.switch("bridge", "add", "br0")
        for wire in (self.one, self.two):
            self.switch("port", "add", wire.name, "afpacket", "bridge=br0", f"dev={wire.name}")
        for wire in (self.one, self.two):
            self.switch.wait_link(wire.name)
        self.file = self.bench.folder / "capture.pcapng"

    def crosses(self, data, arrives=True):
        """From one to two; a frame behind it says when to stop waiting for one that does not arrive."""
        self.one.send(data)
        if not arrives:
            data = frame(B, A, b"the end")
            self.one.send(data)
        self.assertEqual(self.two.receive(), data)

    # ---- files ----

    def test_bridge_with_names_directions_times_and_reasons(self):
        self.switch("filter", "add", "w0", "in", "10", "deny", "udp dst port 9")
        self.switch("port", "set", "w1", "mtu=1400")
        capture = Capture(self, "br0", "-w", self.file)
        self.assertIn("capturing on bridge br0", capture.words())
        self.crosses(packet(80, b"web"))
        self.two.send(frame(A, B, b"back"))
        self.assertIn(b"back", self.one.receive())
        self.crosses(packet(9, b"discard", UDP), arrives=False)
        self.crosses(packet(80, b"x" * 1440), arrives=False)
        self.assertEqual(capture.stop(), 0, capture.words())
        self.assertIn("11 frames captured, 2 of them dropped", capture.words())
        found = rows(self.file)
        # A burst is received whole before it is sent: the order is that of each port.
        seen = {name: [(row[1], row[5].split(": ")[1] if row[5] else "") for row in found if row[0] == name]
                for name in ("w0", "w1")}
        self.assertEqual(seen["w0"], [(IN, ""), (OUT, ""), (IN, "filter_in"), (IN, ""), (IN, ""), (IN, "")])
        self.assertEqual(seen["w1"], [(OUT, ""), (IN, ""), (OUT, ""), (OUT, "mtu"), (OUT, "")])
        self.says(" ".join(row[5] for row in found), "dropped: filter_in: a filter of the port denies it")
        times = [float(row[2]) for row in found]
        self.assertEqual(times, sorted(times))
        self.assertRegex(found[0][2], r"^\d+\.\d{9}$")
        self.assertEqual([row[6] for row in found[:2]], ["TCP"] * 2)

    def test_one_port_one_direction_expression_and_snaplen(self):
        capture = Capture(self, "w1", "-Q", "out", "-s", "50", "-w", self.file, "udp and dst port 53")
        for port, kind in ((53, UDP), (80, UDP), (53, 6), (53, UDP)):
            self.crosses(packet(port, b"q" * 300, kind))
        self.two.send(packet(53, b"other way", UDP))
        self.assertIsNotNone(self.one.receive())
        self.assertEqual(capture.stop(), 0)
        found = rows(self.file)
        self.assertEqual([row[:2] + row[3:5] for row in found], [["w1", OUT, "342", "50"]] * 2)
        # The file says what it was made of.
        info = run("tshark", "-r", self.file, "-T", "json", "-c", "1")
        self.assertEqual(len(json.loads(info.stdout)), 1)

    def test_whole_frames_are_what_was_sent(self):
        sent = [packet(80, os.urandom(size)) for size in (10, 300, 1000, 1446)]
        capture = Capture(self, "w0", "-Q", "in", "-w", self.file)
        for data in sent:
            self.crosses(data)
        self.assertEqual(capture.stop(), 0)
        plain = self.file.with_suffix(".pcap")
        run("tshark", "-r", self.file, "-F", "pcap", "-w", plain)
        self.assertEqual(pcap.read(plain), sent)

    def test_drops_alone(self):
        self.switch("port", "set", "w0", "profile=vm", "mac=02:00:00:00:00:0a")
        capture = Capture(self, "w0", "--drops", "-c", "3", "-w", self.file)
        for _ in range(3):
            self.crosses(packet(80, b"good"))
            self.one.send(frame(B, "02:00:00:00:00:66", b"spoofed"))
        self.assertEqual(capture.wait(), 0)
        found = rows(self.file)
        self.assertEqual(len(found), 3)
        for row in found:
            self.says(row[5], "dropped: mac_lock")

    def test_standard_output_and_count(self):
        done = subprocess.Popen([str(CLIENT), "--socket", str(self.switch.socket), "--json", "capture", "w0",
                                 "-c4", "-w-"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.bench.cleanup.add(done.kill)
        # The section and the interface are there before any frame is.
        begin = os.read(done.stdout.fileno(), 4)
        self.assertEqual(begin, b"\x0a\x0d\x0d\x0a")
        for _ in range(6):
            self.crosses(packet(80, b"web"))
        out, said = done.communicate(timeout=30)
        self.file.write_bytes(begin + out)
        self.assertEqual(done.returncode, 0)
        self.assertEqual(len(rows(self.file)), 4)
        self.assertEqual(json.loads(said.splitlines()[-1]),
                         {"captured": 4, "drops": 0, "lost": 0, "end": "count"})

    def test_empty_file_is_one(self):
        capture = Capture(self, "w0", "-w", self.file)
        self.assertEqual(capture.stop(), 0)
        self.assertEqual(rows(self.file), [])

    # ---- text ----

    def test_live_text(self):
        requires(shutil.which("tcpdump"), "tcpdump is not installed")
        self.switch("filter", "add", "w0", "in", "10", "deny", "udp dst port 9")
        capture = Capture(self, "br0")
        self.crosses(packet(80, b"web"))
        # It is there while the capture goes on.
        wait_until(lambda: capture.text().count("\n") >= 2, 10, "two lines")
        self.crosses(packet(9, b"discard", UDP), arrives=False)
        self.one.send(frame(B, A, b"tagged", vlan=7))
        self.assertIsNotNone(self.two.receive())
        self.assertEqual(capture.stop(), 0)
        # What tcpdump says of a protocol that it does not know takes further lines.
        lines = [line for line in capture.text().splitlines() if line[2:3] == ":"]
        self.assertEqual(len(lines), 7)
        self.assertRegex(lines[0], r"^\d\d:\d\d:\d\d\.\d{9} w0 In  IP 10\.0\.0\.1\.40000 > 10\.0\.0\.2\.80: Flags \[S\]")
        self.assertRegex(lines[1], r" w1 Out IP 10\.0\.0\.1\.40000 > ")
        self.assertRegex("\n".join(lines), r" w0 In  IP .*\.9: UDP.* \[dropped: filter_in\]\n")
        self.assertRegex(lines[5], r" w0 In  vlan 7 ")

    def test_text_without_tcpdump(self):
        empty = self.bench.folder / "empty"
        empty.mkdir()
        capture = Capture(self, "w0", "-c", "2", env={"PATH": str(empty)})
        self.crosses(packet(80, b"web"))
        self.crosses(frame(B, A, b"own"))
        self.assertEqual(capture.wait(), 0)
        lines = capture.text().splitlines()
        self.assertRegex(lines[0], rf" w0 In  {A} > {B}, IPv4 10\.0\.0\.1\.40000 > 10\.0\.0\.2\.80 TCP, length 60$")
        self.assertRegex(lines[1], r"ethertype 0x88b5, length 60$")

    def test_many_lines_keep_their_frames(self):
        requires(shutil.which("tcpdump"), "tcpdump is not installed")
        capture = Capture(self, "w0", "-c", "3000")
        for first in range(0, 3000, 100):
            for number in range(first, first + 100):
                self.one.send(packet(10000 + number, b"n", UDP))
            for _ in range(100):
                self.assertIsNotNone(self.two.receive())
        self.assertEqual(capture.wait(), 0)
        lines = capture.text().splitlines()
        self.assertEqual(len(lines), 3000)
        for number, line in enumerate(lines):
            self.assertIn(f"10.0.0.2.{10000 + number}: ", line)

    # ---- ends ----

    def test_full_disk(self):
        small = self.bench.folder / "small"
        small.mkdir()
        run("mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", small)
        self.bench.cleanup.add(run, "umount", small)
        file = small / "file.pcapng"
        capture = Capture(self, "w0", "-w", file)
        for _ in range(100):
            self.crosses(packet(80, b"z" * 1200))
        self.assertEqual(capture.wait(), 1)
        self.says(capture.words(), "cannot write", "No space left on device", "frames captured")
        # What is there is whole, and the switch goes on.
        self.assertGreater(len(rows(file)), 30)
        self.crosses(packet(80, b"web"))

    def test_reader_that_stops_costs_its_own_records_only(self):
        capture = Capture(self, "w0", "-w", self.file)
        capture.signal(signal.SIGSTOP)
        data = packet(80, b"s" * 1440)
        total = 9000
        for _ in range(total // 100):
            for _ in range(100):
                self.one.send(data)
            for _ in range(100):
                self.assertIsNotNone(self.two.receive(), "a frame was lost")
        capture.signal(signal.SIGCONT)
        self.assertEqual(capture.stop(), 0)
        words = capture.words().split()
        captured = int(words[words.index("frames") - 1])
        lost = int(words[words.index("lost") - 1])
        self.assertGreater(lost, 0)
        self.assertEqual(captured + lost, total)
        self.assertEqual(len(rows(self.file)), captured)

    def test_reader_of_a_pipe_that_goes_away(self):
        reading, writing = os.pipe()
        done = subprocess.Popen([str(CLIENT), "--socket", str(self.switch.socket), "capture", "w0", "-w", "-"],
                                stdout=writing, stderr=subprocess.PIPE, text=True)
        self.bench.cleanup.add(done.kill)
        os.close(writing)
        os.read(reading, 4)
        os.close(reading)
        self.crosses(packet(80, b"web"))
        said = done.communicate(timeout=30)[1]
        self.assertEqual(done.returncode, 1)
        self.says(said, "standard output", "Broken pipe")

    def test_port_and_bridge_that_are_deleted(self):
        port = Capture(self, "w1", "-w", self.file)
        bridge = Capture(self, "br0", "-w", self.bench.folder / "bridge.pcapng")
        self.crosses(packet(80, b"web"))
        self.switch("port", "del", "w1")
        self.assertEqual(port.wait(), 1)
        self.says(port.words(), 'port "w1" was deleted', "1 frames captured")
        self.assertEqual(len(rows(self.file)), 1)
        self.assertIsNone(bridge.popen.poll())
        self.switch("port", "del", "w0")
        self.switch("bridge", "del", "br0")
        self.assertEqual(bridge.wait(), 1)
        self.says(bridge.words(), 'bridge "br0" was deleted')

    def test_daemon_that_ends_or_is_replaced(self):
        capture = Capture(self, "w0", "-w", self.file)
        self.crosses(packet(80, b"web"))
        self.switch.take_over()
        self.assertEqual(capture.wait(), 1)
        self.says(capture.words(), "ended or was replaced")
        self.assertEqual(len(rows(self.file)), 1)
        capture = Capture(self, "w0", "-w", self.file)
        self.switch.kill()
        self.assertEqual(capture.wait(), 1)
        self.says(capture.words(), "ended or was replaced")

    # ---- refusals ----

    def test_refusals(self):
        self.says(self.switch.refused("capture", "nope"), "nope", "patchbay port show")
        self.says(self.switch.refused("capture", "w0", "tcp prot 80"), "prot")
        self.says(self.switch.refused("capture", "w0", "tcp port"), "syntax error")
        self.says(self.switch.refused("capture", "w0", "ip[0] = 0x1ffffffff"), "ip[0]")
        self.says(self.switch.refused("capture", "w0", "-s", "0"), "snaplen")
        self.says(self.switch.refused("capture", "w0", "-Q", "sideways"), "direction")
        self.says(self.switch.refused("capture", "w0", "-c"), "-c needs a value")
        self.says(self.switch.refused("capture", "w0", "-w", "/nowhere/file"), "/nowhere/file",
                  "No such file")
        self.says(self.switch.refused("capture", "w0", "-x"), "-x")
        self.says(self.switch.refused("capture"), "port")

    def test_several_at_a_time(self):
        captures = [Capture(self, "w0", "-w", self.bench.folder / f"{i}.pcapng") for i in range(8)]
        self.says(self.switch.refused("capture", "w0"), "8 captures")
        self.crosses(packet(80, b"web"))
        # A client that is killed ends its capture as well.
        captures[0].kill()
        wait_until(lambda: self.switch.run("capture", "w1", "-w", "/nowhere/file", check=False).stderr
                   .find("8 captures") < 0, 10, "end of a capture")
        for capture in captures[1:]:
            self.assertEqual(capture.stop(), 0)
            self.says(capture.words(), "1 frames captured")

    def test_memory_is_for_whoever_may_change_things(self):
        rpc = self.switch.rpc()
        answer = rpc.call("daemon.capture", {"port": "w0"})
        self.assertEqual(answer["result"]["kind"], "port")
        # One for each connection.
        self.says(rpc.call("daemon.capture", {"port": "w1"})["error"]["message"], "already")
        rpc.close()
