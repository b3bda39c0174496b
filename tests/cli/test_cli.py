# SPDX-License-Identifier: BSD-3-Clause
"""The patchbay command without a daemon, and with one that answers what the test says."""

import json
import os
import pathlib
import pty
import re
import select
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from fake_daemon import FakeDaemon, Refusal  # noqa: E402

PATCHBAY = os.environ["PATCHBAY"]
ROOT = pathlib.Path(__file__).resolve().parents[2]
OK, FAILED, USAGE, UNREACHABLE = range(4)


class Case(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="patchbay-cli.")
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.socket = self.folder / "control.sock"
        self.environment = {"PATH": os.environ["PATH"], "PATCHBAY_SOCKET": str(self.socket)}
        for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS"):
            if name in os.environ:
                self.environment[name] = os.environ[name]

    def daemon(self, answers=None, raw=None, path=None):
        daemon = FakeDaemon(path or self.socket, answers, raw)
        self.addCleanup(daemon.close)
        return daemon

    def run_command(self, *words, **options):
        options = {"timeout": 20, "env": self.environment, "cwd": self.folder,
                   "stdin": subprocess.DEVNULL, **options}
        if "input" in options:
            del options["stdin"]
        return subprocess.run([PATCHBAY, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              text=True, **options)

    def succeeds(self, *words, **options):
        done = self.run_command(*words, **options)
        self.assertEqual((done.returncode, done.stderr), (OK, ""), words)
        return done.stdout

    def fails(self, code, *words, says=(), **options):
        """The error is one line that begins with the program's name; nothing else is printed."""
        done = self.run_command(*words, **options)
        self.assertEqual(done.returncode, code, (words, done.stdout, done.stderr))
        self.assertEqual(done.stdout, "")
        self.assertRegex(done.stderr, r"\Apatchbay: [^\n]+\n\Z")
        for text in [says] if isinstance(says, str) else says:
            self.assertIn(text, done.stderr, words)


class Usage(Case):
    def test_help_at_every_level(self):
        overview = self.succeeds("--help")
        schema = self.schema()
        for noun in sorted({verb["method"].split(".")[0] for verb in schema["methods"]}):
            self.assertIn(f"\n  {noun} ", overview)
            self.assertIn(f"patchbay {noun}", self.succeeds(noun, "--help"))
        for verb in schema["methods"]:
            words = verb["method"].split(".")
            text = self.succeeds(*words, "--help")
            self.assertTrue(text.startswith(f"Usage: patchbay {' '.join(words)}"), text)
            self.assertEqual(text, self.succeeds("help", *words))
            self.assertIn("Example:\n  patchbay ", text)
            self.assertLessEqual(max(len(line) for line in text.splitlines()
                                     if "patchbay" not in line), 79, text)

    def schema(self):
        """The reference names every method; the daemon's description is not needed for that."""
        text = self.succeeds("__reference")
        return {"methods": [{"method": name} for name in re.findall(r"Method `([a-z.]+)`", text)]}

    def test_help_of_port_add_names_keys_ranges_defaults_and_types(self):
        text = " ".join(self.succeeds("port", "add", "--help").split())
        for words in ("mtu=", "68..65535 bytes", "queues=", "1..16", "default 1", "vhost-user",
                      "trunk, access, native-tagged, native-untagged or dot1q-tunnel", "afpacket",
                      "an absolute path of at most 107 bytes"):
            self.assertIn(words, text)

    def test_nothing_typed(self):
        done = self.run_command()
        self.assertEqual((done.returncode, done.stdout), (USAGE, ""))
        self.assertIn("Usage: patchbay", done.stderr)

    def test_version(self):
        self.assertRegex(self.succeeds("--version"), r"\Apatchbay \d+\.\d+\.\d+\n\Z")

    def test_examples_are_valid(self):
        """Every example of the help is accepted; only the daemon is missing."""
        (self.folder / "network.yaml").write_text("bridges: {}\n")
        (self.folder / "addresses.txt").write_text("198.51.100.0/24\n")
        self.environment["PATCHBAY_RUNTIME_DIR"] = str(self.folder)
        text = self.succeeds("__reference")
        examples = re.findall(r"For example: `patchbay ([^`]+)`", text)
        self.assertGreater(len(examples), 15)
        for example in examples:
            words = shlex.split(example.split(" > ")[0])
            done = self.run_command(*words)
            # There is no such card either, no kernel, no virtual machine.
            local = words[:2] in (["nic", "bind"], ["nic", "unbind"]) or \
                words[0] in ("vm", "up", "down")
            allowed = FAILED if local else UNREACHABLE
            self.assertIn(done.returncode, (OK, allowed), (example, done.stderr))

    def test_reference_is_the_committed_one(self):
        committed = (ROOT / "docs/reference.md").read_text()
        self.assertEqual(committed, self.succeeds("__reference"),
                         "write it anew: patchbay __reference > docs/reference.md")

    def test_refused_before_anything_is_sent(self):
        rows = [
            ("brigde show", 'did you mean "bridge"?'),
            ("port ad x", 'did you mean "port add"?'),
            ("port frobnicate", "it has add, set, del, show"),
            ("--frobnicate", "--help"),
            ("port add vm1 vhost-usr", "vhost-user, tap, afxdp, afpacket, veth, pci, pcap, bond or null"),
            ("port add vm1 vhost-user pth=/x", 'did you mean "path"?'),
            ("port add vm1 vhost-user", "needs path="),
            ("port add", "needs a name"),
            ("port add vm1 null path=/x", "type null takes no \"path\""),
            ("port add vm1 null queues=0", "1..16"),
            ("port add vm1 null queues=17", "1..16"),
            ("port add vm1 null queues=two", "1..16"),
            ("port add vm1 null mtu=67", "68..65535"),
            ("port add vm1 null mtu=65536", "68..65535"),
            ("port add vm1 null mac=ff:ff:ff:ff:ff:ff", "unicast"),
            ("port add vm1 null tag=4095", "0..4094"),
            ("port add vm1 null tag=1 tag=2", "given twice"),
            ("port add vm1 null tap", "does not know what to do with \"tap\""),
            ("port add vm1 null name=vm2", "given twice"),
            ("port set vm1 path=/x", "patchbay port del"),
            ("port set", "needs a name"),
            ("bridge add br0 ageing=86401", "0..86400 s"),
            ("bridge add -- -x", "name"),
            ("bridge add br0 capacity=63", "64..1048576"),
            ("bridge del br0 ageing=3", "takes no \"ageing\""),
            ("fdb add br0 52:54:00:00:00:01", "needs a port"),
            ("fdb flush --statik", 'did you mean "--static"?'),
            ("fdb flush --vlan", "needs a value"),
            ("worker set 1 port=a", "needs a queue"),
            ("worker set one port=a queue=0", "0..63"),
            ("bridge add br0 --watch", "cannot be watched"),
            ("stats --watch=0", "1..86400"),
            ("stats --timeout=x", "1..86400"),
            ("stats --socket", "needs a path"),
            ("help prot", 'did you mean "port"?'),
        ]
        daemon = self.daemon()
        for words, says in rows:
            with self.subTest(words=words):
                self.fails(USAGE, *words.split(), says=says)
        self.fails(USAGE, "bridge", "add", "", says="name")
        self.assertEqual(daemon.requests, [])

    def test_files(self):
        self.fails(FAILED, "config", "apply", "missing.yaml", says="missing.yaml: No such file")
        self.fails(FAILED, "config", "apply", ".", says="directory")
        (self.folder / "binary").write_bytes(b"a\xff\xfeb")
        self.fails(FAILED, "config", "apply", "binary", says="not a text file")
        (self.folder / "zero").write_bytes(b"a\0b")
        self.fails(FAILED, "config", "apply", "zero", says="not a text file")
        (self.folder / "large").write_bytes(b"#" * (5 << 20))
        self.fails(FAILED, "config", "apply", "large", says="larger than 4 MiB")
        # Fits as a file, but not as a request: every character becomes two.
        (self.folder / "quotes").write_bytes(b'"' * (3 << 20))
        self.daemon()
        self.fails(FAILED, "config", "apply", "quotes", says="longer than 4 MiB")

    def test_full_disk(self):
        with open("/dev/full", "w") as full:
            done = subprocess.run([PATCHBAY, "--help"], stdout=full, stderr=subprocess.PIPE,
                                  text=True, env=self.environment, timeout=20)
        self.assertEqual(done.returncode, FAILED)
        self.assertIn("cannot write", done.stderr)


class Connection(Case):
    def test_nobody_listens(self):
        self.fails(UNREACHABLE, "stats",
                   says=["no patchbayd is listening", str(self.socket), "`patchbayd --socket "])

    def test_stale_socket(self):
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listener.bind(str(self.socket))
        listener.close()
        self.fails(UNREACHABLE, "stats", says=["no patchbayd is listening", str(self.socket)])

    def test_option_wins_over_environment(self):
        other = self.folder / "other.sock"
        self.daemon({"stats.show": {"rows": []}}, path=other)
        self.succeeds("stats", "--socket", str(other))
        self.succeeds(f"--socket={other}", "stats")

    def as_user(self, *words):
        """Runs the command as somebody who is not root."""
        options = {}
        if os.geteuid() == 0:
            options = {"user": 65534, "group": 65534, "extra_groups": []}
        self.folder.chmod(0o755)
        copy = self.folder / "command"  # where everybody can reach it
        copy.write_bytes(pathlib.Path(PATCHBAY).read_bytes())
        copy.chmod(0o755)
        return subprocess.run([copy, *words], env=self.environment, text=True, timeout=20,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)

    @unittest.skipUnless(os.geteuid() == 0, "needs root")
    def test_permission(self):
        self.daemon()
        self.socket.chmod(0o660)
        hidden = self.folder / "hidden"
        hidden.mkdir(mode=0o700)
        for path, says in ((self.socket, "it belongs to root:root 0660, add yourself to group root"),
                           (hidden / "control.sock", "directory")):
            self.environment["PATCHBAY_SOCKET"] = str(path)
            done = self.as_user("stats")
            self.assertEqual(done.returncode, UNREACHABLE, done.stderr)
            self.assertIn(f"permission denied on {path}", done.stderr)
            self.assertIn(says, done.stderr)

    def test_runtime_directory(self):
        """A user's own daemon is found without being told."""
        del self.environment["PATCHBAY_SOCKET"]
        self.environment["XDG_RUNTIME_DIR"] = str(self.folder)
        (self.folder / "patchbay").mkdir()
        own = self.folder / "patchbay/control.sock"
        self.daemon({"stats.show": {"rows": []}}, path=own)
        own.chmod(0o666)
        done = self.as_user("stats")
        self.assertEqual((done.returncode, done.stdout, done.stderr), (OK, "none\n", ""))

    def test_silent_daemon(self):
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.addCleanup(listener.close)
        listener.bind(str(self.socket))
        listener.listen()
        begin = time.monotonic()
        self.fails(UNREACHABLE, "stats", "--timeout", "1", says="did not answer within 1 s")
        self.assertLess(time.monotonic() - begin, 5)

    def test_full_backlog(self):
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.addCleanup(listener.close)
        listener.bind(str(self.socket))
        listener.listen(0)
        waiting = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.addCleanup(waiting.close)
        waiting.connect(str(self.socket))
        self.fails(UNREACHABLE, "stats", "--timeout=1", says="too busy")

    def test_nonsense(self):
        rows = [
            (b"", "closed the connection"),
            (b"not JSON\n", "not patchbayd"),
            (b"[1]\n", "not patchbayd"),
            (b'{"jsonrpc": "2.0", "id": 1}\n', "no result"),
            (b'{"jsonrpc": "2.0", "id": 7, "result": {}}\n', "did not answer"),
        ]
        for number, (raw, says) in enumerate(rows):
            with self.subTest(raw=raw):
                path = self.folder / f"s{number}"
                self.daemon(raw=raw, path=path)
                self.fails(UNREACHABLE, "stats", "--timeout=1", "--socket", str(path), says=says)

    def test_refusal(self):
        def refuse(params):
            raise Refusal('bridge "br0" exists\x1b[2J', "EEXIST")

        self.daemon({"bridge.add": refuse})
        self.fails(FAILED, "bridge", "add", "br0", says='bridge "br0" exists?[2J')


STATS = {"time_ns": 1, "rows": [
    {"name": "vm1", "rx_packets": 1234567, "rx_bytes": 1234567890, "tx_packets": 0, "tx_bytes": 0,
     "drops": {"no_buffer": 12, "storm": 3456, "mtu": 0}, "rx_forwarded": 1, "rx_flooded": 0,
     "rx_copies": 0, "tx_segmented": 0, "tx_csum": 0},
    {"name": "vm22", "rx_packets": 5, "rx_bytes": 300, "tx_packets": 10, "tx_bytes": 2048,
     "drops": {}},
]}


class Answers(Case):
    def lines(self, *words):
        return self.succeeds(*words).splitlines()

    def test_table(self):
        self.daemon({"stats.show": STATS})
        self.assertEqual(self.lines("stats"), [
            "PORT  RX PACKETS  RX BYTES  TX PACKETS  TX BYTES  DROPS",
            "vm1    1,234,567  1.15 GiB           0       0 B  no_buffer 12, storm 3,456",
            "vm22           5     300 B          10  2.00 KiB  -",
        ])
        self.assertEqual(self.lines("stats"), self.lines("stats", "show"))

    def test_json_is_what_the_daemon_said(self):
        self.daemon({"stats.show": STATS})
        text = self.succeeds("stats", "--json")
        self.assertEqual(text, json.dumps(STATS, separators=(",", ":")) + "\n")

    def test_json_on_a_terminal_is_indented(self):
        self.daemon({"stats.show": {"rows": []}})
        self.assertEqual(self.on_terminal("stats", "--json"), '{\r\n  "rows": []\r\n}\r\n')

    def on_terminal(self, *words):
        main, other = pty.openpty()
        child = subprocess.Popen([PATCHBAY, *words], stdin=subprocess.DEVNULL, stdout=other,
                                 stderr=other, env=self.environment)
        os.close(other)
        data = b""
        while select.select([main], [], [], 10)[0]:
            try:
                piece = os.read(main, 4096)
            except OSError:
                break
            if not piece:
                break
            data += piece
        os.close(main)
        self.assertEqual(child.wait(10), OK)
        return data.decode()

    def test_nothing_to_show(self):
        self.daemon({"port.show": {"rows": []}})
        self.assertEqual(self.lines("port", "show"), ["none"])
        self.assertEqual(self.lines("port"), ["none"])

    def test_columns_without_values_are_left_out(self):
        self.daemon({"port.show": {"rows": [
            {"name": "a", "type": "tap", "bridge": "br0", "link": "down", "reason": "no\x1b device"},
            {"name": "b", "type": "null", "link": "up", "vhost": {"x": 1}}]}})
        self.assertEqual(self.lines("port", "show"), [
            "PORT  TYPE  BRIDGE  LINK  REASON",
            "a     tap   br0     down  no? device",
            "b     null  -       up    -",
        ])

    def test_detail(self):
        daemon = self.daemon({"port.show": {"rows": [
            {"name": "vm1", "type": "vhost-user", "workers": [0, 1], "vhost": {
                "connected": True, "features": ["a", "b"],
                "rings": [{"index": 0, "size": 256}, {"index": 1, "size": 256}]}}]}})
        self.assertEqual(self.lines("port", "show", "vm1"), [
            "name    vm1",
            "type    vhost-user",
            "workers 0, 1",
            "vhost",
            "  connected yes",
            "  features  a, b",
            "  rings",
            "    - index 0 size 256",
            "    - index 1 size 256",
        ])
        self.assertEqual(daemon.requests[0]["params"], {"name": "vm1"})

    def test_requests(self):
        """What is typed arrives as canonical values."""
        daemon = self.daemon({name: {} for name in (
            "port.add", "port.set", "fdb.add", "fdb.flush", "worker.set", "daemon.ping")})
        rows = [
            ("port add vm1 vhost-user bridge=br0 path=vm1.sock queues=2 trunks=3,1,2",
             {"name": "vm1", "type": "vhost-user", "bridge": "br0",
              "path": str(self.folder / "vm1.sock"), "queues": 2, "trunks": "1-3"}),
            ("port add --tag=5 vm1 null --vlan-mode=access",
             {"tag": 5, "name": "vm1", "type": "null", "vlan_mode": "access"}),
            ("port set vm1 tag= mac=52:54:00:AA:BB:CC",
             {"name": "vm1", "tag": None, "mac": "52:54:00:aa:bb:cc"}),
            ("fdb add br0 52:54:00:00:00:01 vm1 vlan=7",
             {"bridge": "br0", "mac": "52:54:00:00:00:01", "port": "vm1", "vlan": 7}),
            ("fdb flush --static vlan=0", {"static": True, "vlan": 0}),
            ("fdb flush br0 port=a", {"bridge": "br0", "port": "a"}),
            ("worker set 1 port=vm1 queue=0", {"worker": 1, "port": "vm1", "queue": 0}),
            ("daemon ping", {}),
        ]
        for words, params in rows:
            with self.subTest(words=words):
                self.assertEqual(self.succeeds(*words.split()), "")
                request = daemon.requests[-1]
                self.assertEqual(request["params"], params)
                self.assertEqual(request["jsonrpc"], "2.0")
                self.assertEqual(request["method"], ".".join(
                    word for word in words.split() if not word.startswith("-"))
                    .split(".")[0] + "." + words.split()[1])

    def test_scalar_results(self):
        self.daemon({"fdb.flush": {"flushed": 12}, "daemon.version": {"version": "1.2", "api": 1},
                     "bridge.add": {}})
        self.assertEqual(self.lines("fdb", "flush"), ["flushed 12"])
        self.assertEqual(self.lines("daemon"), ["version 1.2", "api     1"])
        self.assertEqual(self.succeeds("bridge", "add", "br0"), "")
        self.assertEqual(self.succeeds("bridge", "add", "br0", "--json"), "{}\n")

    def test_config(self):
        text = "bridges:\n  br0: {}\n"
        daemon = self.daemon({
            "config.show": {"config": {}, "text": text},
            "config.apply": lambda params: {"changes": ["add bridge br0", "add port vm1"]
                                            if params["text"] else []}})
        self.assertEqual(self.succeeds("config", "show"), text)
        (self.folder / "net.yaml").write_text(text)
        self.assertEqual(self.lines("config", "apply", "net.yaml", "--dry-run"),
                         ["add bridge br0", "add port vm1"])
        self.assertEqual(daemon.requests[-1]["params"],
                         {"text": text, "dry_run": True, "source": "net.yaml"})
        self.assertEqual(self.succeeds("config", "apply", "-", input=""), "no changes\n")
        self.assertEqual(daemon.requests[-1]["params"],
                         {"text": "", "source": "standard input"})

    def test_truncated(self):
        self.daemon({"fdb.show": {"rows": [{"bridge": "br0"}], "truncated": True}})
        self.assertEqual(self.lines("fdb", "show", "limit=1"),
                         ["BRIDGE", "br0", "... and more: limit=NUMBER shows them"])

    def test_large_answer(self):
        rows = [{"bridge": "br0", "vlan": 0, "mac": f"02:00:00:{i >> 16:02x}:{i >> 8 & 255:02x}:"
                 f"{i & 255:02x}", "port": "vm1", "type": "learnt", "age": 1}
                for i in range(20000)]
        self.daemon({"fdb.show": {"rows": rows}})
        self.assertEqual(json.loads(self.succeeds("fdb", "show", "--json"))["rows"], rows)
        self.assertEqual(len(self.lines("fdb", "show")), 20001)


class Watch(Case):
    def setUp(self):
        super().setUp()
        self.samples = 0

    def sample(self, params):
        self.samples += 1
        n = self.samples
        return {"time_ns": n * 2_000_000_000, "rows": [
            {"name": "vm1", "rx_packets": n * 2_000_000, "rx_bytes": n * 250_000_000,
             "tx_packets": 7, "tx_bytes": 7, "drops": {"storm": n * 10, "mtu": 5}}]}

    def watch(self, *words):
        return subprocess.Popen([PATCHBAY, *words], env=self.environment, text=True,
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE)

    def test_rates_until_interrupted(self):
        self.daemon({"stats.show": self.sample})
        child = self.watch("stats", "--watch")
        self.addCleanup(child.kill)
        lines = [child.stdout.readline() for _ in range(2)]
        self.assertEqual(lines[0].split("  ")[0], "PORT")
        self.assertIn("RX PACKETS/s", lines[0])
        self.assertIn("RX bit/s", lines[0])
        self.assertEqual(lines[1].split(), ["vm1", "1,000,000", "1.00", "G", "0", "0", "storm", "5"])
        child.send_signal(signal.SIGINT)
        _, errors = child.communicate(timeout=10)
        self.assertEqual((child.returncode, errors), (OK, ""))

    def test_json_lines(self):
        self.daemon({"stats.show": self.sample})
        child = self.watch("stats", "--watch", "--json")
        self.addCleanup(child.kill)
        first, second = (json.loads(child.stdout.readline()) for _ in range(2))
        self.assertEqual((first["time_ns"], second["time_ns"]), (2_000_000_000, 4_000_000_000))
        child.send_signal(signal.SIGTERM)
        child.communicate(timeout=10)
        self.assertEqual(child.returncode, OK)

    def test_daemon_ends(self):
        daemon = FakeDaemon(self.socket, {"port.show": {"rows": []}})
        child = self.watch("port", "show", "--watch")
        self.addCleanup(child.kill)
        self.assertEqual(child.stdout.readline(), "none\n")
        daemon.close()
        _, errors = child.communicate(timeout=10)
        self.assertEqual(child.returncode, UNREACHABLE)
        self.assertIn("patchbay: ", errors)


class Completion(Case):
    def complete(self, *words):
        return self.succeeds("__complete", *words).splitlines()

    def objects(self):
        return self.daemon({"bridge.show": {"rows": [{"name": "br0"}, {"name": "br1"}]},
                            "port.show": {"rows": [{"name": "vm1"}, {"name": "up"}]},
                            "worker.show": {"rows": [{"worker": 0}, {"worker": 1}]},
                            "fdb.show": {"rows": [{"mac": "52:54:00:00:00:01"}]}})

    def test_words(self):
        self.objects()
        rows = [
            ("", ["bridge", "port", "stats", "fdb", "filter", "set", "mirror", "worker", "config", "mdb",
                  "events", "capture",
                  "daemon", "nic",
                  "vm", "up", "down", "bench", "completion", "help"]),
            ("po", ["port"]),
            ("vm pa", ["pause"]),
            ("vm run vm1 ker", ["kernel="]),
            ("vm run vm1 net=br", ["net=bridge="]),
            ("vm run vm1 --net=bridge=br0,qu", ["--net=bridge=br0,queues="]),
            ("vm run vm1 net=bridge=", ["net=bridge=br0", "net=bridge=br1"]),
            ("vm run vm1 net=bridge=br0,profile=v", ["net=bridge=br0,profile=vm"]),
            ("vm run vm1 engine=q", ["engine=qemu"]),
            ("vm run --det", ["--detach"]),
            ("vm stop vm1 w", ["wait="]),
            ("capture ", ["run", "br0", "br1", "vm1", "up"]),
            ("capture vm1 --dr", ["--drops"]),
            ("port ", ["add", "set", "del", "show"]),
            ("port s", ["set", "show"]),
            ("port del ", ["vm1", "up"]),
            ("port show v", ["vm1"]),
            ("port add vm9 ", ["vhost-user", "tap", "afxdp", "afpacket", "veth",
                               "pci", "pcap", "bond", "null"]),
            ("port add vm9 vhost-user mo", ["mode="]),
            ("port add vm9 tap pa", []),
            ("port add vm9 tap de", ["dev="]),
            ("port add vm9 vhost-user mode=", ["mode=server", "mode=client"]),
            ("port add vm9 vhost-user bridge=", ["bridge=br0", "bridge=br1"]),
            ("port add vm9 vhost-user path=/r", [":files"]),
            ("port set vm1 vlan_mode=n", ["vlan_mode=native-tagged", "vlan_mode=native-untagged"]),
            ("port set vm1 pat", []),
            ("port set vm1 tag=1 ta", []),
            ("bridge add x forward_bpdu=", ["forward_bpdu=yes", "forward_bpdu=no"]),
            ("fdb show ", ["br0", "br1", "port=", "vlan=", "mac=", "limit="]),
            ("fdb del br0 5", ["52:54:00:00:00:01"]),
            ("fdb add br0 52:54:00:00:00:02 ", ["vm1", "up"]),
            ("fdb flush --", ["--static", "--json", "--help", "--socket", "--timeout",
                              "--version"]),
            ("stats ", ["show", "vm1", "up"]),
            ("mirror add m1 bridge=br0 to=v", ["to=vm1"]),
            ("mirror add m1 from=x,v", ["from=x,vm1"]),
            ("mirror set m1 direction=", ["direction=in", "direction=out", "direction=both"]),
            ("stats v", ["vm1"]),
            ("stats --w", ["--watch"]),
            ("worker set ", ["0", "1"]),
            ("worker set 1 ", ["port=", "queue="]),
            ("config apply ", [":files"]),
            ("config apply f.yaml --d", ["--dry-run"]),
            ("--socket ", [":files"]),
            ("--json po", ["port"]),
            ("help po", ["port"]),
            ("help port a", ["add"]),
            ("nonsense ", []),
            ("port nonsense ", []),
        ]
        for typed, expected in rows:
            with self.subTest(typed=typed):
                self.assertEqual(self.complete(*typed.split(" ")), expected)

    def test_interfaces(self):
        self.assertIn("dev=lo", self.complete("port", "add", "x", "tap", "dev="))

    def test_without_daemon(self):
        self.assertEqual(self.complete("port", "del", ""), [])

    def test_silent_daemon_costs_little(self):
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.addCleanup(listener.close)
        listener.bind(str(self.socket))
        listener.listen()
        begin = time.monotonic()
        self.assertEqual(self.complete("port", "del", ""), [])
        self.assertLess(time.monotonic() - begin, 3)

    def bash(self, line):
        """What bash would offer for the line, as it stands behind its own word breaks."""
        script = ("source <(\"$PATCHBAY\" completion bash)\n"
                  "COMP_WORDBREAKS=$' \\t\\n\"\\'><=;|&(:'\n"
                  "COMP_LINE=$1 COMP_POINT=${#1}\n"
                  "_patchbay \"$PATCHBAY\"\n"
                  "printf '%s\\n' \"${COMPREPLY[@]}\"\n")
        done = subprocess.run(["bash", "--norc", "-c", script, "bash", line], text=True,
                              env={**self.environment, "PATCHBAY": PATCHBAY}, cwd=self.folder,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=20)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return done.stdout.split("\n")[:-1]

    def test_bash(self):
        self.objects()
        (self.folder / "net.yaml").write_text("")
        (self.folder / "a b.yaml").write_text("")
        rows = [
            ("patchbay po", ["port"]),
            ("patchbay port ", ["add", "set", "del", "show"]),
            ("patchbay port add x vhost-user bridge=b", ["br0", "br1"]),
            ("patchbay port add x vhost-user bridge=", ["br0", "br1"]),
            ("patchbay port set vm1 vlan_m", ["vlan_mode="]),
            ("patchbay fdb del br0 52:5", ["54:00:00:00:01"]),
            ("patchbay config apply n", ["net.yaml"]),
            ("patchbay config apply a", ["a b.yaml"]),
            ("patchbay port add x pcap file=net", ["net.yaml"]),
            ("patchbay   --json   stats   v", ["vm1"]),
        ]
        for line, expected in rows:
            with self.subTest(line=line):
                self.assertEqual(self.bash(line), expected)

    def test_script_is_clean(self):
        script = self.succeeds("completion", "bash")
        subprocess.run(["bash", "-n"], input=script, text=True, check=True, timeout=20)


if __name__ == "__main__":
    unittest.main()
