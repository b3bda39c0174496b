# SPDX-License-Identifier: BSD-3-Clause
"""A network card that DPDK's driver drives, in a machine that has one: an emulated e1000e.

Inside run Debian's stock kernel with vfio-pci, patchbayd and a container as its port; outside, at
the end of the card's cable, an interface of the test answers.
"""

import hashlib
import os
import random
import socket
import sys
import threading

from harness import nested_image
from harness.card_host import CardHost
from harness.case import TestCase, requires_root
from harness.process import Failed, run
from harness.switch import CLIENT, DAEMON
from harness.wait import wait_until

TAP, OUTSIDE, CONTAINER = "cable0", "10.0.0.254", "10.0.0.1"
SOCKET = "/run/pb.sock"
SIZE = 1 << 20
SEND = ("import random, socket; c = socket.create_connection(('{}', 5000), timeout=30); "
        "c.sendall(random.Random(3).randbytes({})); c.shutdown(socket.SHUT_WR); c.recv(1)")
TAKE = ("import hashlib, socket; c = socket.create_connection(('{}', 5001), timeout=30); "
        "d = hashlib.sha256(); [d.update(p) for p in iter(lambda: c.recv(65536), b'')]; "
        "print(d.hexdigest())")
WANT = hashlib.sha256(random.Random(3).randbytes(SIZE)).hexdigest()


class CardCase(TestCase):
    CARD, KERNEL_DRIVER, DRIVER, IOMMU = "e1000e", "e1000e", "net_e1000_em", True

    @classmethod
    def set_up_class(cls, bench):
        run("ip", "tuntap", "add", TAP, "mode", "tap")
        bench.cleanup.add(lambda: run("ip", "link", "del", TAP, check=False))
        run("ip", "addr", "add", f"{OUTSIDE}/24", "dev", TAP)
        run("ip", "link", "set", TAP, "up")
        cls.host = CardHost("host", bench.folder, nested_image.build(), memory=1536, cpus=2,
                            card=cls.CARD, tap=TAP, iommu=cls.IOMMU)
        bench.cleanup.add(cls.host.stop)
        cls.host.start()
        cls.host.wait_boot()
        cls.prepare()
        cls.host.sh(f"{DAEMON} --socket {SOCKET} {cls.options()} >/run/pb.log 2>&1 &")
        wait_until(lambda: cls.host.sh(f"{CLIENT} --socket {SOCKET} daemon ping", check=False,
                                       timeout=60)[0] == 0, 90,
                   lambda: f"answer of patchbayd: {cls.host.sh('cat /run/pb.log')}")

    @classmethod
    def prepare(cls):
        """For subclasses: before the daemon is started."""

    @staticmethod
    def options():
        return ""

    def patchbay(self, *words, check=True):
        try:
            return self.say(words, check)
        except Failed as error:
            log = self.host.sh("cat /run/pb.log; dmesg | tail -n 5", check=False)[1]
            raise Failed(f"{error}\n{log}") from None

    def say(self, words, check):
        return self.host.sh(" ".join([str(CLIENT), "--socket", SOCKET, *words]), check=check,
                            timeout=60)

    def card(self):
        """(address, driver) of the card."""
        for line in self.patchbay("nic", "list").splitlines()[1:]:
            if "8086:10d3" in line:
                return line.split()[0], line.split()[2]
        raise AssertionError(self.patchbay("nic", "list"))


@requires_root
class Card(CardCase):
    def test_from_the_kernel_and_back(self):
        """The whole way of a card, step by step as a user would go it."""
        address, driver = self.card()
        self.assertEqual(driver, self.KERNEL_DRIVER)
        self.refusals(address)
        self.assertIn(f"nic unbind {address}", self.patchbay("nic", "bind", address))
        self.assertEqual(self.card()[1], "vfio-pci")
        self.patchbay("bridge", "add", "br0")
        self.patchbay("port", "add", "uplink", "pci", "bridge=br0", f"pci={address}")
        self.container()
        self.traffic()
        self.shown()
        self.says(self.patchbay("nic", "unbind", address, check=False)[1], "in use by process")
        self.cable()
        self.patchbay("port", "del", "uplink")
        self.assertIn(self.KERNEL_DRIVER, self.patchbay("nic", "unbind", address))
        self.assertEqual(self.card()[1], self.KERNEL_DRIVER)

    def refusals(self, address):
        code, text = self.patchbay("port", "add", "uplink", "pci", f"pci={address}", check=False)
        self.assertEqual(code, 1)
        self.says(text, self.KERNEL_DRIVER, f"nic bind {address}")
        interface = self.host.sh("ls /sys/class/net | grep -v lo").split()[0]
        self.host.sh(f"ip addr add 10.9.9.9/24 dev {interface}")
        code, text = self.patchbay("nic", "bind", address, check=False)
        self.assertEqual(code, 1)
        self.says(text, interface, "10.9.9.9/24", "--force")
        self.assertEqual(self.card()[1], self.KERNEL_DRIVER)
        self.host.sh(f"ip addr del 10.9.9.9/24 dev {interface}; ip link set {interface} down")

    def container(self):
        self.host.sh("mkdir -p /run/netns; ip netns add web")
        self.patchbay("port", "add", "web", "veth", "bridge=br0", "netns=web", "dev=eth0",
                      f"address={CONTAINER}/24")
        wait_until(lambda: self.host.sh(f"ip netns exec web ping -c 1 -W 2 {OUTSIDE}",
                                        check=False)[0] == 0, 40, "answer from outside")

    def traffic(self):
        self.assertIn(" 0% packet loss",
                      self.host.sh(f"ip netns exec web ping -c 5 -i 0.2 -W 5 -s 1472 {OUTSIDE}"))
        digest = hashlib.sha256()
        with socket.create_server((OUTSIDE, 5000)) as server:
            thread = threading.Thread(target=self.take, args=(server, digest), daemon=True)
            thread.start()
            self.host.sh("ip netns exec web " + self.python(SEND.format(OUTSIDE, SIZE)),
                         timeout=90)
            thread.join(30)
        self.assertEqual(digest.hexdigest(), WANT)
        with socket.create_server((OUTSIDE, 5001)) as server:
            threading.Thread(target=self.give, args=(server,), daemon=True).start()
            got = self.host.sh("ip netns exec web " + self.python(TAKE.format(OUTSIDE)),
                               timeout=90)
        self.assertEqual(got.strip(), WANT)

    @staticmethod
    def python(program):
        return f'{os.path.realpath(sys.executable)} -c "{program}"'

    @staticmethod
    def take(server, digest):
        server.settimeout(60)
        connection, _ = server.accept()
        with connection:
            connection.settimeout(60)
            while piece := connection.recv(65536):
                digest.update(piece)

    @staticmethod
    def give(server):
        server.settimeout(60)
        connection, _ = server.accept()
        with connection:
            connection.sendall(random.Random(3).randbytes(SIZE))

    def shown(self):
        shown = self.patchbay("port", "show", "uplink")
        self.says(shown, self.DRIVER, "rx_good_packets", "tx_good_packets", "checksum")

    def cable(self):
        """The cable is pulled and put in again."""
        self.host.qmp.command("set_link", name="cable", up=False)
        wait_until(lambda: "down" in self.link(), 30, "link down")
        self.host.qmp.command("set_link", name="cable", up=True)
        wait_until(lambda: "up" in self.link(), 30, "link up")

    def link(self):
        return next(line for line in self.patchbay("port", "show", "uplink").splitlines()
                    if line.startswith("link"))


@requires_root
class CardWithoutIommu(CardCase):
    IOMMU = False

    @classmethod
    def prepare(cls):
        cls.host.sh("echo 128 > /proc/sys/vm/nr_hugepages")

    @staticmethod
    def options():
        return "--iova pa"

    def test_physical_addresses(self):
        """Debian's kernel gives no card without IOMMU to vfio-pci; by uio it works all the same."""
        address = self.card()[0]
        interface = self.host.sh("ls /sys/class/net | grep -v lo").split()[0]
        self.host.sh(f"ip link set {interface} down")
        code, text = self.patchbay("nic", "bind", address, check=False)
        self.assertEqual(code, 1)
        self.says(text, "no IOMMU", "intel_iommu=on")
        device = f"/sys/bus/pci/devices/{address}"
        self.host.sh(f"echo uio_pci_generic >{device}/driver_override;"
                     f"echo {address} >{device}/driver/unbind;"
                     f"echo {address} >/sys/bus/pci/drivers_probe")
        self.assertEqual(self.card()[1], "uio_pci_generic")
        self.patchbay("bridge", "add", "br0")
        self.patchbay("port", "add", "uplink", "pci", "bridge=br0", f"pci={address}")
        self.host.sh("mkdir -p /run/netns; ip netns add web")
        self.patchbay("port", "add", "web", "veth", "bridge=br0", "netns=web", "dev=eth0",
                      f"address={CONTAINER}/24")
        wait_until(lambda: self.host.sh(f"ip netns exec web ping -c 1 -W 2 {OUTSIDE}",
                                        check=False)[0] == 0, 40, "answer from outside")
