# SPDX-License-Identifier: BSD-3-Clause
"""Compares patchbay with OVS-DPDK between a guest and an uplink: AF_XDP on a veth (the kernel copies
there), and the null device, which is the limit without a card.

The guest is DPDK's virtio-user in testpmd, on a CPU of its own, as fast as it can.  `out`: what
arrives behind the uplink is counted, for afxdp by the far end of the veth.  Needs root, two CPUs and
1 GiB of memory; installs Debian's packages of Open vSwitch and DPDK.
"""

import argparse
import dataclasses
import os
import pathlib
import re
import shutil
import statistics
import sys
import tempfile
import time

from harness.cleanup import Cleanup
from harness.process import Failed, Process, run
from harness.progress import say
from harness.wait import Timeout
from measure import build
from measure.said import Unreadable

NEAR, FAR = "up0", "up0x"
GUEST_MAC = "52:54:00:00:00:01"
# On the null device everything is sent to, and nothing comes from: an address nobody has.
OUTSIDE_MAC = "02:00:00:00:00:99"
KINDS = ("afxdp", "null")
SIZES = (64, 1500)
TARGETS = {"afxdp": 1.2, "null": 1.3}
BROKEN = (Failed, Timeout, Unreadable, OSError)
RING = 1024


@dataclasses.dataclass
class Result:
    mpps: float
    cycles: float  # of the switch per packet; None where it does not know


def parse_options(arguments=None):
    parser = argparse.ArgumentParser(prog="uplink", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--rounds", type=int, default=5, help="default: %(default)s")
    add("--window", type=float, default=3.0, metavar="S", help="seconds measured; default: 3")
    add("--settle", type=float, default=1.0, metavar="S", help="of load before; default: 1")
    add("--kind", choices=KINDS, action="append", help="default: both")
    add("--size", type=int, choices=SIZES, action="append", help="default: both")
    add("--switch-cpu", type=int, default=0, metavar="CPU", help="default: 0")
    add("--traffic-cpu", type=int, default=1, metavar="CPU", help="default: 1")
    options = parser.parse_args(arguments)
    options.kind = options.kind or list(KINDS)
    options.size = options.size or list(SIZES)
    return options


# ---- the wire ----

def mount_own():
    """What shows the interfaces of this namespace, and keeps XDP programs."""
    run("mount", "--make-rprivate", "/")
    run("mount", "-t", "sysfs", "sysfs", "/sys")
    run("mount", "-t", "bpf", "bpf", "/sys/fs/bpf")


def lay_cable(cleanup):
    """A new one for each measurement: Open vSwitch leaves its XDP program on the interface."""
    run("ip", "link", "add", NEAR, "type", "veth", "peer", "name", FAR)
    cleanup.add(run, "ip", "link", "del", NEAR)
    for name in (NEAR, FAR):
        # Nothing of the kernel's own, in either direction.
        pathlib.Path(f"/proc/sys/net/ipv6/conf/{name}/disable_ipv6").write_text("1")
        run("ip", "link", "set", name, "arp", "off", "up")
    run("ethtool", "-K", FAR, "tx", "off", "txvlan", "off")


def far_received():
    return int(pathlib.Path(f"/sys/class/net/{FAR}/statistics/rx_packets").read_text())


# ---- the switches ----

def make_switches():
    """Their modules look for the programs, which are built by then."""
    from measure import switches

    class Patchbay(switches.Patchbay):
        def start(self):
            super().start()
            keys = {"afxdp": ["afxdp", f"dev={NEAR}"], "null": ["null"]}[self.kind]
            self.switch("port", "del", "vm2")
            self.switch("port", "add", "up", *keys, "bridge=br0")
            self.switch("port", "set", "vm1", "profile=open")
            self.switch("fdb", "add", "br0", OUTSIDE_MAC, "port=up")

        def sent(self):
            return self.switch.counters("up")["tx_packets"]

    class OpenVSwitch(switches.OpenVSwitch):
        def process(self, name, *command):
            # It must see the veth, which is in our own namespace.
            words = command[2:] if command[:2] == ("unshare", "--net") else command
            return Process(words, self.folder / f"{name}.log", env=self.environment)

        def add_ports(self):
            self.sockets = self.sockets[:1]
            super().add_ports()
            device = {"afxdp": f"net_af_xdp0,iface={NEAR}", "null": "net_null0,no-rx=1"}[self.kind]
            self.vsctl("add-port", switches.OVS_BRIDGE, "up", "--", "set", "Interface", "up",
                       "type=dpdk", f"options:dpdk-devargs={device}")
            error = self.vsctl("get", "Interface", "up", "error")
            if error != "[]":
                raise Failed(f"ovs-vswitchd: {device}: {error}\n{switches.log_of(self.folder)}")
            self.appctl("fdb/add", switches.OVS_BRIDGE, "up", "0", OUTSIDE_MAC)

        def sent(self):
            # The database has its counters every 5 s only.
            part = re.search(r"port \d+: up .*?TX packets:(\d+)", self.appctl("dpctl/show", "-s"),
                             re.S)
            if not part:
                raise Unreadable("dpctl/show does not tell what port up has sent")
            return int(part.group(1))

    return [OpenVSwitch, Patchbay]


# ---- one measurement ----

def sent_count(switch, kind):
    return far_received() if kind == "afxdp" else switch.sent()


def measure(make, kind, size, cpus, options):
    from measure.loop import PinnedTestpmd

    folder = pathlib.Path(tempfile.mkdtemp(prefix="pbup."))
    cleanup = Cleanup()
    cleanup.add(shutil.rmtree, folder, True)
    try:
        lay_cable(cleanup)
        switch = make(folder, cpus, False)
        switch.kind = kind
        cleanup.add(switch.stop)
        switch.start()
        guest = PinnedTestpmd(
            folder, "guest", cpus.traffic, cpus.all,
            [f"net_virtio_user0,path={folder}/vm1,queue_size={RING},mac={GUEST_MAC}"],
            "--forward-mode=txonly", f"--eth-peer=0,{OUTSIDE_MAC}", f"--txpkts={size}",
            "--mbcache=512", "--total-num-mbufs=6144", "--port-topology=loop")
        cleanup.add(guest.stop)
        guest.start()
        guest.start_forwarding()
        time.sleep(options.settle)
        switch.reset()
        before, begin = sent_count(switch, kind), time.monotonic()
        time.sleep(options.window)
        after, seconds = sent_count(switch, kind), time.monotonic() - begin
        return Result((after - before) / seconds / 1e6, switch.read()[1])
    except BROKEN as error:
        from measure import switches
        raise Failed(f"{error}\n{switches.log_of(folder)}".rstrip()) from None
    finally:
        cleanup.run()


def table(results):
    """Lines: medians, and the median of the ratios of each round."""
    yield f"{'uplink':8} {'size':>5} {'OVS-DPDK':>10} {'patchbay':>10} {'ratio':>6} {'target':>6}  cycles"
    for (kind, size), rounds in results.items():
        pairs = [pair for pair in rounds if len(pair) == 2 and pair[0].mpps > 0]
        if not pairs:
            continue
        ovs, ours = ([pair[i] for pair in pairs] for i in (0, 1))
        ratio = statistics.median(b.mpps / a.mpps for a, b in pairs)
        cycles = " / ".join(f"{statistics.median(r.cycles for r in side):.0f}"
                            if all(r.cycles for r in side) else "?" for side in (ovs, ours))
        yield (f"{kind:8} {size:5} {statistics.median(r.mpps for r in ovs):9.3f}M "
               f"{statistics.median(r.mpps for r in ours):9.3f}M {ratio:6.2f} "
               f"{TARGETS[kind]:6.1f}  {cycles}")


def campaign(options, cleanup):
    from measure import machine

    cpus = machine.Cpus.choose(options.switch_cpu, options.traffic_cpu)
    pages = machine.Pages()
    cleanup.add(pages.release)
    pages.reserve()
    mount_own()
    results = {(kind, size): [] for kind in options.kind for size in options.size}
    failed = False
    for number in range(1, options.rounds + 1):
        for kind, size in results:
            pair = []
            results[kind, size].append(pair)
            for make in make_switches():
                try:
                    pair.append(measure(make, kind, size, cpus, options))
                    text = f"{pair[-1].mpps:.3f} Mpps"
                except BROKEN as error:
                    failed, text = True, f"failed: {error}"
                say(f"round {number}, {kind}, {size} B, {make.name}: {text}")
    print("\n".join(table(results)))
    return failed


def main(options):
    cleanup = Cleanup()
    try:
        if os.geteuid() != 0:
            raise Failed("needs root: it makes interfaces, reserves hugepages, installs packages")
        folder = build.build_folder()
        os.environ["PATCHBAY_BUILD"] = str(folder)
        build.install("build", "compare")
        build.build(folder, "control/patchbayd", "cli/patchbay")
        failed = campaign(options, cleanup)
    except KeyboardInterrupt:
        sys.exit("uplink: interrupted")
    except (Failed, Unreadable) as error:
        sys.exit(f"uplink: {error}")
    finally:
        cleanup.run()
    sys.exit(1 if failed else 0)
