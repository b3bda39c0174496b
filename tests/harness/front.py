# SPDX-License-Identifier: BSD-3-Clause
"""Two front ends of ours on two vhost-user ports: tests/tools/vhost_pair.c and its report."""

import json

from harness.process import Failed, Process, run, tail
from harness.switch import BUILD

PROGRAM = BUILD / "tests" / "tools" / "vhost_pair"
DIRECTIONS = ("a_to_b", "b_to_a")


class Front:
    """Ports a and b of bridge br0; mode: of the ports.  exchange() does the rest.

    Their profile is open: on a busy machine an address is learnt late, and until then frames at
    full speed count against the limit of unknown unicast.
    """

    def __init__(self, bench, switch, queues=1, mode="server", add=True):
        self.bench = bench
        self.switch = switch
        self.mode = mode
        self.paths = [bench.folder / f"{name}.sock" for name in ("a", "b")]
        if not add:
            return
        switch("bridge", "add", "br0")
        for name, path in zip(("a", "b"), self.paths):
            switch("port", "add", name, "vhost-user", "bridge=br0", f"path={path}",
                   f"mode={mode}", f"queues={queues}", "profile=open")

    def command(self, *options):
        listen = ["--listen"] if self.mode == "client" else []
        return [PROGRAM, *listen, *options, *self.paths]

    def exchange(self, *options, check=True, timeout=60):
        """Runs to the end; the report.  With check everything must have arrived."""
        done = run(*self.command(*options), check=False, timeout=timeout)
        return self.report(options, done.returncode, done.stdout, done.stderr, check)

    def report(self, options, code, output, words, check):
        if code not in (0, 1) or (check and code):
            raise Failed(f"vhost_pair {' '.join(map(str, options))}: exit code {code}\n"
                         f"{output}{words}\n{self.state()}")
        return json.loads(output)

    def state(self):
        """What the switch says about it."""
        return "\n".join(self.switch.run(*words, check=False).stdout
                         for words in (("stats",), ("port", "show"), ("worker", "show")))

    def begin(self, *options):
        """Runs in the background; end() waits for it."""
        running = Process(self.command(*options), self.bench.folder / "vhost_pair.log")
        running.options = options
        self.bench.cleanup.add(running.kill)
        return running

    def end(self, running, check=True, seconds=60):
        code = running.popen.wait(seconds)
        lines = tail(running.log).splitlines() or [""]
        return self.report(running.options, code, lines[-1], "\n".join(lines[:-1]), check)
