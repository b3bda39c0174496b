# SPDX-License-Identifier: BSD-3-Clause
"""What the commands accept and refuse, while two other ports forward without loss."""

import os
import socket

from harness.case import TestCase, requires_root
from harness.process import run
from harness.switch import CLIENT


class Refused(TestCase):
    """Each test's bad input must leave the stream between two wires alone."""

    stream = None

    def set_up(self):
        self.switch = self.bench.switch()
        self.folder = self.bench.folder
        self.switch("bridge", "add", "br0")
        if os.geteuid() == 0:
            wires = [self.bench.wire(name) for name in ("w0", "w1")]
            self.switch("bridge", "add", "aside")
            for wire in wires:
                self.switch("port", "add", wire.name, "afpacket", "bridge=aside",
                            f"dev={wire.name}")
            self.stream = self.bench.stream(*wires)

    def tearDown(self):
        if self.stream:
            self.assert_no_loss(self.stream)

    def path(self, name):
        return self.folder / f"{name}.sock"

    def add(self, name, *more, path=None):
        return ["port", "add", name, "vhost-user", "bridge=br0", f"path={path or self.path(name)}",
                *more]

    def refused(self, names, *words):
        self.says(self.switch.refused(*words), *names)

    def ports(self):
        return [row["name"] for row in self.switch.rows("port", "show")
                if row["bridge"] != "aside"]

    # ---- names and paths ----

    def test_duplicate_bridge(self):
        self.refused(["br0", "exists"], "bridge", "add", "br0")

    def test_duplicate_port(self):
        self.switch(*self.add("vm1"))
        self.refused(["vm1", "exists"], *self.add("vm1", path=self.path("other")))
        self.assertEqual(self.ports(), ["vm1"])

    def test_duplicate_socket_path(self):
        self.switch(*self.add("vm1"))
        self.refused(["vm2", "vm1", self.path("vm1")], *self.add("vm2", path=self.path("vm1")))
        self.assertEqual(self.ports(), ["vm1"])

    def test_same_path_by_another_name(self):
        self.switch(*self.add("vm1"))
        crooked = self.folder / "." / ".." / self.folder.name / "vm1.sock"
        text = self.switch.refused(*self.add("vm2", path=str(crooked)))
        self.says(text, "vm1.sock")

    def test_path_of_the_control_socket(self):
        self.refused([self.switch.socket], *self.add("vm1", path=self.switch.socket))
        self.assertEqual(self.ports(), [])

    def test_path_too_long(self):
        long = self.folder / ("x" * 120)
        self.refused(["107"], *self.add("vm1", path=long))

    def test_longest_path_works(self):
        name = "x" * (107 - len(str(self.folder)) - 1)
        self.switch(*self.add("vm1", path=self.folder / name))
        self.assertTrue((self.folder / name).exists())

    def test_bad_names(self):
        for name in ("", "a/b", "-x", ".x", "x" * 32, "a b", "ä"):
            with self.subTest(name=name):
                self.refused(["name"], "bridge", "add", "--", name)

    def test_unknown_bridge(self):
        self.refused(["vm1", "br7"], "port", "add", "vm1", "vhost-user", "bridge=br7",
                     f"path={self.path('vm1')}")
        self.assertFalse(self.path("vm1").exists())

    # ---- sockets ----

    def test_stale_socket_is_replaced(self):
        stale = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        stale.bind(str(self.path("vm1")))
        stale.close()
        self.switch(*self.add("vm1"))

    def test_live_socket_is_left_alone(self):
        live = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.addCleanup(live.close)
        live.bind(str(self.path("vm1")))
        live.listen()
        self.refused([self.path("vm1")], *self.add("vm1"))
        self.assertTrue(self.path("vm1").exists())
        self.assertEqual(self.ports(), [])

    def test_file_is_left_alone(self):
        self.path("vm1").write_text("precious")
        self.refused([self.path("vm1"), "a regular file"], *self.add("vm1"))
        self.assertEqual(self.path("vm1").read_text(), "precious")

    def test_missing_directory(self):
        self.refused([self.folder / "none"], *self.add("vm1", path=self.folder / "none/vm1.sock"))

    def test_second_client_on_a_port(self):
        self.switch(*self.add("vm1"))
        first = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        second = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        for client in (first, second):
            self.addCleanup(client.close)
            client.settimeout(2)
            client.connect(str(self.path("vm1")))
        self.assertEqual(second.recv(1), b"", "the second client is turned away")
        first.settimeout(0.1)
        with self.assertRaises(TimeoutError):
            first.recv(1)

    def test_half_a_message_costs_that_connection_only(self):
        self.switch(*self.add("vm1"))
        client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.addCleanup(client.close)
        client.connect(str(self.path("vm1")))
        client.send(b"\x01\x00\x00")
        client.settimeout(4)
        self.assertEqual(client.recv(1), b"", "closed after two seconds")
        again = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.addCleanup(again.close)
        again.connect(str(self.path("vm1")))

    def test_port_can_be_deleted_with_a_client(self):
        self.switch(*self.add("vm1"))
        client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.addCleanup(client.close)
        client.connect(str(self.path("vm1")))
        self.switch("port", "del", "vm1")
        client.settimeout(2)
        self.assertEqual(client.recv(1), b"")
        self.assertFalse(self.path("vm1").exists())

    # ---- keys and values ----

    def test_unknown_keys_name_the_nearest(self):
        self.refused(["queue", "queues"], *self.add("vm1", "queue=2"))
        self.refused(["agein", "ageing"], "bridge", "set", "br0", "agein=5")

    def test_unknown_type(self):
        self.refused(["vhostuser", "vhost-user"], "port", "add", "vm1", "vhostuser", "bridge=br0")

    def test_key_of_another_type(self):
        self.refused(["dev"], *self.add("vm1", "dev=eth0"))

    def test_missing_key(self):
        self.refused(["path"], "port", "add", "vm1", "vhost-user", "bridge=br0")

    def test_same_key_twice(self):
        self.refused(["queues"], *self.add("vm1", "queues=1", "queues=2"))

    def test_numbers_out_of_range(self):
        for pair, bounds in (("queues=0", ["queues", "1", "16"]),
                             ("queues=17", ["queues", "1", "16"]),
                             ("mtu=67", ["mtu", "68"]), ("mtu=65536", ["mtu", "65535"]),
                             ("tag=4095", ["tag", "4094"]), ("tag=-1", ["tag"]),
                             ("queues=99999999999999999999", ["queues"]),
                             ("queues=2x", ["queues"]), ("queues=", ["queues"])):
            with self.subTest(pair=pair):
                if pair == "queues=":  # the empty value is the default
                    self.switch(*self.add("vm1", pair))
                    continue
                self.refused(bounds, *self.add("vm1", pair))

    def test_bad_mac(self):
        for mac in ("52:54:00:00:00", "52:54:00:00:00:0g", "01:00:5e:00:00:01",
                    "00:00:00:00:00:00"):
            with self.subTest(mac=mac):
                self.refused([mac], *self.add("vm1", f"mac={mac}"))

    def test_key_that_cannot_be_set(self):
        self.switch(*self.add("vm1"))
        self.refused(["path"], "port", "set", "vm1", "path=/tmp/other.sock")

    def test_set_changes_nothing_when_one_key_is_bad(self):
        self.switch(*self.add("vm1", "mtu=1500"))
        self.refused(["tag"], "port", "set", "vm1", "mtu=9000", "tag=5000")
        self.assertEqual(self.switch.port("vm1")["mtu"], 1500)

    # ---- what does not exist ----

    def test_what_does_not_exist_cannot_be_deleted(self):
        self.refused(["nope"], "port", "del", "nope")
        self.refused(["nope"], "bridge", "del", "nope")
        self.refused(["nope"], "port", "set", "nope", "mtu=1500")
        self.refused(["nope"], "port", "show", "nope")
        self.refused(["02:00:00:00:00:99"], "fdb", "del", "br0", "02:00:00:00:00:99")
        self.refused(["nope"], "fdb", "add", "br0", "02:00:00:00:00:99", "nope")

    def test_bridge_with_ports_is_not_deleted(self):
        self.switch(*self.add("vm1"))
        self.refused(["br0", "vm1"], "bridge", "del", "br0")
        self.switch("port", "del", "vm1")
        self.switch("bridge", "del", "br0")

    def test_missing_interface(self):
        self.refused(["nonexistent0"], "port", "add", "p", "afpacket", "bridge=br0",
                     "dev=nonexistent0")

    def test_unknown_commands(self):
        self.refused(["prot"], "prot", "show")
        self.refused(["ad"], "port", "ad", "x")


class Client(TestCase):
    def test_no_daemon(self):
        done = run(CLIENT, "--socket", self.bench.folder / "none.sock", "bridge", "show",
                   check=False)
        self.assertNotEqual(done.returncode, 0)
        self.says(done.stderr, "none.sock", "patchbayd")

    def test_help_at_every_level(self):
        for words in (["--help"], ["port", "--help"], ["port", "add", "--help"]):
            with self.subTest(words=words):
                self.assertIn("port", run(CLIENT, *words).stdout)

    def test_completion_offers_nouns_and_keys(self):
        script = self.bench.folder / "completion.bash"
        script.write_text(run(CLIENT, "completion", "bash").stdout)
        driver = ("source {script}; COMP_WORDS=({words}); COMP_CWORD={last};"
                  "COMP_LINE='{line}'; COMP_POINT=${{#COMP_LINE}};"
                  "$(complete -p patchbay | sed -n 's/.*-F \\([^ ]*\\).*/\\1/p') patchbay;"
                  "echo ${{COMPREPLY[@]}}")
        for line, expected in (("patchbay po", "port"), ("patchbay port a", "add"),
                               ("patchbay port add vm1 vhost-user que", "queues=")):
            words = line.split()
            text = driver.format(script=script, words=" ".join(words), last=len(words) - 1,
                                 line=line)
            environment = dict(os.environ, PATH=f"{CLIENT.parent}:{os.environ['PATH']}")
            with self.subTest(line=line):
                self.assertIn(expected, run("bash", "-c", text, env=environment).stdout)

    def test_json_everywhere(self):
        switch = self.bench.switch()
        switch("bridge", "add", "br0")
        for words in (["bridge", "show"], ["port", "show"], ["stats"], ["fdb", "show"],
                      ["worker", "show"], ["config", "show"], ["daemon", "version"]):
            with self.subTest(words=words):
                self.assertIsInstance(switch.json(*words), dict)

    def test_errors_as_json(self):
        switch = self.bench.switch()
        done = switch.run("--json", "bridge", "del", "nope", check=False)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("nope", done.stdout + done.stderr)

    def test_stats_have_the_promised_names(self):
        switch = self.bench.switch()
        switch("bridge", "add", "br0")
        switch("port", "add", "n", "null", "bridge=br0")
        row = switch.json("stats")["rows"][0]
        for name in ("rx_packets", "rx_bytes", "tx_packets", "tx_bytes"):
            self.assertEqual(row[name], 0)
        self.assertEqual(row["drops"], {})

    def test_relative_path_is_completed(self):
        switch = self.bench.switch()
        switch("bridge", "add", "br0")
        switch.run("port", "add", "vm1", "vhost-user", "bridge=br0", "path=vm1.sock",
                   cwd=self.bench.folder)
        self.assertEqual(switch.port("vm1")["path"], str(self.bench.folder / "vm1.sock"))


@requires_root
class Rights(TestCase):
    """The daemon of an ordinary user meets what that user may not do."""

    def test_directory_that_is_not_writable(self):
        os.chown(self.bench.folder, 65534, 65534)
        closed = self.bench.folder / "closed"
        closed.mkdir(mode=0o755)
        switch = self.bench.switch(user=65534, group=65534, extra_groups=[])
        switch("bridge", "add", "br0")
        text = switch.refused("port", "add", "vm1", "vhost-user", "bridge=br0",
                              f"path={closed}/vm1.sock")
        self.says(text, f"directory {closed} is not writable")
        self.assertEqual(switch.rows("port", "show"), [])

    def test_socket_owner_and_mode(self):
        switch = self.bench.switch()
        switch("bridge", "add", "br0")
        path = self.bench.folder / "vm1.sock"
        switch("port", "add", "vm1", "vhost-user", "bridge=br0", f"path={path}",
               "socket_owner=nobody", "socket_group=nogroup", "socket_mode=0600")
        status = path.stat()
        self.assertEqual((status.st_uid, status.st_gid, status.st_mode & 0o777),
                         (65534, 65534, 0o600))
        text = switch.refused("port", "add", "vm2", "vhost-user", "bridge=br0",
                              f"path={self.bench.folder}/vm2.sock", "socket_owner=nosuchuser")
        self.says(text, "nosuchuser")
