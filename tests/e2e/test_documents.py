# SPDX-License-Identifier: BSD-3-Clause
"""What README.md and configs/ tell people to type does what they say it does."""

import json
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys
import xml.etree.ElementTree

from harness import guest_image
from harness.case import TestCase, acceleration, requires, requires_root
from harness.guest import Guest
from harness.process import Process, run
from harness.switch import CLIENT, ROOT, Switch
from harness.wait import wait_until

# Virtual machines are for `patchbay up`: tests/e2e/test_vm_up.py.
CONFIGS = sorted(path for path in (ROOT / "configs").glob("*.yaml")
                 if "\nvms:" not in path.read_text())
RUNTIME = pathlib.Path("/run/patchbay")
MEMORY = "192M"
CPU = max(os.sched_getaffinity(0))

# The documents name /run/patchbay: only where /run is the test's own.
requires_own_run = requires(os.environ.get("PATCHBAY_ISOLATED") == "yes",
                            "no namespaces: /run is not our own")


def commands(name):
    """The commands of a document's indented blocks, each on one line."""
    text = (ROOT / name).read_text().replace("\\\n", " ")
    return [line.strip() for line in re.findall(r"^ {4}(\S.*)$", text, re.M)]


def command(name, start):
    """The one that begins so."""
    found = [line for line in commands(name) if line.startswith(start)]
    if len(found) != 1:
        raise AssertionError(f"{name} has {len(found)} commands that begin with {start}")
    return found[0]


def switch_for(bench, *arguments):
    """A daemon whose sockets are where the documents say."""
    RUNTIME.mkdir(exist_ok=True)
    bench.cleanup.add(shutil.rmtree, RUNTIME, True)
    switch = Switch(RUNTIME, *arguments)
    bench.cleanup.add(switch.kill)
    return switch.start()


def mount_bpf(bench):
    """As systemd does; ours is the namespace's own."""
    run("mount", "-t", "bpf", "bpf", "/sys/fs/bpf")
    bench.cleanup.add(run, "umount", "/sys/fs/bpf")


class DocumentGuest(Guest):
    """A guest by the QEMU command of README.md, with a test kernel instead of a disk."""

    def __init__(self, name, number, folder):
        image = guest_image.build()
        super().__init__(name, folder, image, acceleration(image))
        self.number = number

    def command_line(self):
        line = command("README.md", "qemu-system-x86_64")
        line = line.replace("1G", MEMORY).replace("vm1", self.name)
        line = line.replace("52:54:00:00:00:01", f"52:54:00:00:00:{self.number:02}")
        line = re.sub(r"-drive \S+", "", line)
        if self.acceleration == "tcg":  # as README.md says
            line = line.replace("accel=kvm", "accel=tcg").replace("-cpu host", "-cpu max,la57=off")
            line = re.sub(r"-device (virtio-net-pci\S+)", r"-device \1,vectors=0", line)
        base = super().command_line()
        machine = base[base.index("-kernel"):base.index("-qmp") + 2]
        return [*shlex.split(line), "-nodefaults", "-display", "none", *machine]


class Configs(TestCase):
    def test_every_file_can_be_tried(self):
        switch = self.bench.switch()
        for path in CONFIGS:
            with self.subTest(file=path.name):
                changes = switch.json("config", "apply", path, "--dry-run")["changes"]
                self.says(" ".join(changes), "add bridge br0", "add port vm1")
                self.assertEqual(switch.rows("bridge", "show"), [])

    @requires_root
    @requires_own_run
    def test_every_file_can_be_applied(self):
        run("ip", "link", "add", "eth1", "type", "veth", "peer", "name", "eth1x")
        self.bench.cleanup.add(run, "ip", "link", "del", "eth1")
        mount_bpf(self.bench)
        switch = switch_for(self.bench)
        empty = self.bench.folder / "empty.yaml"
        empty.write_text("")
        for path in CONFIGS:
            with self.subTest(file=path.name):
                switch("config", "apply", path)
                self.assertEqual(switch.json("config", "apply", path)["changes"], [])
                self.assertTrue((RUNTIME / "vm1.sock").is_socket())
                switch("config", "apply", empty)

    def test_paths_of_another_user(self):
        """The line in the head of two-ports.yaml."""
        text = (ROOT / "configs/two-ports.yaml").read_text()
        line = re.search(r"^#\t(sed .*)$", text, re.M).group(1)
        (self.bench.folder / "patchbay").mkdir()
        switch = self.bench.switch()
        done = subprocess.run(
            ["sh", "-c", line], cwd=ROOT, text=True, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, timeout=20,
            env=dict(os.environ, PATH=f"{CLIENT.parent}:{os.environ['PATH']}",
                     PATCHBAY_SOCKET=str(switch.socket),
                     XDG_RUNTIME_DIR=str(self.bench.folder)))
        self.assertEqual(done.returncode, 0, done.stdout)
        self.assertTrue((self.bench.folder / "patchbay/vm2.sock").is_socket())


class Words(TestCase):
    def test_commands_are_understood(self):
        """Every `patchbay ...` is accepted; only the daemon is missing."""
        seen = 0
        for name in ("README.md", "CONTRIBUTING.md", "docs/drops.md"):
            for line in commands(name):
                words = shlex.split(re.split(r"[|>&]|\s#", line)[0].replace(
                    "$XDG_RUNTIME_DIR", "/run/user/1000"))
                if words[:1] != ["patchbay"] or words[1] == "bench":
                    continue
                with self.subTest(line=line):
                    done = run(CLIENT, "--socket", "/nonexistent/socket", *words[1:], check=False,
                               cwd=ROOT, env=dict(os.environ, PATCHBAY_RUNTIME_DIR=str(
                                   self.bench.folder)))
                    # These do without the daemon; cards and files are missing.
                    local = words[1] in ("vm", "up", "down", "nic")
                    self.assertIn(done.returncode, (0, 1) if local else (3,), done.stderr)
                seen += 1
        self.assertGreater(seen, 10)

    def test_xml_is_well_formed(self):
        blocks = re.findall(r"^```xml\n(.*?)^```", (ROOT / "README.md").read_text(), re.S | re.M)
        self.assertEqual(len(blocks), 2)
        for block in blocks:
            xml.etree.ElementTree.fromstring(block)

    @requires(shutil.which("systemd-analyze"), "systemd-analyze is missing")
    def test_unit_is_valid(self):
        text = (ROOT / "configs/patchbayd.service").read_text()
        unit = self.bench.folder / "patchbayd.service"
        unit.write_text(re.sub("/usr/local/bin/patchbayd?", "/bin/true", text))
        done = run("systemd-analyze", "verify", unit, check=False)
        self.assertEqual((done.returncode, done.stderr), (0, ""))


@requires_root
@requires_own_run
class TwoMachines(TestCase):
    """Use 1, with the QEMU command for machines of one's own."""

    def test_guests_meet_and_survive_a_restart(self):
        switch = switch_for(self.bench, "--config", ROOT / "configs/two-ports.yaml")
        guests = [DocumentGuest(f"vm{number}", number, self.bench.folder) for number in (1, 2)]
        for guest in guests:
            self.bench.cleanup.add(guest.stop)
            guest.start()
        for number, guest in enumerate(guests, 1):
            guest.wait_boot()
            guest.addresses(0, f"10.0.0.{number}/24")
        self.reach(guests[0])
        switch.kill()
        switch.start()
        self.reach(guests[0])
        self.assertEqual([row["link"] for row in switch.rows("port", "show")], ["up", "up"])

    def reach(self, guest):
        wait_until(lambda: guest.sh("ping -c 1 -W 1 10.0.0.2", check=False)[0] == 0, 20,
                   "answer from vm2 to vm1")


# One connection: `send` BYTES, or take all; prints the sum of what passed.
PEER = """
import hashlib, os, socket, sys
server = socket.create_server(("192.0.2.254", 5001))
print("ready", flush=True)
server.settimeout(30)
connection = server.accept()[0]
connection.settimeout(30)
if sys.argv[1] == "send":
    data = os.urandom(int(sys.argv[2]))
    connection.sendall(data)
    connection.shutdown(socket.SHUT_WR)
    connection.recv(1)
else:
    data = b""
    while piece := connection.recv(65536):
        data += piece
print(hashlib.sha256(data).hexdigest())
"""


@requires_root
@requires_own_run
class Uplink(TestCase):
    """Use 2: a guest talks to the host and to a machine behind the host's interface."""

    @classmethod
    def set_up_class(cls, bench):
        run("ip", "netns", "add", "outside")
        bench.cleanup.add(run, "ip", "netns", "del", "outside")
        run("ip", "link", "add", "eth1", "type", "veth", "peer", "name", "eth0", "netns", "outside")
        run("ip", "link", "set", "eth1", "up")
        run("ip", "-n", "outside", "addr", "add", "192.0.2.254/24", "dev", "eth0")
        run("ip", "-n", "outside", "link", "set", "eth0", "up")
        # As README.md says of interfaces whose other end is on this host.
        run("ip", "netns", "exec", "outside", "ethtool", "-K", "eth0", "tx", "off", "txvlan", "off")
        mount_bpf(bench)
        cls.switch = switch_for(bench)
        cls.type_what_readme_says()
        cls.guest = DocumentGuest("vm1", 1, bench.folder)
        bench.cleanup.add(cls.guest.stop)
        cls.guest.start()
        cls.guest.wait_boot()
        cls.guest.addresses(0, "192.0.2.11/24")

    @classmethod
    def type_what_readme_says(cls):
        words = shlex.split(command("README.md", "patchbay config apply configs/uplink.yaml"))
        cls.switch(*words[1:3], ROOT / words[3])

    def reach(self, address):
        wait_until(lambda: self.guest.sh(f"ping -c 1 -W 1 {address}", check=False)[0] == 0, 15,
                   f"answer from {address}")
        self.assertIn(" 0% packet loss",
                      self.guest.sh(f"ping -c 5 -i 0.1 -W 2 -s 1472 {address}"))

    def peer(self, *words):
        """A Python process outside; wait() for its last line."""
        process = subprocess.Popen(
            ["ip", "netns", "exec", "outside", sys.executable, "-c", PEER, *map(str, words)],
            stdout=subprocess.PIPE, text=True)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        self.assertEqual(process.stdout.readline(), "ready\n")
        return process

    def test_host_and_outside_answer(self):
        self.reach("192.0.2.1")
        self.reach("192.0.2.254")
        rows = {row["mac"]: row["port"] for row in self.switch.rows("fdb", "show", "br0")}
        self.assertEqual(rows["52:54:00:00:00:01"], "vm1")
        self.assertIn("uplink", rows.values())
        self.assertIn("host", rows.values())

    def test_file_from_outside(self):
        peer = self.peer("send", 2 << 20)
        got = self.guest.sh("nc 192.0.2.254 5001 </dev/null | sha256sum", timeout=60).split()[0]
        self.assertEqual(got, peer.stdout.readline().strip())

    def test_file_to_outside(self):
        peer = self.peer("take")
        sent = self.guest.sh("dd if=/dev/urandom of=/tmp/file bs=1M count=2 2>/dev/null;"
                             "nc 192.0.2.254 5001 </tmp/file; sha256sum </tmp/file", timeout=60)
        self.assertEqual(peer.stdout.readline().strip(), sent.split()[0])


@requires_root
@requires_own_run
class Measure(TestCase):
    """Use 3, without virtual machines."""

    def switch(self):
        words = shlex.split(command("README.md", "patchbayd --workers"))
        words[words.index("--workers") + 1] = str(CPU)
        words[words.index("--config") + 1] = str(ROOT / "configs/bench.yaml")
        return switch_for(self.bench, *words[1:])

    @requires(len(os.sched_getaffinity(0)) > 1, "one CPU: the switch and its traffic need two")
    def test_bench(self):
        """By a daemon of its own, and by the sockets of one that runs."""
        lines = [line for line in commands("README.md") if line.startswith("patchbay bench")]
        self.assertEqual(len(lines), 2)
        for number, line in enumerate(lines):
            if number:
                self.switch()
            done = run(CLIENT, "--json", *shlex.split(line)[1:], "seconds=0.3", timeout=60)
            results = json.loads(done.stdout)["results"]
            self.assertEqual([row["size"] for row in results], [64, 1500])
            for row in results:
                self.assertGreater(row["frames"]["received"], 0)
                self.assertEqual(row["frames"]["lost"], 0)

    @requires(shutil.which("dpdk-testpmd"), "dpdk-testpmd is missing: apt-get install dpdk")
    def test_testpmd(self):
        switch = self.switch()
        line = command("README.md", "dpdk-testpmd")
        line = line.replace("0@0,1@0", ",".join(f"{n}@{min(os.sched_getaffinity(0))}"
                                                for n in (0, 1)))
        generator = Process(shlex.split(line), self.bench.folder / "testpmd.log")
        self.bench.cleanup.add(generator.kill)
        for name in ("vm1", "vm2"):
            switch.wait_link(name, seconds=30)
        for name in ("vm1", "vm2"):
            wait_until(lambda n=name: switch.counters(n)["rx_packets"] > 100000, 30,
                       f"100,000 frames from {name}")
        switch("worker", "reset")
        row = wait_until(lambda: self.busy(switch), 20, "work in `worker show`")
        self.assertGreater(row["cycles_per_packet"], 0)
        generator.check()

    @staticmethod
    def busy(switch):
        row = switch.rows("worker", "show")[0]
        return row if row["packets"] > 1000 and row["busy_percent"] > 0 else None
