# SPDX-License-Identifier: BSD-3-Clause
"""Packages and programs: installs what is missing, builds what is measured."""

import os
import pathlib
import shutil
import subprocess

from harness.process import Failed, die_with_parent
from harness.progress import say

ROOT = pathlib.Path(__file__).resolve().parents[2]
INSTALL = ROOT / ".ci/install"
INSTALL_SECONDS = 1200
BUILD_SECONDS = 1200
POLICY = pathlib.Path("/usr/sbin/policy-rc.d")
SERVICE = "openvswitch-switch.service"


def build_folder():
    """Where to build: as .ci/steps.sh does."""
    given = os.environ.get("PATCHBAY_BUILD")
    if given:
        return pathlib.Path(given).absolute()
    if os.access(ROOT, os.W_OK):
        return ROOT / "build"
    cache = os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache"
    return pathlib.Path(cache) / "patchbay/build"


def command(what, *words, seconds, **options):
    """Runs a program quietly; shows its last words when it fails."""
    try:
        done = subprocess.run([str(word) for word in words], stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              errors="replace", timeout=seconds, preexec_fn=die_with_parent,
                              **options)
    except FileNotFoundError:
        raise Failed(f"{what}: {words[0]}: not installed") from None
    except subprocess.TimeoutExpired:
        raise Failed(f"{what}: no end after {seconds} s") from None
    if done.returncode:
        last = "\n".join(done.stdout.splitlines()[-25:])
        raise Failed(f"{what}: {pathlib.Path(words[0]).name} ended with code {done.returncode}\n"
                     f"{last}")
    return done.stdout


def missing(*groups):
    return command("packages", INSTALL, "--missing", *groups, seconds=60).split()


def install(*groups):
    """Installs what is missing of the groups of .ci/packages; no service is started."""
    packages = missing(*groups)
    if not packages:
        return
    say(f"installing packages: {' '.join(packages)}")
    forbids = not POLICY.exists()
    if forbids and os.geteuid() == 0:
        POLICY.write_text("#!/bin/sh\n# Written by patchbay's bench/compare, for one apt run.\n"
                          "exit 101\n")
        POLICY.chmod(0o755)
    try:
        command("installing packages", INSTALL, *groups, seconds=INSTALL_SECONDS)
    finally:
        if forbids:
            POLICY.unlink(missing_ok=True)
    if any("openvswitch" in package for package in packages) and shutil.which("systemctl"):
        # Installed for its programs: it is not to start with the machine either.
        subprocess.run(["systemctl", "disable", SERVICE], stdin=subprocess.DEVNULL,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=60)


def build(folder, *targets, source=ROOT):
    """Configures when needed and compiles."""
    if not (folder / "build.ninja").exists():
        command("configuring", "meson", "setup", folder, source, seconds=BUILD_SECONDS)
    command(f"compiling {' '.join(targets)}", "ninja", "-C", folder, *targets,
            seconds=BUILD_SECONDS)
