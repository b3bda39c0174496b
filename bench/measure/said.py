# SPDX-License-Identifier: BSD-3-Clause
"""Reads what other programs say: text in, numbers out."""

import dataclasses
import re


class Unreadable(Exception):
    """A program said something else than expected."""


@dataclasses.dataclass
class PortStats:
    """One port of testpmd's "show port stats all"."""
    rx_packets: int
    tx_packets: int
    rx_pps: int
    tx_pps: int


PORT = re.compile(r"NIC statistics for port (\d+)")
FIELD = re.compile(r"\b([RT]x-pps|[RT]X-packets):\s*(\d+)")
FIELDS = {"RX-packets": "rx_packets", "TX-packets": "tx_packets", "Rx-pps": "rx_pps",
          "Tx-pps": "tx_pps"}


def port_stats(text):
    """{port number: PortStats} of the last statistics of each port."""
    found = {}
    parts = PORT.split(text)
    for number, part in zip(parts[1::2], parts[2::2]):
        values = {FIELDS[name]: int(value) for name, value in FIELD.findall(part)}
        if len(values) != len(FIELDS):
            raise Unreadable(f"testpmd: statistics of port {number} without "
                             f"{', '.join(n for n, f in FIELDS.items() if f not in values)}")
        found[int(number)] = PortStats(**values)
    if not found:
        raise Unreadable("testpmd: no port statistics")
    return found


def tsc_hz(text):
    """The TSC frequency that DPDK's EAL found, in its log at level debug; None when it is absent."""
    match = re.search(r"TSC frequency is ~(\d+) KHz", text)
    return int(match.group(1)) * 1000 if match else None


PMD = re.compile(r"^pmd thread numa_id \d+ core_id (\d+):$", re.M)
PERCENT = re.compile(r"processing cycles: \d+ \(([\d.]+)%\)")
CYCLES = re.compile(r"avg processing cycles per packet: ([\d.]+)")


def pmd_stats(text):
    """{CPU: (busy per cent, busy cycles per packet)} of OVS' "dpif-netdev/pmd-stats-show".

    The numbers are None for a thread that received nothing.
    """
    parts = PMD.split(text.split("main thread:")[0])
    if len(parts) < 3:
        raise Unreadable("ovs-vswitchd: no statistics of a PMD thread")
    found = {}
    for cpu, part in zip(parts[1::2], parts[2::2]):
        percent, cycles = PERCENT.search(part), CYCLES.search(part)
        found[int(cpu)] = (float(percent.group(1)) if percent else None,
                           float(cycles.group(1)) if cycles else None)
    return found


def ports_dropped(texts):
    """Frames that did not pass, in the "statistics" of Open vSwitch's interfaces."""
    return sum(int(value) for text in texts
               for value in re.findall(r"\b(?:[rt]x_dropped|ovs_tx_failure_drops)=(\d+)", text))


def forward_dropped(text):
    """Frames that testpmd could not send, in its "show fwd stats all"."""
    match = re.search(r"Accumulated forward statistics.*?TX-dropped:\s*(\d+)", text, re.S)
    if not match:
        raise Unreadable("testpmd: no accumulated forward statistics")
    return int(match.group(1))


def ovs_version(text):
    """"3.1.0 (DPDK 22.11.4)" of ovs-vswitchd --version."""
    own = re.search(r"\(Open vSwitch\) (\S+)", text)
    dpdk = re.search(r"^DPDK (\S+)", text, re.M)
    if not own:
        raise Unreadable("ovs-vswitchd: no version")
    return own.group(1) + (f" (DPDK {dpdk.group(1)})" if dpdk else "")


def worker(rows):
    """(busy per cent, busy cycles per packet) of the only worker in the rows of `worker show`.

    None when it counted no packet.
    """
    if len(rows) != 1:
        raise Unreadable(f"patchbay: {len(rows)} workers instead of one")
    if not rows[0]["packets"]:
        return None, None
    return rows[0]["busy_percent"], rows[0]["cycles_per_packet"]


@dataclasses.dataclass
class BenchResult:
    """What `patchbay --json bench` says of one size."""
    mpps: float
    gbps: float
    verified: bool
    lost: int
    busy_percent: float
    cycles: float
    traffic_cycles: float
    ceiling_mpps: float
    tsc_hz: int


def bench_result(report):
    """The only result of a report, parsed from JSON."""
    try:
        result, = report["results"]
        workers, traffic = result["workers"], result["traffic"]
        return BenchResult(
            mpps=result["pps"] / 1e6, gbps=result["gbps"], verified=result["verified"],
            lost=result["frames"]["lost"],
            busy_percent=workers[0]["busy_percent"] if workers else None,
            cycles=result["switch_cycles_per_packet"],
            traffic_cycles=traffic["cycles_per_packet"],
            ceiling_mpps=traffic["ceiling_pps"] / 1e6 or None,
            tsc_hz=report["machine"]["tsc_hz"])
    except (KeyError, ValueError, TypeError) as error:
        raise Unreadable(f"patchbay bench: a report of another form: {error!r}") from None


# bench/path: a line for people, of revisions that know no other output, and JSON.
PATH = re.compile(r"switch\s+([\d.]+) cycles/packet")


def path_cycles(text):
    """Cycles per packet of the lowest tenth of windows."""
    match = PATH.search(text)
    if not match:
        raise Unreadable(f"bench/path: no cycles per packet in {text.strip()!r}")
    return float(match.group(1))


def callgrind_total(text):
    """Instructions counted in a callgrind output file."""
    match = re.search(r"^(?:totals|summary): (\d+)", text, re.M)
    if not match:
        raise Unreadable("callgrind: no totals in its output file")
    return int(match.group(1))


FUNCTION = re.compile(r"^\s*([\d,]+) \([\s\d.]+%\)\s+\S*?:([\w.]+)", re.M)


def callgrind_functions(text):
    """{function: instructions} of callgrind_annotate; what was inlined counts for its caller."""
    found = {}
    for count, name in FUNCTION.findall(text.split("Auto-annotated source")[0]):
        found[name] = found.get(name, 0) + int(count.replace(",", ""))
    return found


def packets(text):
    """The number that bench/steps counted."""
    match = re.search(r"^packets (\d+)$", text, re.M)
    if not match:
        raise Unreadable(f"bench/steps: no number of packets in {text.strip()!r}")
    return int(match.group(1))


def recorded(text):
    """({name: instructions per packet}, compiler) of bench/instructions.txt."""
    values = {}
    for line in text.splitlines():
        if line.strip() and not line.startswith("#"):
            try:
                name, value = line.split()
                values[name] = float(value)
            except ValueError:
                raise Unreadable(f"instructions.txt: not a name and a number: {line!r}") from None
    compiler = re.search(r"^# compiler: (.*)$", text, re.M)
    return values, compiler.group(1).strip() if compiler else None
