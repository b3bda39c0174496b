# SPDX-License-Identifier: BSD-3-Clause
"""Random commands, restarts and crashes next to a pair that talks, in an order that a seed decides."""

import shutil
import time

from harness.process import Failed, Process, tail
from harness.restarts import Restarts
from harness.switch import CLIENT, DAEMON
from harness.wait import Timeout, wait_until

BRIDGES = ("br0", "br1", "br2")
PORTS = ("x0", "x1", "x2", "x3")
SECONDS = 30


class Wrong(Exception):
    """Something is not as it must be at every moment."""


class Chaos(Restarts):
    """step() does one thing at random and checks what must hold then."""

    def __init__(self, bench, seed, *options):
        super().__init__(bench, *options, rate=2000, seed=seed)
        self.state = bench.folder / "state"
        self.done = []
        self.kinds = [self.command] * 12 + [
            self.apply, self.guests, self.take_over_plainly, self.take_over_during_apply,
            self.two_take_over, self.new_daemon_is_killed, self.daemon_is_killed,
            self.state_goes_away]

    # ---- what is done ----

    def command(self):
        choose, number = self.random.choice, self.random.randrange
        # Front ends of the ports x have the addresses of a and b: never on their bridge.
        port, bridge, apart = choose(PORTS), choose(BRIDGES), choose(BRIDGES[1:])
        mac = f"02:00:00:00:01:{number(4):02x}"
        words = choose((
            ("bridge", "add", bridge), ("bridge", "del", choose(BRIDGES[1:])),
            ("bridge", "set", bridge, f"ageing={number(2) * 300 + 60}", f"capacity={1024 << number(4)}"),
            ("bridge", "set", bridge, f"loop_guard={choose(('yes', 'no'))}",
             f"mcast_snooping={choose(('yes', 'no'))}"),
            ("port", "add", port, "vhost-user", f"bridge={apart}",
             f"path={self.bench.folder}/{port}.sock", f"queues={1 + number(4)}"),
            ("port", "add", port, "null", f"bridge={apart}"),
            ("port", "del", port), ("port", "set", port, f"tag={number(3)}", "vlan_mode=access"),
            ("port", "set", port, f"bridge={apart}", "vlan_mode=", "tag="),
            ("port", "set", port, f"in_rate={number(3)}G"),
            ("fdb", "add", bridge, mac, port), ("fdb", "del", bridge, mac), ("fdb", "flush", bridge),
            ("set", "add", "some", f"10.0.0.{number(9)}"), ("set", "del", "some"),
            ("filter", "add", port, choose(("in", "out")), str(10 + number(3)), "deny", "udp"),
            ("filter", "del", port, choose(("in", "out")), str(10 + number(3))),
        ))
        done = self.switch.run(*words, check=False, timeout=SECONDS)
        if done.returncode not in (0, 1, 2) or done.returncode and not done.stderr.strip():
            raise Wrong(f"{' '.join(words)}: code {done.returncode}: {done.stderr}")

    def apply(self):
        """What runs, with or without some of its lines."""
        text = self.switch("config", "show")
        file = self.bench.folder / "apply.yaml"
        lines = text.splitlines()
        if self.random.random() < 0.5 and lines:
            del lines[self.random.randrange(len(lines))]
        file.write_text("\n".join(lines) + "\n")
        done = self.switch.run("config", "apply", file, check=False, timeout=SECONDS)
        if done.returncode not in (0, 1):
            raise Wrong(f"config apply: code {done.returncode}: {done.stderr}")
        self.apply_needed()

    def guests(self):
        """A front end comes to a port that may be there, and is killed."""
        paths = [self.bench.folder / f"{name}.sock" for name in self.random.sample(PORTS, 2)]
        command = [self.pair.command()[0], "--seconds", 2, "--timeout", 300, *paths]
        process = Process(command, self.bench.folder / "guests.log")
        self.at_any_moment()
        process.kill()

    def take_over_plainly(self):
        self.switch.take_over("--state", self.state)

    def take_over_during_apply(self):
        file = self.bench.folder / "same.yaml"
        file.write_text(self.switch("config", "show"))
        client = Process([CLIENT, "--socket", self.switch.socket, "config", "apply", file],
                         self.bench.folder / "apply.log")
        self.take_over_plainly()
        client.popen.wait(SECONDS)

    def spawn_next(self):
        return Process([DAEMON, "--socket", self.switch.socket, "--takeover", "--state",
                        self.state], self.switch.log.with_suffix(".next"))

    def settle(self, new):
        """One of the old daemon and the new ones is the daemon in the end; none: begins again."""
        old = self.switch.process

        def settled():
            return [p for p in [old, *new] if p.running()][1:] == []

        wait_until(settled, SECONDS, lambda: "end of all daemons but one: "
                   f"{[p.pid for p in [old, *new] if p.running()]}")
        left = [p for p in [old, *new] if p.running()]
        if left:
            self.switch.process = left[0]
            try:
                self.switch.wait_ready(SECONDS)
            except Failed:
                # It was about to end, for the one that was killed had taken its place.
                if left[0].running():
                    raise
                left = []
        if not left:
            self.switch.start()

    def two_take_over(self):
        new = [self.spawn_next(), self.spawn_next()]
        self.settle(new)
        if not self.switch.process.running():
            raise Wrong("two daemons wanted to take over, none is left")

    def new_daemon_is_killed(self):
        """At any moment of the takeover."""
        new = self.spawn_next()
        time.sleep(self.random.uniform(0, 0.4))
        new.kill()
        self.settle([])

    def daemon_is_killed(self):
        self.switch.kill()
        self.switch.start()

    def state_goes_away(self):
        shutil.rmtree(self.state, ignore_errors=True)
        self.switch("bridge", "set", "br0", "ageing=300")

    # ---- what must hold ----

    def one(self):
        kind = self.random.choice(self.kinds)
        before = self.switch.process
        self.done.append(kind.__name__)
        try:
            kind()
            self.check(before)
        except (Wrong, Failed, Timeout) as error:
            raise Wrong(f"after {' '.join(self.done[-12:])}: {error}\n{tail(self.switch.log, 40)}\n"
                        f"{tail(self.switch.log.with_suffix('.next'), 40)}") from None

    def check(self, before):
        self.switch.process.check()
        file = self.bench.folder / "now.yaml"
        file.write_text(self.switch("config", "show"))
        changes = self.switch.json("config", "apply", "--dry-run", file)["changes"]
        if changes:
            raise Wrong(f"what runs is not what is shown: {changes}")
        if before is not self.switch.process:
            # The state is gone with its directory: the pair begins anew.
            self.apply_needed()
        self.flow()

    def apply_needed(self):
        names = [row["name"] for row in self.switch.rows("port", "show")]
        self.switch.run("bridge", "add", "br0", check=False)
        for name, path in zip("ab", self.pair.paths):
            if name not in names:
                self.switch("port", "add", name, "vhost-user", "bridge=br0", f"path={path}",
                            "profile=open")
            else:
                self.switch("port", "set", name, "bridge=br0", "profile=open")

    def go(self, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.one()
        report = self.end()
        for way in ("a_to_b", "b_to_a"):
            if report[way]["doubled"] or report[way]["damaged"]:
                raise Wrong(f"{report[way]}")
        return len(self.done)

