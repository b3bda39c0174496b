# SPDX-License-Identifier: BSD-3-Clause
"""Builds what the outer machine of nested tests boots: Debian's stock kernel with KVM.

The cloud kernel of guest_image has no KVM; this is linux-image-amd64 with the modules for virtio,
9p, overlay, kvm-amd, network cards and vfio-pci.  Kept like the image of guest_image, and built again
when this file changes.
"""

import pathlib
import stat
import sys

from harness import guest_image
from harness.guest_image import Cpio, ImageError

HERE = pathlib.Path(__file__).resolve().parent
KERNEL_META = "linux-image-amd64"
PACKAGES = ["busybox-static"]
MODULES = ["virtio_pci", "9pnet_virtio", "9p", "kvm-amd", "tun", "veth", "vfio-pci",
           "vfio_iommu_type1", "uio_pci_generic", "e1000e", "vmxnet3", "virtio_net",
           "overlay"]


def initramfs(tree, release):
    archive = Cpio()
    for name in ("proc", "sys", "dev", "host", "root"):
        archive.folder(name)
    archive.device("dev/console", 5, 1)
    archive.file("init", (HERE / "nested_init").read_bytes(), 0o755)
    archive.file("bin/busybox", (tree / "bin/busybox").read_bytes(), 0o755)
    archive.entry("bin/sh", stat.S_IFLNK | 0o777, b"busybox")
    order = guest_image.module_files(tree, release, MODULES)
    for path in order:
        archive.file("modules/" + path.name, path.read_bytes())
    archive.file("modules/order", "".join(path.stem + "\n" for path in order).encode())
    return archive.bytes()


def build():
    """Returns the image, made if there is none for this version of the builder."""
    version = guest_image.fingerprint("guest_image.py", "nested_image.py", "nested_init")
    return guest_image.kept("nested", version, lambda folder, packages: guest_image.make(
        folder, packages, [guest_image.kernel_package(KERNEL_META), *PACKAGES], initramfs))


def main():
    try:
        image = build()
    except ImageError as error:
        sys.exit(f"nested image: {error}")
    print(f"kernel     {image.kernel}\ninitramfs  {image.initramfs}\nrelease    {image.release}")


if __name__ == "__main__":
    main()
