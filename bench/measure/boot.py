# SPDX-License-Identifier: BSD-3-Clause
"""Compares our monitor with QEMU's machines q35 and microvm (acpi=on) at starting a guest.

Debian's stock cloud kernel, the same file, initial file system and command line for all, one after
the other in each round, under KVM.  Seconds: from the start of the process to the first process of
the guest, and the guest's uptime there.  Then, while the guest sleeps, what its monitor takes: memory
beside the guest's, and how often it wakes up.

Without hardware virtualisation all of it happens in an outer machine that QEMU's TCG gives AMD's SVM:
then the ratios count, no absolute figure.  Needs root, two CPUs and 2 GiB of memory.
"""

import argparse
import dataclasses
import json
import os
import pathlib
import re
import select
import shlex
import statistics
import subprocess
import sys
import tempfile
import time

from harness import accel, guest_image, hardware, nested_image
from harness.nested import Job, Nested
from harness.process import Failed, die_with_parent
from harness.progress import say
from harness.switch import CLIENT, ROOT

OURS, Q35, MICROVM = "patchbay", "q35", "microvm"
TITLES = {OURS: "patchbay vm run", Q35: "QEMU -M q35", MICROVM: "QEMU -M microvm,acpi=on"}
MEMORY_MB = 192
APPEND = "console=ttyS0 quiet panic=-1 mitigations=off random.trust_cpu=on"
MARK = re.compile(rb"init begins after ([\d.]+) s")
# The first process: says when it has begun, then sleeps.
INIT = b"""#!/bin/busybox sh
/bin/busybox mount -t proc proc /proc
read -r up rest </proc/uptime
echo "init begins after $up s" >/dev/console
while :; do /bin/busybox sleep 1000; done
"""
BOOT_SECONDS = 120
SETTLE_SECONDS = 3
SILENCE_SECONDS = 600
OUTER_MEMORY = 2048
TARGET_RATIO = 0.7
TARGET_BYTES = 5 << 20


@dataclasses.dataclass
class Boot:
    """One start of a guest."""
    seconds: float  # to its first process
    uptime: float   # of the guest there
    exits: int      # of the guest until then; 0 = the kernel does not say (debugfs)
    memory: int     # bytes of the monitor beside the guest's memory, as the kernel shares them out
    supervisor: int  # the same of the process that looks after it, 0 where there is none
    wakeups: float  # a second, of its threads but those of processors
    cpu: float      # share of a CPU, of the same threads


def parse_options(arguments=None):
    parser = argparse.ArgumentParser(prog="boot", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=pathlib.Path, metavar="FILE",
                        help="write everything that was measured")
    parser.add_argument("--machine", choices=list(TITLES), action="append", help="default: all")
    parser.add_argument("--rounds", type=int, default=5, help="default: %(default)s")
    parser.add_argument("--idle", type=float, default=10, metavar="S",
                        help="seconds that a guest is watched; default: %(default)s")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    options.machine = options.machine or list(TITLES)
    return options


# ---- one guest ----

def initramfs(image, folder):
    """The tests' file system with another first process: a later archive goes over an earlier one."""
    archive = guest_image.Cpio()
    archive.file("init", INIT, 0o755)
    path = folder / "initramfs"
    path.write_bytes(image.initramfs.read_bytes() + archive.bytes())
    return path


def command_line(machine, image, initrd):
    if machine == OURS:
        return [CLIENT, "vm", "run", "boot", "--kernel", image.kernel, "--initrd", initrd,
                "--append", APPEND, "--memory", f"{MEMORY_MB}M", "--engine", "kvm"]
    model = "microvm,acpi=on" if machine == MICROVM else machine
    memory_backend = f"memory-backend-memfd,id=m,size={MEMORY_MB}M,share=on"
    return [accel.QEMU, "-M", model, "-accel", "kvm", "-cpu", "host", "-nodefaults",
            "-no-user-config", "-display", "none", "-no-reboot", "-serial", "stdio",
            "-m", f"{MEMORY_MB}M", "-object", memory_backend, "-numa", "node,memdev=m",
            "-kernel", image.kernel, "-initrd", initrd, "-append", APPEND]


def children(pid):
    return [int(word) for task in pathlib.Path(f"/proc/{pid}/task").iterdir()
            for word in (task / "children").read_text().split()]


def memory(smaps):
    """Bytes of a process, shared pages by their parts, without the guest's memory."""
    total, counted = 0, False
    for line in smaps.splitlines():
        if re.match(r"[0-9a-f]+-[0-9a-f]+ ", line):
            counted = "/memfd:" not in line
        elif counted and line.startswith("Pss:"):
            total += int(line.split()[1]) << 10
    return total


def activity(pid):
    """(times woken up, ticks of CPU) of all threads but processors and what emulates them."""
    woken = ticks = 0
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        name = (task / "comm").read_text()
        if re.match(r"cpu\d|CPU \d", name):
            continue
        woken += int(re.search(r"^voluntary_ctxt_switches:\s*(\d+)", (task / "status").read_text(),
                               re.M).group(1))
        fields = (task / "stat").read_text().rsplit(")", 1)[1].split()
        ticks += int(fields[11]) + int(fields[12])
    return woken, ticks


def processes(machine, pid):
    """(the monitor, who looks after it or None)"""
    if machine != OURS:
        return pid, None
    supervisor, = children(pid)
    monitor, = children(supervisor)
    return monitor, supervisor


def exits(pid):
    """How often the guest has left its processors."""
    return sum(int(path.read_text())
               for path in pathlib.Path("/sys/kernel/debug/kvm").glob(f"{pid}-*/exits"))


def watch(machine, process, seconds, uptime, idle):
    monitor, supervisor = processes(machine, process.pid)
    left = exits(monitor)
    time.sleep(SETTLE_SECONDS)
    before = activity(monitor)
    time.sleep(idle)
    woken, ticks = (b - a for a, b in zip(before, activity(monitor)))
    sizes = [memory(pathlib.Path(f"/proc/{pid}/smaps").read_text()) if pid else 0
             for pid in (monitor, supervisor)]
    return Boot(seconds, uptime, left, *sizes, woken / idle, ticks / os.sysconf("SC_CLK_TCK") / idle)


def await_mark(process, begin):
    """Reads the console until the first process of the guest speaks."""
    said = b""
    while not MARK.search(said):
        left = begin + BOOT_SECONDS - time.monotonic()
        if left <= 0 or not select.select([process.stdout], [], [], left)[0]:
            raise Failed(f"no guest within {BOOT_SECONDS} s; it said {said[-500:]}")
        piece = os.read(process.stdout.fileno(), 65536)
        if not piece:
            raise Failed(f"{process.args[0]} ended with code {process.wait()}: {said[-500:]}")
        said += piece
    return time.monotonic() - begin, float(MARK.search(said).group(1))


def boot(machine, image, initrd, folder, idle):
    environment = dict(os.environ, PATCHBAY_RUNTIME_DIR=str(folder))
    begin = time.monotonic()
    with open(folder / f"{machine}.log", "wb") as log:
        process = subprocess.Popen([str(word) for word in command_line(machine, image, initrd)],
                                   stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log,
                                   env=environment, preexec_fn=die_with_parent)
    try:
        return watch(machine, process, *await_mark(process, begin), idle)
    except Failed as error:
        words = (folder / f"{machine}.log").read_text(errors="replace")
        raise Failed(f"{TITLES[machine]}: {error}\n{words}") from None
    finally:
        process.kill()  # its monitor ends with it
        process.wait()
        process.stdout.close()
        while machine == OURS and (folder / "vm" / "boot").exists():
            subprocess.run([CLIENT, "vm", "kill", "boot"], env=environment, timeout=60,
                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def measure(options):
    """{machine: [Boot]}"""
    image = guest_image.build_or_update()
    results = {machine: [] for machine in options.machine}
    with tempfile.TemporaryDirectory(prefix="patchbay-boot.") as name:
        folder = pathlib.Path(name)
        initrd = initramfs(image, folder)
        for number in range(options.rounds):
            for machine in options.machine:
                try:
                    found = boot(machine, image, initrd, folder, options.idle)
                except Failed as error:  # of an overloaded machine; the others still count
                    say(f"round {number + 1} of {options.rounds}: {error}")
                    continue
                results[machine].append(found)
                say(f"round {number + 1} of {options.rounds}: {TITLES[machine]}: "
                    f"{found.seconds:.2f} s, uptime {found.uptime:.2f} s, "
                    f"{found.exits} exits")
    for machine, boots in results.items():
        if not boots:
            raise Failed(f"{TITLES[machine]} has started no guest")
    return results


# ---- in the outer machine ----

def measure_outside(options):
    """The same by this very program in an outer machine, whose lines are shown as they come."""
    results = None
    with tempfile.TemporaryDirectory(prefix="patchbay-boot.") as folder:
        outer = Nested("outer", folder, nested_image.build(), memory=OUTER_MEMORY, cpus=2)
        guest_image.build_or_update()
        try:
            outer.start()
            outer.wait_boot(hardware.BOOT_SECONDS)
            machines = " ".join(f"--machine {machine}" for machine in options.machine)
            outer.sh("mount -t debugfs debugfs /sys/kernel/debug", check=False)
            job = Job(outer, f"{hardware.environment()} {shlex.quote(sys.executable)} "
                      f"{ROOT}/bench/boot --inside --rounds {options.rounds} "
                      f"--idle {options.idle} {machines}", SILENCE_SECONDS)
            while not job.ended:
                for line in job.wait():
                    if line.startswith("{"):
                        results = json.loads(line)
                    elif line:
                        print(line, flush=True)
        finally:
            outer.stop()
    if results is None:
        raise Failed("the outer machine measured nothing")
    return {machine: [Boot(**values) for values in boots] for machine, boots in results.items()}


# ---- the report ----

def median(boots, what):
    return statistics.median(getattr(found, what) for found in boots)


def table(results):
    rows = ["| machine | to init, s | uptime there, s | exits until then | memory, MiB "
            "| supervisor, MiB | wakeups/s |",
            "| --- | --- | --- | --- | --- | --- | --- |"]
    for machine, boots in results.items():
        rows.append(f"| {TITLES[machine]} | {median(boots, 'seconds'):.2f} "
                    f"| {median(boots, 'uptime'):.2f} | {median(boots, 'exits'):.0f} "
                    f"| {median(boots, 'memory') / (1 << 20):.1f} "
                    f"| {median(boots, 'supervisor') / (1 << 20):.1f} "
                    f"| {median(boots, 'wakeups'):.1f} |")
    return "\n".join(rows)


def verdicts(results):
    """What was asked for and what was found: {name: (found, asked, met)}."""
    if OURS not in results:
        return {}
    ours, peers = results[OURS], [boots for name, boots in results.items() if name != OURS]
    found = {"memory beside the guest's, MiB": (median(ours, "memory") / (1 << 20),
                                                TARGET_BYTES / (1 << 20))}
    if peers:
        found["time to init, of the faster QEMU's"] = (
            median(ours, "seconds") / min(median(boots, "seconds") for boots in peers), TARGET_RATIO)
        found["uptime at init, of the lower QEMU's"] = (
            median(ours, "uptime") / min(median(boots, "uptime") for boots in peers), 1)
    return {name: (value, asked, value <= asked) for name, (value, asked) in found.items()}


def main(arguments=None):
    options = parse_options(arguments)
    if os.geteuid() != 0:
        sys.exit("boot: run it as root")
    works, why = hardware.probe()
    load = os.getloadavg()[0]
    try:
        if options.inside:
            print(json.dumps({machine: [dataclasses.asdict(found) for found in boots]
                              for machine, boots in measure(options).items()}), flush=True)
            return 0
        say(f"load {load:.1f}; {why}{'' if works else ': an outer machine is used'}")
        results = measure(options) if works else measure_outside(options)
    except (Failed, guest_image.ImageError) as error:
        sys.exit(f"boot: {error}")
    print(table(results))
    found = verdicts(results)
    for name, (value, asked, met) in found.items():
        print(f"{name}: {value:.2f}, asked for at most {asked:g}: {'met' if met else 'MISSED'}")
    if options.json:
        options.json.write_text(json.dumps({
            "kvm": why, "nested": not works, "load": load, "targets": found,
            "boots": {machine: [dataclasses.asdict(one) for one in boots]
                      for machine, boots in results.items()}}, indent=1) + "\n")
    return 0 if all(met for _, _, met in found.values()) else 1
