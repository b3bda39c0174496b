# SPDX-License-Identifier: BSD-3-Clause
"""Hostile inputs, one row each: what is done, how it must end, and what must be said about it.

CLOSE  the connection is ended; `port show` says why
STAY   refused or ignored, the connection goes on
DROP   the chain comes back, the named counter moves, the port stays up
BREAK  the ring is out of order until the guest resets it, its error descriptor is signalled
COUNT  the frame ends by the named counter
"""

import os
import struct
import time

from hostile.front import (ADD_MEM_REG, BUFFERS, F_CSUM, F_GUEST_CSUM, F_HOST_TSO4, F_INDIRECT,
                           F_PROTOCOL, F_VERSION_1, GET_FEATURES, GET_INFLIGHT_FD, GET_VRING_BASE,
                           HEADER, INDIRECT, MEMORY, NET_SET_MTU, NEXT, P_INFLIGHT, P_LOG, P_MQ,
                           P_MTU, P_REPLY_ACK, P_SLOTS, REM_MEM_REG, REPLY, RX, SET_FEATURES,
                           SET_INFLIGHT_FD, SET_LOG_BASE, SET_MEM_TABLE, SET_OWNER,
                           SET_PROTOCOL_FEATURES, SET_VRING_ADDR, SET_VRING_BASE, SET_VRING_CALL,
                           SET_VRING_ENABLE, SET_VRING_KICK, SET_VRING_NUM, TX, USED, UVA, WRITE,
                           Front, bits)

CLOSE, STAY, DROP, BREAK, COUNT = "CLOSE", "STAY", "DROP", "BREAK", "COUNT"
MAC = bytes.fromhex("02000000ee01")
OTHER = bytes.fromhex("02000000ee02")
ROWS = []


def row(number, outcome, word="", **options):
    """word: in the reason (CLOSE), the counter's name (DROP, COUNT)."""
    def add(function):
        name = f"{number:02d}_{function.__name__}"
        ROWS.append((name, outcome, word, function, options))
        return function
    return add


def each(number, outcome, word, cases, **options):
    """A row for each (name, action)."""
    for name, action in cases.items():
        ROWS.append((f"{number:02d}_{name}", outcome, word, action, options))


def ethernet(payload=b"", destination=OTHER, source=MAC, protocol=0x88B5):
    return (destination + source + struct.pack("!H", protocol) + payload).ljust(60, b"\0")


# ---- protocol messages ----

each(1, CLOSE, "", {
    "payload_of_4_gib": lambda f: f.connect().send(SET_FEATURES, size=0xFFFFFFFF),
    "payload_larger_than_any": lambda f: f.connect().send(SET_FEATURES, bytes(300)),
    "payload_too_short": lambda f: f.connect().send(SET_FEATURES, bytes(4)),
    "payload_too_long": lambda f: f.connect().send(GET_FEATURES, bytes(8)),
})


@row(2, CLOSE, "half a message")
def half_a_header(f):
    f.connect().raw(b"\x02\0\0")


@row(2, CLOSE, "half a message")
def half_a_payload(f):
    f.connect().raw(struct.pack("<III", SET_FEATURES, 1, 8) + b"\0\0")


@row(2, CLOSE, "half a message")
def a_byte_now_and_then(f):
    f.connect()
    for byte in struct.pack("<III", SET_FEATURES, 1, 8)[:11]:
        f.raw(bytes([byte]))
        time.sleep(0.25)  # slowness is the input


@row(2, CLOSE, "silent")
def nothing_at_all(f):
    f.connect()


each(3, CLOSE, "", {
    "unknown_request": lambda f: f.connect().send(99),
    "request_0": lambda f: f.connect().send(0),
    "request_of_32_bits": lambda f: f.connect().send(0xFFFFFFFF),
    "wrong_version": lambda f: f.connect().raw(struct.pack("<III", GET_FEATURES, 2, 0)),
    "answer_instead_of_request": lambda f: f.connect().send(GET_FEATURES, flags=REPLY),
})


@row(3, STAY)
def unknown_request_with_a_wish_for_an_answer(f):
    f.connect().hello()
    assert not f.acknowledged(99)


each(4, CLOSE, "", {
    "descriptors_where_none_belong":
        lambda f: f.connect().send(GET_FEATURES, fds=[f.memory_fd] * 8),
    "no_descriptor_where_one_belongs": lambda f: f.connect().hello().table(fds=[]),
    "more_descriptors_than_regions":
        lambda f: f.connect().hello().table(fds=[f.memory_fd] * 2),
    "memory_is_a_pipe": lambda f: f.connect().hello().table(fds=[f.own(os.pipe()[0])]),
    "memory_is_a_directory":
        lambda f: f.connect().hello().table(fds=[f.own(os.open("/", os.O_RDONLY))]),
    "memory_is_dev_zero":
        lambda f: f.connect().hello().table(fds=[f.own(os.open("/dev/zero", os.O_RDWR))]),
    "memory_is_the_socket": lambda f: f.connect().hello().table(fds=[f.socket.fileno()]),
})


@row(5, STAY)
def the_same_message_over_and_over(f):
    f.connect().hello(protocol=(P_REPLY_ACK, P_INFLIGHT, P_LOG))
    log = f.file(1 << 20)
    own = len(f.descriptors)
    for _ in range(3000):
        f.table()
        f.state(SET_VRING_NUM, 0, 256)
        f.send(GET_INFLIGHT_FD, struct.pack("<QQHHI", 0, 0, 2, 256, 0))
        f.hear()
        f.send(SET_LOG_BASE, struct.pack("<QQ", 1 << 20, 0), [log])
        f.hear()
        while len(f.descriptors) > own:
            os.close(f.descriptors.pop())


each(6, CLOSE, "", {
    f"ring_{index}": lambda f, i=index: f.connect().hello().state(SET_VRING_NUM, i, 256)
    for index in (2, 255, 256, 65537, 0xFFFFFFFF)
})
each(7, CLOSE, "", {
    f"size_{size}": lambda f, s=size: f.connect().hello().state(SET_VRING_NUM, 0, s)
    for size in (0, 3, 1000, 65536)
})


@row(7, STAY)
def size_changes_while_it_runs(f):
    f.up()
    assert not f.acknowledged(SET_VRING_NUM, struct.pack("<II", 1, 512))
    f.buffers()
    f.transmit(ethernet())
    await_used(f, 1)


def addresses(**parts):
    def action(f):
        f.connect().hello().table()
        f.state(SET_VRING_NUM, 1, 256)
        f.address(1, **parts)
    return action


each(8, CLOSE, "SET_VRING_ADDR", {
    "outside_memory": addresses(desc=UVA + MEMORY),
    "across_the_end": addresses(desc=UVA + MEMORY - 64),
    "wraps": addresses(desc=2 ** 64 - 16),
    "descriptors_misaligned": addresses(desc=UVA + 8),
    "available_misaligned": addresses(avail=UVA + 0x4001),
    "used_misaligned": addresses(used=UVA + 0x8002),
    "all_in_one_place": addresses(desc=UVA, used=UVA, avail=UVA),
    "unknown_flags": addresses(flags=0x80),
    "before_memory": lambda f: f.connect().hello().address(0),
    "before_size": lambda f: f.connect().hello().table().address(0),
})
each(9, CLOSE, "SET_VRING_BASE", {
    "base_of_17_bits": lambda f: f.connect().hello().state(SET_VRING_BASE, 0, 65536),
})


@row(9, BREAK)
def base_far_from_the_available_index(f):
    # What counts is the used index in memory: here it lies far away, too.
    f.connect().hello().table()
    f.write(TX * 0x10000 + USED + 2, struct.pack("<H", 5000))
    for ring in (RX, TX):
        f.ring(ring)
    f.offer(TX)
    return TX


each(10, CLOSE, "", {
    "features_not_offered":
        lambda f: f.connect().u64(SET_FEATURES, bits(F_VERSION_1, F_PROTOCOL, 33, 40)),
    "protocol_features_not_offered":
        lambda f: f.connect().u64(SET_PROTOCOL_FEATURES, bits(6, 7, 8, 60)),
    "protocol_feature_not_negotiated":
        lambda f: f.connect().hello(protocol=()).u64(NET_SET_MTU, 1500),
    "features_change_while_rings_run":
        lambda f: f.up().u64(SET_FEATURES, bits(F_VERSION_1, F_PROTOCOL, F_INDIRECT)),
})
each(11, CLOSE, "", {
    "no_descriptor_bit_and_a_descriptor":
        lambda f: f.connect().hello().u64(SET_VRING_CALL, 0x100, [f.calls[0]]),
    "call_is_the_socket":
        lambda f: f.connect().hello().u64(SET_VRING_CALL, 0, [f.socket.fileno()]),
    "kick_is_a_file": lambda f: f.connect().hello().u64(SET_VRING_KICK, 1, [f.memory_fd]),
    "neither_bit_nor_descriptor": lambda f: f.connect().hello().u64(SET_VRING_KICK, 1),
})


@row(11, STAY)
def call_descriptor_is_full(f):
    f.calls[RX] = f.event()
    os.eventfd_write(f.calls[RX], 2 ** 64 - 2)
    f.up().buffers()
    f.transmit(ethernet())
    await_used(f, 1)


each(12, CLOSE, "", {
    name: lambda f, r=request, n=size: f.connect().hello().send(r, bytes(n))
    for name, request, size in (
        ("iotlb", 22, 40), ("set_config", 25, 12), ("crypto_session", 26, 8),
        ("postcopy_advise", 28, 0), ("postcopy_end", 30, 0), ("inflight", GET_INFLIGHT_FD, 24),
        ("vring_endian", 23, 8))
})
each(13, CLOSE, "SET_LOG_BASE", {
    name: lambda f, s=size, o=offset: f.connect().hello(protocol=(P_LOG,)).table().send(
        SET_LOG_BASE, struct.pack("<QQ", s, o), [f.memory_fd])
    for name, size, offset in (
        ("log_of_0_bytes", 0, 0), ("log_wraps", 2 ** 64 - 1, 4096), ("log_too_small", 1, 0),
        ("log_beyond_its_file", MEMORY * 2, 0))
})


@row(14, STAY)
def memory_changes_under_traffic(f):
    f.up().buffers()
    for turn in range(50):
        f.transmit(ethernet())
        f.table()
        assert f.is_alive()
    await_used(f, 50)


@row(15, STAY)
def base_of_a_ring_that_never_was(f):
    f.connect().hello()
    for _ in range(3):
        f.send(GET_VRING_BASE, struct.pack("<II", 1, 0))
        f.hear()


@row(15, STAY)
def base_while_it_runs_twice(f):
    f.up()
    for _ in range(2):
        f.send(GET_VRING_BASE, struct.pack("<II", 1, 0))
        f.hear()


each(16, CLOSE, "NET_SET_MTU", {
    f"mtu_{mtu}": lambda f, m=mtu: f.connect().hello(protocol=(P_MTU,)).u64(NET_SET_MTU, m)
    for mtu in (0, 1, 67, 65536, 2 ** 63)
})


@row(16, STAY)
def enabled_and_disabled_like_mad(f):
    f.up()
    for turn in range(2000):
        f.state(SET_VRING_ENABLE, 1, turn % 2)
    assert f.is_alive()


@row(17, STAY)
def a_second_front_end(f):
    f.up()
    for _ in range(50):
        other = Front(f.path)
        other.connect()
        assert other.is_closed()
        other.close()


@row(18, STAY)
def every_beginning_of_a_handshake(f):
    steps = (lambda g: g.u64(SET_PROTOCOL_FEATURES, bits(P_REPLY_ACK)), lambda g: g.hello(),
             lambda g: g.table(), lambda g: g.ring(RX), lambda g: g.ring(TX), lambda g: g.offer(TX))
    for count in range(len(steps) + 1):
        for tail in (b"", b"\x01\0\0\0\x01"):
            other = Front(f.path)
            other.connect()
            for step in steps[:count]:
                step(other)
            if tail:
                other.raw(tail)
            other.close()
    f.up()


# ---- memory ----

def table(*regions, count=None, fds=None):
    return lambda f: f.connect().hello().table(
        *[f.region(*region) for region in regions], count=count, fds=fds)


each(19, CLOSE, "", {
    "no_region": lambda f: f.connect().hello().send(SET_MEM_TABLE, struct.pack("<II", 0, 0)),
    "nine_regions_said": table((0, 4096, UVA, 0), count=9),
    "regions_of_32_bits": table((0, 4096, UVA, 0), count=0xFFFFFFFF),
    "region_of_size_0": table((0, 0, UVA, 0)),
    "region_of_size_2_63": table((0, 2 ** 63, UVA, 0)),
    "guest_address_wraps": table((2 ** 64 - 4096, 8192, UVA, 0)),
    "user_address_wraps": table((0, 8192, 2 ** 64 - 4096, 0)),
    "offset_wraps": table((0, 8192, UVA, 2 ** 64 - 4096)),
})
each(20, CLOSE, "overlap", {
    "guest_addresses_overlap": table((0, 8192, UVA, 0), (4096, 8192, UVA + 2 ** 32, 0)),
    "user_addresses_overlap": table((0, 8192, UVA, 0), (2 ** 32, 8192, UVA + 4096, 0)),
})
each(21, CLOSE, "needs a file of", {
    "file_too_short": table((0, MEMORY * 2, UVA, 0)),
    "offset_beyond_the_file": table((0, 4096, UVA, MEMORY)),
})


@row(22, CLOSE, "memory is gone")
def file_truncated_under_the_rings(f):
    f.up().buffers()
    f.transmit(ethernet())
    os.ftruncate(f.memory_fd, 0)
    for ring in (RX, TX):
        os.eventfd_write(f.kicks[ring], 1)


@row(22, CLOSE, "memory is gone")
def buffers_truncated(f):
    f.up()
    f.desc(TX, 0, MEMORY - 4096, 100)
    os.ftruncate(f.memory_fd, MEMORY - 8192)
    f.offer(TX, 0)


def read_only(f):
    return f.own(os.open(f"/proc/self/fd/{f.memory_fd}", os.O_RDONLY))


def path_only(f):
    return f.own(os.open(f"/proc/self/fd/{f.memory_fd}", os.O_PATH))


each(23, CLOSE, "SET_MEM_TABLE", {
    "memory_read_only": lambda f: f.connect().hello().table(fds=[read_only(f)]),
    "memory_by_path_only": lambda f: f.connect().hello().table(fds=[path_only(f)]),
})


@row(24, CLOSE, "can be mapped for a port")
def more_memory_than_a_port_may_claim(f):
    fd = f.file(1 << 43)
    f.connect().hello().table(f.region(0, 1 << 43), fds=[fd])


@row(25, CLOSE, "REM_MEM_REG")
def unknown_region_removed(f):
    f.connect().hello(protocol=(P_SLOTS,))
    f.send(ADD_MEM_REG, bytes(8) + f.region(), [f.memory_fd])
    f.send(REM_MEM_REG, bytes(8) + f.region(gpa=4096))


@row(25, STAY)
def region_of_the_rings_removed(f):
    f.connect().hello(protocol=(P_SLOTS, P_REPLY_ACK))
    f.send(ADD_MEM_REG, bytes(8) + f.region(), [f.memory_fd])
    for ring in (RX, TX):
        f.ring(ring)
    f.buffers()
    f.transmit(ethernet())
    assert f.acknowledged(REM_MEM_REG, bytes(8) + f.region())
    os.eventfd_write(f.kicks[TX], 1)


# ---- rings ----

def await_used(f, count, ring=TX, seconds=5):
    deadline = time.monotonic() + seconds
    while f.used(ring) < count:
        assert time.monotonic() < deadline, f"{f.used(ring)} of {count} chains came back"
        time.sleep(0.001)  # a byte in shared memory: nothing to wait on


def available(jump):
    def action(f):
        f.up().offer(TX, jump=jump)
        return TX
    return action


each(26, BREAK, "", {
    "available_index_ahead": available(257),
    "available_index_backwards": available(0xFFFF),
})


@row(26, BREAK)
def receive_index_ahead(f):
    f.up().offer(RX, jump=1000)
    send_from_outside(f)
    return RX


def send_from_outside(f):
    """Frames to everybody, from the other port of the bridge."""
    f.neighbour.transmit(ethernet(destination=b"\xff" * 6, source=OTHER))


@row(27, BREAK)
def head_beyond_the_ring(f):
    f.up().offer(TX, 300)
    return TX


def chain(*descriptors, features=(), used=1, ring=TX):
    """Descriptors (address, length, flags, next) from 0 on, offered as one chain."""
    def action(f):
        f.up(features)
        for index, words in enumerate(descriptors):
            f.desc(ring, index, *words)
        f.offer(ring, 0)
        if ring == TX:
            await_used(f, used)
    return action


HERE = BUFFERS
each(27, DROP, "bad_descriptor", {
    "next_beyond_the_ring": chain((HERE, 100, NEXT, 300)),
    "chain_bites_its_tail": chain((HERE, 100, NEXT, 0)),
    "chain_of_two_in_a_circle": chain((HERE, 100, NEXT, 1), (HERE, 100, NEXT, 0)),
})


def indirect(length, flags=INDIRECT, features=(F_INDIRECT,), entry=(HERE, 100, 0, 0), at=HERE):
    def action(f):
        f.up(features)
        f.desc(TX, 0, *entry, table=HERE)
        f.desc(TX, 0, at, length, flags, 1)
        f.offer(TX, 0)
        await_used(f, 1)
    return action


each(28, DROP, "bad_descriptor", {
    **{f"indirect_table_of_{length}": indirect(length) for length in (0, 1, 15, 17)},
    "indirect_in_indirect": indirect(16, entry=(HERE, 16, INDIRECT, 0)),
    "indirect_with_next": indirect(16, flags=INDIRECT | NEXT),
    "indirect_not_negotiated": indirect(16, features=()),
    "indirect_next_beyond_the_table": indirect(16, entry=(HERE, 100, NEXT, 7)),
})
# Longer than the ring, which only counts when its chain is.
each(28, DROP, "", {"indirect_table_of_300_descriptors": indirect(16 * 300)})
each(29, DROP, "bad_descriptor", {
    "indirect_table_across_the_end": indirect(64, at=MEMORY - 16),
    "indirect_table_outside": indirect(64, at=MEMORY + 4096),
})
each(30, DROP, "bad_descriptor", {
    "address_unmapped": chain((MEMORY, 100, 0, 0)),
    "buffer_across_the_end": chain((MEMORY - 1, 100, 0, 0)),
    "address_wraps": chain((2 ** 64 - 1, 100, 0, 0)),
    "length_of_32_bits": chain((HERE, 2 ** 32 - 1, 0, 0)),
    "length_0": chain((HERE, 0, 0, 0)),
})
each(31, DROP, "bad_descriptor", {
    "writable_in_transmission": chain((HERE, 100, WRITE, 0)),
    "writable_in_the_middle": chain((HERE, 100, NEXT, 1), (HERE, 100, WRITE, 0)),
})


@row(31, COUNT, "bad_buffer")
def readable_in_reception(f):
    f.up()
    f.desc(RX, 0, HERE, 2048, 0)
    f.offer(RX, 0)
    send_from_outside(f)


each(32, DROP, "", {
    "header_only": chain((HERE, HEADER, 0, 0)),
    "less_than_a_header": chain((HERE, 5, 0, 0)),
    "header_and_13_bytes": chain((HERE, HEADER + 13, 0, 0)),
})


@row(32, STAY)
def header_in_twelve_pieces(f):
    f.up()
    f.write(HERE, bytes(HEADER) + ethernet())
    for i in range(HEADER):
        f.desc(TX, i, HERE + i, 1, NEXT, i + 1)
    f.desc(TX, HEADER, HERE + HEADER, 60, 0, 0)
    f.offer(TX, 0)
    await_used(f, 1)


@row(33, COUNT, "buffer_too_small")
def receive_buffers_too_small(f):
    f.up()
    for i in range(4):
        f.desc(RX, i, HERE + 64 * i, 4, WRITE)
    f.offer(RX, 0, 1, 2, 3)
    send_from_outside(f)


@row(34, DROP, "")
def a_chain_of_the_whole_ring(f):
    f.up()
    for i in range(256):
        f.desc(TX, i, HERE, 1, NEXT if i < 255 else 0, i + 1)
    f.offer(TX, 0)
    await_used(f, 1)


@row(35, STAY)
def the_rings_are_the_buffers(f):
    f.up()
    for i in range(8):
        f.desc(RX, i, 0, 0xC000, WRITE)
    f.offer(RX, *range(8))
    send_from_outside(f)
    f.desc(TX, 0, TX * 0x10000, 1000, 0)
    f.offer(TX, 0)


@row(36, STAY)
def one_head_twice(f):
    f.up()
    f.write(HERE, bytes(HEADER) + ethernet())
    f.desc(TX, 0, HERE, HEADER + 60)
    f.offer(TX, 0, 0, 0, 0)
    await_used(f, 4)


@row(37, STAY)
def flags_of_the_available_ring_flicker(f):
    f.up().buffers()
    for turn in range(200):
        f.write(TX * 0x10000 + 0x4000, struct.pack("<H", turn & 1))
        f.transmit(ethernet(), index=turn % 16)
    await_used(f, 200)


@row(39, BREAK)
def a_bad_entry_that_stays(f):
    f.up().offer(TX, 0xFFFF)
    return TX


@row(40, STAY)
def kicks_without_work(f):
    f.up()
    for _ in range(20000):
        os.eventfd_write(f.kicks[TX], 1)


# ---- header and offloads ----

def virtio_header(flags=0, kind=0, hdr_len=0, gso_size=0, start=0, offset=0):
    return struct.pack("<BBHHHHH", flags, kind, hdr_len, gso_size, start, offset, 0)


def tcp4(payload=1000, ihl=5, total=None, protocol=6, fragment=0):
    length = 20 + 20 + payload
    ip = struct.pack("!BBHHHBBH4s4s", 0x40 | ihl, 0, length if total is None else total, 1, fragment,
                     64, protocol, 0, b"\x0a\0\0\1", b"\x0a\0\0\2")
    tcp = struct.pack("!HHIIBBHHH", 1, 2, 3, 4, 0x50, 0x10, 1000, 0, 0)
    return OTHER + MAC + b"\x08\0" + ip + tcp + bytes(payload)


def sends(frame, features=(F_CSUM, F_HOST_TSO4), **header):
    def action(f):
        f.up(features).buffers()
        f.transmit(frame, virtio_header(**header))
        await_used(f, 1)
    return action


each(41, DROP, "bad_offload", {
    "checksum_beyond_the_frame": sends(ethernet(), flags=1, start=60, offset=0),
    "checksum_wraps": sends(ethernet(), flags=1, start=65535, offset=65535),
    "checksum_at_the_last_byte": sends(ethernet(), flags=1, start=34, offset=25),
    "checksum_in_the_ethernet_header": sends(ethernet(), flags=1, start=2, offset=0),
})
each(43, DROP, "bad_offload", {
    "unknown_gso_type": sends(tcp4(), flags=1, kind=77, gso_size=500, start=34, offset=16),
    "gso_size_0": sends(tcp4(), flags=1, kind=1, gso_size=0, start=34, offset=16),
    "ecn_alone": sends(tcp4(), flags=1, kind=0x80, gso_size=500, start=34, offset=16),
    "gso_of_no_tcp": sends(ethernet(bytes(900)), flags=1, kind=1, gso_size=500, start=34,
                           offset=16),
})
each(44, DROP, "bad_offload", {
    "gso_not_negotiated": sends(tcp4(), features=(F_CSUM,), flags=1, kind=1, gso_size=500,
                                start=34, offset=16),
    "checksum_not_negotiated": sends(tcp4(), features=(), flags=1, start=34, offset=16),
})
each(45, COUNT, "", {
    "gso_size_1": sends(tcp4(60000), flags=1, kind=1, gso_size=1, hdr_len=54, start=34, offset=16),
}, towards_no_offloads=True)
each(46, STAY, "", {
    "flags_of_the_device": sends(ethernet(), flags=2 | 4),
    "all_flags": sends(tcp4(), flags=0xFE),
})

# ---- packets ----

each(48, DROP, "runt", {
    "no_byte_of_a_frame": chain((HERE, HEADER, 0, 0)),
})
each(48, DROP, "too_long", {
    "longer_than_any": lambda f: (f.up(), f.desc(TX, 0, BUFFERS, 70000), f.offer(TX, 0),
                                  await_used(f, 1)),
})
each(49, DROP, "vlan_malformed", {
    "tag_cut_off": sends(OTHER + MAC + b"\x81\0\0"),
    "vlan_4095": sends(ethernet(b"\x0f\xff\x08\0", protocol=0x8100)),
})
each(50, DROP, "bad_source", {
    "source_is_a_group": sends(ethernet(source=b"\x01" + MAC[1:])),
    "source_is_zero": sends(ethernet(source=bytes(6))),
    "source_is_broadcast": sends(ethernet(source=b"\xff" * 6)),
})
each(51, DROP, "reserved_address", {
    f"destination_01_80_c2_00_00_{last:02x}":
        sends(ethernet(destination=b"\x01\x80\xc2\0\0" + bytes([last])))
    for last in (0, 1, 2, 3, 0xE)
})


@row(50, STAY)
def ten_thousand_source_addresses(f):
    f.up()
    for number in range(10000):
        if number >= 16:
            await_used(f, 1)
        f.transmit(ethernet(source=b"\x02\x66" + number.to_bytes(4, "big")), index=number % 16)
