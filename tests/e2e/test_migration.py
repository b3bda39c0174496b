# SPDX-License-Identifier: BSD-3-Clause
"""A guest migrates from one vhost-user port to another."""

from harness.case import TestCase
from harness.pair import IPV4, LISTEN, MACS, SUM, Pair
from harness.wait import wait_until

MEGABYTES = 48


class Migration(TestCase):
    def begin(self, **properties):
        """vm1 and vm2 in touch, and a QEMU that waits for vm1 on a port of its own, vm3."""
        self.switch = self.bench.switch()
        self.pair = Pair(self.bench, self.switch, **properties).start()
        self.pair.reach()
        path = self.bench.folder / "vm3.sock"
        self.switch("port", "add", "vm3", "vhost-user", "bridge=br0", f"path={path}")
        self.target = self.bench.guest("vm3")
        self.target.add_vhost_user(path, MACS[0], **properties)
        self.target.nics.append(["-incoming", f"unix:{self.bench.folder}/migration"])
        self.target.start()

    def migrate(self):
        source = self.pair.one
        source.qmp.command("migrate", uri=f"unix:{self.bench.folder}/migration")

        def finished():
            status = source.qmp.command("query-migrate").get("status")
            self.assertNotIn(status, ("failed", "cancelled"))
            return status == "completed"

        wait_until(finished, 60, "end of the migration")
        source.stop()
        self.target.count = source.count
        self.pair.guests[0] = self.pair.one = self.target

    def end(self):
        self.pair.reach()
        self.pair.transfer(2)
        self.assertEqual(self.switch.port("vm3")["link"], "up")
        self.assertNotEqual(self.switch.port("vm1")["link"], "up")

    def while_paused(self, **properties):
        """The guest's processor stands still meanwhile: only its devices move."""
        self.begin(**properties)
        self.pair.one.qmp.command("stop")
        self.migrate()
        self.target.qmp.command("cont")
        self.end()

    def test_split_while_paused(self):
        self.while_paused()

    def test_packed_while_paused(self):
        self.while_paused(packed="on")

    def test_guest_that_cannot_announce_itself(self):
        """Then QEMU has the switch do it; a guest at rest would not."""
        self.begin(guest_announce="off")
        self.migrate()
        wait_until(lambda: self.port_of(MACS[0]) == "vm3", 5, "announcement by the switch")

    def port_of(self, mac):
        rows = self.switch.json("fdb", "show", "br0")["rows"]
        return next((row["port"] for row in rows if row["mac"] == mac), None)

    def while_receiving(self, **properties):
        """What the switch writes into pages that were sent already comes along too."""
        if self.bench.guest("vm").acceleration != "kvm":
            self.skipTest("without KVM, QEMU loses writes of the guest's processor as it migrates")
        self.begin(**properties)
        one, two = self.pair.guests
        want = two.sh(f"dd if=/dev/urandom of=/tmp/file bs=1M count={MEGABYTES} 2>/dev/null; {SUM}",
                      timeout=60)
        one.sh(f"({LISTEN} -p 5000 >/tmp/file; ({SUM}) >/tmp/sum; mv /tmp/sum /tmp/done) "
               ">/dev/null 2>&1 &")
        two.sh(f"(until nc {IPV4[0]} 5000 </tmp/file; do usleep 20000; done) >/dev/null 2>&1 &")
        wait_until(lambda: one.sh("test -s /tmp/file", check=False)[0] == 0, 10,
                   "beginning of the file")
        self.migrate()
        wait_until(lambda: self.target.sh("test -e /tmp/done", check=False)[0] == 0, 60,
                   "end of the file")
        self.assertEqual(self.target.sh("cat /tmp/done"), want)
        self.end()

    def test_split_while_receiving(self):
        self.while_receiving()

    def test_packed_while_receiving(self):
        self.while_receiving(packed="on")
