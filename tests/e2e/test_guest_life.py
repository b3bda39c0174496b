# SPDX-License-Identifier: BSD-3-Clause
"""Guests that reboot, reload their driver, die; a switch that goes away and comes back."""

from harness.case import TestCase
from harness.pair import MACS, Pair
from harness.wait import wait_until


class Reload(TestCase):
    @classmethod
    def set_up_class(cls, bench):
        cls.switch = bench.switch()
        cls.pair = Pair(bench, cls.switch).start()
        cls.pair.reach()

    def test_driver_reloaded_five_times(self):
        for _ in range(5):
            self.pair.one.sh("rmmod virtio_net && insmod /modules/virtio_net.ko")
            self.pair.configure(0)
            self.pair.reach()
            self.pair.ping(1000, count=2)
        self.assertEqual(self.switch.port("vm1")["link"], "up")

    def test_driver_reloaded_under_traffic(self):
        one, two = self.pair.guests
        two.sh("ping -i 0.002 10.0.0.1 >/dev/null 2>&1 &")
        for _ in range(3):
            one.sh("rmmod virtio_net && insmod /modules/virtio_net.ko")
            self.pair.configure(0)
            self.pair.reach()
        two.sh("killall ping")
        self.pair.transfer(4)

    def test_guest_rebooted_five_times(self):
        for _ in range(5):
            self.pair.one.reboot()
            self.pair.configure(0)
            self.pair.reach()
        self.pair.transfer(4)


class Queues(TestCase):
    def test_reboot_and_reload_with_two_queues(self):
        switch = self.bench.switch()
        pair = Pair(self.bench, switch, queues=2, cpus=2).start()
        pair.reach()
        for _ in range(2):
            pair.one.sh("rmmod virtio_net && insmod /modules/virtio_net.ko")
            pair.one.sh("ethtool -L eth0 combined 2")
            pair.configure(0)
            pair.reach()
            pair.one.reboot()
            pair.configure(0)
            pair.reach()
        pair.transfer(2)


class Death(TestCase):
    def test_guest_is_killed_and_another_takes_its_place(self):
        switch = self.bench.switch()
        pair = Pair(self.bench, switch).start()
        pair.reach()
        pair.one.process.kill()
        wait_until(lambda: switch.port("vm1")["link"] != "up", 3, "end of vm1's link")
        again = self.bench.guest("vm1b")
        again.add_vhost_user(self.bench.folder / "vm1.sock", MACS[0])
        again.start()
        again.wait_boot()
        pair.guests[0] = pair.one = again
        pair.configure(0)
        pair.reach()
        pair.transfer(2)

    def test_daemon_is_killed_and_guests_carry_on(self):
        """QEMU listens and patchbay connects: a new daemon finds the guests again."""
        switch = self.bench.switch()
        folder = self.bench.folder
        guests = []
        for number, name in enumerate(("vm1", "vm2")):
            guest = self.bench.guest(name)
            guest.add_vhost_user(folder / f"{name}.sock", MACS[number], server=True)
            guests.append(guest)

        def ports(switch):
            switch("bridge", "add", "br0")
            for guest in guests:
                switch("port", "add", guest.name, "vhost-user", "bridge=br0", "mode=client",
                       f"path={folder}/{guest.name}.sock")

        ports(switch)
        for guest in guests:
            guest.start()
        for guest in guests:
            guest.wait_boot()
        one, two = guests
        one.addresses(0, "10.0.0.1/24")
        two.addresses(0, "10.0.0.2/24")

        def reach():
            wait_until(lambda: one.sh("ping -c 1 -W 1 10.0.0.2", check=False)[0] == 0, 15,
                       "answer from vm2 to vm1")

        reach()
        switch.kill()
        switch.start()
        ports(switch)
        reach()
        for name in ("vm1", "vm2"):
            self.assertEqual(switch.port(name)["link"], "up")
