# SPDX-License-Identifier: BSD-3-Clause
"""dpdk-testpmd in two roles: as a switch between vhost-user sockets, and as the guests of one."""

import time

from harness.process import Failed
from harness.testpmd import PROGRAM, Testpmd
from measure import said

MACS = ["52:54:00:00:00:01", "52:54:00:00:00:02"]
MEMORY_MB = 256
RING = 1024
BURSTS = 32  # in flight of each port
LEARN_SECONDS = 0.5
# With more, the virtio driver's freed buffers overflow the cache of the pool and all come back cold.
POOL, POOL_CACHE = 6144, 512


class PinnedTestpmd(Testpmd):
    """At its prompt; the forwarding thread has a CPU of its own, the other threads share all."""

    def __init__(self, folder, name, cpu, all_cpus, vdevs, *arguments):
        everywhere = ",".join(map(str, all_cpus))
        self.log = folder / f"{name}.log"
        self.command = [
            PROGRAM, "--no-pci", "--in-memory", "--single-file-segments", "--iova-mode=va",
            "--no-telemetry", "-m", str(MEMORY_MB), f"--file-prefix={name}",
            "--log-level=lib.eal:debug", "--lcores", f"0@({everywhere}),1@{cpu}",
            *[f"--vdev={vdev}" for vdev in vdevs],
            "--", "-i", "--nb-cores=1", f"--txd={RING}", f"--rxd={RING}", *arguments]
        self.text = ""
        self.child = None
        self.terminal = -1

    def stop(self):
        """Ends it properly if it can, else by force."""
        try:
            if self.child and self.child.poll() is None:
                self.quit(10)
        finally:
            self.kill()

    def start_forwarding(self, *words):
        text = self(" ".join(["start", *words]))
        if "Logical Core" not in text:
            raise Failed(f"{PROGRAM}: it does not forward: {text.strip()}")


def vhost_switch(folder, cpu, all_cpus, sockets):
    """Copies blindly between two sockets that it listens on."""
    vdevs = [f"net_vhost{i},iface={path},queues=1" for i, path in enumerate(sockets)]
    return PinnedTestpmd(folder, "testpmd", cpu, all_cpus, vdevs, "--forward-mode=io",
                         "--port-topology=paired", "--total-num-mbufs=16384")


class VirtioUserLoop(PinnedTestpmd):
    """Two guests on one thread that send each frame back, addresses swapped."""

    def __init__(self, folder, cpu, all_cpus, sockets, size, ring):
        packed = int(ring == "packed")
        vdevs = [f"net_virtio_user{i},path={path},queue_size={RING},mac={MACS[i]},"
                 f"packed_vq={packed}" for i, path in enumerate(sockets)]
        super().__init__(
            folder, "guests", cpu, all_cpus, vdevs, "--forward-mode=macswap",
            "--port-topology=loop", f"--mbcache={POOL_CACHE}", f"--total-num-mbufs={POOL}",
            f"--eth-peer=0,{MACS[1]}", f"--eth-peer=1,{MACS[0]}", f"--txpkts={size}")

    def go(self):
        """A few frames first, and time to learn where they go: what is lost in a loop is gone."""
        self.start_forwarding("tx_first", "1")
        time.sleep(LEARN_SECONDS)
        self("stop")
        self.start_forwarding("tx_first", str(BURSTS - 1))

    def begin(self):
        """Rates are counted from here on."""
        self("show port stats all")

    def end(self):
        """Mpps that both guests received since begin()."""
        stats = said.port_stats(self("show port stats all")).values()
        mpps = sum(port.rx_pps for port in stats) / 1e6
        if not mpps:
            raise Failed(f"{PROGRAM}: the guests received nothing: sent "
                         f"{sum(port.tx_packets for port in stats)}, received "
                         f"{sum(port.rx_packets for port in stats)} packets in all")
        return mpps
