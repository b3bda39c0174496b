# SPDX-License-Identifier: BSD-3-Clause
"""The part of ./check after installing: builds, runs every group of tests, counts their cases."""

import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import threading

from harness import fuzzing, tap
from harness.process import die_with_parent
from harness.progress import say
from harness.run import namespaces
from harness.switch import BUILD, ROOT

SKIP = 77  # exit code of a lint that cannot run here
LINT_SECONDS = 300
FUZZ_SECONDS = 8
E2E_SECONDS = 3600
SOAK_SECONDS = 7 * 86400
CLANG = {"CC": "clang-14"}


class Lines:
    """Runs a program, yields its lines, kills it after the time."""

    def __init__(self, command, seconds, **options):
        self.seconds = seconds
        self.timed_out = False
        self.child = subprocess.Popen(
            [str(word) for word in command], text=True, errors="replace",
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            preexec_fn=die_with_parent, **options)

    def expire(self):
        self.timed_out = True
        self.child.kill()

    def __iter__(self):
        timer = threading.Timer(self.seconds, self.expire)
        timer.start()
        try:
            for line in self.child.stdout:
                yield line.rstrip("\n")
            self.child.wait()
        finally:
            timer.cancel()
            self.stop()

    def stop(self):
        """Lets the program undo what it has set up, for some seconds."""
        self.child.terminate()
        try:
            self.child.wait(10)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()

    @property
    def end(self):
        """How it ended, in words; "" when well."""
        if self.timed_out:
            return f"no end after {self.seconds} s"
        code = self.child.returncode
        return "" if code == 0 else f"exit code {code}"


def reason(words):
    """What a cmocka test printed before its skip(): "skipped: WHY"."""
    for word in words[-4:]:
        if "skipped: " in word:
            return word.split("skipped: ", 1)[1]
    return "the test does not say why"


SANITIZERS = {"ASAN_OPTIONS": "abort_on_error=1:detect_leaks=1",
              "UBSAN_OPTIONS": "halt_on_error=1:abort_on_error=1:print_stacktrace=1"}


class Check:
    def __init__(self):
        self.counts = tap.Counts()
        self.built = None
        # The machine's interfaces are none of the tests' business.
        self.apart = namespaces() if os.geteuid() == 0 else []

    def verdict(self, verdict, name, note=""):
        self.counts.add(verdict, name, note)
        if verdict != "passed":
            print(f"        {verdict}: {name}{': ' + note if note else ''}", flush=True)

    def command(self, name, command, seconds, **options):
        """One case: a program that must end with code 0; shows its words if it does not."""
        lines = Lines(command, seconds, **options)
        words = list(lines)
        if lines.child.returncode == SKIP and not lines.timed_out:
            self.verdict("skipped", name, words[-1] if words else "no reason given")
            return True
        self.verdict("failed" if lines.end else "passed", name, lines.end)
        if lines.end:
            print("\n".join("        | " + word for word in words[-60:]), flush=True)
        return not lines.end

    # ---- building ----

    def build(self, folder, *options, environment=None):
        """Configures when needed and compiles; one case."""
        name = f"build {folder.name}"
        say(name)
        environment = dict(os.environ, **(environment or {}))
        if not (folder / "build.ninja").exists():
            lines = Lines(["meson", "setup", folder, *options], 120, cwd=ROOT, env=environment)
            words = list(lines)
            if lines.end:
                self.verdict("failed", name, lines.end)
                print("\n".join("        | " + word for word in words[-30:]), flush=True)
                return False
        return self.command(name, ["ninja", "-C", folder], 1200, env=environment)

    def sibling(self, kind):
        return BUILD.with_name(f"{BUILD.name}-{kind}")

    # ---- groups ----

    def build_once(self):
        if self.built is None:
            self.built = self.build(BUILD)
        return self.built

    def lint(self):
        self.build_once()  # some look at the programs
        say("lint")
        for path in sorted((ROOT / "tests/lint").iterdir()):
            if os.access(path, os.X_OK) and path.is_file():
                self.command(f"lint {path.name}", [path], LINT_SECONDS, cwd=ROOT)

    def unit(self):
        if self.build_once():
            say("unit tests")
            self.meson_tests(BUILD, "unit", {})

    def sanitize(self):
        folder = self.sibling("sanitize")
        if self.build(folder, "-Db_sanitize=address,undefined", "-Doptimization=1",
                      "-Dwerror=false"):
            say("unit tests with sanitizers")
            self.meson_tests(folder, "sanitize", SANITIZERS)
            say("hostile front ends and guests with sanitizers")
            self.suite("sanitize ", folder, SANITIZERS, "hostile", "vm_programs")

    def meson_tests(self, folder, group, environment):
        """Runs the programs that meson knows as tests; each speaks TAP."""
        shown = subprocess.run(["meson", "introspect", "--tests", folder], text=True, check=True,
                               stdout=subprocess.PIPE)
        for test in json.loads(shown.stdout):
            if "unit" in " ".join(test["suite"]):
                self.program(f"{group} {test['name']}", test["cmd"], test["timeout"],
                             dict(os.environ, **test["env"], **environment))

    def program(self, name, command, seconds, environment):
        planned = seen = failed = 0
        words = []
        with tempfile.TemporaryDirectory(prefix="patchbay-unit.") as folder:
            lines = Lines([*self.apart, *command], seconds, env=environment, cwd=folder)
            for line in lines:
                words.append(line)
                planned = tap.plan(line) or planned
                result = tap.parse(line)
                if result:
                    verdict, case, note = result
                    seen += 1
                    failed += verdict == "failed"
                    if verdict == "skipped" and not case:  # cmocka: the name is in the reason's place
                        case, note = note, reason(words)
                    self.verdict(verdict, f"{name}: {case}", note)
        if lines.end and not failed or seen < planned or not seen:
            for _ in range(max(planned - seen, 1)):
                self.verdict("failed", name, lines.end or "said less than it promised")
            failed += 1
        if failed:
            print("\n".join("        | " + word for word in words[-60:]), flush=True)

    def fuzz_targets(self):
        folder = self.sibling("fuzz")
        if not self.build(folder, "-Dfuzz=true", environment=CLANG):
            return []
        return sorted(path for path in (folder / "tests/fuzz").glob("fuzz_*")
                      if path.is_file() and os.access(path, os.X_OK))

    def fuzz_long(self, words):
        options = fuzzing.arguments(words)
        long_run = fuzzing.LongRun(self.fuzz_targets(), self.sibling("fuzz-found"), options)
        self.verdict("passed" if long_run.run() else "failed", f"fuzz {options.hours} h")

    def fuzz(self):
        for path in self.fuzz_targets():
            say(f"{path.name} for {FUZZ_SECONDS} s")
            self.fuzz_target(path)

    def fuzz_target(self, path):
        corpus = ROOT / "tests/fuzz/corpus" / path.name.removeprefix("fuzz_")
        with tempfile.TemporaryDirectory(prefix="patchbay-fuzz.") as scratch:
            found = pathlib.Path(scratch) / "found"
            found.mkdir()
            command = [path, f"-max_total_time={FUZZ_SECONDS}", "-timeout=5", "-rss_limit_mb=2048",
                       f"-artifact_prefix={scratch}/", "-print_final_stats=1", found]
            if corpus.is_dir():
                command.append(corpus)
            self.command(path.name, command, FUZZ_SECONDS + 120, cwd=scratch)
            for kind in ("crash-*", "leak-*", "timeout-*", "oom-*"):
                for file in pathlib.Path(scratch).glob(kind):
                    kept = path.parent / file.name
                    kept.write_bytes(file.read_bytes())
                    print(f"        the input that did it: {kept}")

    def e2e(self, *arguments):
        if self.build_once():
            say("end-to-end tests")
            self.suite("", BUILD, {}, *arguments)

    def soak(self, *arguments):
        if self.build_once():
            say("long runs")
            self.tests("soak ", "tests/soak/run", SOAK_SECONDS, BUILD, {}, *arguments)

    def suite(self, group, folder, environment, *arguments):
        """Runs end-to-end tests with the programs of a folder."""
        self.tests(group, "tests/e2e/run", E2E_SECONDS, folder, environment, *arguments)

    def tests(self, group, program, seconds, folder, environment, *arguments):
        """Runs a program that prints TAP."""
        before = self.counts.total
        lines = Lines([ROOT / program, *arguments], seconds, cwd=ROOT,
                      env=dict(os.environ, PATCHBAY_BUILD=str(folder), **environment))
        for line in lines:
            result = tap.parse(line)
            if result:
                verdict, name, note = result
                self.counts.add(verdict, group + name, note)
                say(f"  {line}")
            elif line.startswith("#"):
                print(f"        {line}", flush=True)
        if lines.end and not self.counts.failed or self.counts.total == before:
            self.verdict("failed", program, lines.end or "none was run")

    GROUPS = ["lint", "unit", "sanitize", "fuzz", "e2e"]

    def run(self, words):
        if words[:1] == ["fuzz"] and len(words) > 1:
            self.fuzz_long(words[1:])
            return
        if words[:1] in (["e2e"], ["soak"]):
            getattr(self, words[0])(*words[1:])
            return
        for word in words:
            if word not in self.GROUPS:
                sys.exit(f"no group {word}; there are: {' '.join(self.GROUPS)}")
        for group in self.GROUPS:
            if not words or group in words:
                getattr(self, group)()

    def summary(self):
        counts = self.counts
        for name in counts.failures:
            print(f"failed:  {name}")
        for name, reason in counts.skips:
            print(f"skipped: {name}: {reason}")
        say("end")
        print(f"{counts.passed} passed, {counts.failed} failed, {counts.skipped} skipped")
        return 1 if counts.failed or not counts.passed else 0


def interrupted(signum, _):
    signal.signal(signum, signal.SIG_IGN)
    raise KeyboardInterrupt


def main():
    for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(signum, interrupted)
    check = Check()
    try:
        check.run(sys.argv[1:])
    except KeyboardInterrupt:
        sys.exit("check: interrupted")
    sys.exit(check.summary())


if __name__ == "__main__":
    main()
