# SPDX-License-Identifier: BSD-3-Clause
"""What `patchbay vm run` refuses: it names the thing and the cure, and leaves nothing behind."""

import fcntl
import os
import signal
import struct
import subprocess

from harness import guest_image
from harness.case import requires, requires_root
from harness.process import Process, run
from harness.switch import CLIENT
from harness.vm_case import VmCase
from harness.wait import wait_until

FAILED, USAGE = 1, 2
F_OFD_SETLK = 37


def works_here():
    """Has the CPU hardware virtualisation?"""
    with open("/proc/cpuinfo") as file:
        return any(word in file.read().split() for word in ("svm", "vmx"))


class Refusals(VmCase):
    def set_up(self):
        self.image = guest_image.build()
        self.folder = self.bench.folder

    def file(self, name, data):
        path = self.folder / name
        path.write_bytes(data)
        return path

    def refused(self, *words, code=FAILED, says=(), kernel=None, env=None):
        words = [CLIENT, "vm", "run", "vm1", "--detach", "--kernel", kernel or self.image.kernel,
                 *words]
        done = run(*words, check=False, env={**self.environment(), **(env or {})})
        self.assertEqual(done.returncode, code, (words, done.stderr))
        self.says(done.stderr, *says)
        self.nothing_left()

    # ---- kernel, initrd, memory ----

    def test_kernel(self):
        whole = self.image.kernel.read_bytes()
        rows = [(self.folder / "none", ("none", "no such file")),
                (self.folder, ("not a regular file",)),
                (self.file("empty", b""), ("not a kernel",)),
                (self.file("text", b"#!/bin/sh\n" * 500), ("not a kernel", "bzImage")),
                (self.file("half", whole[:len(whole) // 2]), ("truncated",)),
                (self.file("head", whole[:1024]), ("truncated",)),
                (self.file("old", whole[:0x206] + b"\x04\x02" + whole[0x208:]), ("64-bit",)),
                (self.file("elf32", b"\x7fELF\x01\x01\x01" + bytes(100)), ("64-bit",)),
                (self.file("elf", b"\x7fELF\x02\x01\x01" + bytes(9) +
                           struct.pack("<HHI", 2, 62, 1) + bytes(100)), ("not a kernel",))]
        for path, says in rows:
            with self.subTest(kernel=path.name):
                self.refused(kernel=path, says=says)

    def test_memory(self):
        self.refused("--memory", "64M", says=("needs", "MiB", "memory="))
        self.refused("--memory", "16M", code=USAGE, says=("memory", "32M..1T"))
        self.refused("--memory", "lots", code=USAGE, says=("memory", "32M..1T"))

    def test_initrd(self):
        big = self.folder / "big"
        with open(big, "wb") as file:
            file.truncate(200 << 20)
        self.refused("--initrd", big, "--memory", "256M", says=("initrd", "does not fit", "memory="))
        self.refused("--initrd", self.folder / "none", says=("initrd", "no such file"))
        self.refused("--initrd", self.file("empty", b""), says=("initrd", "empty"))

    def test_no_kernel(self):
        done = self.patchbay("vm", "run", "vm1", check=False)
        self.assertEqual(done.returncode, USAGE)
        self.says(done.stderr, "kernel=FILE")

    # ---- disks ----

    def test_disks(self):
        odd = self.file("odd", bytes(1000))
        good = self.file("good", bytes(4096))
        self.refused("--disk", self.folder / "none", says=("disk", "none", "no such file"))
        self.refused("--disk", odd, says=("odd", "multiple of 512"))
        self.refused("--disk", self.folder, says=("disk",))
        self.refused("--disk", good, "--disk", good, code=FAILED, says=("given twice",))
        with open(good) as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            self.refused("--disk", good, says=("good", "locked"))
            self.refused("--disk", f"{good},ro", says=("good", "locked"))

    def test_disk_locked_as_qemu_does(self):
        """Locks of an open file (fcntl), which flock() does not see."""
        good = self.file("good", bytes(4096))
        with open(good, "r+b") as file:
            lock = struct.pack("hhqqi4x", fcntl.F_RDLCK, os.SEEK_SET, 100, 1, 0)
            fcntl.fcntl(file, F_OFD_SETLK, lock)
            self.refused("--disk", good, says=("good", "locked"))

    def test_images_that_are_not_raw(self):
        for name, magic in (("qcow2", b"QFI\xfb"), ("VMDK", b"KDMV"), ("VHDX", b"vhdxfile")):
            path = self.file("image", magic.ljust(4096, b"\0"))
            self.refused("--disk", path, says=("image", name, f"qemu-img convert -O raw {path}"))

    def test_disk_of_another_machine(self):
        good = self.file("good", bytes(4096))
        vm = self.start("other", options=["--disk", good])
        done = self.patchbay("vm", "run", "vm1", "--kernel", self.image.kernel, "--disk", good,
                             check=False)
        self.assertEqual(done.returncode, FAILED)
        self.says(done.stderr, "good", 'used by virtual machine "other"')
        vm.stop()
        shared = [self.start(name, options=["--disk", f"{good},ro"]) for name in ("a", "b")]
        for vm in shared:
            vm.stop()
        self.nothing_left()

    # ---- network ----

    def test_network_words(self):
        rows = [(["--net", "bridge=br0,socket=/s"], "only one"), (["--net", "queues=1"], "needs one"),
                (["--net", "socket=/s,tag=5"], "tag="), (["--net", "bridge=br0,server"], "server"),
                (["--net", "brige=br0"], "did you mean"), (["--net", "bridge=br0,queues=17"], "1..16"),
                (["--net", "bridge=br0,mac=01:00:00:00:00:00"], "unicast")]
        for words, says in rows:
            with self.subTest(words=words):
                self.refused(*words, code=USAGE, says=(says,))
        mac = "mac=02:00:00:00:00:01"
        self.refused("--net", f"bridge=br0,{mac}", "--net", f"bridge=br0,{mac}", says=("same mac",))

    def test_no_switch(self):
        self.refused("--net", "bridge=br0", says=("no patchbayd is listening", "patchbay up"))

    def test_no_bridge(self):
        switch = self.bench.switch()
        self.refused("--net", "bridge=br7", says=("br7", "bridge add br7"))
        self.assertEqual(switch.rows("port", "show"), [])

    def test_second_card_of_two_fails(self):
        """The port of the first one is given back."""
        switch = self.bench.switch()
        switch("bridge", "add", "br0")
        self.refused("--net", "bridge=br0", "--net", "bridge=br7", says=("br7",))
        self.assertEqual(switch.rows("port", "show"), [])

    def test_back_end_with_fewer_queues(self):
        switch = self.bench.switch()
        path = self.folder / "p.sock"
        switch("port", "add", "p", "vhost-user", f"path={path}")
        self.refused("--engine", "qemu", "--net", f"socket={path},queues=4", says=("queues",))

    def test_waiting_for_a_socket(self):
        """It says so, goes on when the socket is there, and ends when told to."""
        switch = self.bench.switch()
        path = self.folder / "late.sock"
        vm = self.bench.vm("vm1", options=["--net", f"socket={path}"])
        vm.process = Process([CLIENT, *vm.words], vm.log, env=vm.environment())
        wait_until(lambda: "waiting for the socket" in vm.words_said(), 10, "word about waiting")
        self.assertEqual(vm.show()["state"], "starting")
        switch("port", "add", "late", "vhost-user", f"path={path}")
        vm.wait_running()
        self.patchbay("vm", "kill", "vm1")
        vm.end_code()
        self.nothing_left()

    def test_told_to_end_while_waiting(self):
        vm = self.bench.vm("vm1", options=["--net", f"socket={self.folder}/never.sock"])
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            vm.process = Process([CLIENT, *vm.words], vm.log, env=vm.environment())
            wait_until(lambda: "waiting for the socket" in vm.words_said(), 10, "word about waiting")
            vm.process.popen.send_signal(number)
            self.assertEqual(vm.end_code(), FAILED)
            self.says(vm.words_said(), "interrupted")
            self.nothing_left()
            vm.log.unlink()

    # ---- engines ----

    @requires(not works_here(), "hardware virtualisation is there: engine=kvm works")
    def test_no_hardware_virtualisation(self):
        self.refused("--engine", "kvm", says=("engine=kvm", "/dev/kvm"))

    @requires(not works_here(), "hardware virtualisation is there: QEMU is not asked")
    def test_qemu_is_not_installed(self):
        self.refused(env={"PATH": str(self.folder)}, says=("QEMU is not installed", "apt-get install"))

    @requires_root
    def test_without_permission_for_kvm(self):
        """An ordinary user who may not open /dev/kvm: QEMU takes over, and the reason is said."""
        self.bench.folder.chmod(0o777)
        for path in (self.image.kernel, self.image.initramfs):
            (self.folder / path.name).write_bytes(path.read_bytes())
        if os.path.exists("/dev/kvm") and os.stat("/dev/kvm").st_mode & 0o006:
            self.skipTest("everybody may open /dev/kvm")
        done = subprocess.run(
            [str(CLIENT), "vm", "run", "vm1", "--detach", "--kernel", str(self.folder / "vmlinuz"),
             "--memory", "128M"],
            env=self.environment(), user=65534, group=65534, extra_groups=[], text=True,
            stderr=subprocess.PIPE, timeout=30)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.says(done.stderr, "engine qemu", "/dev/kvm")
        self.patchbay("vm", "kill", "vm1")

    # ---- words ----

    def test_json_needs_detach(self):
        done = self.patchbay("--json", "vm", "run", "vm1", "--kernel", self.image.kernel, check=False)
        self.assertEqual(done.returncode, USAGE)
        self.says(done.stderr, "--detach")

    def test_long_names(self):
        self.refused("name=other", code=USAGE, says=("two names",))
        name = "n" * 30
        done = self.patchbay("vm", "run", name, "--kernel", self.image.kernel, "--net", "bridge=br0",
                             check=False)
        self.says(done.stderr, name, "28 characters")
