# SPDX-License-Identifier: BSD-3-Clause
"""`patchbay bench` in all its modes, for a moment each.  No figure is judged, every frame is."""

import csv
import io
import json
import os
import pathlib
import shutil
import signal
import tempfile

from harness.case import TestCase, requires_root
from harness.process import Process, run, tail
from harness.switch import CLIENT
from harness.wait import wait_until

SECONDS = "seconds=0.1"
RINGS = [
    ["ring=split"],
    ["ring=packed"],
    ["ring=split", "in_order=no"],
    ["ring=packed", "in_order=no"],
    ["ring=split", "mergeable=no", "--indirect"],
    ["ring=packed", "mergeable=no", "--event-idx"],
    ["ring=split", "--event-idx", "ring_size=256"],
    ["ring=packed", "--indirect", "ring_size=500"],
]
MACHINE = {"host", "kernel", "arch", "cpu", "cpus_online", "cpus_allowed", "memory_bytes", "tsc_hz"}
RESULT = {"size", "offload", "features", "seconds", "pps", "gbps", "frames", "verified", "workers",
          "switch_cycles_per_packet", "switch_drops", "traffic", "roofline_gbps", "latency", "search"}
FAULTS = ("lost", "corrupt", "duplicates", "reordered")


class Bench(TestCase):
    def set_up(self):
        # Where bench makes its folder; nothing of it may stay.
        self.temporary = pathlib.Path(tempfile.mkdtemp(prefix="b", dir="/tmp"))
        self.bench.cleanup.add(shutil.rmtree, self.temporary, True)
        self.environment = {**os.environ, "TMPDIR": str(self.temporary)}

    def tearDown(self):
        left = [path.name for path in self.temporary.iterdir()]
        self.assertEqual(left, [], "bench left something behind")

    def run_bench(self, *words, check=True):
        return run(CLIENT, "bench", *words, check=check, env=self.environment, timeout=120)

    def measure(self, *words):
        """The report of a run that went well."""
        if not any(str(word).startswith("seconds=") for word in words):
            words = [*words, SECONDS]
        report = json.loads(self.run_bench("--json", *words).stdout)
        for result in report["results"]:
            self.check_result(result, words)
        return report

    def check_result(self, result, words):
        frames = result["frames"]
        self.assertLessEqual(RESULT, result.keys())
        for fault in FAULTS:
            self.assertEqual(frames[fault], 0, (words, frames))
        self.assertTrue(result["verified"])
        self.assertGreater(frames["received"], 0)
        self.assertEqual(frames["received"], frames["sent"])

    def refused(self, code, *words):
        done = self.run_bench(*words, check=False)
        self.assertEqual(done.returncode, code, done.stderr)
        self.assertEqual(done.stdout, "")
        return done.stderr


@requires_root
class Modes(Bench):
    def test_report(self):
        report = self.measure("seconds=1")
        self.assertLessEqual(MACHINE, report["machine"].keys())
        self.assertGreater(report["machine"]["tsc_hz"], 1e8)
        self.assertIn("patchbayd", report["switch"]["name"])
        self.assertTrue(report["switch"]["own"])
        result, = report["results"]
        self.assertEqual((result["size"], result["offload"]), (64, "none"))
        # The switch was asked what it did in the meantime.
        self.assertGreater(result["workers"][0]["packets"], 0)
        self.assertGreater(result["switch_cycles_per_packet"], 0)

    def test_rings(self):
        for ring in RINGS:
            with self.subTest(ring=ring):
                report = self.measure("size=64,1500,imix,65536", *ring)
                self.assertEqual([result["size"] for result in report["results"]],
                                 [64, 1500, "imix", 65536])
                features = report["results"][0]["features"]
                self.assertEqual("packed" in features, "ring=packed" in ring)
                self.assertEqual("event_idx" in features, "--event-idx" in ring)
                if "in_order=no" in ring:
                    self.assertNotIn("in_order", features)

    def test_one_way(self):
        self.measure("load=one-way", "size=64,imix,65536")

    def test_large_frames(self):
        for offload, size in (("tso", "9000"), ("uso", "9000,65536"), ("none", "9000")):
            with self.subTest(offload=offload):
                report = self.measure(f"offload={offload}", f"size={size}")
                self.assertEqual(report["results"][0]["offload"], offload)
                self.assertGreater(report["results"][0]["roofline_gbps"], 0)

    def test_every_byte(self):
        report = self.measure("verify=full", "size=64,300,imix,20000")
        for result in report["results"]:
            self.assertGreaterEqual(result["frames"]["inspected"], result["frames"]["received"])

    def test_samples_are_enough_for_frames_that_are_as_expected(self):
        report = self.measure("size=64,1500,imix,65536")
        for result in report["results"]:
            self.assertEqual(result["frames"]["inspected"], 0)

    def test_pairs(self):
        report = self.measure("pairs=3")
        self.assertEqual(report["options"]["pairs"], 3)

    def test_many_addresses(self):
        self.measure("macs=5000", "size=64,imix")

    def test_vlans(self):
        for vlan in (["vlans=50"], ["vlans=50", "macs=200"], ["vlan=access"], ["vlan=mixed"],
                     ["vlan=mixed", "ring=packed", "in_order=no"]):
            with self.subTest(vlan=vlan):
                self.measure("size=64,1500,imix,9000", *vlan)

    def test_rate_and_latency(self):
        for words in (["rate=10k"], ["rate=10k", "load=one-way", "size=imix"],
                      ["rate=2k", "size=20000"]):
            with self.subTest(words=words):
                result, = self.measure(*words)["results"]
                latency = result["latency"]
                self.assertEqual(latency["count"], result["frames"]["received"])
                figures = [latency[name] for name in
                           ("min_us", "p50_us", "p90_us", "p99_us", "p99_9_us", "max_us")]
                self.assertEqual(figures, sorted(figures))
                self.assertGreater(figures[0], 0)

    def test_latency_at_a_share_of_the_maximum(self):
        # A machine that is busy may lose frames at a rate: then they are told.
        done = self.run_bench("--json", SECONDS, "latency=1", check=False)
        result, = json.loads(done.stdout)["results"]
        self.assertAlmostEqual((result["latency"] or {"pps": 0})["pps"], result["pps"] / 100,
                               delta=result["pps"] / 1000)
        self.assertEqual(done.returncode, 0 if result["verified"] else 1)

    def test_search(self):
        done = self.run_bench("--json", SECONDS, "--search", "resolution=25", check=False)
        result, = json.loads(done.stdout)["results"]
        trials = result["search"]["trials"]
        self.assertGreater(len(trials), 0)
        best = result["search"]["zero_loss_pps"]
        passed = [trial["offered_pps"] for trial in trials if trial["lost"] == 0]
        self.assertIn(best, [0, *passed])

    def test_table_and_csv(self):
        table = self.run_bench(SECONDS, "size=64,1500").stdout
        self.assertIn("MPPS", table)
        self.assertIn("kernel", table)
        rows = list(csv.DictReader(io.StringIO(self.run_bench(SECONDS, "--csv", "size=64,imix").stdout)))
        self.assertEqual([row["size"] for row in rows], ["64", "imix"])
        self.assertGreater(int(rows[0]["frames.received"]), 0)

    def test_plot(self):
        file = self.bench.folder / "plot's.svg"
        words = (SECONDS, "size=64,1500", "latency=1", "--plot", file)
        if shutil.which("gnuplot"):
            self.run_bench(*words, check=False)
            self.assertIn("</svg>", file.read_text())
        else:
            self.says(self.refused(3, *words), "gnuplot", "apt install")


@requires_root
class OtherSwitch(Bench):
    """A switch that runs already."""

    def start(self, **ports):
        self.switch = self.bench.switch("--busy-poll")
        self.switch("bridge", "add", "br0")
        for name, mode in ports.items():
            self.switch("port", "add", name, "vhost-user", "bridge=br0",
                        f"path={self.bench.folder / name}", f"mode={mode}", "profile=open")

    def sockets(self, *names):
        return [word for name in names for word in ("--socket", self.bench.folder / name)]

    def test_connect(self):
        self.start(a="server", b="server", c="server", d="server")
        report = self.measure(*self.sockets("a", "b", "c", "d"))
        self.assertEqual(report["options"]["pairs"], 2)
        self.assertEqual(report["results"][0]["workers"], [])
        report = self.measure(*self.sockets("a", "b"), f"control={self.switch.socket}",
                              "seconds=1")
        self.assertFalse(report["switch"]["own"])
        self.assertGreater(report["results"][0]["workers"][0]["packets"], 0)

    def test_listen(self):
        self.start(a="client", b="client")
        self.measure("--listen", *self.sockets("a", "b"))

    def test_guarded_ports(self):
        """The default profile: unknown addresses are limited, the frames of the run are not."""
        self.start(a="server", b="server")
        for name in ("a", "b"):
            self.switch("port", "set", name, "profile=default")
        self.measure(*self.sockets("a", "b"), "macs=100")

    def test_addresses_that_are_not_learnt(self):
        self.start(a="server", b="server")
        self.switch("port", "set", "a", "mac=52:54:00:ff:ff:ff", "profile=vm")
        done = self.refused(1, *self.sockets("a", "b"))
        self.says(done, "addresses", "bridge")

    def test_losses_are_named(self):
        self.start(a="server", b="server")
        self.switch("port", "set", "a", "out_rate_pps=20000")
        words = (*self.sockets("a", "b"), f"control={self.switch.socket}", SECONDS)
        done = self.run_bench("--json", *words, check=False)
        self.assertEqual(done.returncode, 1, done.stderr)
        self.says(done.stderr, "lost", "the switch dropped: rate_out", "on port a")
        result, = json.loads(done.stdout)["results"]
        drop, = result["switch_drops"]
        self.assertEqual((drop["port"], drop["reason"]), ("a", "rate_out"))
        self.assertEqual(drop["frames"], result["frames"]["lost"])

    def test_wrong_control_socket(self):
        self.start(a="server", b="server")
        words = (*self.sockets("b", "nowhere"), f"control={self.switch.socket}")
        self.says(self.refused(3, *words), "nowhere")

    def test_switch_dies(self):
        self.start(a="server", b="server")
        log = self.bench.folder / "bench.log"
        bench = Process([CLIENT, "bench", "seconds=60", *self.sockets("a", "b")], log,
                        env=self.environment)
        self.bench.cleanup.add(bench.kill)
        wait_until(lambda: self.switch.counters("a")["rx_packets"] > 1000, 20, "frames")
        self.switch.kill()
        self.assertEqual(bench.popen.wait(20), 1)
        self.says(tail(log), "switch")


@requires_root
class Ends(Bench):
    def interrupted(self, number):
        log = self.bench.folder / "bench.log"
        bench = Process([CLIENT, "bench", "seconds=60"], log, env=self.environment)
        self.bench.cleanup.add(bench.kill)
        wait_until(lambda: list(self.temporary.glob("*/vm1.sock")), 20, "a switch of its own")
        code, _ = bench.stop(number, 20)
        self.assertEqual(code, 1)
        self.says(tail(log), "interrupted")

    def test_ctrl_c(self):
        self.interrupted(signal.SIGINT)

    def test_terminated(self):
        self.interrupted(signal.SIGTERM)

    def test_daemon_that_does_not_start(self):
        self.says(self.refused(1, "daemon=/bin/false"), "/bin/false")
        self.says(self.refused(1, "daemon=/nowhere/patchbayd"), "/nowhere/patchbayd")

    def test_sockets_that_nobody_has(self):
        text = self.refused(3, "--socket", "/nowhere/a", "--socket", "/nowhere/b")
        self.says(text, "/nowhere/a", "--listen")

    def test_impossible_wishes(self):
        for words, says in ((["size=63"], "64..65536"),
                            (["--socket", "/a"], "pairs"),
                            (["in_flight=600"], "in_flight"),
                            (["ring_size=1000"], "power of two"),
                            (["cpus=4000"], "cpus"),
                            (["size=9000", "mergeable=no", "buffer=2048"], "buffer")):
            with self.subTest(words=words):
                self.says(self.refused(2, *words), says)
