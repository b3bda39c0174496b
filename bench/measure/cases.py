# SPDX-License-Identifier: BSD-3-Clause
"""What is compared, and which figures patchbay is to reach."""

import dataclasses

VIRTIO_USER = "virtio-user"
OURS = "patchbay"
OVS, TESTPMD, PATCHBAY = "ovs", "testpmd", "patchbay"
SWITCHES = [OVS, TESTPMD, PATCHBAY]
# A full frame of Linux' TCP, 45 segments of 1,448 bytes.  Open vSwitch takes no 65,536 bytes: frame,
# headroom and a note of DPDK's must fit into 65,535.
SEGMENTED = 65226
TITLES = {OVS: "OVS-DPDK", TESTPMD: "testpmd io", PATCHBAY: "patchbay"}


@dataclasses.dataclass(frozen=True)
class Target:
    """Ratios of packet rates to be reached, and cycles per packet to stay below; None = none."""
    ovs: float = None
    testpmd: float = None
    cycles: float = None


@dataclasses.dataclass(frozen=True)
class Case:
    name: str
    size: int
    ring: str
    targets: dict  # by traffic: what it can be driven by, and the figures to reach then
    segmentation: bool = False  # frames above the MTU, which every switch must be told to pass

    @property
    def title(self):
        return f"{'64 KiB TSO' if self.segmentation else f'{self.size} B'} {self.ring}"

    def switches(self, chosen):
        """testpmd offers no segmentation offload to guests."""
        return [name for name in chosen if not (self.segmentation and name == TESTPMD)]


CASES = [
    Case("64-split", 64, "split",
         {VIRTIO_USER: Target(2.3, 1.5, 45), OURS: Target(3.0, 2.0, 45)}),
    Case("64-packed", 64, "packed",
         {VIRTIO_USER: Target(1.8, 1.0, 40), OURS: Target(3.0, 1.5, 40)}),
    Case("1500-split", 1500, "split",
         {VIRTIO_USER: Target(2.5, 2.1, 115), OURS: Target()}),
    Case("1500-packed", 1500, "packed",
         {VIRTIO_USER: Target(2.3, 1.8, 115), OURS: Target()}),
    Case("64k-split", SEGMENTED, "split", {OURS: Target(2.0)}, segmentation=True),
]


def plan(cases, traffics):
    """The pairs (traffic, case) that go together."""
    return [(traffic, case) for traffic in traffics for case in cases if traffic in case.targets]
