# SPDX-License-Identifier: BSD-3-Clause
"""Configuration files: at the start, shown, applied as a difference, refused as a whole."""

import signal

from harness.case import TestCase, requires_root
from harness.process import run
from harness.switch import DAEMON
from harness.wait import wait_until

NETWORK = """\
bridges:
  br0:
    ageing: 600
  br1:
ports:
  vm1:
    type: vhost-user
    bridge: br0
    path: {folder}/vm1.sock
    queues: 2
  vm2:
    type: vhost-user
    bridge: br0
    path: {folder}/vm2.sock
    vlan_mode: access
    tag: 10
  sink:
    type: "null"
    bridge: br1
fdb:
  - bridge: br0
    mac: 52:54:00:00:00:07
    port: vm1
"""


class Config(TestCase):
    def set_up(self):
        self.file = self.bench.folder / "network.yaml"
        self.text = NETWORK.format(folder=self.bench.folder)

    def write(self, text):
        self.file.write_text(text)
        return self.file

    def test_read_at_the_start(self):
        switch = self.bench.switch("--config", self.write(self.text))
        self.assertEqual([row["name"] for row in switch.rows("port", "show")],
                         ["vm1", "vm2", "sink"])
        self.assertEqual(switch.rows("bridge", "show", "br0")[0]["ageing"], 600)
        self.assertEqual(switch.port("vm2")["tag"], 10)
        row = switch.rows("fdb", "show", "br0")[0]
        self.assertEqual((row["mac"], row["port"], row["type"]),
                         ("52:54:00:00:00:07", "vm1", "static"))

    def test_bad_file_at_the_start(self):
        """Says where, starts nothing, leaves nothing."""
        done = run(DAEMON, "--socket", self.bench.folder / "s", "--config",
                   self.write(self.text + "ports\n"), check=False, timeout=10)
        self.assertGreater(done.returncode, 0)
        self.assertRegex(done.stderr, r"network\.yaml:\d+")
        self.assertFalse((self.bench.folder / "vm1.sock").exists())
        self.assertFalse((self.bench.folder / "s").exists())

    def test_show_is_what_apply_accepts(self):
        switch = self.bench.switch("--config", self.write(self.text))
        shown = switch("config", "show")
        before = switch.json("config", "show")["config"]
        self.assertEqual(switch.json("config", "apply", self.write(shown))["changes"], [])
        switch.stop()
        second = self.bench.switch()
        second("config", "apply", self.file)
        self.assertEqual(second("config", "show"), shown)
        self.assertEqual(second.json("config", "show")["config"], before)

    def test_every_command_shows_in_the_file(self):
        switch = self.bench.switch()
        switch("bridge", "add", "b", "ageing=5", "capacity=1024", "forward_bpdu=yes")
        switch("port", "add", "p", "vhost-user", "bridge=b", f"path={self.bench.folder}/p.sock",
               "queues=4", "mac=52:54:00:00:00:09", "mtu=9000", "vlan_mode=trunk",
               "trunks=1,5,100-200", "profile=vm")
        switch("fdb", "add", "b", "52:54:00:00:00:09", "p", "vlan=5")
        shown = switch("config", "show")
        for word in ("ageing: 5", "capacity: 1024", "queues: 4", "mtu: 9000", "52:54:00:00:00:09",
                     "trunk", "profile: vm", "vlan: 5"):
            self.assertIn(word, shown)
        switch("port", "del", "p")
        switch("bridge", "del", "b")
        switch("config", "apply", self.write(shown))
        self.assertEqual(switch("config", "show"), shown)

    def test_only_the_difference_is_applied(self):
        switch = self.bench.switch("--config", self.write(self.text))
        changed = self.text.replace("ageing: 600", "ageing: 60").replace("tag: 10", "tag: 11")
        inode = (self.bench.folder / "vm1.sock").stat().st_ino
        changes = switch.json("config", "apply", self.write(changed))["changes"]
        self.assertEqual(len(changes), 2, changes)
        self.says(" ".join(changes), "br0", "vm2")
        self.assertEqual((self.bench.folder / "vm1.sock").stat().st_ino, inode)
        self.assertEqual(switch.port("vm2")["tag"], 11)

    def test_what_is_not_in_the_file_is_deleted(self):
        switch = self.bench.switch("--config", self.write(self.text))
        switch("config", "apply", self.write("bridges:\n  br0:\n"))
        self.assertEqual(switch.rows("port", "show"), [])
        self.assertEqual([row["name"] for row in switch.rows("bridge", "show")], ["br0"])
        self.assertFalse((self.bench.folder / "vm1.sock").exists())

    def test_dry_run_changes_nothing(self):
        switch = self.bench.switch()
        text = switch("config", "apply", self.write(self.text), "--dry-run")
        self.says(text, "br0", "vm1")
        self.assertEqual(switch.rows("bridge", "show"), [])

    def test_errors_name_the_line(self):
        switch = self.bench.switch("--config", self.write(self.text))
        before = switch("config", "show")
        for old, new, line, word in (
                ("    queues: 2", "    queues: [2", 11, ""),       # syntax
                ("    queues: 2", "    queue: 2", 10, "queues"),   # unknown key
                ("    queues: 2", "    queues: 200", 10, "16"),    # range
                ("    queues: 2", "    queues: 2\n    queues: 2", 11, "queues"),  # twice
                ("tag: 10", "tag: ten", 16, "tag"),                # not a number
                ("bridge: br1", "bridge: br9", 19, "br9"),         # refers to nothing
                ("vm2.sock", "vm1.sock", 14, "vm1.sock"),          # same socket
                ("bridges:", "bridgs:", 1, "bridges")):
            with self.subTest(new=new):
                text = switch.refused("config", "apply", self.write(self.text.replace(old, new)))
                self.assertRegex(text, rf"network\.yaml:{line}\b")
                self.says(text, word)
                self.assertEqual(switch("config", "show"), before)

    def test_hostile_files_are_refused(self):
        switch = self.bench.switch()
        deep = "".join("  " * depth + f"k{depth}:\n" for depth in range(200))
        for text in ("a: &x [1]\nb: *x\n", deep, "\0", "- 1\n- 2\n", "bridges: 7\n", "\xff\xfe",
                     "bridges:\n\tbr0:\n", "--- {}\n--- {}\n"):
            with self.subTest(text=text[:20]):
                self.file.write_text(text, encoding="latin-1")
                switch.refused("config", "apply", self.file)

    def test_missing_file(self):
        switch = self.bench.switch()
        self.says(switch.refused("config", "apply", "/nonexistent.yaml"), "/nonexistent.yaml")

    def test_empty_file_is_an_empty_network(self):
        switch = self.bench.switch("--config", self.write(self.text))
        switch("config", "apply", self.write(""))
        self.assertEqual(switch.rows("bridge", "show"), [])

    def test_failure_half_way_applies_nothing(self):
        """The last step cannot be done: the steps before it are taken back."""
        switch = self.bench.switch("--config", self.write(self.text))
        before = switch("config", "show")
        inode = (self.bench.folder / "vm1.sock").stat().st_ino
        changed = (self.text.replace("ageing: 600", "ageing: 60").replace("tag: 10", "tag: 11")
                   .replace("  sink:", f"""\
  vm3:
    type: vhost-user
    bridge: br0
    path: {self.bench.folder}/vm3.sock
  vm4:
    type: vhost-user
    bridge: br0
    path: {self.bench.folder}/none/vm4.sock
  sink:"""))
        text = switch.refused("config", "apply", self.write(changed))
        self.says(text, "vm4", f"{self.bench.folder}/none")
        self.assertEqual(switch("config", "show"), before)
        self.assertFalse((self.bench.folder / "vm3.sock").exists())
        self.assertEqual((self.bench.folder / "vm1.sock").stat().st_ino, inode)
        self.assertEqual(switch.rows("bridge", "show", "br0")[0]["ageing"], 600)

    def test_ports_of_others_stay(self):
        """A port with an owner is not the file's: no file takes it away, and none shows it."""
        state = self.bench.folder / "state"
        self.write(self.text)
        switch = self.bench.switch("--config", self.file, "--state", state)
        shown = switch("config", "show")
        path = self.bench.folder / "guest.sock"
        switch("port", "add", "guest", "vhost-user", "bridge=br0", f"path={path}", "owner=vm:guest")
        switch("fdb", "add", "br0", "52:54:00:00:00:08", "guest")
        switch("set", "add", "some", "10.0.0.0/8")
        switch("filter", "add", "guest", "in", 10, "deny", "src_set=some")
        inode = path.stat().st_ino
        self.assertEqual(switch("config", "show").split("sets:")[0], shown)
        self.assertIn("vm:guest", switch("port", "show"))

        def stays(inode):
            port = switch.port("guest")
            self.assertEqual((port["owner"], port["bridge"]), ("vm:guest", "br0"))
            self.assertEqual(switch.rows("filter", "show", "guest")[0]["src_set"], "some")
            self.assertIn("guest", {row["port"] for row in switch.rows("fdb", "show")})
            if inode:
                self.assertEqual(path.stat().st_ino, inode)

        done = switch.json("config", "apply", self.file)
        self.assertEqual(done["kept"], ["port guest of vm:guest"])
        self.assertEqual(done["changes"], ["set set some"] if done["changes"] else [])
        stays(inode)
        self.assertIn("keep port guest of vm:guest", switch("config", "apply", self.file))
        switch.process.popen.send_signal(signal.SIGHUP)
        wait_until(lambda: "port guest stays as it is" in switch.log.read_text(), 10, "word about it")
        stays(inode)
        # Not without its bridge, not under its name.
        self.says(switch.refused("config", "apply", self.write("bridges: {br1: }\n")), "br0", "guest",
                  "vm:guest")
        self.says(switch.refused("config", "apply", self.write(
            "bridges: {br0: }\nports:\n  guest: {type: 'null'}\n")), "guest", "belongs to vm:guest")
        stays(inode)
        switch("config", "apply", self.write("bridges: {br0: }\n"))
        self.assertEqual([row["name"] for row in switch.rows("port", "show")], ["guest"])
        stays(inode)
        # It is still that one's after another daemon has taken over, and after a crash.
        switch.take_over("--state", state)
        stays(None)
        switch.kill()
        switch = self.bench.switch("--state", state)
        stays(None)
        self.says(switch.refused("port", "del", "guest"), "guest", "vm:guest", "--force")
        switch("port", "del", "guest", "--force")
        self.assertEqual(switch.rows("port", "show"), [])

    @requires_root
    def test_other_ports_forward_meanwhile(self):
        wires = [self.bench.wire(name) for name in ("w0", "w1")]
        base = "bridges:\n  aside:\nports:\n" + "".join(
            f"  {wire.name}: {{type: afpacket, bridge: aside, dev: {wire.name}}}\n"
            for wire in wires)
        more = base.replace("  aside:", "  aside:\n  br0:") + "".join(
            f"  vm{number}: {{type: vhost-user, bridge: br0,"
            f" path: {self.bench.folder}/vm{number}.sock}}\n" for number in range(8))
        switch = self.bench.switch("--config", self.write(base))
        stream = self.bench.stream(*wires)
        for _ in range(5):
            switch("config", "apply", self.write(more))
            switch.refused("config", "apply", self.write(more.replace("vm7.sock", "no/vm7.sock")))
            switch("config", "apply", self.write(base))
        self.assert_no_loss(stream)
