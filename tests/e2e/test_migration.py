# SPDX-License-Identifier: BSD-3-Clause
"""A guest moves between two QEMU processes, each with ports of its own, while frames come in.

The guest has two devices, each on a bridge of its own with the peer vm1: one with split rings,
whose driver announces the new place by itself, and one with packed rings that cannot, so that QEMU
asks the switch to do it (SEND_RARP).  Every test moves the guest once, there or back.
"""

import shutil

from harness import accel
from harness.case import TestCase, requires
from harness.pair import LISTEN
from harness.wait import wait_until

PLACES = ("vm2", "vm2b")
KINDS = ("split", "packed")
PROPERTIES = ({}, {"packed": "on", "guest_announce": "off"})
# By device: the addresses of vm1 and of the guest that moves.
MACS = (("52:54:00:00:00:01", "52:54:00:00:00:02"), ("52:54:00:00:01:01", "52:54:00:00:01:02"))
IPV4 = (("10.0.0.1", "10.0.0.2"), ("10.0.1.1", "10.0.1.2"))
NICS = (0, 1)

# A migration ends when little is left to be sent: not before the test wants it to.
START = {"max-bandwidth": 32 << 20, "downtime-limit": 1}
HOLD = {"max-bandwidth": 1 << 20, "downtime-limit": 1}
FINISH = {"max-bandwidth": 4 << 30, "downtime-limit": 2000}
# Keeps more memory changing than START can send until HOLD is in force.
CHURN = ("touch /tmp/churn; (while [ -e /tmp/churn ]; do dd if=/dev/zero of=/tmp/changing bs=1M "
         "count=16 conv=notrunc; done) >/dev/null 2>&1 &")

UNREAD = 3 << 20  # bytes that wait in a socket of the guest while it moves
# The machines say nothing by themselves (neighbours are given), and have large sockets.
SETUP = """echo 1 >/proc/sys/net/ipv6/conf/all/disable_ipv6
echo 4096 16777216 16777216 >/proc/sys/net/ipv4/tcp_rmem
mkfifo /tmp/endless
dd if=/dev/urandom of=/tmp/block bs=64k count=1 2>/dev/null"""
# A number that grows in place: whoever reads it finds a whole one.
COUNT = "(n=0; while n=$((n + 1)); do echo $n 1<>/tmp/count; usleep 50000; done) >/dev/null 2>&1 &"


def wait_shell(guest, condition, seconds, what):
    wait_until(lambda: guest.sh(condition, check=False)[0] == 0, seconds, what, pause=0.05)


@requires(shutil.which(accel.QEMU), f"{accel.QEMU} is missing: apt-get install qemu-system-x86")
class Migration(TestCase):
    @classmethod
    def set_up_class(cls, bench):
        cls.switch = bench.switch()
        cls.count = 0
        for nic in NICS:
            cls.switch("bridge", "add", f"br{nic}")
            for place in ("vm1", *PLACES):
                name = cls.port(place, nic)
                cls.switch("port", "add", name, "vhost-user", f"bridge=br{nic}",
                           f"path={bench.folder}/{name}.sock")
        cls.peer = cls.machine("vm1", 0)
        cls.guest = cls.machine(PLACES[0], 1)
        cls.place = PLACES[0]
        for guest in (cls.peer, cls.guest):
            guest.start()
        for side, guest in enumerate((cls.peer, cls.guest)):
            guest.wait_boot()
            guest.sh(SETUP)
            for nic in NICS:
                guest.addresses(nic, f"{IPV4[nic][side]}/24")
                guest.sh(f"arp -s {IPV4[nic][1 - side]} {MACS[nic][1 - side]}")
        for nic in NICS:
            wait_shell(cls.peer, f"ping -c 1 -W 1 {IPV4[nic][1]}", 10, f"answer on nic {nic}")
        # What goes on in the guest: a shell that counts, and a file that stays as it is.
        cls.guest.sh(COUNT)
        cls.sum = cls.guest.sh("dd if=/dev/urandom of=/tmp/kept bs=1M count=8 2>/dev/null; "
                               "sha256sum </tmp/kept")

    # ---- machines and ports ----

    @staticmethod
    def port(place, nic):
        return place + ("p" if KINDS[nic] == "packed" else "")

    @classmethod
    def machine(cls, place, side):
        """A QEMU, not started, on the ports of a place."""
        cls.count += 1
        guest = cls.shared.guest(f"{place}-{cls.count}")
        for nic in NICS:
            guest.add_vhost_user(cls.shared.folder / f"{cls.port(place, nic)}.sock",
                                 MACS[nic][side], **PROPERTIES[nic])
        return guest

    def vhost(self, place):
        """What the switch says of the connections at a place."""
        return [self.switch.port(self.port(place, nic))["vhost"] for nic in NICS]

    def states(self, place):
        return [vhost["state"] for vhost in self.vhost(place)]

    def logged(self, place):
        """Is all that is written there marked as dirty?"""
        return ["log-all" in vhost["features"] for vhost in self.vhost(place)]

    def found_at(self, place):
        """Does the switch send what is for the guest to this place?"""
        for nic in NICS:
            rows = {row["mac"]: row["port"] for row in self.switch.rows("fdb", "show", f"br{nic}")}
            if rows.get(MACS[nic][1]) != self.port(place, nic):
                return False
        return True

    # ---- moving ----

    def begin(self):
        """Starts to move the guest; returns the QEMU it goes to, when all was sent once.

        What is written from there on reaches the other side only if it was marked as dirty.
        """
        self.target_place = PLACES[1 - PLACES.index(self.place)]
        target = self.machine(self.target_place, 1)
        self.addCleanup(self.give_up, target)
        uri = f"unix:{target.path('migration')}"
        target.start("-incoming", uri)
        self.counted = int(self.guest.sh("cat /tmp/count"))
        qmp = self.guest.qmp
        self.guest.sh(CHURN)
        qmp.command("migrate-set-parameters", **START)
        qmp.command("migrate", uri=uri)
        wait_until(lambda: self.status() == "active" and
                   qmp.command("query-migrate")["ram"]["dirty-sync-count"] >= 2, 30,
                   "end of the first pass over the guest's memory")
        qmp.command("migrate-set-parameters", **HOLD)
        self.guest.sh("rm /tmp/churn")
        return target

    def give_up(self, target):
        """After a test that failed its port is free for the next one."""
        if target is not self.guest:
            target.stop()

    def status(self):
        return self.guest.qmp.command("query-migrate").get("status")

    def finish(self, target):
        """Lets the guest go on at the other side."""
        source, left = self.guest, self.place
        self.assertEqual(self.status(), "active")
        self.assertEqual(self.states(left), ["up", "up"])
        self.assertEqual(self.logged(left), [True, True])
        source.qmp.command("migrate-set-parameters", **FINISH)

        def completed():
            self.assertNotIn(self.status(), ("failed", "cancelled"))
            return self.status() == "completed"

        wait_until(completed, 30, "end of the migration")
        wait_until(lambda: target.qmp.command("query-status")["running"], 10, "guest that runs")
        target.count = source.count
        type(self).guest, type(self).place = target, self.target_place
        # The driver has left the old ports before their QEMU goes, and nothing was wrong with it.
        self.assertEqual(self.states(left), ["negotiating", "negotiating"])
        source.stop()
        wait_until(lambda: self.states(left) == ["listening", "listening"], 3,
                   "end of the old connections")
        self.assertEqual(self.states(self.place), ["up", "up"])
        self.assertEqual(self.logged(self.place), [False, False])
        for vhost in (*self.vhost(left), *self.vhost(self.place)):
            self.assertEqual(vhost["errors"], 0)

    def goes_on(self):
        """The guest lives where it is, with everything it had in its memory."""
        self.assertGreaterEqual(int(self.guest.sh("cat /tmp/count")), self.counted)
        wait_shell(self.guest, f"[ $(cat /tmp/count) -gt {self.counted + 5} ]", 10,
                   "counting in the guest")
        self.assertEqual(self.guest.sh("sha256sum </tmp/kept"), self.sum)
        for nic in NICS:
            self.assertIn(" 0% packet loss",
                          self.peer.sh(f"ping -c 3 -i 0.05 -W 2 {IPV4[nic][1]}"))
            for place in ("vm1", *PLACES):
                drops = self.switch.counters(self.port(place, nic))["drops"]
                self.assertFalse({"bad_descriptor", "bad_buffer", "bad_offload", "no_offload"} &
                                 set(drops), drops)

    # ---- tests ----

    def test_memory_that_was_written_on_the_way(self):
        """Frames that the guest has not looked at before it moves are whole afterwards."""
        want = self.peer.sh(f"head -c {UNREAD} /dev/urandom >/tmp/unread; sha256sum </tmp/unread")
        for nic in NICS:
            self.guest.sh(f"mkfifo /tmp/go{nic}; ({LISTEN} -p 500{nic} | "
                          f"(read -r word </tmp/go{nic}; sha256sum >/tmp/sum{nic}; "
                          f"mv /tmp/sum{nic} /tmp/unread{nic})) >/dev/null 2>&1 &")
        target = self.begin()
        for nic in NICS:
            self.peer.sh(f"(until nc {IPV4[nic][1]} 500{nic} </tmp/unread; do usleep 20000; done) "
                         ">/dev/null 2>&1 &")
        for nic in NICS:
            enough = f"$4 ~ /:500{nic}$/ && $2 > {UNREAD * 9 // 10}"
            wait_shell(self.guest, f"netstat -tn | awk '{enough} {{n = 1}} END {{exit !n}}'", 20,
                       f"data in a socket, by {KINDS[nic]} rings")
        self.finish(target)
        for nic in NICS:
            self.guest.sh(f"echo go >/tmp/go{nic}")
            wait_shell(self.guest, f"test -e /tmp/unread{nic}", 20, "end of the file")
        have = [self.guest.sh(f"cat /tmp/unread{nic}; rm /tmp/unread{nic} /tmp/go{nic}")
                for nic in NICS]
        self.assertEqual(have, [want, want], f"by {KINDS} rings")
        self.goes_on()

    def test_streams_in_both_directions(self):
        """TCP goes on with what it was saying; so do pings."""
        machines = [self.peer, self.guest]
        for side in (0, 1):
            machines[side].sh("; ".join(self.hear(nic, 1 - side) for nic in NICS))
        for side in (0, 1):
            machines[side].sh("; ".join(self.say(nic, side) for nic in NICS))
        self.peer.sh(f"ping -i 0.1 {IPV4[0][1]} >/dev/null 2>&1 &")
        target = self.begin()
        words = "".join(f"cat /tmp/said{nic}$side; " for nic in NICS)
        wait_shell(self.peer, "[ $(cat /tmp/said00) -gt 10 ]", 20, "stream")
        self.finish(target)
        machines[1] = self.guest
        for side in (0, 1):
            said = [int(word) for word in machines[side].sh(f"side={side}; {words}").split()]
            wait_shell(machines[side], " && ".join(
                f"[ $(cat /tmp/said{nic}{side}) -gt {said[nic] + 10} ]" for nic in NICS), 20,
                f"further words of {machines[side].name}")
        for guest in machines:
            guest.sh("killall ping; touch /tmp/stop", check=False)
        have = []
        for side in (0, 1):
            wait_shell(machines[1 - side], f"[ -e /tmp/heard0{side} -a -e /tmp/heard1{side} ]", 20,
                       f"end of what {machines[side].name} said")
            wait_shell(machines[side], f"[ -s /tmp/sum0{side} -a -s /tmp/sum1{side} ]", 20,
                       f"sum of what {machines[side].name} said")
            have.append(machines[1 - side].sh(f"cat /tmp/heard?{side}"))
        self.assertEqual(have, [machines[side].sh(f"cat /tmp/sum?{side}") for side in (0, 1)])
        for guest in machines:
            guest.sh("rm -f /tmp/stop /tmp/said* /tmp/heard* /tmp/sum* /tmp/tee*")
        self.goes_on()

    @staticmethod
    def hear(nic, side):
        """The end of a stream that side says: the sum of all words, when it has ended."""
        tag = f"{nic}{side}"
        return (f"({LISTEN} -p 60{tag} | sha256sum >/tmp/hear{tag}; "
                f"mv /tmp/hear{tag} /tmp/heard{tag}) >/dev/null 2>&1 & "
                f"until netstat -ltn | grep -q :60{tag}; do usleep 20000; done")

    @staticmethod
    def say(nic, side):
        """The beginning of a stream that lasts until /tmp/stop exists, and the sum of it."""
        tag = f"{nic}{side}"
        return (f"mkfifo /tmp/tee{tag}; (sha256sum </tmp/tee{tag} >/tmp/sum{tag}) 2>&1 & "
                f"(n=0; until [ -e /tmp/stop ]; do n=$((n + 1)); echo $n 1<>/tmp/said{tag}; "
                f"echo $n; cat /tmp/block; usleep 50000; done | tee /tmp/tee{tag} | "
                f"nc {IPV4[nic][1 - side]} 60{tag}) >/dev/null 2>&1 & true")

    def test_address_moves_without_a_frame_from_outside(self):
        """One guest says where it is, and for the other one the switch does."""
        words = "cat /sys/class/net/eth1/statistics/tx_packets"
        sent = self.guest.sh(words)
        self.finish(self.begin())
        wait_until(lambda: self.found_at(self.place), 5, "announcement at the new ports")
        self.assertEqual(self.guest.sh(words), sent)
        self.goes_on()

    def test_failure_leaves_the_guest_where_it_is(self):
        target = self.begin()
        target.process.kill()
        wait_until(lambda: self.status() == "failed", 20, "failure of the migration")
        self.assertTrue(self.guest.qmp.command("query-status")["running"])
        self.assertEqual(self.states(self.place), ["up", "up"])
        self.assertEqual(self.logged(self.place), [False, False])
        self.assertTrue(self.found_at(self.place))
        self.goes_on()
