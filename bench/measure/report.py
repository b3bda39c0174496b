# SPDX-License-Identifier: BSD-3-Clause
"""What a campaign found, as JSON and as Markdown."""

import dataclasses

from measure.cases import OURS, OVS, PATCHBAY, TESTPMD, TITLES, VIRTIO_USER
from measure.figures import DISTURBED_PERCENT, column, ratio

TRAFFIC_TITLES = {
    VIRTIO_USER: "DPDK virtio-user, macswap loop",
    OURS: "patchbay bench, verified frames",
}


@dataclasses.dataclass
class Row:
    """One case under one traffic side, over all rounds."""
    traffic: str
    case: object
    rounds: list

    @property
    def target(self):
        return self.case.targets[self.traffic]

    def mpps(self, switch):
        return column(self.rounds, switch, "mpps")

    def ratio(self, peer):
        return ratio(self.rounds, peer, getattr(self.target, peer))

    @property
    def busy(self):
        return column(self.rounds, PATCHBAY, "busy_percent")

    @property
    def cycles(self):
        return column(self.rounds, PATCHBAY, "cycles")

    @property
    def ceiling(self):
        return column(self.rounds, PATCHBAY, "ceiling_mpps")

    def samples(self):
        for samples in self.rounds:
            yield from samples.items()

    def as_json(self):
        result = {"traffic": self.traffic, "case": self.case.name,
                  "target": dataclasses.asdict(self.target),
                  "median_mpps": {name: self.mpps(name) for name in TITLES},
                  "busy_percent": self.busy, "cycles_per_packet": self.cycles,
                  "rounds": [{name: dataclasses.asdict(sample) for name, sample in samples.items()}
                             for samples in self.rounds]}
        for peer in (OVS, TESTPMD):
            found = self.ratio(peer)
            result[f"ratio_{peer}"] = found and dict(dataclasses.asdict(found), met=found.met)
        return result


def rows(campaign):
    return [Row(name, case, [samples for samples in campaign.results[name, case.name] if samples])
            for name, case in campaign.pairs]


def as_json(machine, versions, options, campaign):
    return {"compare": 1, "machine": machine, "versions": versions, "options": options,
            "rounds": campaign.rounds,
            "failures": [{"traffic": name, "case": case.name, "switch": switch, "text": text}
                         for name, case, switch, text in campaign.failures],
            "results": [row.as_json() for row in rows(campaign)]}


# ---- the table ----

def number(value, digits=1):
    return "–" if value is None else f"{value:.{digits}f}"


def rate(mpps):
    return number(mpps, 2 if mpps is None or mpps >= 0.995 else 4)


def judged(value, shown, target, sign, met):
    """"2.41 (≥ 2.3: met)"."""
    if value is None:
        return "–"
    if target is None:
        return shown
    return f"{shown} ({sign} {target:g}: {'met' if met else 'missed'})"


def ratio_text(found):
    if not found:
        return "–"
    shown = f"{found.median:.2f} [{found.low:.2f}, {found.high:.2f}]"
    return judged(found.median, shown, found.target, "≥", found.met)


def cycles_text(row):
    return judged(row.cycles, number(row.cycles), row.target.cycles, "≤",
                  row.cycles is not None and row.target.cycles is not None and
                  row.cycles <= row.target.cycles)


HEAD = ["case", *[f"{TITLES[name]}, Mpps" for name in TITLES], "patchbay / OVS-DPDK",
        "patchbay / testpmd", "busy, %", "cycles per packet", "traffic side at most, Mpps"]


def cells(row):
    return [row.case.title, *[rate(row.mpps(name)) for name in TITLES],
            ratio_text(row.ratio(OVS)), ratio_text(row.ratio(TESTPMD)), number(row.busy),
            cycles_text(row), rate(row.ceiling)]


def table(found):
    lines = [HEAD, ["---"] * len(HEAD), *[cells(row) for row in found]]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def plain_table(found):
    """The same for a terminal."""
    lines = [HEAD, *[cells(row) for row in found]]
    widths = [max(len(line[i]) for line in lines) for i in range(len(HEAD))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip()
                     for line in lines)


# ---- the page ----

def machine_lines(machine, versions):
    hz = machine["tsc_hz"]
    yield f"- Date: {machine['date']}; revision: {machine['revision']}"
    yield (f"- CPU: {machine['cpu']}, {machine['cpus']} CPUs, TSC "
           f"{f'{hz / 1e9:.3f} GHz' if hz else 'unknown'}, governor {machine['governor']}"
           f"{', in a virtual machine' if machine['hypervisor'] else ''}")
    yield (f"- Forwarding thread on CPU {machine['switch_cpu']}, traffic on CPU "
           f"{machine['traffic_cpu']}"
           f"{': two threads of one core' if machine['one_core'] else ''}")
    yield f"- Kernel: {machine['kernel']}; memory: {machine['memory_gib']} GiB"
    yield "- " + ", ".join(f"{TITLES.get(name, name)} {text}" for name, text in versions.items())
    yield f"- Load average at the start: {machine['load']:.2f}"


def remarks(found, failures):
    """What a reader must know before believing a number."""
    for name, case, switch, text in failures:
        yield f"{case.title}, {name}: {TITLES[switch]} failed: {text.splitlines()[0]}"
    samples = [sample for row in found for _, sample in row.samples()]
    disturbed = [sample.wait_percent for sample in samples
                 if sample.wait_percent > DISTURBED_PERCENT]
    if disturbed:
        yield (f"{len(disturbed)} of {len(samples)} measurements were disturbed: a polling thread "
               f"waited for its CPU, up to {max(disturbed):.0f} % of the time")
    for row in found:
        what = f"{row.case.title}, {row.traffic}"
        for name in TITLES:
            lost = [s.lost for n, s in row.samples() if n == name and s.lost and s.verified is None]
            if lost:
                yield (f"{what}: {TITLES[name]} dropped frames in {len(lost)} of {len(row.rounds)} "
                       f"rounds, at most {max(lost)}: fewer went round")
            bad = [s for n, s in row.samples() if n == name and s.verified is False]
            if bad:
                yield (f"{what}: {TITLES[name]} lost or changed frames in {len(bad)} of "
                       f"{len(row.rounds)} rounds: {bad[0].note.splitlines()[-1]}")


def markdown(machine, versions, options, campaign, plots):
    """plots: [(traffic name, file name)]."""
    found = rows(campaign)
    lines = ["# Side by side", "",
             "Written by `bench/compare`; [performance.md](performance.md) says how and what it "
             "means." if options["in_docs"] else "Written by `bench/compare`.", "",
             *machine_lines(machine, versions),
             f"- {campaign.rounds} round{'s' * (campaign.rounds != 1)} of {', '.join(TITLES[n] for n in campaign.chosen)} in "
             f"turn; {options['settle']:g} s of load, then {options['window']:g} s measured"
             f"{'; polling threads with real-time priority' if options['realtime'] else ''}", ""]
    for name in dict.fromkeys(row.traffic for row in found):
        lines += [f"## {TRAFFIC_TITLES[name]}", "",
                  "Medians over the rounds; ratios: median of the ratios of each round [lowest, "
                  "highest] (figure to reach).", "",
                  table([row for row in found if row.traffic == name]), ""]
        lines += [f"![{TRAFFIC_TITLES[n]}]({file})\n" for n, file in plots if n == name]
    notes = list(remarks(found, campaign.failures))
    if notes:
        lines += ["## Remarks", "", *[f"- {note}" for note in notes], ""]
    return "\n".join(lines).rstrip() + "\n"
