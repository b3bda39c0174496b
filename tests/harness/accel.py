# SPDX-License-Identifier: BSD-3-Clause
"""Does hardware virtualisation really work here?  Asked by booting a guest, not by looking."""

import os
import pathlib
import subprocess
import tempfile

QEMU = "qemu-system-x86_64"
PROBE_SECONDS = 12


def cpu_has_virtualisation():
    flags = set()
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("flags"):
            flags.update(line.split())
            break
    return bool(flags & {"svm", "vmx"})


def boots(image):
    """Does the stock kernel reach its init under KVM?"""
    with tempfile.TemporaryDirectory() as folder:
        log = os.path.join(folder, "serial")
        command = [QEMU, "-M", "q35", "-accel", "kvm", "-cpu", "host", "-m", "192", "-nodefaults",
                   "-display", "none", "-no-reboot", "-serial", "null", "-serial", f"file:{log}",
                   "-kernel", str(image.kernel), "-initrd", str(image.initramfs),
                   "-append", "console=ttyS0 quiet panic=-1 patchbay.probe"]
        try:
            subprocess.run(command, timeout=PROBE_SECONDS, stdin=subprocess.DEVNULL,
                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        except subprocess.TimeoutExpired:
            return False
        return pathlib.Path(log).exists() and "ready" in pathlib.Path(log).read_text()


def choose(image):
    """Returns ("kvm" or "tcg", why)."""
    if not os.path.exists("/dev/kvm"):
        return "tcg", "there is no /dev/kvm"
    if not cpu_has_virtualisation():
        return "tcg", "/dev/kvm is there, but the CPU shows no hardware virtualisation (svm, vmx)"
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return "tcg", "/dev/kvm may not be opened: add yourself to group kvm"
    if not boots(image):
        return "tcg", f"a stock kernel did not start under /dev/kvm within {PROBE_SECONDS} s"
    return "kvm", "a stock kernel starts under /dev/kvm"
