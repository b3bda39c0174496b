# SPDX-License-Identifier: BSD-3-Clause
"""Our own monitor against the programs of tests/guest/: a driver that keeps the rules of virtio and
PCI, and others that break them one by one.  No kernel is booted: each takes a second at most."""

import os
import pathlib
import signal

from harness.back_end import ALL, GET_FEATURES, GET_PROTOCOL, GET_QUEUES, BackEnd
from harness.case import TestCase, requires, requires_root
from harness.machine import CRASH, ERROR, KILLED, REBOOT, SHUTDOWN
from harness.program import Program, why_not
from harness.wait import wait_until

NOBODY = 65534
END_SECONDS = 240  # on a busy machine, with sanitizers
MAC = "02:00:00:00:00:01"
WHY_NOT = why_not()


@requires(not WHY_NOT, WHY_NOT)
class ProgramCase(TestCase):
    def program(self, word, disks=1, **options):
        program = Program(self.bench, word, cpus=2, **options)
        for number in range(disks):
            path = Program.disk(self.bench.folder / f"disk{number}")
            program.add_disk(path, *(["ro"] if number else []))
        return program

    def finds(self, word, at_least, **options):
        """Runs it to its end: all is as it should be; what the monitor said."""
        program = self.program(word, **options).start()
        self.assertEqual(program.wait_end(END_SECONDS), SHUTDOWN, program.said())
        good, bad = program.findings()
        self.assertEqual(bad, [])
        self.assertGreaterEqual(len(good), at_least)
        return program


class Programs(ProgramCase):
    def test_rules_kept(self):
        """Ports, PCI by both ways, MSI-X, rng, disk with two queues, balloon."""
        program = self.finds("honest", 40)
        self.assertNotIn("warning", program.said())
        written = (self.bench.folder / "disk0").read_bytes()
        self.assertEqual(written[5 * 512:6 * 512], bytes(512))
        self.assertEqual(written[6 * 512], 6)

    def test_ports_configuration_space_windows_interrupts(self):
        self.finds("bus", 35)

    def test_order_of_setting_up(self):
        self.assertIn("a queue's size or addresses are impossible", self.finds("driver", 85).said())

    def test_rings_and_chains(self):
        self.assertIn("malformed: the guest must reset it", self.finds("rings", 110).said())

    def test_disk_requests(self):
        self.finds("disk", 37, disks=2)

    def test_disk_that_becomes_shorter(self):
        """The guest is told each time, people once; what is left can be used."""
        program = self.program("shrink").start()
        path = self.bench.folder / "disk0"
        whole = path.read_bytes()
        wait_until(lambda: "shrink\n" in program.said(), 20, "the guest's word")
        os.truncate(path, len(whole) // 2)
        wait_until(lambda: "grow\n" in program.said(), 20, "the guest's second word")
        os.truncate(path, len(whole))
        self.assertEqual(program.wait_end(), SHUTDOWN)
        self.assertEqual(program.findings()[1], [])
        self.assertEqual(program.said().count("it has become shorter"), 1)

    # ---- ends ----

    def test_every_way_to_start_again(self):
        """The ACPI register, port 0xcf9, the keyboard controller; then switched off."""
        program = self.finds("reboot", 8)
        self.assertEqual(program.said().count("begin\n"), 4)

    def test_reboot_that_ends(self):
        program = self.program("reboot").start("no-reboot")
        self.assertEqual(program.wait_end(), REBOOT)

    def test_fault_that_nobody_handles(self):
        program = self.program("crash").start()
        self.assertEqual(program.wait_end(), CRASH)
        self.assertRegex(program.said(), "triple fault on CPU 0|KVM cannot run the guest's code")

    def test_code_where_there_is_no_memory(self):
        program = self.program("lost").start()
        self.assertEqual(program.wait_end(), CRASH)
        self.assertRegex(program.said(), "CPU 0")

    def test_killed(self):
        for how in ("k", signal.SIGTERM, signal.SIGINT, None):
            with self.subTest(how=how):
                program = self.program("stand").start()
                wait_until(lambda p=program: p.state()[0] == "running", 10, "running")
                if how is None:
                    program.control.close()
                elif how == "k":
                    program.command("k")
                else:
                    program.process.popen.send_signal(how)
                self.assertEqual(program.wait_end(), KILLED)
                program.log.unlink()

    def test_reset_from_outside(self):
        program = self.program("stand").start()
        wait_until(lambda: "begin\n" in program.said(), 10, "the guest's first word")
        for count in range(1, 6):
            program.command("R")
            wait_until(lambda n=count: program.state()[1] == n, 10, "another start")
            wait_until(lambda n=count: program.said().count("begin\n") > n, 10, "the guest's word")


class Cards(ProgramCase):
    """A card at a real switch, and at back ends that are none."""

    def test_frames_and_control_queue(self):
        switch = self.bench.switch()
        switch("bridge", "add", "br0")
        path = self.bench.folder / "p.sock"
        switch("port", "add", "p", "vhost-user", "bridge=br0", f"path={path}", "queues=2")
        program = self.program("net", disks=0)
        program.add_net(path, MAC, queues=2)
        program.start()
        self.assertEqual(program.wait_end(60), SHUTDOWN, program.said())
        good, bad = program.findings()
        self.assertEqual(bad, [])
        self.assertGreaterEqual(len(good), 20)
        self.assertGreaterEqual(switch.counters("p")["rx_packets"], 64)
        self.says(switch.log.read_text(), "the guest must reset it")

    def meets(self, answers, *options):
        """A card whose back end answers as these say; the program that runs, or has run."""
        back_end = BackEnd(self.bench.folder / f"b{len(answers)}.sock", answers)
        self.bench.cleanup.add(back_end.close)
        program = self.program("nothing", disks=0)
        program.add_net(back_end.path, MAC)
        return program.start()

    def test_back_ends_that_answer_nonsense(self):
        features = {GET_FEATURES: ALL}
        rows = [("another request", {GET_FEATURES: (77, ALL)}, ("GET_FEATURES", "request 77")),
                ("no reply flag", {GET_FEATURES: (GET_FEATURES, ALL, 1)}, ("flags 0x1",)),
                ("four bytes", {GET_FEATURES: b"1234"}, ("4 bytes instead of 8",)),
                ("another version", {GET_FEATURES: (GET_FEATURES, ALL, 6)}, ("version",)),
                ("without VERSION_1", {GET_FEATURES: ALL & ~(1 << 32)}, ("does not offer version-1",)),
                ("no queues", {**features, GET_PROTOCOL: ALL, GET_QUEUES: 0}, ("offers no queue",)),
                ("bytes at random", {GET_FEATURES: None}, ("GET_FEATURES",))]
        for name, answers, says in rows:
            with self.subTest(name):
                program = self.meets(answers)
                self.assertEqual(program.wait_end(), ERROR, program.said())
                self.says(program.said(), "card 0", *says)
                program.log.unlink()

    def test_back_end_that_hangs_up(self):
        """It is taken for one that is just starting, waited for, and said."""
        program = self.meets({})
        wait_until(lambda: "waiting for a back end at" in program.said(), 20, "word about waiting")
        program.process.popen.send_signal(signal.SIGTERM)
        self.assertEqual(program.wait_end(), KILLED)


class Rights(ProgramCase):
    """What the process of a running machine may still do."""

    def standing(self, **options):
        program = self.program("stand", **options).start()
        wait_until(lambda: program.state()[0] == "running", 10, "running")
        wait_until(lambda: "begin" in program.said(), 10, "the guest's first word")
        return program

    def test_every_thread_is_confined(self):
        program = self.standing()

        def threads():
            """What /proc says of each, by its name."""
            found = {}
            for path in pathlib.Path(f"/proc/{program.process.pid}/task").glob("*/status"):
                fields = dict(line.split(":\t", 1) for line in path.read_text().splitlines()
                              if ":\t" in line)
                found[fields["Name"]] = fields
            return found

        def filtered():
            """A processor's name comes first, then its filter."""
            found = threads()
            return found if {"machine", "cpu0", "cpu1", "disk 0"} <= set(found) and all(
                fields["Seccomp"] == "2" for fields in found.values()) else None

        for fields in wait_until(filtered, 10, lambda: f"filters: {threads()}").values():
            self.assertEqual((fields["Seccomp"], fields["NoNewPrivs"]), ("2", "1"), fields["Name"])
            for kind in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
                self.assertEqual(int(fields[kind], 16), 0, fields["Name"])

    def test_it_leaves_no_core_and_shows_no_memory(self):
        """Not dumpable: the kernel gives its files in /proc to root, whoever it runs as."""
        program = self.standing()
        self.assertEqual(pathlib.Path(f"/proc/{program.process.pid}/mem").owner(), "root")
        program.process.popen.send_signal(signal.SIGSEGV)
        program.process.popen.wait(10)
        self.assertEqual(list(self.bench.folder.glob("core*")), [])

    @requires_root
    def test_an_ordinary_user_of_group_kvm(self):
        group = os.stat("/dev/kvm").st_gid
        self.bench.folder.chmod(0o777)
        program = self.program("honest")
        for path in self.bench.folder.glob("disk*"):
            os.chown(path, NOBODY, NOBODY)
        program.popen.update(user=NOBODY, group=NOBODY, extra_groups=[group])
        program.start()
        self.assertEqual(program.wait_end(), SHUTDOWN, program.said())
        self.assertEqual(program.findings()[1], [])

    @requires_root
    def test_a_user_who_may_not(self):
        if os.stat("/dev/kvm").st_mode & 0o006:
            self.skipTest("everybody may open /dev/kvm")
        program = self.program("honest", disks=0)
        program.popen.update(user=NOBODY, group=NOBODY, extra_groups=[])
        program.start()
        self.assertEqual(program.wait_end(), ERROR)
        self.says(program.said(), "/dev/kvm", "group kvm")
