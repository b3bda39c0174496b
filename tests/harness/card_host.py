# SPDX-License-Identifier: BSD-3-Clause
"""A host with a network card that may be given to the switch: a machine of QEMU's, whose card ends
in an interface of the test.

The machine sees the host's files at the same paths, so what was built outside runs inside.
"""

from harness import accel
from harness.guest import Guest


class CardHost(Guest):
    """`card`: QEMU's device, "e1000e"; `tap`: the interface at the end of its cable."""

    def __init__(self, *arguments, card, tap, iommu=True, **options):
        super().__init__(*arguments, **options)
        self.card, self.tap, self.iommu = card, tap, iommu

    def command_line(self):
        line = [accel.QEMU, "-M", "q35", "-nodefaults", "-no-user-config", "-display", "none",
                "-accel", "tcg,thread=multi", "-cpu", "max,la57=off", "-no-reboot",
                "-m", f"{self.memory}M", "-smp", self.cpus, "-name", self.name,
                "-kernel", self.image.kernel, "-initrd", self.image.initramfs,
                "-append", "console=ttyS0 quiet panic=-1 mitigations=off random.trust_cpu=on "
                           "intel_iommu=on",
                "-virtfs", "local,path=/,mount_tag=host,security_model=none,multidevs=remap",
                "-serial", f"file:{self.path('console')}",
                "-chardev", f"socket,id=agent,path={self.path('agent')},server=on,wait=off",
                "-serial", "chardev:agent",
                "-qmp", f"unix:{self.path('qmp')},server=on,wait=off",
                "-netdev", f"tap,id=cable,ifname={self.tap},script=no,downscript=no"]
        if self.iommu:
            line += ["-device", "intel-iommu"]
        return line + ["-device", f"{self.card},netdev=cable,mac=52:54:00:00:0c:01,romfile="]
