# SPDX-License-Identifier: BSD-3-Clause
"""An interface shared by XDP on Debian's stock kernel: beside other programs, by libxdp's dispatcher.

The kernel runs in a virtual machine that sees the host's files, so the programs are the same.
"""

import json
import re
import shutil

from harness import nested_image
from harness.case import TestCase, requires, requires_root
from harness.nested import Nested
from harness.process import run
from harness.switch import CLIENT, DAEMON

NIC = "nic"
PEER, HOST, VM = "192.0.2.2", "192.0.2.1", "192.0.2.3"
VM_MAC = "02:00:00:00:00:03"
SECONDS = 120  # for a command, on an emulated processor

OTHER = """
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
SEC("xdp") int other(struct xdp_md *ctx)
{
	const unsigned char *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;

	/* A packet that nobody sends by chance. */
	return data + 14 <= end && data[12] == 0x99 && data[13] == 0x99 ? XDP_DROP : XDP_PASS;
}
char text[] SEC("license") = "GPL";
"""


@requires_root
@requires(shutil.which("xdp-loader"), "xdp-loader is missing: apt-get install xdp-tools")
class Stock(TestCase):
    @classmethod
    def set_up_class(cls, bench):
        cls.folder = bench.folder
        source = bench.folder / "other.c"
        source.write_text(OTHER)
        multiarch = run("gcc", "-print-multiarch").stdout.strip()
        run("clang-14", "-O2", "-g", "-target", "bpf", "-idirafter", f"/usr/include/{multiarch}",
            "-c", source, "-o", source.with_suffix(".o"))
        cls.other = source.with_suffix(".o")
        cls.machine = Nested("stock", bench.folder, nested_image.build(), memory=1024, cpus=2)
        bench.cleanup.add(cls.machine.stop)
        cls.machine.start()
        cls.machine.wait_boot(180)
        cls.sh(f"""
            mount -t bpf bpf /sys/fs/bpf
            ip netns add outside; ip netns add vm
            ip link add {NIC} type veth peer name far netns outside
            ip link set {NIC} up; ip addr add {HOST}/24 dev {NIC}
            ip -n outside link set far up; ip -n outside addr add {PEER}/24 dev far
            ip netns exec outside ethtool -K far tx off txvlan off
        """)
        cls.start()

    @classmethod
    def sh(cls, command, check=True):
        path = "export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin; "
        return cls.machine.sh(path + command, check=check, timeout=SECONDS)

    @classmethod
    def patchbay(cls, *words, check=True):
        return cls.sh(f"{CLIENT} --socket /run/c.sock " + " ".join(words), check)

    @classmethod
    def start(cls):
        """The daemon, a bridge, and a place that stands for a virtual machine."""
        cls.sh(f"""
            rm -f /run/c.sock
            {DAEMON} --socket /run/c.sock >/run/log 2>&1 & echo $! >/run/pid
            for i in $(seq 600); do [ -S /run/c.sock ] && break; sleep 0.1; done
        """)
        cls.patchbay("bridge", "add", "br0")
        # The same address after each start, for those who remember it.
        cls.patchbay("port", "add", "vm", "tap", "bridge=br0", "dev=pbvm", f"mac={VM_MAC}")
        cls.sh(f"ip link set pbvm netns vm; ip -n vm link set pbvm up;"
               f"ip -n vm addr add {VM}/24 dev pbvm")

    def set_up(self):
        self.addCleanup(self.patchbay, "port", "del", "up", check=False)

    def add(self):
        self.patchbay("port", "add", "up", "afxdp", "bridge=br0", f"dev={NIC}")
        return self.xdp()

    def xdp(self):
        return json.loads(self.patchbay("--json", "port", "show", "up"))["rows"][0]["xdp"]

    def programs(self):
        """Names of what runs on the interface, the dispatcher first."""
        shown = self.sh(f"xdp-loader status {NIC}")
        return re.findall(r"^(?:nic| =>) .*?([a-z][a-z_]+) +(?:native|skb|\d+) ", shown, re.M)

    def answers(self, address):
        code, text = self.sh(f"ip netns exec outside busybox ping -c 3 -W 5 {address}", False)
        self.assertEqual(code, 0, text)

    def nothing_left(self):
        self.assertNotIn("xdp", self.sh(f"ip link show {NIC}"))
        self.assertEqual(self.sh("ls /sys/fs/bpf | grep -v debug; true").strip(), "")

    def test_after_another_program(self):
        """Another one is there first; a crash, a takeover, and only ours goes."""
        self.sh(f"xdp-loader load -m native {NIC} {self.other}")
        self.assertEqual(self.programs(), ["xdp_dispatcher", "other"])
        self.assertTrue(self.add()["dispatcher"])
        self.assertEqual(sorted(self.programs()), ["other", "patchbay_share", "xdp_dispatcher"])
        self.answers(HOST)
        self.answers(VM)
        self.sh("kill -9 $(cat /run/pid); while kill -0 $(cat /run/pid); do sleep 0.1; done; true")
        self.answers(HOST)
        self.start()
        self.assertTrue(self.add()["taken_over"])
        self.answers(VM)
        self.answers(HOST)
        self.patchbay("port", "del", "up")
        self.assertEqual(self.programs(), ["xdp_dispatcher", "other"])
        self.answers(HOST)
        self.sh(f"xdp-loader unload {NIC} --all; rmdir /sys/fs/bpf/xdp")

    def test_before_another_program(self):
        self.add()
        self.answers(VM)
        self.sh(f"xdp-loader load -m native {NIC} {self.other}")
        self.assertEqual(sorted(self.programs()), ["other", "patchbay_share", "xdp_dispatcher"])
        self.answers(VM)
        self.answers(HOST)
        shown = self.sh(f"xdp-loader status {NIC}")
        number = re.search(r"=> .* other +(\d+)", shown).group(1)
        self.sh(f"xdp-loader unload {NIC} --id {number}")
        self.assertEqual(self.programs(), ["xdp_dispatcher", "patchbay_share"])
        self.answers(VM)
        self.assertGreater(self.xdp()["taken_packets"], 0)
        self.patchbay("port", "del", "up")
        self.nothing_left()
        self.add()
        self.answers(VM)
        self.patchbay("port", "del", "up")
        self.nothing_left()

    def test_long_mtu_of_an_older_kernel(self):
        self.sh(f"ip link set {NIC} mtu 9000")
        code, text = self.patchbay("port", "add", "up", "afxdp", "bridge=br0", f"dev={NIC}",
                                   check=False)
        self.sh(f"ip link set {NIC} mtu 1500")
        if code == 0:
            self.patchbay("port", "del", "up")
            self.skipTest("this stock kernel takes frames in pieces")
        self.says(text, "MTU", "9000", "3818", "Linux 6.6")
        self.nothing_left()
