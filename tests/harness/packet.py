# SPDX-License-Identifier: BSD-3-Clause
"""IPv4 packets from host A to host B, made by hand."""

import struct

from harness.wire import frame

A, B = "02:00:00:00:00:0a", "02:00:00:00:00:0b"
IPV4 = 0x0800
TCP, UDP = 6, 17


def ipv4(source, destination, protocol, payload, options=b""):
    header = struct.pack("!BBHHHBBH", 0x45 + len(options) // 4, 0, 20 + len(options) + len(payload), 0,
                         0, 64, protocol, 0)
    return header + bytes(map(int, source.split("."))) + bytes(map(int, destination.split("."))) + \
        options + payload


def packet(port, text, protocol=TCP, source="10.0.0.1", options=b"", vlan=None):
    """To this port, with a text that is looked for where it arrives."""
    upper = struct.pack("!HH", 40000, port)
    upper += struct.pack("!IIBBHHH", 1, 0, 0x50, 2, 512, 0, 0) if protocol == TCP else \
        struct.pack("!HH", 8 + len(text), 0)
    return frame(B, A, ipv4(source, "10.0.0.2", protocol, upper + text, options), IPV4, vlan)
