# SPDX-License-Identifier: BSD-3-Clause
"""Builds what a test guest boots: Debian's stock cloud kernel and a busybox initramfs.

Everything comes from Debian packages that are downloaded and unpacked, never installed; apt's
lists must be there.  The result is kept below $XDG_CACHE_HOME/patchbay (default ~/.cache) and built
again only when this file or guest_init changes, or with --refresh, which asks apt for newer
packages.  `python3 tests/harness/guest_image.py` prints where it is.
"""

import dataclasses
import fcntl
import hashlib
import os
import pathlib
import re
import shutil
import stat
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
KERNEL_META = "linux-image-cloud-amd64"
PACKAGES = ["busybox-static", "ethtool", "libmnl0", "iperf3", "libiperf0", "libsctp1", "libssl3",
            "libc6"]
PROGRAMS = ["usr/bin/iperf3", "sbin/ethtool"]
# Loaded at boot, and only carried along for tests that insert them.
MODULES = ["virtio_pci", "virtio_net"]
MODULES_ASIDE = ["8021q", "bonding", "virtio_blk", "virtio_console", "virtio_balloon",
                 "virtio_rng", "ptp_kvm", "button", "evdev"]
KEPT_SECONDS = 86400
TOOLS = "/usr/sbin:/sbin:/usr/bin:/bin"


class ImageError(Exception):
    """The image cannot be built; the text names the cause and the cure."""


@dataclasses.dataclass(frozen=True)
class GuestImage:
    kernel: pathlib.Path
    initramfs: pathlib.Path
    release: str  # of the kernel


def cache_dir():
    base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return pathlib.Path(base) / "patchbay"


def run(*command, cwd=None):
    environment = dict(os.environ, PATH=TOOLS, LC_ALL="C")
    try:
        done = subprocess.run(command, cwd=cwd, env=environment, text=True, timeout=300,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE)
    except FileNotFoundError:
        raise ImageError(f"{command[0]} is not installed") from None
    except subprocess.TimeoutExpired:
        raise ImageError(f"{' '.join(command)}: no end after 300 s") from None
    if done.returncode:
        text = (done.stderr or done.stdout).strip()
        raise ImageError(f"{' '.join(command)}: {text}")
    return done.stdout


# ---- packages ----

def kernel_package(meta=KERNEL_META):
    """The package that holds the newest stock kernel (the meta package depends on it)."""
    match = re.search(r"^Depends: (linux-image-\S+)", run("apt-cache", "show", meta), re.M)
    if not match:
        raise ImageError(f"apt knows no {meta}: run `apt-get update` as root")
    return match.group(1)


def download(packages, folder):
    """Fetches the packages' files that are not in the folder yet."""
    missing = [name for name in packages if not list(folder.glob(f"{name}_*.deb"))]
    if not missing:
        return
    # By way of a folder of its own, so that a broken download never looks like a package.
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        run("apt-get", "-qq", "-o", "APT::Sandbox::User=root", "download", *missing, cwd=scratch)
        for path in pathlib.Path(scratch).glob("*.deb"):
            path.rename(folder / path.name)


def unpack(packages, folder, tree):
    for name in packages:
        files = sorted(folder.glob(f"{name}_*.deb"), key=lambda file: file.stat().st_mtime)
        if not files:
            raise ImageError(f"apt-get download left no file of {name} in {folder}")
        run("dpkg-deb", "-x", str(files[-1]), str(tree))


# ---- what goes in ----

def find_library(tree, name):
    for folder in ("lib/x86_64-linux-gnu", "usr/lib/x86_64-linux-gnu"):
        path = tree / folder / name
        if path.exists():
            return path
    raise ImageError(f"{name} is in none of the packages {' '.join(PACKAGES)}: "
                     f"add its package to PACKAGES in {__file__}")


def libraries(tree, programs):
    """The shared libraries that the programs need, each once: name -> file."""
    found = {}
    work = [tree / program for program in programs]
    while work:
        for name in re.findall(r"\(NEEDED\).*\[(.+)\]", run("readelf", "-d", str(work.pop()))):
            if name not in found:
                found[name] = find_library(tree, name)
                work.append(found[name])
    return found


def module_files(tree, release, names):
    """Files of the modules and of those they depend on, in the order of insertion."""
    root = str(tree)
    run("depmod", "-b", root, release)
    order = []
    for name in names:
        shown = run("modprobe", "-d", root, "-S", release, "--show-depends", name)
        for path in re.findall(r"^insmod (\S+)", shown, re.M):
            if path not in order:
                order.append(path)
    return [pathlib.Path(path) for path in order]


# ---- the archive ----

class Cpio:
    """Writes the kernel's initramfs format ("newc"), owner root, no time stamps."""

    def __init__(self):
        self.parts = []
        self.inode = 0
        self.folders = set()

    def entry(self, name, mode, data=b"", device=(0, 0)):
        self.inode += 1
        name = name.encode() + b"\0"
        fields = [self.inode, mode, 0, 0, 1, 0, len(data), 0, 0, *device, len(name), 0]
        header = b"070701" + b"".join(b"%08X" % field for field in fields)
        for part in (header + name, data):
            self.parts.append(part + b"\0" * (-len(part) % 4))

    def folder(self, name):
        parent = os.path.dirname(name)
        if parent:
            self.folder(parent)
        if name and name not in self.folders:
            self.folders.add(name)
            self.entry(name, stat.S_IFDIR | 0o755)

    def file(self, name, data, mode=0o644):
        self.folder(os.path.dirname(name))
        self.entry(name, stat.S_IFREG | mode, data)

    def device(self, name, major, minor):
        self.folder(os.path.dirname(name))
        self.entry(name, stat.S_IFCHR | 0o600, device=(major, minor))

    def bytes(self):
        self.entry("TRAILER!!!", 0)
        return b"".join(self.parts)


def initramfs(tree, release):
    archive = Cpio()
    for name in ("proc", "sys", "dev", "tmp", "run", "root"):
        archive.folder(name)
    archive.device("dev/console", 5, 1)
    archive.file("init", (HERE / "guest_init").read_bytes(), 0o755)
    archive.file("bin/busybox", (tree / "bin/busybox").read_bytes(), 0o755)
    # Before busybox has made its links, the script's interpreter must be there.
    archive.entry("bin/sh", stat.S_IFLNK | 0o777, b"busybox")
    for program in PROGRAMS:
        archive.file("bin/" + os.path.basename(program), (tree / program).read_bytes(), 0o755)
    for name, path in libraries(tree, PROGRAMS).items():
        folder = "lib64/" if name.startswith("ld-linux") else "lib/x86_64-linux-gnu/"
        archive.file(folder + name, path.read_bytes(), 0o755)
    order = module_files(tree, release, MODULES)
    for path in module_files(tree, release, MODULES + MODULES_ASIDE):
        archive.file("modules/" + path.name, path.read_bytes())
    archive.file("modules/order", "".join(path.stem + "\n" for path in order).encode())
    return archive.bytes()


# ---- the whole ----

def fingerprint(*names):
    digest = hashlib.sha256()
    for name in names:
        digest.update((HERE / name).read_bytes())
    return digest.hexdigest()[:16]


def load(folder):
    release = (folder / "release").read_text().strip()
    return GuestImage(folder / "vmlinuz", folder / "initramfs", release)


def make(folder, packages_folder, packages, pack):
    """Fills an empty folder with the image; pack(tree, release) makes its initramfs."""
    download(packages, packages_folder)
    with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
        tree = pathlib.Path(scratch) / "tree"
        tree.mkdir()
        unpack(packages, packages_folder, tree)
        kernel = next((tree / "boot").glob("vmlinuz-*"))
        release = kernel.name.removeprefix("vmlinuz-")
        (folder / "initramfs").write_bytes(pack(tree, release))
        shutil.copyfile(kernel, folder / "vmlinuz")
    (folder / "release").write_text(release + "\n")


def kept(kind, version, fill, refresh=False):
    """The image of this kind and version; fill(folder, packages_folder) makes it if there is none."""
    cache = cache_dir()
    packages_folder = cache / "packages"
    packages_folder.mkdir(parents=True, exist_ok=True)
    folder = cache / f"{kind}-{version}"
    with open(cache / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if refresh:
            for path in packages_folder.glob("*.deb"):
                path.unlink()
        if refresh or not (folder / "release").exists():
            fresh = pathlib.Path(tempfile.mkdtemp(prefix="new-", dir=cache))
            try:
                fill(fresh, packages_folder)
                # Another copy of the sources may be at work with an image of its own.
                for old in cache.glob(f"{kind}-*"):
                    if old == folder or time.time() - old.stat().st_mtime > KEPT_SECONDS:
                        shutil.rmtree(old)
                fresh.rename(folder)
            except BaseException:
                shutil.rmtree(fresh, ignore_errors=True)
                raise
        return load(folder)


def build(refresh=False):
    """Returns the image, made if there is none for this version of the builder."""
    return kept("guest", fingerprint("guest_image.py", "guest_init"),
                lambda folder, packages: make(folder, packages, [kernel_package(), *PACKAGES],
                                              initramfs), refresh)


def build_or_update(refresh=False):
    """The same; as root, apt's lists are fetched when they turn out to be missing or too old."""
    try:
        return build(refresh)
    except ImageError:
        if os.geteuid() != 0:
            raise
    run("apt-get", "-q", "update")
    return build(refresh)


def main():
    try:
        image = build_or_update(refresh="--refresh" in sys.argv[1:])
    except ImageError as error:
        sys.exit(f"guest image: {error}")
    print(f"kernel     {image.kernel}\ninitramfs  {image.initramfs}\nrelease    {image.release}")


if __name__ == "__main__":
    main()
