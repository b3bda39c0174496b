# SPDX-License-Identifier: BSD-3-Clause
"""Compares patchbay with OVS-DPDK and with DPDK's testpmd, side by side on this machine.

Each switch forwards between two vhost-user ports with one thread; switches take turns, so that what
changes on the machine meets them all.  Needs root (hugepages, packages), two CPUs, 1 GiB of memory.
docs/performance.md explains the method.
"""

import argparse
import json
import os
import pathlib
import signal
import sys

from harness.cleanup import Cleanup
from harness.process import Failed
from harness.progress import say
from measure import build, plot
from measure.cases import CASES, OURS, SWITCHES, VIRTIO_USER, plan
from measure.said import Unreadable

ROUNDS = 5
GOALS = ["control/patchbayd", "cli/patchbay"]


def words(allowed):
    """Parses a list with commas of some of these words."""
    def parse(text):
        chosen = text.split(",")
        for word in chosen:
            if word not in allowed:
                raise argparse.ArgumentTypeError(f"no {word!r}; there are: {', '.join(allowed)}")
        return [word for word in allowed if word in chosen]
    return parse


def positive(kind):
    def parse(text):
        value = kind(text)
        if not 0 < value <= 3600:
            raise argparse.ArgumentTypeError("from 1 to 3600")
        return value
    parse.__name__ = kind.__name__
    return parse


def parse_options(arguments):
    parser = argparse.ArgumentParser(prog="compare", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--rounds", type=positive(int), default=ROUNDS, help="default: %(default)s")
    add("--quick", action="store_true",
        help="one round of short measurements: to see that it works, not to quote")
    add("--traffic", choices=[VIRTIO_USER, OURS, "both"], default="both",
        help="what drives the switches: DPDK's virtio-user, `patchbay bench`, or each in turn")
    add("--case", type=words([case.name for case in CASES]), default=None, metavar="NAME,...",
        help=f"of {', '.join(case.name for case in CASES)}; default: all")
    add("--switch", type=words(SWITCHES), default=SWITCHES, metavar="NAME,...",
        help=f"of {', '.join(SWITCHES)}; default: all")
    add("--settle", type=positive(float), default=None, metavar="S",
        help="seconds of load before a measurement; default: 2")
    add("--window", type=positive(float), default=None, metavar="S",
        help="seconds that are measured; default: 5")
    add("--switch-cpu", type=int, default=0, metavar="CPU", help="default: 0")
    add("--traffic-cpu", type=int, default=1, metavar="CPU", help="default: 1")
    add("--realtime", action="store_true",
        help="polling threads get real-time priority: for machines that do other work too")
    add("--json", type=pathlib.Path, metavar="FILE", help="write everything that was measured")
    add("--report", type=pathlib.Path, metavar="FILE.md",
        help="write a page with tables, and plots beside it if gnuplot is installed")
    add("--logs", type=pathlib.Path, metavar="FOLDER", help="keep the logs of all programs there")
    options = parser.parse_args(arguments)
    if options.quick:
        options.rounds = 1
    options.settle = options.settle or (0.5 if options.quick else 2.0)
    options.window = options.window or (1.0 if options.quick else 5.0)
    options.traffics = [VIRTIO_USER, OURS] if options.traffic == "both" else [options.traffic]
    options.pairs = plan([case for case in CASES if not options.case or case.name in options.case],
                         options.traffics)
    if not options.pairs:
        parser.error(f"--case {','.join(options.case)}: none of them goes with --traffic "
                     f"{options.traffic}")
    for path in (options.json, options.report):
        if path and not path.absolute().parent.is_dir():
            parser.error(f"{path}: there is no folder {path.parent}")
    return options


def prepare(options):
    """Packages and programs; `measure` modules that need them are imported after this."""
    if os.geteuid() != 0:
        raise Failed("needs root: it reserves hugepages and installs packages (try sudo)")
    folder = build.build_folder()
    os.environ["PATCHBAY_BUILD"] = str(folder)
    build.install("build", "compare")
    say("building patchbay")
    build.build(folder, *GOALS)


def write(options, campaign, machine, versions):
    from measure import report

    machine["tsc_hz"] = campaign.tsc_hz
    settings = {"rounds": options.rounds, "settle": options.settle, "window": options.window,
                "realtime": options.realtime, "quick": options.quick}
    found = report.rows(campaign)
    for line in report.machine_lines(machine, versions):
        print(line)
    for name in options.traffics:
        mine = [row for row in found if row.traffic == name]
        if mine:
            print(f"\n{report.TRAFFIC_TITLES[name]}\n{report.plain_table(mine)}")
    for note in report.remarks(found, campaign.failures):
        print(f"note: {note}")
    if options.json:
        document = report.as_json(machine, versions, settings, campaign)
        options.json.write_text(json.dumps(document, indent=1) + "\n")
    if options.report:
        plots = draw_plots(options.report, found)
        beside = options.report.absolute().parent / "performance.md"
        settings["in_docs"] = beside.exists()
        options.report.write_text(report.markdown(machine, versions, settings, campaign, plots))


def draw_plots(path, found):
    from measure import report

    if not plot.installed():
        print("no plots: gnuplot is not installed (package gnuplot-nox)")
        return []
    plots = []
    # Rates of large frames would be too low to be seen beside the others.
    small = [row for row in found if not row.case.segmentation]
    for name in dict.fromkeys(row.traffic for row in small):
        file = path.absolute().with_name(f"{path.stem}-{name}.svg")
        plot.draw(report.TRAFFIC_TITLES[name], [row for row in small if row.traffic == name], file)
        plots.append((name, file.name))
    return plots


def measure(options, cleanup):
    """The exit code: 1 when something could not be measured."""
    from measure import machine, switches
    from measure.campaign import Campaign, Timing
    from measure.threads import RealTime

    cpus = machine.Cpus.choose(options.switch_cpu, options.traffic_cpu)
    if cpus.share_a_core():
        print(f"note: CPUs {cpus.switch} and {cpus.traffic} are threads of one core; see "
              f"--traffic-cpu", flush=True)
    described = machine.describe(cpus)
    versions = {name: switches.version(name) for name in options.switch}
    if VIRTIO_USER in options.traffics:
        versions["DPDK virtio-user"] = switches.package_version("dpdk")
    pages = machine.Pages()
    cleanup.add(pages.release)
    pages.reserve()
    realtime = RealTime(options.realtime)
    cleanup.add(realtime.end)
    realtime.begin()
    campaign = Campaign(cpus, Timing(options.settle, options.window), realtime, options.pairs,
                        options.switch, options.logs)
    try:
        campaign.run(options.rounds)
    finally:
        if campaign.rounds:
            write(options, campaign, described, versions)
    return 1 if campaign.failures else 0


def interrupted(signum, _):
    for other in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(other, signal.SIG_IGN)
    raise KeyboardInterrupt


def main(arguments=None):
    options = parse_options(arguments)
    for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(signum, interrupted)
    cleanup = Cleanup()
    try:
        prepare(options)
        code = measure(options, cleanup)
    except KeyboardInterrupt:
        sys.exit("compare: interrupted")
    except (Failed, Unreadable) as error:
        sys.exit(f"compare: {error}")
    finally:
        cleanup.run()
    sys.exit(code)


if __name__ == "__main__":
    main()
