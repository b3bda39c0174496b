# SPDX-License-Identifier: BSD-3-Clause
"""A vhost-user back end that answers what a test says, and nothing else."""

import socket
import struct
import threading

HEADER = struct.Struct("<III")
VERSION, REPLY = 1, 4
GET_FEATURES, GET_PROTOCOL, GET_QUEUES = 1, 15, 17
ALL = (1 << 64) - 1


class BackEnd:
    """answers: request -> a number (8 bytes), bytes, or (request, number[, flags]) instead of what
    was asked for; None = bytes that are no message.  A request that expects an answer and has none
    ends the connection."""

    def __init__(self, path, answers):
        self.path = path
        self.answers = answers
        path.unlink(missing_ok=True)
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.listener.bind(str(path))
        self.listener.listen(4)
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            with connection:
                try:
                    while self.answer(connection):
                        pass
                except OSError:
                    pass

    def answer(self, connection):
        header = connection.recv(HEADER.size, socket.MSG_WAITALL)
        if len(header) < HEADER.size:
            return False
        request, _, size = HEADER.unpack(header)
        if size:
            connection.recv(size, socket.MSG_WAITALL)
        if request not in (GET_FEATURES, GET_PROTOCOL, GET_QUEUES):
            return True  # needs none before REPLY_ACK is agreed
        if request not in self.answers:
            return False
        what = self.answers[request]
        if what is None:
            connection.sendall(bytes(range(251, 0, -3)))
            return True
        flags = VERSION | REPLY
        if isinstance(what, tuple):
            request, what, *rest = what
            flags = rest[0] if rest else flags
        body = what if isinstance(what, bytes) else what.to_bytes(8, "little")
        connection.sendall(HEADER.pack(request, flags, len(body)) + body)
        return True

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
