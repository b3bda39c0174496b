# SPDX-License-Identifier: BSD-3-Clause
"""What a daemon saves, and the one after it brings back."""

import os
import subprocess

from harness import front
from harness.case import TestCase, requires_root
from harness.process import run
from harness.switch import DAEMON
from harness.wait import wait_until


class State(TestCase):
    def set_up(self):
        self.state = self.bench.folder / "state"

    def switch(self, *arguments):
        return self.bench.switch("--state", self.state, *arguments)

    def again(self, switch):
        switch.kill()
        switch.start()

    def port(self, switch, name, *keys):
        switch("port", "add", name, "vhost-user", "bridge=br0",
               f"path={self.bench.folder}/{name}.sock", *keys)

    def learnt(self, switch):
        return {(row["mac"], row["port"]) for row in switch.rows("fdb", "show")
                if row["type"] == "learnt"}

    def test_all_of_it_after_a_kill(self):
        switch = self.switch()
        pair = front.Front(self.bench, switch)
        switch("fdb", "add", "br0", "02:00:00:00:00:99", "a", "vlan=7")
        switch("port", "set", "b", "mtu=9000")
        running = pair.begin("--reconnect", "--rate", 1000, "--seconds", 12)
        wait_until(lambda: len(self.learnt(switch)) == 2, 10, "addresses to be learnt")
        wait_until((self.state / "tables").exists, 10, "the tables to be written")
        config, learnt = switch("config", "show"), self.learnt(switch)
        saved = switch.counters("a")["rx_packets"]
        wait_until(lambda: switch.counters("a")["rx_packets"] > saved, 10, "traffic")
        self.again(switch)
        self.assertEqual(switch("config", "show"), config)
        self.assertEqual(self.learnt(switch), learnt)
        self.assertGreater(switch.counters("a")["rx_packets"], 0)
        pair.end(running, check=False)

    def test_clean_stop_loses_no_count(self):
        switch = self.switch()
        pair = front.Front(self.bench, switch)
        pair.exchange("--frames", 500)
        counters = switch.counters("a")
        self.assertEqual(switch.stop()[0], 0)
        switch.start()
        self.assertEqual(switch.counters("a"), counters)

    def test_commands_outlive_the_file_they_began_with(self):
        config = self.bench.folder / "network.yaml"
        config.write_text("bridges: {br0: {}}\n")
        switch = self.switch("--config", config)
        switch("bridge", "add", "br1")
        self.again(switch)
        self.assertEqual([row["name"] for row in switch.rows("bridge", "show")], ["br0", "br1"])
        config.write_text("bridges: {br2: {}}\n")
        self.again(switch)
        self.assertEqual([row["name"] for row in switch.rows("bridge", "show")], ["br2"])
        self.says(switch.log.read_text(), "network.yaml has changed")
        self.again(switch)
        self.assertEqual([row["name"] for row in switch.rows("bridge", "show")], ["br2"])

    def test_damaged_file(self):
        switch = self.switch()
        switch("bridge", "add", "br0")
        switch("bridge", "add", "br1")
        switch.kill()
        text = (self.state / "network.yaml").read_bytes()
        for damage in (text[:len(text) // 2] + b"\0", b"", b"\xff" * 100, b"bridges: [1, 2"):
            (self.state / "network.yaml").write_bytes(damage)
            (self.state / "network.yaml~").write_bytes(b"bridges: {br7: {}}\n")
            (self.state / "tables").write_bytes(damage * 3)
            switch.start()
            names = [row["name"] for row in switch.rows("bridge", "show")]
            # An empty file is an empty configuration: no error.
            self.assertEqual(names, ["br7"] if damage else [])
            switch.kill()
        self.says(switch.log.read_text(), "what ran is damaged", "network.yaml~",
                  "not a file of learnt addresses")

    def test_port_that_cannot_come_back(self):
        switch = self.switch()
        switch("bridge", "add", "br0")
        other = self.bench.folder / "other"
        other.mkdir()
        self.port(switch, "vm1")
        switch("set", "add", "mail", "10.0.0.25")
        switch("filter", "add", "vm1", "in", "20", "deny", "tcp dst port 25")
        rules = switch.rows("filter", "show"), switch.rows("set", "show")
        switch("port", "add", "vm2", "vhost-user", "bridge=br0", f"path={other}/vm2.sock")
        self.port(switch, "vm3")
        switch.kill()
        (other / "vm2.sock").unlink()
        other.rmdir()
        switch.start()
        self.assertEqual([row["name"] for row in switch.rows("port", "show")], ["vm1", "vm3"])
        self.assertEqual((switch.rows("filter", "show"), switch.rows("set", "show")), rules)
        self.says(switch.log.read_text(), "port vm2 is lost", "does not exist")

    def test_one_directory_is_one_daemons(self):
        self.switch()
        done = run(DAEMON, "--socket", self.bench.folder / "x.sock", "--state", self.state,
                   check=False)
        self.assertEqual(done.returncode, 1)
        self.says(done.stderr, str(self.state), "another daemon")
        done = run(DAEMON, "--socket", self.bench.folder / "x.sock", "--state",
                   self.bench.folder / "a" / "b", check=False)
        self.says(done.stderr, "--state", "mkdir -p")

    def test_takeover_goes_on_saving(self):
        switch = self.switch()
        switch("bridge", "add", "br0")
        switch.take_over("--state", self.state)
        switch("bridge", "add", "br1")
        self.again(switch)
        self.assertEqual([row["name"] for row in switch.rows("bridge", "show")], ["br0", "br1"])

    @requires_root
    def test_full_disk(self):
        self.state.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", self.state], check=True)
        self.bench.cleanup.add(subprocess.run, ["umount", self.state])
        switch = self.switch()
        switch("bridge", "add", "br0")
        with open(self.state / "filler", "wb", buffering=0) as filler:
            try:
                while True:
                    filler.write(b"x" * 4096)
            except OSError:
                pass
        switch("bridge", "add", "br1")
        self.says(switch.log.read_text(), "cannot save what runs", "No space left")
        os.unlink(self.state / "filler")
        switch("bridge", "add", "br2")
        self.says(switch.log.read_text(), "can be written again")
        self.again(switch)
        self.assertEqual(len(switch.rows("bridge", "show")), 3)
