# SPDX-License-Identifier: BSD-3-Clause
"""`patchbay vm`: a virtual machine's life, from its ports on the switch to its end."""

import base64
import json
import os
import pathlib
import signal
import time

from harness.vm_case import VmCase, alive
from harness.wait import Timeout, wait_until

MAC = "52:54:00:00:00:01"
REBOOT, CRASH, KILL = 10, 11, 12


class Life(VmCase):
    """One guest for all of these."""

    @classmethod
    def set_up_class(cls, bench):
        cls.switch = bench.switch()
        cls.switch("bridge", "add", "br0")
        cls.vm = bench.vm("vm1", options=["--net", f"bridge=br0,mac={MAC},tag=10"]).start()
        cls.vm.wait_boot()
        cls.vm.wait_running()

    def set_up(self):
        self.bench.close()
        self.bench = self.shared  # its folder, its runtime directory

    def tearDown(self):
        self.bench = None

    def test_what_list_and_show_say(self):
        row = self.vm.show()
        self.assertEqual((row["name"], row["state"], row["cpus"], row["memory"]),
                         ("vm1", "running", 1, 192 << 20))
        self.assertEqual(row["nets"][0]["mac"], MAC)
        self.assertIn(row["engine"], ("kvm", "qemu"))
        table = self.patchbay("vm").stdout
        for word in ("VM", "STATE", "vm1", "running", row["engine"], "192 MiB"):
            self.assertIn(word, table)
        self.assertIn("engine " + row["engine"], self.vm.words_said())
        self.assertEqual([other["name"] for other in self.rows()], ["vm1"])

    def test_port_on_the_switch(self):
        self.switch.wait_link("vm1.0")
        port = self.switch.port("vm1.0")
        self.assertEqual((port["bridge"], port["tag"], port["mac"], port["profile"]),
                         ("br0", 10, MAC, "vm"))

    def test_pause_and_resume(self):
        self.patchbay("vm", "pause", "vm1")
        self.assertEqual(self.vm.show()["state"], "paused")
        self.patchbay("vm", "pause", "vm1")  # it is
        self.vm.send("echo awake")
        deadline = time.monotonic() + 1
        with self.assertRaises(Timeout):
            while True:
                line = self.vm.agent.read(deadline)
                self.assertFalse(line.startswith(str(self.vm.count)), line)
        self.patchbay("vm", "resume", "vm1")
        self.assertEqual(self.vm.receive("echo awake"), "awake\n")
        self.assertEqual(self.vm.show()["state"], "running")

    def test_reboot_in_place(self):
        before = self.vm.show()
        boot = self.vm.boot_id
        self.vm.reboot()
        after = self.vm.show()
        self.assertNotEqual(self.vm.boot_id, boot)
        self.assertEqual((after["pid"], after["restarts"]), (before["pid"], before["restarts"] + 1))
        self.switch.wait_link("vm1.0")

    def test_same_name(self):
        self.refused(["vm1", "--net", "bridge=br0"], "vm1", "runs already")

    def test_same_address(self):
        self.refused(["vm2", "--net", f"bridge=br0,mac={MAC}"], MAC, "vm1")
        self.switch("port", "add", "other", "null", "bridge=br0", "mac=52:54:00:00:00:07")
        self.refused(["vm2", "--net", "bridge=br0,mac=52:54:00:00:00:07"], "other")
        self.switch("port", "del", "other")

    def test_port_of_somebody_else(self):
        self.switch("port", "add", "vm2.0", "null", "bridge=br0")
        self.refused(["vm2", "--net", "bridge=br0"], "vm2.0", "port del")
        self.assertEqual(self.switch.port("vm2.0")["type"], "null")
        self.switch("port", "del", "vm2.0")

    def refused(self, words, *says):
        image = self.vm.image
        done = self.patchbay("vm", "run", *words, "--kernel", image.kernel, "--detach", check=False)
        self.assertEqual(done.returncode, 1, done.stderr)
        self.says(done.stderr, *says)
        self.assertEqual([row["name"] for row in self.rows()], ["vm1"])

    def test_console(self):
        terminal = self.terminal("vm", "console", "vm1")
        terminal.wait_for(b"Ctrl-] d leaves")
        self.assertTrue(terminal.is_raw())
        command = base64.b64encode(b"echo 6 times 7 is $((6 * 7))").decode()
        terminal.type(f"4711 5 {command}\n".encode())
        terminal.wait_for(b"4711 0 " + base64.b64encode(b"6 times 7 is 42\n"))
        terminal.type(b"\x1d?")
        terminal.wait_for(b"presses the power button")
        terminal.type(b"\x1dd")
        self.assertEqual(terminal.end_code(), 0)
        self.assertTrue(terminal.is_restored())
        self.assertEqual(self.vm.show()["state"], "running")

    def test_console_is_restored_after_a_signal(self):
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
            terminal = self.terminal("vm", "console", "vm1")
            wait_until(terminal.is_raw, 10, "raw terminal")
            terminal.process.send_signal(number)
            terminal.end_code()
            self.assertTrue(terminal.is_restored(), number)

    def test_log(self):
        self.assertIn("ready", self.patchbay("vm", "log", "vm1").stdout)

    def test_unknown_name(self):
        for verb in ("show", "stop", "kill", "pause", "resume", "console"):
            done = self.patchbay("vm", verb, "nobody", check=False)
            self.assertEqual(done.returncode, 1)
            self.says(done.stderr, "nobody", "vm list")

    def test_idle_supervisor_is_small(self):
        pid = self.vm.show()["supervisor"]
        status = pathlib.Path(f"/proc/{pid}/status").read_text()
        self.assertIn("NoNewPrivs:\t1", status)

        def switches():
            return [int(line.split()[1]) for line in
                    pathlib.Path(f"/proc/{pid}/status").read_text().splitlines()
                    if line.startswith("voluntary_ctxt_switches")][0]

        anonymous = [int(line.split()[1]) for line in status.splitlines()
                     if line.startswith("RssAnon")][0]
        self.assertLess(anonymous, 2048, "KiB")
        before = switches()
        time.sleep(1)
        self.assertLess(switches() - before, 5)


class Ends(VmCase):
    """How a virtual machine ends, and that nothing is left of it."""

    def set_up(self):
        self.switch = self.bench.switch()
        self.switch("bridge", "add", "br0")

    def run_vm(self, *options, boot=False, **more):
        vm = self.start(options=["--net", "bridge=br0", *options], **more)
        if boot:
            vm.wait_boot()
        row = vm.show()
        return vm, [row["pid"], row["supervisor"]]

    def check(self, vm, pids, code, *says):
        self.assertEqual(vm.end_code(), code, vm.words_said())
        self.says(vm.words_said(), *says)
        self.nothing_left(self.switch, pids)

    def test_power_button(self):
        vm, pids = self.run_vm(boot=True)
        done = json.loads(self.patchbay("--json", "vm", "stop", "vm1").stdout)
        self.assertEqual(done["how"], "shutdown")
        self.check(vm, pids, 0, "the guest has shut down")

    def test_shut_down_by_the_guest(self):
        vm, pids = self.run_vm(boot=True)
        vm.send("poweroff -f")
        self.check(vm, pids, 0, "the guest has shut down")

    def test_reboot_that_ends(self):
        vm, pids = self.run_vm("--on-reboot", "stop", boot=True)
        vm.send("reboot -f")
        self.check(vm, pids, REBOOT, "wanted to reboot")

    def test_guest_that_ignores_the_button(self):
        vm, pids = self.run_vm()
        done = json.loads(self.patchbay("--json", "vm", "stop", "vm1", "wait=1").stdout)
        self.assertEqual(done["how"], "kill")
        self.assertIn("within 1 s", done["text"])
        self.check(vm, pids, KILL, "power button")

    def test_kill(self):
        vm, pids = self.run_vm()
        self.assertIn("kill", self.patchbay("vm", "kill", "vm1").stdout)
        self.check(vm, pids, KILL, "killed")

    def test_crash_of_the_monitor(self):
        vm, pids = self.run_vm()
        os.kill(pids[0], signal.SIGSEGV)
        self.check(vm, pids, CRASH, "signal 11")

    def test_signal_to_the_command(self):
        vm, pids = self.run_vm(boot=True)
        vm.process.popen.send_signal(signal.SIGTERM)
        self.check(vm, pids, 0, "power button", "shut down")

    def test_two_signals(self):
        vm, pids = self.run_vm()
        vm.process.popen.send_signal(signal.SIGINT)
        wait_until(lambda: "power button" in vm.words_said(), 10, "word about the first signal")
        vm.process.popen.send_signal(signal.SIGINT)
        self.check(vm, pids, KILL)

    def test_death_of_the_command(self):
        vm, pids = self.run_vm()
        vm.process.popen.kill()
        vm.process.popen.wait()
        self.nothing_left(self.switch, pids)

    def test_death_of_the_supervisor(self):
        vm, pids = self.run_vm()
        os.kill(pids[1], signal.SIGKILL)
        self.assertEqual(vm.end_code(), CRASH)
        self.says(vm.words_said(), "supervisor has died")
        wait_until(lambda: not alive(pids[0]), 10, "end of the monitor")
        self.assertEqual(self.rows()[0]["state"], "lost")
        self.says(self.patchbay("vm", "stop", "vm1", check=False).stderr, "vm kill vm1")
        self.patchbay("vm", "kill", "vm1")
        self.nothing_left(self.switch, pids)

    def test_run_after_the_death_of_a_supervisor(self):
        vm, pids = self.run_vm()
        os.kill(pids[1], signal.SIGKILL)
        vm.end_code()
        vm.stop()
        self.run_vm()
        self.assertTrue(self.switch.port("vm1.0")["vhost"]["connected"])
        self.patchbay("vm", "kill", "vm1")
        self.nothing_left(self.switch)

    def test_switch_that_dies(self):
        """kill -9 of patchbayd under a guest, which gets its port back."""
        vm, pids = self.run_vm(boot=True)
        self.switch.wait_link("vm1.0")
        self.switch.kill()
        self.switch.start()
        self.switch("bridge", "add", "br0")
        wait_until(lambda: self.switch.rows("port", "show"), 10, "port after the restart")
        self.switch.wait_link("vm1.0", seconds=20)
        self.patchbay("vm", "kill", "vm1")
        self.check(vm, pids, KILL)

    def test_end_without_a_switch(self):
        vm, pids = self.run_vm()
        self.switch.kill()
        self.patchbay("vm", "kill", "vm1")
        self.assertEqual(vm.end_code(), KILL)
        self.nothing_left(None, pids)

    def test_detached(self):
        vm = self.bench.vm("vm1", options=["--net", "bridge=br0"], detach=True)
        vm.start()
        self.assertEqual(vm.show()["state"], "running")
        row = vm.show()
        self.patchbay("vm", "kill", "vm1")
        self.nothing_left(self.switch, [row["pid"], row["supervisor"]])
        self.patchbay("vm", "log", "vm1")


class OnATerminal(VmCase):
    """`vm run` in the foreground, typed by somebody."""

    def set_up(self):
        self.switch = self.bench.switch()
        self.switch("bridge", "add", "br0")
        self.vm = self.bench.vm("vm1", options=["--net", "bridge=br0"])

    def test_run_leave_come_back_and_kill(self):
        terminal = self.terminal(*self.vm.words)
        terminal.wait_for(b"Ctrl-] d leaves")
        self.assertTrue(terminal.is_raw())
        terminal.type(b"\x03")  # is the guest's
        terminal.wait_for(b"ready ", 60)
        terminal.type(b"\x1dd")
        self.assertEqual(terminal.end_code(), 0)
        self.assertTrue(terminal.is_restored())
        self.says(terminal.seen.decode(), "vm console vm1")
        self.assertEqual(self.rows()[0]["state"], "running")
        second = self.terminal("vm", "console", "vm1")
        second.wait_for(b"Ctrl-] d leaves")
        second.type(b"\x1dk")
        second.end_code()
        self.assertTrue(second.is_restored())
        self.nothing_left(self.switch)

    def test_power_button_by_key(self):
        terminal = self.terminal(*self.vm.words)
        terminal.wait_for(b"ready ", 60)
        terminal.type(b"\x1dp")
        self.assertEqual(terminal.end_code(60), 0)
        self.assertTrue(terminal.is_restored())
        self.nothing_left(self.switch)

    def test_interrupted_before_it_runs(self):
        path = self.bench.folder / "nobody.sock"
        terminal = self.terminal(*self.vm.words, "--net", f"socket={path}")
        terminal.wait_for(b"waiting for the socket")
        self.assertFalse(terminal.is_raw())
        terminal.type(b"\x03")
        self.assertEqual(terminal.end_code(), 1)
        self.says(terminal.seen.decode(), "interrupted")
        self.assertTrue(terminal.is_restored())
        self.nothing_left(self.switch)

    def test_interrupted_at_any_moment(self):
        for moment in range(8):
            terminal = self.terminal(*self.vm.words)
            time.sleep(moment * 0.02)
            os.kill(terminal.process.pid, signal.SIGINT)
            wait_until(lambda t=terminal: t.process.poll() is not None or b"once more" in t.read(),
                       20, "word about the signal")
            if terminal.process.poll() is None:
                os.kill(terminal.process.pid, signal.SIGINT)
            self.assertIn(terminal.end_code(), (-signal.SIGINT, 1, KILL), terminal.seen)
            self.assertTrue(terminal.is_restored())
            self.nothing_left(self.switch)
