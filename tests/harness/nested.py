# SPDX-License-Identifier: BSD-3-Clause
"""A machine with hardware virtualisation where there is none: QEMU's TCG with AMD's SVM.

The outer guest runs Debian's stock kernel with KVM and sees the host's files at the same paths; what
was built outside runs inside.  /run, /mnt and /dev/shm are its own.
"""

from harness import accel
from harness.guest import Guest


class Nested(Guest):
    """The outer guest.  `sh` runs a command in the host's files, as root, with /dev/kvm."""

    def command_line(self):
        return [accel.QEMU, "-M", "q35", "-nodefaults", "-no-user-config", "-display", "none",
                "-accel", "tcg,thread=multi", "-cpu", "EPYC,+svm,+npt", "-no-reboot",
                "-m", f"{self.memory}M", "-smp", self.cpus, "-name", self.name,
                "-kernel", self.image.kernel, "-initrd", self.image.initramfs,
                "-append", "console=ttyS0 quiet panic=-1 mitigations=off random.trust_cpu=on",
                "-virtfs", "local,path=/,mount_tag=host,security_model=none,multidevs=remap",
                "-serial", f"file:{self.path('console')}",
                "-chardev", f"socket,id=agent,path={self.path('agent')},server=on,wait=off",
                "-serial", "chardev:agent",
                "-qmp", f"unix:{self.path('qmp')},server=on,wait=off"]
