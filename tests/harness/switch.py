# SPDX-License-Identifier: BSD-3-Clause
"""patchbayd in a folder of its own, and the patchbay command that talks to it."""

import json
import os
import pathlib
import socket
import time

from harness.process import Failed, Process, run, tail
from harness.wait import Timeout, patient, wait_until

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("PATCHBAY_BUILD", ROOT / "build"))
DAEMON = BUILD / "control" / "patchbayd"
CLIENT = BUILD / "cli" / "patchbay"
START_SECONDS = 10
# The sanitizers' own code makes system calls that no daemon needs.
ALWAYS = ["--no-confine"] if "ASAN_OPTIONS" in os.environ else []


class Rpc:
    """A raw connection to the control socket, for what the client would never send."""

    def __init__(self, path, seconds=10):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.connect(str(path))  # waits for room in the listener's queue
        self.socket.settimeout(patient(seconds))
        self.pending = b""
        self.count = 0

    def send(self, data):
        self.socket.sendall(data)

    def line(self):
        """The next line; None when the daemon closed the connection."""
        while b"\n" not in self.pending:
            try:
                piece = self.socket.recv(65536)
            except ConnectionResetError:
                piece = b""
            if not piece:
                return None
            self.pending += piece
        line, self.pending = self.pending.split(b"\n", 1)
        return json.loads(line)

    def call(self, method, params=None):
        """The whole answer to one request."""
        self.count += 1
        request = {"jsonrpc": "2.0", "id": self.count, "method": method}
        if params is not None:
            request["params"] = params
        self.send(json.dumps(request).encode() + b"\n")
        return self.line()

    def close(self):
        self.socket.close()


class Switch:
    """One daemon.  folder/control.sock is its socket, folder/patchbayd.log its words."""

    def __init__(self, folder, *arguments, keep=False, prefix=(), **popen):
        """prefix: words before the daemon's own, such as setpriv and its arguments.
        popen: further arguments of Process, such as user=, env= and prepare=."""
        self.folder = pathlib.Path(folder)
        self.socket = self.folder / "control.sock"
        self.log = self.folder / "patchbayd.log"
        self.arguments = [str(word) for word in arguments]
        self.keep = keep
        self.prefix = list(prefix)
        self.popen = popen
        self.process = None

    # ---- life ----

    def start(self):
        """Starts the daemon and waits until it answers: its configuration is applied then."""
        self.spawn()
        self.wait_ready()
        return self

    def spawn(self):
        self.process = Process([*self.prefix, DAEMON, "--socket", self.socket, *ALWAYS, *self.arguments], self.log,
                               keep=self.keep, **self.popen)

    def wait_ready(self, seconds=START_SECONDS):
        def answers():
            self.process.check()
            try:
                rpc = Rpc(self.socket)
            except (FileNotFoundError, ConnectionRefusedError):
                return False
            answer = rpc.call("daemon.ping")
            rpc.close()
            return answer

        try:
            wait_until(answers, seconds, "answer on the control socket", pause=0.002)
        except Timeout as error:
            raise Failed(f"patchbayd: {error}\n{tail(self.log)}") from None

    def take_over(self, *arguments, seconds=START_SECONDS):
        """Starts another daemon in the place of this one; waits until it has ended."""
        old = self.process
        self.process = Process([DAEMON, "--socket", self.socket, "--takeover", *ALWAYS, *arguments],
                               self.log.with_suffix(".next"), keep=self.keep, **self.popen)
        code = old.popen.wait(seconds)
        if code:
            raise Failed(f"patchbayd: exit code {code} when it was taken over\n{tail(self.log)}")
        self.wait_ready()

    def stop(self):
        """Ends the daemon as a service manager would; returns (exit code, seconds)."""
        return self.process.stop()

    def kill(self):
        if self.process:
            self.process.kill()

    @property
    def pid(self):
        return self.process.pid

    # ---- commands ----

    def run(self, *words, check=True, **options):
        """Runs `patchbay WORDS...`; subprocess.CompletedProcess."""
        return run(CLIENT, "--socket", self.socket, *words, check=check, **options)

    def __call__(self, *words):
        """Runs a command that must succeed; what it printed."""
        return self.run(*words).stdout

    def json(self, *words):
        """The same with --json, parsed."""
        return json.loads(self.run("--json", *words).stdout)

    def refused(self, *words):
        """Runs a command that must fail; the text of its error."""
        done = self.run(*words, check=False)
        if done.returncode == 0:
            raise Failed(f"patchbay {' '.join(map(str, words))}: succeeded, but should not have")
        if done.returncode < 0 or not done.stderr.strip():
            raise Failed(f"patchbay {' '.join(map(str, words))}: exit code {done.returncode} "
                         f"without a word")
        return done.stderr.strip()

    def rpc(self):
        return Rpc(self.socket)

    # ---- what it says ----

    def rows(self, *words):
        return self.json(*words)["rows"]

    def port(self, name):
        """The row of `port show` for one port."""
        return self.rows("port", "show", name)[0]

    def counters(self, name):
        """The counters of one port, `drops` among them."""
        return self.rows("stats", "show", name)[0]

    def wait_link(self, name, state="up", seconds=10):
        wait_until(lambda: self.port(name)["link"] == state, seconds,
                   lambda: f"link {state} on {name} (it is {self.port(name)['link']})", pause=0.02)

    # ---- what the system says ----

    def rss(self):
        """Resident memory in bytes."""
        for line in pathlib.Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
        raise Failed("no VmRSS in /proc")

    def cpu_seconds(self):
        fields = pathlib.Path(f"/proc/{self.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def cpu_share(self, seconds):
        """Share of one CPU used over a time."""
        before, begin = self.cpu_seconds(), time.monotonic()
        time.sleep(seconds)
        return (self.cpu_seconds() - before) / (time.monotonic() - begin)
