# SPDX-License-Identifier: BSD-3-Clause
"""A vhost-user front end that can do everything wrong: messages and rings byte by byte."""

import array
import mmap
import os
import select
import socket
import struct

GET_FEATURES, SET_FEATURES, SET_OWNER, RESET_OWNER, SET_MEM_TABLE, SET_LOG_BASE = range(1, 7)
SET_VRING_NUM, SET_VRING_ADDR, SET_VRING_BASE, GET_VRING_BASE = range(8, 12)
SET_VRING_KICK, SET_VRING_CALL, SET_VRING_ERR = range(12, 15)
GET_PROTOCOL_FEATURES, SET_PROTOCOL_FEATURES, GET_QUEUE_NUM, SET_VRING_ENABLE = range(15, 19)
SEND_RARP, NET_SET_MTU, SET_SLAVE_REQ_FD = range(19, 22)
GET_INFLIGHT_FD, SET_INFLIGHT_FD = 31, 32
GET_MAX_MEM_SLOTS, ADD_MEM_REG, REM_MEM_REG, SET_STATUS = range(36, 40)

F_CSUM, F_GUEST_CSUM, F_HOST_TSO4, F_MRG_RXBUF, F_INDIRECT = 0, 1, 11, 15, 28
F_PROTOCOL, F_VERSION_1, F_PACKED = 30, 32, 34
P_MQ, P_LOG, P_RARP, P_REPLY_ACK, P_MTU, P_INFLIGHT, P_SLOTS, P_STATUS = 0, 1, 2, 3, 4, 12, 15, 16

VERSION, REPLY, NEED_REPLY = 1, 4, 8
NEXT, WRITE, INDIRECT = 1, 2, 4

MEMORY = 8 << 20
UVA = 0x7F0000000000
RING_BYTES = 0x10000
AVAIL, USED = 0x4000, 0x8000
BUFFERS = 0x100000
RX, TX = 0, 1
HEADER = 12


def bits(*numbers):
    return sum(1 << number for number in numbers)


class Closed(Exception):
    """The back end has ended the connection."""


class Front:
    """One connection with 8 MiB of memory.  connect() first; up() does a good handshake."""

    def __init__(self, path, size=256):
        self.path = path
        self.size = size
        self.descriptors = []
        self.memory_fd = self.file(MEMORY)
        self.memory = mmap.mmap(self.memory_fd, MEMORY)
        self.kicks = [self.event() for _ in range(2)]
        self.calls = [self.event() for _ in range(2)]
        self.errors = [self.event() for _ in range(2)]
        self.avail_index = [0, 0]
        self.socket = None

    # ---- things that are closed at the end ----

    def own(self, fd):
        self.descriptors.append(fd)
        return fd

    def file(self, size, flags=0):
        fd = self.own(os.memfd_create("hostile", flags))
        os.ftruncate(fd, size)
        return fd

    def event(self, value=0):
        return self.own(os.eventfd(value, os.EFD_NONBLOCK | os.EFD_CLOEXEC))

    def close(self):
        if self.socket:
            self.socket.close()
        self.memory.close()
        while self.descriptors:
            os.close(self.descriptors.pop())

    # ---- messages ----

    def connect(self):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.connect(str(self.path))
        self.socket.settimeout(5)
        return self

    def raw(self, data, fds=()):
        ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
        try:
            self.socket.sendmsg([data], ancillary)
        except (BrokenPipeError, ConnectionResetError):
            raise Closed() from None

    def send(self, request, payload=b"", fds=(), flags=0, size=None):
        size = len(payload) if size is None else size
        self.raw(struct.pack("<III", request, VERSION | flags, size) + payload, fds)

    def u64(self, request, value, fds=(), flags=0):
        self.send(request, struct.pack("<Q", value), fds, flags)

    def state(self, request, index, number, flags=0):
        self.send(request, struct.pack("<II", index, number), flags=flags)

    def hear(self):
        """The payload of an answer."""
        header = self.take(12)
        return self.take(struct.unpack("<III", header)[2])

    def take(self, size):
        data = b""
        while len(data) < size:
            try:
                piece, ancillary, _, _ = self.socket.recvmsg(size - len(data), 1024)
            except ConnectionResetError:
                piece, ancillary = b"", []
            for _, _, fds in ancillary:
                for fd in array.array("i", fds[:len(fds) // 4 * 4]):
                    self.own(fd)
            if not piece:
                raise Closed()
            data += piece
        return data

    def ask(self, request, payload=b""):
        self.send(request, payload)
        return struct.unpack("<Q", self.hear()[:8])[0]

    def acknowledged(self, request, payload=b"", fds=()):
        """With a wish for an answer: was it served?"""
        self.send(request, payload, fds, NEED_REPLY)
        return struct.unpack("<Q", self.hear()[:8])[0] == 0

    def is_closed(self, seconds=5):
        """Awaits the end of the connection; answers on the way are dropped."""
        self.socket.settimeout(seconds)
        try:
            while self.socket.recv(4096):
                pass
        except ConnectionResetError:
            pass
        except TimeoutError:
            return False
        return True

    def is_alive(self):
        try:
            return self.ask(GET_FEATURES) != 0
        except Closed:
            return False

    # ---- a good handshake ----

    def hello(self, features=(), protocol=(P_REPLY_ACK, P_MQ, P_STATUS)):
        self.u64(SET_PROTOCOL_FEATURES, bits(*protocol))
        self.u64(SET_FEATURES, bits(F_VERSION_1, F_PROTOCOL, *features))
        return self

    @staticmethod
    def region(gpa=0, size=MEMORY, uva=UVA, offset=0):
        return struct.pack("<QQQQ", gpa, size, uva, offset)

    def table(self, *regions, fds=None, count=None):
        regions = regions or (self.region(),)
        payload = struct.pack("<II", len(regions) if count is None else count, 0)
        self.send(SET_MEM_TABLE, payload + b"".join(regions),
                  [self.memory_fd] * len(regions) if fds is None else fds)
        return self

    def address(self, ring, desc=None, used=None, avail=None, flags=0):
        at = UVA + ring * RING_BYTES
        self.send(SET_VRING_ADDR, struct.pack(
            "<IIQQQQ", ring, flags, at if desc is None else desc,
            at + USED if used is None else used, at + AVAIL if avail is None else avail, 0))

    def event_fd(self, request, ring, fd):
        self.u64(request, ring, [fd])

    def ring(self, ring):
        self.state(SET_VRING_NUM, ring, self.size)
        self.state(SET_VRING_BASE, ring, 0)
        self.address(ring)
        self.event_fd(SET_VRING_ERR, ring, self.errors[ring])
        self.event_fd(SET_VRING_CALL, ring, self.calls[ring])
        self.event_fd(SET_VRING_KICK, ring, self.kicks[ring])
        self.state(SET_VRING_ENABLE, ring, 1)

    def up(self, features=(), protocol=(P_REPLY_ACK, P_MQ, P_STATUS)):
        self.connect().hello(features, protocol).table()
        for ring in (RX, TX):
            self.ring(ring)
        self.is_alive()  # all of it was served
        return self

    # ---- rings ----

    def write(self, at, data):
        self.memory[at:at + len(data)] = data

    def desc(self, ring, index, address, length, flags=0, following=0, table=None):
        at = (ring * RING_BYTES if table is None else table) + 16 * index
        self.write(at, struct.pack("<QIHH", address, length, flags, following))

    def offer(self, ring, *heads, jump=None, kick=True):
        """Makes chains available and kicks."""
        base = ring * RING_BYTES + AVAIL
        for head in heads:
            slot = self.avail_index[ring] % self.size
            self.write(base + 4 + 2 * slot, struct.pack("<H", head))
            self.avail_index[ring] = (self.avail_index[ring] + 1) & 0xFFFF
        index = self.avail_index[ring] if jump is None else jump
        self.write(base + 2, struct.pack("<H", index & 0xFFFF))
        if kick:
            os.eventfd_write(self.kicks[ring], 1)

    def used(self, ring):
        """How many chains have come back."""
        at = ring * RING_BYTES + USED
        return struct.unpack("<H", self.memory[at + 2:at + 4])[0]

    def buffers(self, count=64, length=2048):
        """Receive buffers, each with room for header and frame."""
        for i in range(count):
            self.desc(RX, i, BUFFERS + i * 4096, length, WRITE)
        self.offer(RX, *range(count))

    def transmit(self, frame, header=bytes(HEADER), index=0, kick=True):
        """A frame in one descriptor."""
        at = BUFFERS + 0x200000 + index * 0x10000
        self.write(at, header + frame)
        self.desc(TX, index, at, len(header) + len(frame))
        self.offer(TX, index, kick=kick)

    def error_signalled(self, ring, seconds=5):
        return bool(select.select([self.errors[ring]], [], [], seconds)[0])
