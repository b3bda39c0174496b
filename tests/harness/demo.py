# SPDX-License-Identifier: BSD-3-Clause
"""The part of ./demo after building: two guests talk through a switch, and we say what we saw."""

import argparse
import json
import os
import pathlib
import re
import shlex
import shutil
import signal
import sys
import tempfile

from harness import guest_image
from harness.cleanup import Cleanup
from harness.process import Failed
from harness.progress import say
from harness.switch import CLIENT, Switch
from harness.vm import Vm
from harness.wait import Timeout, wait_until

PREFIX = "patchbay-demo."
GUESTS = {"vm1": ("52:54:00:00:00:01", "10.0.0.1", "fd00::1"),
          "vm2": ("52:54:00:00:00:02", "10.0.0.2", "fd00::2")}
PING_COUNT = 5
TCP_SECONDS = 3


def base_folder():
    folder = os.environ.get("XDG_RUNTIME_DIR")
    return folder if folder and os.access(folder, os.W_OK) else tempfile.gettempdir()


# ---- the network ----

def command(switch, *words):
    """Shows the command as a user would type it, and runs it."""
    print(f"        $ patchbay {' '.join(words)}".replace(str(switch.folder), "$D"), flush=True)
    return switch(*words)


def start_switch(folder, keep, cleanup):
    switch = Switch(folder, keep=keep)
    cleanup.add(switch.kill)
    switch.start()
    say(f"patchbayd runs: process {switch.pid}, {switch.rss() >> 20} MiB; D={folder}")
    command(switch, "bridge", "add", "br0")
    return switch


def start_guests(switch, folder, image, keep, cleanup):
    guests = {}
    for name, (mac, _, _) in GUESTS.items():
        guest = Vm(name, folder, image, options=["--net", f"bridge=br0,mac={mac}"], detach=keep)
        cleanup.add(guest.stop)
        guests[name] = guest
        print(f"        $ patchbay vm run {name} --kernel K --initrd I --net bridge=br0,mac={mac}",
              flush=True)
        guest.start()
    say(engine_line(guests["vm1"]))
    for guest in guests.values():
        guest.wait_boot()
        switch.process.check()
        say(f"{guest.name} has booted Debian's {image.release}")
    for name, (_, *addresses) in GUESTS.items():
        guests[name].addresses(0, f"{addresses[0]}/24", f"{addresses[1]}/64")
    return guests


def engine_line(guest):
    """Which engine runs the virtual machines, and why, in the words of `vm run`."""
    words = guest.words_said()
    found = re.search(r"engine (.*)", words)
    return f"virtual machines run by engine {found.group(1).strip()}" if found else words


# ---- what they do ----

def ping(guest, address):
    """The round trips of one guest's ping as text; Failed when a packet is lost."""
    code, output = guest.sh(f"ping -c {PING_COUNT} -i 0.2 -W 2 {address}", check=False)
    times = re.search(r"min/avg/max = (\S+) ms", output)
    if code or not times or " 0% packet loss" not in output:
        raise Failed(f"{guest.name} cannot ping {address}:\n{output}")
    return f"{PING_COUNT} round trips, none lost, min/avg/max {times.group(1)} ms"


def tcp(client, address, *options):
    """Gbit/s that the receiver of an iperf3 run saw."""
    words = ["iperf3", "-J", "-c", address, "-t", str(TCP_SECONDS), *options]
    code, output = client.sh(" ".join(words), check=False, timeout=TCP_SECONDS + 20)
    try:
        report = json.loads(output)
    except ValueError:
        report = {"error": output.strip()}
    if code or "error" in report:
        raise Failed(f"iperf3 in {client.name}: {report.get('error')}")
    rate = report["end"]["sum_received"]["bits_per_second"]
    if rate <= 0:
        raise Failed(f"iperf3 in {client.name}: no byte arrived")
    return rate / 1e9


def warm_up(guest, address):
    """The first packet may wait for the link, so it is not among those that are measured."""
    wait_until(lambda: guest.sh(f"ping -c 1 -W 1 {address}", check=False)[0] == 0, 15,
               f"answer from {address} to {guest.name}")


def talk(guests):
    one, two = guests["vm1"], guests["vm2"]
    _, four, six = GUESTS["vm2"]
    warm_up(one, four)
    say(f"ping      vm1 -> vm2  {ping(one, four)}")
    say(f"ping      vm2 -> vm1  {ping(two, GUESTS['vm1'][1])}")
    say(f"ping IPv6 vm1 -> vm2  {ping(one, six)}")
    two.sh("iperf3 -s -D --logfile /tmp/iperf3.log")
    wait_until(lambda: two.sh("netstat -ltn | grep -q :5201", check=False)[0] == 0, 10,
               "iperf3 server in vm2")
    say(f"TCP       vm1 -> vm2  {tcp(one, four):.2f} Gbit/s")
    say(f"TCP       vm2 -> vm1  {tcp(one, four, '-R'):.2f} Gbit/s")


def show(switch):
    for words in (["port", "show"], ["stats"], ["fdb", "show", "br0"]):
        print(f"\n$ patchbay {' '.join(words)}")
        print(switch(*words).rstrip())
    print()


# ---- --keep, --guest, --stop ----

def kept_folders():
    """Folders of networks of ours that were kept, newest first."""
    found = [path for path in pathlib.Path(base_folder()).glob(PREFIX + "*")
             if (path / "pids").exists() and path.stat().st_uid == os.getuid()]
    return sorted(found, key=lambda path: path.stat().st_mtime, reverse=True)


def belongs(pid, folder):
    """Is the process still the one of that network?"""
    try:
        return str(folder).encode() in pathlib.Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return False


def stop_kept():
    folders = kept_folders()
    for folder in folders:
        pids = [int(pid) for pid in (folder / "pids").read_text().split()]
        for name in GUESTS:
            Vm(name, folder, None).stop()
        for pid in pids:
            if belongs(pid, folder):
                os.kill(pid, signal.SIGTERM)
        for pid in pids:
            wait_until(lambda pid=pid: not belongs(pid, folder), 10, f"end of process {pid}")
        shutil.rmtree(folder)
    print(f"{len(folders)} network{'s' if len(folders) != 1 else ''} ended")


def in_guest(words):
    folders = kept_folders()
    if not folders:
        raise Failed("no network is kept: ./demo --keep")
    if len(words) < 2 or words[0] not in GUESTS:
        raise Failed(f"usage: ./demo --guest {'|'.join(GUESTS)} COMMAND...")
    guest = Vm(words[0], folders[0], None)
    guest.connect()
    code, output = guest.sh(" ".join(words[1:]), check=False, timeout=3600)
    print(output, end="")
    return code


def keep_network(folder, switch):
    (folder / "pids").write_text(f"{switch.pid}\n")
    client = f"PATCHBAY_RUNTIME_DIR={shlex.quote(str(folder))} {shlex.quote(str(CLIENT))}"
    print(f"""The network stays up. What to type next:

  alias patchbay="{client}"
  patchbay stats --watch
  patchbay fdb show br0
  patchbay port show vm1.0
  patchbay vm list
  ./demo --guest vm1 ping -c 3 {GUESTS['vm2'][1]}
  ./demo --guest vm2 ethtool -k eth0
  ./demo --stop
""")


# ---- the whole ----

def demo(keep):
    cleanup = Cleanup()
    folder = pathlib.Path(tempfile.mkdtemp(prefix=PREFIX, dir=base_folder()))
    cleanup.add(shutil.rmtree, folder)
    try:
        say("guest image: Debian's stock cloud kernel with a busybox initramfs")
        image = guest_image.build_or_update()
        switch = start_switch(folder, keep, cleanup)
        guests = start_guests(switch, folder, image, keep, cleanup)
        talk(guests)
        show(switch)
        switch.process.check()
        if keep:
            keep_network(folder, switch)
            cleanup.steps.clear()
            return
        for guest in guests.values():
            guest.stop()
        code, seconds = switch.stop()
        if code:
            raise Failed(f"patchbayd ended with code {code}")
        say(f"patchbayd has stopped cleanly in {seconds * 1000:.0f} ms")
    finally:
        cleanup.run()
    say("done; nothing is left behind.  ./demo --keep leaves the network up")


def interrupted(signum, _):
    signal.signal(signum, signal.SIG_IGN)
    raise KeyboardInterrupt


def main():
    for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(signum, interrupted)
    parser = argparse.ArgumentParser(prog="./demo", add_help=False)
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--keep", action="store_true")
    what.add_argument("--stop", action="store_true")
    what.add_argument("--guest", nargs=argparse.REMAINDER)
    options = parser.parse_args()
    try:
        if options.stop:
            stop_kept()
        elif options.guest is not None:
            sys.exit(in_guest(options.guest))
        else:
            demo(options.keep)
    except KeyboardInterrupt:
        sys.exit("demo: interrupted")
    except (Failed, Timeout, guest_image.ImageError) as error:
        sys.exit(f"demo failed: {error}")


if __name__ == "__main__":
    main()
