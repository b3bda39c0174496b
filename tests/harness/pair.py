# SPDX-License-Identifier: BSD-3-Clause
"""Two guests on one bridge, and what they do to each other."""

import json

from harness.process import Failed
from harness.wait import wait_until

MACS = ("52:54:00:00:00:01", "52:54:00:00:00:02")
IPV4 = ("10.0.0.1", "10.0.0.2")
IPV6 = ("fd00::1", "fd00::2")
NAMES = ("vm1", "vm2")
SUM = "wc -c </tmp/file; sha256sum </tmp/file"
# nc ends the connection when its input ends: it gets one that never does.
LISTEN = "mkfifo /tmp/endless 2>/dev/null; nc -l <>/tmp/endless"


class Pair:
    """Guests vm1 and vm2 on vhost-user ports of bridge br0.

    properties: of both virtio-net devices; each (a pair of dicts): of one of them.
    """

    def __init__(self, bench, switch, queues=1, cpus=1, mtu=None, each=({}, {}), **properties):
        self.switch = switch
        self.mtu = mtu
        switch("bridge", "add", "br0")
        self.guests = [bench.guest(name, cpus=cpus) for name in NAMES]
        self.one, self.two = self.guests
        for guest, mac, own in zip(self.guests, MACS, each):
            path = bench.folder / f"{guest.name}.sock"
            switch("port", "add", guest.name, "vhost-user", "bridge=br0", f"path={path}",
                   f"queues={queues}")
            guest.add_vhost_user(path, mac, queues, **{**properties, **own})

    def start(self):
        for guest in self.guests:
            guest.start()
        for guest in self.guests:
            guest.wait_boot()
        for number in (0, 1):
            self.configure(number)
        return self

    def configure(self, number):
        """Gives a guest that has booted or reloaded its driver its addresses."""
        self.guests[number].addresses(0, f"{IPV4[number]}/24", f"{IPV6[number]}/64", mtu=self.mtu)

    # ---- what they do ----

    def reach(self, seconds=20):
        """Waits until vm1 and vm2 hear each other."""
        for number, guest in enumerate(self.guests):
            other = IPV4[1 - number]
            wait_until(lambda g=guest, o=other: g.sh(f"ping -c 1 -W 1 {o}", check=False)[0] == 0,
                       seconds, f"answer from {other} to {guest.name}")

    def ping(self, size=56, count=5, address=IPV4[1], interval=0.05):
        """vm1 pings vm2 without loss."""
        output = self.one.sh(f"ping -c {count} -i {interval} -W 2 -s {size} {address}")
        if " 0% packet loss" not in output:
            raise Failed(f"ping of {size} bytes:\n{output}")

    def serve(self):
        """iperf3 servers in both guests."""
        for guest in self.guests:
            guest.sh("killall iperf3 2>/dev/null; iperf3 -s -D --logfile /tmp/iperf3.log")
            wait_until(lambda g=guest: g.sh("netstat -ltn | grep -q :5201", check=False)[0] == 0,
                       10, f"iperf3 server in {guest.name}")

    def iperf(self, client, address, *options, seconds=1):
        """The report of an iperf3 run as it prints it with -J; serve() comes before."""
        words = ["iperf3", "-J", "-c", address, "-t", str(seconds), *map(str, options)]
        code, output = client.sh(" ".join(words), check=False, timeout=seconds + 30)
        try:
            report = json.loads(output)
        except ValueError:
            raise Failed(f"iperf3 in {client.name}: {output}") from None
        if code or "error" in report:
            raise Failed(f"iperf3 in {client.name}: {report.get('error')}")
        return report["end"]

    def tcp(self, *options, addresses=IPV4, seconds=1):
        """TCP from vm1 to vm2 and back; bit/s received in both directions."""
        return [self.iperf(client, address, *options, seconds=seconds)
                ["sum_received"]["bits_per_second"]
                for client, address in ((self.one, addresses[1]), (self.two, addresses[0]))]

    def transfer(self, megabytes=16, number=0, address=None):
        """Sends a random file from one guest to the other; Failed when it is not the same."""
        source, sink = self.guests[number], self.guests[1 - number]
        address = address or IPV4[1 - number]
        want = source.sh(f"dd if=/dev/urandom of=/tmp/file bs=1M count={megabytes} 2>/dev/null; "
                         + SUM, timeout=60)
        receive = f"{LISTEN} -p 5000 >/tmp/file; {SUM}"
        sink.send(receive, timeout=90)
        source.sh(f"until nc {address} 5000 </tmp/file; do usleep 20000; done", timeout=80)
        have = sink.receive(receive, timeout=90)
        for guest in self.guests:
            guest.sh("rm /tmp/file")
        if have != want:
            raise Failed(f"the file of {megabytes} MiB arrived changed: {want} -> {have}")

    def offloads(self, state):
        """Turns everything that ethtool can turn on or off in both guests."""
        words = " ".join(f"{name} {state}" for name in ("tx", "sg", "tso", "gso", "gro"))
        for guest in self.guests:
            guest.sh(f"ethtool -K eth0 {words}")
