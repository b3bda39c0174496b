# SPDX-License-Identifier: BSD-3-Clause
"""What bench/compare, bench/guard and bench/instructions read, compute and write."""

import contextlib
import io
import json
import os
import pathlib
import subprocess
import tempfile
import types
import unittest
from unittest import mock

from harness.process import Failed
from measure import (boot, build, campaign, cases, compare, features, figures, guard, instructions,
                     machine, plot, promises, report, said, threads)
from measure.cases import OURS, OVS, PATCHBAY, TESTPMD, VIRTIO_USER
from measure.figures import Sample

PORTS = """\
show port stats all

  ######################## NIC statistics for port 0  ########################
  RX-packets: 2658720    RX-missed: 0          RX-bytes:  170158080
  RX-errors: 0
  RX-nombuf:  0
  TX-packets: 2659744    TX-errors: 0          TX-bytes:  170223616

  Throughput (since last show)
  Rx-pps:      2280746          Rx-bps:   1167742080
  Tx-pps:      2280740          Tx-bps:   1167742080
  ############################################################################

  ######################## NIC statistics for port 1  ########################
  RX-packets: 2658176    RX-missed: 0          RX-bytes:  170123264
  RX-errors: 0
  RX-nombuf:  0
  TX-packets: 2659200    TX-errors: 0          TX-bytes:  170188800

  Throughput (since last show)
  Rx-pps:      2280745          Rx-bps:   1167741480
  Tx-pps:      2280741          Tx-bps:   1167741480
  ############################################################################
"""

PMD = """\
pmd thread numa_id 0 core_id 3:
  packets received: 4622624
  avg. packets per output batch: 32.00
  idle cycles: 433134050 (18.54%)
  processing cycles: 1902981510 (81.46%)
  avg cycles per packet: 505.37 (2336115560/4622624)
  avg processing cycles per packet: 411.67 (1902981510/4622624)
main thread:
  packets received: 5
  avg processing cycles per packet: 9999.00 (1/1)
"""

PMD_IDLE = """\
pmd thread numa_id 0 core_id 0:
  packets received: 0
  idle cycles: 52356166 (100.00%)
  processing cycles: 0 (0.00%)
main thread:
  packets received: 0
"""

FORWARD = """\
  ---------------------- Forward statistics for port 0  ----------------------
  RX-packets: 100            RX-dropped: 0             RX-total: 100
  TX-packets: 90             TX-dropped: 10            TX-total: 100
  ----------------------------------------------------------------------------

  +++++++++++++++ Accumulated forward statistics for all ports+++++++++++++++
  RX-packets: 200            RX-dropped: 0             RX-total: 200
  TX-packets: 183            TX-dropped: 17            TX-total: 200
  ++++++++++++++++++++++++++++++++++++++++++++++++++++++++++++++++++++++++++++
"""

BENCH = {
    "report": 1, "machine": {"tsc_hz": 2299999849},
    "results": [{
        "size": 64, "pps": 12345678.0, "gbps": 6.32, "frames": {"lost": 32}, "verified": False,
        "switch_cycles_per_packet": 51.5, "workers": [{"busy_percent": 76.3}],
        "traffic": {"cycles_per_packet": 20.25, "ceiling_pps": 50e6}}]}


class Said(unittest.TestCase):
    def test_port_statistics(self):
        stats = said.port_stats(PORTS)
        self.assertEqual(sorted(stats), [0, 1])
        self.assertEqual(stats[0], said.PortStats(2658720, 2659744, 2280746, 2280740))
        self.assertEqual(sum(port.rx_pps for port in stats.values()), 4561491)

    def test_port_statistics_that_lack_something(self):
        with self.assertRaisesRegex(said.Unreadable, "no port statistics"):
            said.port_stats("testpmd> ")
        with self.assertRaisesRegex(said.Unreadable, "port 1 without Rx-pps, Tx-pps"):
            said.port_stats(PORTS[:PORTS.rindex("  Throughput")])

    def test_of_several_statistics_the_last_counts(self):
        again = PORTS.replace("2280746", "7")
        self.assertEqual(said.port_stats(PORTS + again)[0].rx_pps, 7)

    def test_pmd_statistics(self):
        self.assertEqual(said.pmd_stats(PMD), {3: (81.46, 411.67)})

    def test_a_pmd_thread_that_received_nothing(self):
        self.assertEqual(said.pmd_stats(PMD_IDLE), {0: (0.0, None)})

    def test_without_a_pmd_thread(self):
        with self.assertRaisesRegex(said.Unreadable, "PMD"):
            said.pmd_stats("main thread:\n  packets received: 0\n")

    def test_frames_that_were_dropped(self):
        self.assertEqual(said.ports_dropped([
            "{ovs_rx_qos_drops=9, ovs_tx_failure_drops=3, rx_dropped=1, rx_packets=8, tx_dropped=2}",
            "{ovs_tx_failure_drops=0}"]), 6)
        self.assertEqual(said.forward_dropped(FORWARD), 17)
        with self.assertRaisesRegex(said.Unreadable, "accumulated"):
            said.forward_dropped("testpmd> ")

    def test_versions_and_clock(self):
        text = "ovs-vswitchd-dpdk (Open vSwitch) 3.1.0\nDPDK 22.11.11\n"
        self.assertEqual(said.ovs_version(text), "3.1.0 (DPDK 22.11.11)")
        self.assertEqual(said.ovs_version("ovs-vswitchd (Open vSwitch) 3.1.0\n"), "3.1.0")
        with self.assertRaises(said.Unreadable):
            said.ovs_version("command not found")
        self.assertEqual(said.tsc_hz("EAL: TSC frequency is ~2300000 KHz\n"), 2300000000)
        self.assertIsNone(said.tsc_hz("EAL: Detected CPU lcores: 2\n"))

    def test_the_only_worker(self):
        row = {"worker": 0, "busy_percent": 40.0, "cycles_per_packet": 44.5, "packets": 9}
        self.assertEqual(said.worker([row]), (40.0, 44.5))
        self.assertEqual(said.worker([dict(row, packets=0)]), (None, None))
        with self.assertRaisesRegex(said.Unreadable, "2 workers"):
            said.worker([row, row])

    def test_report_of_bench(self):
        found = said.bench_result(BENCH)
        self.assertAlmostEqual(found.mpps, 12.345678)
        self.assertEqual((found.verified, found.lost, found.busy_percent, found.cycles),
                         (False, 32, 76.3, 51.5))
        self.assertEqual((found.ceiling_mpps, found.tsc_hz), (50.0, 2299999849))

    def test_report_of_bench_about_another_switch(self):
        text = json.loads(json.dumps(BENCH))
        text["results"][0].update(workers=[], switch_cycles_per_packet=None)
        text["results"][0]["traffic"]["ceiling_pps"] = 0
        found = said.bench_result(text)
        self.assertEqual((found.busy_percent, found.cycles, found.ceiling_mpps), (None,) * 3)

    def test_report_of_another_form(self):
        for wrong in ({}, {"results": []}, {"results": [{}]}, {"results": BENCH["results"] * 2}):
            with self.subTest(wrong), self.assertRaisesRegex(said.Unreadable, "patchbay bench"):
                said.bench_result(wrong)

    def test_line_of_path(self):
        line = "packets 9 frames per turn 2.0     64 B split   switch   91.4 cycles/packet (median 9)"
        self.assertEqual(said.path_cycles(line), 91.4)
        with self.assertRaises(said.Unreadable):
            said.path_cycles("path: no memory")

    def test_callgrind(self):
        self.assertEqual(said.callgrind_total("events: Ir\nsummary: 1710784\ntotals: 1710784\n"),
                         1710784)
        with self.assertRaises(said.Unreadable):
            said.callgrind_total("events: Ir\n")
        text = ("316,160 (18.48%)  /b/../vhost/vring_impl.h:vring_split_rx\n"
                " 15,616 ( 0.91%)  /b/../vhost/vring_split.c:vring_split_rx [/b/bench/steps]\n"
                "306,432 (17.91%)  /b/../datapath/decide.c:decide_burst [/b/bench/steps]\n")
        self.assertEqual(said.callgrind_functions(text),
                         {"vring_split_rx": 331776, "decide_burst": 306432})
        self.assertEqual(said.packets("packets 4096\n"), 4096)
        with self.assertRaises(said.Unreadable):
            said.packets("")

    def test_recorded_instructions(self):
        self.assertEqual(said.recorded("# a\n# compiler: gcc 12.2.0\n\n64-split 417.7\n"),
                         ({"64-split": 417.7}, "gcc 12.2.0"))
        with self.assertRaisesRegex(said.Unreadable, "64-split"):
            said.recorded("64-split many\n")

    def test_the_file_of_recorded_instructions_has_every_case(self):
        values, compiler = said.recorded(instructions.RECORD.read_text())
        self.assertEqual(set(values), set(instructions.CASES))
        self.assertTrue(compiler)


def rounds(*numbers):
    """Rounds of (OVS, testpmd, patchbay) in Mpps; None = was not measured."""
    return [{name: Sample(mpps=value) for name, value in zip((OVS, TESTPMD, PATCHBAY), row)
             if value is not None} for row in numbers]


class Figures(unittest.TestCase):
    def test_median(self):
        self.assertEqual(figures.median([3, 1, 2]), 2)
        self.assertEqual(figures.median([4, 1, None, 3, 2]), 2.5)
        self.assertIsNone(figures.median([]))
        self.assertIsNone(figures.median([None]))

    def test_median_of_ratios_is_not_ratio_of_medians(self):
        # The machine slows down from round to round; patchbay stays twice as fast.
        found = figures.ratio(rounds((10, 5, 20), (5, 2, 10), (1, 1, 2)), OVS, 2.0)
        self.assertEqual((found.median, found.low, found.high, found.met), (2.0, 2.0, 2.0, True))
        # 20/10, 10/6, 4/1: medians alone would give 10/6.
        found = figures.ratio(rounds((10, 9, 20), (6, 9, 10), (1, 9, 4)), OVS, 2.1)
        self.assertEqual((found.median, found.high, found.met), (2.0, 4.0, False))

    def test_rounds_that_lack_a_switch_do_not_count(self):
        found = figures.ratio(rounds((10, None, 30), (None, 1, 9), (10, None, None)), OVS, None)
        self.assertEqual((found.median, found.met), (3.0, None))
        self.assertIsNone(figures.ratio(rounds((10, None, 30)), TESTPMD, 1.0))
        self.assertIsNone(figures.ratio(rounds((0, 1, 1)), OVS, 1.0))

    def test_column(self):
        self.assertEqual(figures.column(rounds((1, 2, 3), (3, 2, 5)), PATCHBAY, "mpps"), 4)
        self.assertIsNone(figures.column(rounds((1, 2, 3)), PATCHBAY, "cycles"))

    def test_waiting(self):
        before, after = (figures.Wait.parse(text) for text in ("100 1000 5\n", "200 50001000 9\n"))
        self.assertAlmostEqual(before.percent_until(after, 2.0), 2.5)
        self.assertEqual(Sample(1, switch_wait_percent=None, traffic_wait_percent=3).wait_percent, 3)

    def test_guard(self):
        before, now, ratio, low, high = guard.summary([(100, 110), (50, 50), (80, 100)])
        self.assertEqual((before, now, ratio, low, high), (80, 100, 1.1, 1.0, 1.25))
        with self.assertRaisesRegex(Failed, "nothing was measured"):
            guard.summary([(0, 5)])

    def test_instructions_that_rose(self):
        before = {"a": 100.0, "b": 100.0, "c": 100.0}
        self.assertEqual(
            instructions.risen({"a": 102.9, "b": 103.1, "c": 50, "new": 7}, before, 3), ["b"])

    def test_limits_of_promises(self):
        self.assertTrue(promises.CASES["tag-edit"].holds(1.05))
        self.assertFalse(promises.CASES["tag-edit"].holds(1.06))
        self.assertTrue(promises.CASES["roofline"].holds(0.8))
        self.assertFalse(promises.CASES["roofline"].holds(0.79))
        self.assertTrue(promises.CASES["imix"].holds(0))

    def test_promises_compare_in_turns(self):
        case = promises.Case("ratio", ["a"], promises.rate, base=["b"])
        options = promises.parse_options(["--rounds", "3", "--seconds", "7"])
        rates, asked = iter([2e6, 1e6, 2e6, 4e6, 2e6, 3e6]), []  # 0.5, 2, 1.5

        def measured(_, words, seconds):
            asked.append((words, seconds))
            return {"pps": next(rates)}

        with mock.patch.object(promises, "measure", measured):
            self.assertEqual(promises.value_of(case, None, options), 1.5)
        self.assertEqual(asked, [(["b"], 7), (["a"], 7)] * 3)

    def test_features_over_their_limit(self):
        bases = {"alike": 200.0, "different": 400.0}
        found = {("mac-lock", "alike"): 205.9, ("mac-lock", "different"): 412.1,
                 ("ip-lock", "alike"): 500.0}
        self.assertEqual(features.over(found, bases), [("mac-lock", "different")])
        self.assertEqual(features.cycles("packets 64\ncycles 52.5\n"), 52.5)
        with self.assertRaises(said.Unreadable):
            features.cycles("packets 64\n")


class Threads(unittest.TestCase):
    def test_only_polling_threads_get_the_cpu(self):
        for name in ("worker/0", "worker/12", "rte-worker-1", "lcore-worker-1", "dpdk-worker1",
                     "pmd-c00/id:8"):
            self.assertTrue(threads.is_polling(name), name)
        for name in ("patchbayd", "eal-intr-thread", "vhost-events", "ovs-vswitchd", "rte_mp_handle",
                     "handler5", "revalidator6", "urcu3", "dpdk-testpmd", "worker", "xworker/0"):
            self.assertFalse(threads.is_polling(name), name)

    def test_this_thread(self):
        mine = os.getpid()
        self.assertIn(mine, [thread for thread, _ in threads.threads(mine)])
        self.assertEqual(threads.threads(2 ** 30), [])
        with mock.patch.object(threads, "NAMED_SECONDS", 0.05), \
                self.assertRaisesRegex(Failed, "switch: no thread that polls .* among"):
            threads.find_poller(mine, 0, "switch")
        self.assertIsNone(threads.find_pinned(mine, 0))

    def test_real_time_limit_is_restored(self):
        with tempfile.TemporaryDirectory() as folder:
            limit = pathlib.Path(folder) / "limit"
            limit.write_text("950000\n")
            with mock.patch.object(threads, "RT_RUNTIME", limit):
                realtime = threads.RealTime(True)
                realtime.begin()
                self.assertEqual(limit.read_text(), str(threads.RT_SHARE_US))
                realtime.end()
                self.assertEqual(limit.read_text(), "950000\n")
                untouched = threads.RealTime(False)
                untouched.begin()
                untouched.end()
                self.assertEqual(limit.read_text(), "950000\n")
                limit.unlink()
                with self.assertRaisesRegex(Failed, "--realtime: .*limit"):
                    threads.RealTime(True).begin()


class Machine(unittest.TestCase):
    def test_cpus(self):
        self.assertEqual(machine.parse_cpus("0,2-4\n"), {0, 2, 3, 4})
        allowed = mock.patch("os.sched_getaffinity", return_value={0, 1})
        with allowed:
            self.assertEqual(machine.Cpus.choose(0, 1), machine.Cpus(0, 1, [0, 1]))
            with self.assertRaisesRegex(Failed, "CPU 2 .*0, 1"):
                machine.Cpus.choose(0, 2)
            with self.assertRaisesRegex(Failed, "CPU each"):
                machine.Cpus.choose(1, 1)

    def pages(self, folder, **values):
        for name, value in values.items():
            (folder / name).write_text(str(value))
        return mock.patch.multiple("harness.testpmd", HUGEPAGES=folder), \
            mock.patch.object(machine, "HUGEPAGES", folder)

    def test_pages_that_cannot_be_had(self):
        with tempfile.TemporaryDirectory() as folder:
            folder = pathlib.Path(folder)
            # As in a container: what is written changes nothing.
            first, second = self.pages(folder, nr_hugepages=7, free_hugepages=3)
            with first, second:
                pages = machine.Pages()
                with self.assertRaisesRegex(Failed, "only 3 of 400 hugepages.*boot with"):
                    pages.reserve()
                pages.release()
                pages.release()
            self.assertEqual((folder / "nr_hugepages").read_text(), "7")

    def test_a_kernel_without_hugepages(self):
        with mock.patch.object(machine, "HUGEPAGES", pathlib.Path("/nonexistent")):
            with self.assertRaisesRegex(Failed, "no 2 MiB hugepages"):
                machine.Pages().reserve()

    def test_description(self):
        found = machine.describe(machine.Cpus(0, 1, [0, 1]))
        self.assertRegex(found["date"], r"^\d{4}-\d\d-\d\dT")
        self.assertTrue(found["kernel"])
        self.assertEqual((found["cpus"], found["switch_cpu"]), (2, 0))


class Build(unittest.TestCase):
    def test_a_command_that_fails_is_named(self):
        with self.assertRaisesRegex(Failed, "compiling: sh ended with code 3\n.*why"):
            build.command("compiling", "sh", "-c", "echo why; exit 3", seconds=20)
        with self.assertRaisesRegex(Failed, "no-such-program: not installed"):
            build.command("compiling", "no-such-program", seconds=20)
        with self.assertRaisesRegex(Failed, "compiling: no end after 0.1 s"):
            build.command("compiling", "sleep", "20", seconds=0.1)


MACHINE = {"date": "2026-01-01T00:00:00Z", "revision": "abc", "cpu": "A CPU", "cpus": 2,
           "switch_cpu": 0, "traffic_cpu": 1, "one_core": False, "memory_gib": 8, "kernel": "6.1",
           "hypervisor": True, "governor": "none", "load": 0.1, "tsc_hz": 2300000000}
VERSIONS = {OVS: "3.1.0", TESTPMD: "22.11", PATCHBAY: "0.1.0"}
SETTINGS = {"settle": 2, "window": 5, "realtime": False, "in_docs": True}


def one_campaign():
    """Two rounds of two cases, one failure, one disturbance, one loss."""
    by_name = {case.name: case for case in cases.CASES}
    pairs = [(VIRTIO_USER, by_name["64-split"]), (OURS, by_name["64k-split"])]
    done = campaign.Campaign(None, None, None, pairs, cases.SWITCHES)
    done.rounds = 2
    first, second = rounds((10, 12, 30), (10, 15, 20))
    first[PATCHBAY].busy_percent, first[PATCHBAY].cycles = 50.0, 44.0
    second[OVS].switch_wait_percent = 12.0
    second[OVS].lost, second[TESTPMD].lost = 0, 7
    done.results[VIRTIO_USER, "64-split"] = [first, second]
    large, = rounds((None, None, 0.25))
    large[PATCHBAY].verified = False
    large[PATCHBAY].note = "patchbay: 1 was lost"
    done.results[OURS, "64k-split"] = [large]
    done.failures = [(OURS, by_name["64k-split"], OVS, "ended with code 1\nmore words")]
    return done


class Report(unittest.TestCase):
    def setUp(self):
        self.campaign = one_campaign()
        self.page = report.markdown(MACHINE, VERSIONS, SETTINGS, self.campaign,
                                    [(VIRTIO_USER, "plot.svg")])

    def test_table(self):
        row, = [line for line in self.page.splitlines() if line.startswith("| 64 B split")]
        self.assertEqual([cell.strip() for cell in row.split("|")[1:-1]], [
            "64 B split", "10.00", "13.50", "25.00", "2.50 [2.00, 3.00] (≥ 2.3: met)",
            "1.92 [1.33, 2.50] (≥ 1.5: met)", "50.0", "44.0 (≤ 45: met)", "–"])

    def test_what_was_not_measured_is_a_dash(self):
        row, = [line for line in self.page.splitlines() if line.startswith("| 64 KiB TSO")]
        self.assertEqual([cell.strip() for cell in row.split("|")[1:-1]],
                         ["64 KiB TSO split", "–", "–", "0.2500", "–", "–", "–", "–", "–"])

    def test_page(self):
        for words in ("revision: abc", "TSC 2.300 GHz", "OVS-DPDK 3.1.0", "kernel: 6.1",
                      "2 rounds of OVS-DPDK, testpmd io, patchbay", "(plot.svg)",
                      "(performance.md)", "in a virtual machine"):
            self.assertIn(words.lower(), self.page.lower())
        self.assertTrue(self.page.endswith("\n"))
        for line in self.page.splitlines():
            self.assertEqual(line, line.rstrip())

    def test_remarks(self):
        self.assertEqual(list(report.remarks(report.rows(self.campaign), self.campaign.failures)), [
            "64 KiB TSO split, patchbay: OVS-DPDK failed: ended with code 1",
            "1 of 7 measurements were disturbed: a polling thread waited for its CPU, up to 12 % of "
            "the time",
            "64 B split, virtio-user: testpmd io dropped frames in 1 of 2 rounds, at most 7: fewer "
            "went round",
            "64 KiB TSO split, patchbay: patchbay lost or changed frames in 1 of 1 rounds: patchbay: "
            "1 was lost"])

    def test_missed_figures_are_called_so(self):
        self.campaign.results[VIRTIO_USER, "64-split"] = rounds((10, 20, 20))
        page = report.markdown(MACHINE, VERSIONS, SETTINGS, self.campaign, [])
        self.assertIn("2.00 [2.00, 2.00] (≥ 2.3: missed)", page)
        self.assertIn("1.00 [1.00, 1.00] (≥ 1.5: missed)", page)

    def test_json(self):
        text = json.dumps(report.as_json(MACHINE, VERSIONS, SETTINGS, self.campaign))
        found = json.loads(text)["results"][0]
        self.assertEqual(found["ratio_ovs"]["median"], 2.5)
        self.assertTrue(found["ratio_ovs"]["met"])
        self.assertEqual(found["rounds"][0][PATCHBAY]["cycles"], 44.0)
        self.assertEqual(json.loads(text)["failures"][0]["switch"], OVS)

    def test_plot(self):
        rows = [row for row in report.rows(self.campaign) if row.traffic == VIRTIO_USER]
        text = plot.script("title", rows, "/tmp/x.svg")
        self.assertIn('"64 B split" 25 20 30\n', text)
        self.assertIn('"64 B split" 10 10 10\n', text)
        if plot.installed():
            with tempfile.TemporaryDirectory() as folder:
                path = pathlib.Path(folder) / "x.svg"
                plot.draw("title", report.rows(self.campaign), path)
                self.assertIn("<svg", path.read_text())


class Order(unittest.TestCase):
    """Who is measured when, with measurements that are made up."""

    def run_campaign(self, pairs, chosen, broken=()):
        order = []
        done = campaign.Campaign(None, None, None, pairs, chosen)

        def measure(switch, traffic, case, where):
            order.append((traffic, case.name, switch))
            if switch in broken:
                raise Failed("it did not start")
            return Sample(mpps=1.0, gbps=1.0)

        done.measure = measure
        with mock.patch.object(campaign, "say"):
            done.run(2)
        return done, order

    def test_switches_take_turns(self):
        pairs = cases.plan(cases.CASES[:1], [VIRTIO_USER])
        _, order = self.run_campaign(pairs, cases.SWITCHES)
        self.assertEqual([switch for _, _, switch in order], [OVS, TESTPMD, PATCHBAY] * 2)

    def test_testpmd_gets_no_large_frames(self):
        pairs = cases.plan(cases.CASES[-1:], [VIRTIO_USER, OURS])
        _, order = self.run_campaign(pairs, cases.SWITCHES)
        self.assertEqual(order, [(OURS, "64k-split", OVS), (OURS, "64k-split", PATCHBAY)] * 2)

    def test_one_that_fails_does_not_stop_the_others(self):
        pairs = cases.plan(cases.CASES[:1], [OURS])
        done, order = self.run_campaign(pairs, cases.SWITCHES, broken=[TESTPMD])
        self.assertEqual(len(order), 6)
        self.assertEqual([failure[2] for failure in done.failures], [TESTPMD] * 2)
        self.assertEqual(set(done.results[OURS, "64-split"][0]), {OVS, PATCHBAY})


class Options(unittest.TestCase):
    def refused(self, parse, *words):
        errors = io.StringIO()
        with contextlib.redirect_stderr(errors), self.assertRaises(SystemExit) as end:
            parse(words)
        self.assertEqual(end.exception.code, 2)
        return errors.getvalue()

    def test_compare(self):
        options = compare.parse_options([])
        self.assertEqual((options.rounds, options.settle, options.window), (5, 2.0, 5.0))
        self.assertEqual(len(options.pairs), 9)
        options = compare.parse_options(["--quick", "--traffic", "virtio-user", "--case",
                                         "1500-packed,64-split", "--window", "3"])
        self.assertEqual((options.rounds, options.settle, options.window), (1, 0.5, 3.0))
        self.assertEqual([case.name for _, case in options.pairs], ["64-split", "1500-packed"])

    def test_compare_refuses(self):
        for words, text in ((["--case", "65-split"], "no '65-split'"),
                            (["--rounds", "0"], "--rounds"), (["--window", "x"], "--window"),
                            (["--window", "nan"], "--window"),
                            (["--switch", "vpp"], "no 'vpp'"),
                            (["--case", "64k-split", "--traffic", "virtio-user"], "none of them"),
                            (["--json", "/nonexistent/x"], "no folder /nonexistent")):
            with self.subTest(words):
                self.assertIn(text, self.refused(compare.parse_options, *words))

    def test_others_refuse(self):
        self.assertIn("no case x", self.refused(instructions.parse_options, "x"))
        self.assertIn("no feature x", self.refused(features.parse_options, "x"))
        self.assertIn("no case x", self.refused(promises.parse_options, "x"))
        self.assertIn("all cases", self.refused(instructions.parse_options, "--record", "64-split"))
        self.assertIn("--case", self.refused(guard.parse_options, "--case", "x"))

    def test_programs_say_what_they_are(self):
        for name in ("cases", "compare", "features", "guard", "instructions"):
            done = subprocess.run([build.ROOT / "bench" / name, "--help"], text=True, timeout=30,
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            self.assertEqual(done.returncode, 0, done.stdout)
            self.assertIn(f"usage: {name}", done.stdout)

    def test_compare_needs_root(self):
        with mock.patch("os.geteuid", return_value=1000), \
                self.assertRaisesRegex(Failed, "needs root"):
            compare.prepare(types.SimpleNamespace())

    def test_guard_compares_what_was_compiled_alike(self):
        options = [{"name": name, "value": value} for name, value in guard.OPTIONS.items()]
        with mock.patch.object(build, "command", return_value=json.dumps(options)):
            guard.check_options("folder")
        options[1]["value"] = "0"
        with mock.patch.object(build, "command", return_value=json.dumps(options)), \
                self.assertRaisesRegex(Failed, "optimization=0"):
            guard.check_options("folder")


SMAPS = """\
7f0000000000-7f000c000000 rw-s 00000000 00:01 2051    /memfd:guest-memory (deleted)
Rss:               61000 kB
Pss:               61000 kB
7f0010000000-7f0010100000 rw-p 00000000 00:00 0
Rss:                 300 kB
Pss:                 300 kB
7f0020000000-7f0020100000 r-xp 00000000 fe:00 1       /usr/lib/x86_64-linux-gnu/libc.so.6
Rss:                1500 kB
Pss:                  24 kB
"""


class Boot(unittest.TestCase):
    def test_memory_beside_the_guests(self):
        self.assertEqual(boot.memory(SMAPS), 324 << 10)

    def test_mark(self):
        self.assertEqual(boot.MARK.search(b"\r\ninit begins after 1.75 s\r\n").group(1), b"1.75")

    def test_verdicts(self):
        def boots(seconds, uptime, mebibytes):
            return [boot.Boot(seconds * part, uptime * part, 7, mebibytes << 20, 0, 0, 0)
                    for part in (1, 0.5, 2)]

        results = {boot.OURS: boots(2, 1.5, 3), boot.Q35: boots(4, 2, 30),
                   boot.MICROVM: boots(5, 1, 30)}
        found = list(boot.verdicts(results).values())
        self.assertEqual(found, [(3, 5, True), (0.5, 0.7, True), (1.5, 1, False)])
        self.assertIn("| patchbay vm run | 2.00 | 1.50 | 7 | 3.0 | 0.0 | 0.0 |", boot.table(results))
        self.assertEqual(len(boot.verdicts({boot.OURS: boots(2, 1, 6)})), 1)


if __name__ == "__main__":
    unittest.main()
