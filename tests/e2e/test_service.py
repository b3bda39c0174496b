# SPDX-License-Identifier: BSD-3-Clause
"""patchbayd under a service manager: notification, reload, rights, and a network of full size."""

import grp
import os
import pwd
import signal
import socket

from harness.case import TestCase, requires_root
from harness.process import run
from harness.wait import wait_until

STRANGER = 23456
PORTS, STATIC_ADDRESSES = 1024, 2048


class Notify(TestCase):
    def listen(self):
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.bench.cleanup.add(listener.close)
        listener.settimeout(10)
        listener.bind(str(self.bench.folder / "notify"))
        return listener

    def test_ready_and_stopping(self):
        listener = self.listen()
        switch = self.bench.switch(
            env=dict(os.environ, NOTIFY_SOCKET=str(self.bench.folder / "notify")))
        words = listener.recv(100).split(b"\n")
        self.assertEqual(words[0], b"READY=1")
        self.assertTrue(words[1].startswith(b"MAINPID="))
        switch("bridge", "show")
        switch.stop()
        self.assertEqual(listener.recv(100), b"STOPPING=1")

    def test_nobody_listens(self):
        switch = self.bench.switch(env=dict(os.environ, NOTIFY_SOCKET="/nonexistent/socket"))
        switch("bridge", "show")


class Reload(TestCase):
    def test_hangup_applies_the_file_again(self):
        file = self.bench.folder / "network.yaml"
        file.write_text("bridges:\n  br0:\n")
        switch = self.bench.switch("--config", file)
        switch("bridge", "add", "by-hand")
        file.write_text("bridges:\n  br0:\n  br1:\n")
        os.kill(switch.pid, signal.SIGHUP)
        wait_until(lambda: self.names(switch) == ["br0", "br1"], 5, "second bridge")
        file.write_text("bridges:\n  br0:\n    nonsense: 1\n")
        os.kill(switch.pid, signal.SIGHUP)
        wait_until(lambda: "network.yaml:3" in switch.log.read_text(), 5, "error in the log")
        self.assertEqual(self.names(switch), ["br0", "br1"])

    def test_hangup_without_a_file_is_harmless(self):
        switch = self.bench.switch()
        switch("bridge", "add", "br0")
        os.kill(switch.pid, signal.SIGHUP)
        wait_until(lambda: "SIGHUP" in switch.log.read_text(), 5, "word about it")
        self.assertEqual(self.names(switch), ["br0"])

    def names(self, switch):
        return [row["name"] for row in switch.rows("bridge", "show")]


@requires_root
class Rights(TestCase):
    def as_stranger(self, switch, *words, groups=()):
        return switch.run(*words, check=False, user=STRANGER, group=STRANGER,
                          extra_groups=list(groups))

    def test_who_may_look_and_who_may_change(self):
        os.chmod(self.bench.folder, 0o755)
        switch = self.bench.switch("--socket-mode", "0666", "--socket-group", "nogroup")
        self.assertEqual(switch.socket.stat().st_mode & 0o777, 0o666)
        group = switch.socket.stat().st_gid
        os.chmod(switch.folder, 0o755)
        self.assertEqual(self.as_stranger(switch, "bridge", "show").returncode, 0)
        done = self.as_stranger(switch, "bridge", "add", "br0")
        self.assertNotEqual(done.returncode, 0)
        self.says(done.stderr, "permission denied", "group")
        done = self.as_stranger(switch, "bridge", "add", "br0", groups=[group])
        self.assertEqual(done.returncode, 0, done.stderr)


    def test_groups_that_may_look_and_change(self):
        """Members of one group change things, of another look, of neither get no answer."""
        os.chmod(self.bench.folder, 0o755)
        switch = self.bench.switch("--socket-group", "nogroup", "--read-group", "games")
        admins, readers = grp.getgrnam("nogroup").gr_gid, grp.getgrnam("games").gr_gid
        self.assertEqual(switch.socket.stat().st_gid, admins)
        for groups, may_look, may_change in (([], False, False), ([readers], True, False),
                                             ([admins], True, True), ([1, readers], True, False),
                                             ([readers, admins], True, True)):
            with self.subTest(groups=groups):
                look = self.as_stranger(switch, "bridge", "show", groups=groups)
                change = self.as_stranger(switch, "bridge", "add", "br0", groups=groups)
                self.assertEqual((look.returncode == 0, change.returncode == 0),
                                 (may_look, may_change), look.stderr + change.stderr)
                if not may_change:
                    self.says(change.stderr, "permission denied", "group")
                else:
                    switch("bridge", "del", "br0")
        self.says(self.as_stranger(switch, "bridge", "show").stderr, "--read-group")

    def test_owner_group_and_mode_of_a_port(self):
        """Its monitor's group may connect to a port's socket, and nobody else."""
        os.chmod(self.bench.folder, 0o755)
        switch = self.bench.switch()
        path = self.bench.folder / "vm1.sock"
        switch("bridge", "add", "br0")
        switch("port", "add", "vm1", "vhost-user", "bridge=br0", f"path={path}",
               f"socket_owner={pwd.getpwuid(65534).pw_name}", "socket_group=games",
               "socket_mode=0660")
        status = path.stat()
        self.assertEqual((status.st_uid, status.st_gid, status.st_mode & 0o777),
                         (65534, grp.getgrnam("games").gr_gid, 0o660))
        # To connect is to write (unix(7)).
        for groups, may in (([], False), ([grp.getgrnam("games").gr_gid], True)):
            done = run("test", "-w", path, check=False, user=STRANGER, group=STRANGER,
                       extra_groups=groups)
            self.assertEqual(done.returncode == 0, may)


class FullSize(TestCase):
    def test_all_ports_at_once(self):
        """Added, compared and ended as one; a single change in between takes no time."""
        file = self.bench.folder / "network.yaml"
        lines = ["bridges:", "  br0:", "  br1:", "ports:"]
        lines += [f"  p{n}: {{type: vhost-user, bridge: br{n % 2}, "
                  f"path: {self.bench.folder}/{n}.sock}}" for n in range(PORTS)]
        lines += ["fdb:"]
        lines += [f"  - {{bridge: br{n % 2}, mac: \"02:00:00:00:{n >> 8:02x}:{n & 255:02x}\", "
                  f"port: p{n % PORTS}}}" for n in range(STATIC_ADDRESSES)]
        file.write_text("\n".join(lines) + "\n")
        switch = self.bench.switch()
        self.assertEqual(len(switch.json("config", "apply", file)["changes"]),
                         2 + PORTS + STATIC_ADDRESSES)
        self.assertEqual(switch.json("config", "apply", file)["changes"], [])
        self.assertEqual(len(switch.rows("port", "show")), PORTS)
        self.says(switch.refused("port", "add", "more", "null"), str(PORTS))
        switch("port", "set", "p5", "mtu=9000")
        switch("port", "del", "p7")
        switch("port", "add", "p7", "null", "bridge=br0")
        code, seconds = switch.stop()
        self.assertEqual(code, 0)
        self.assertLess(seconds, 5)
