# SPDX-License-Identifier: BSD-3-Clause
"""Answers the control protocol with what a test wants, to try the command without a switch."""

import json
import os
import socket
import threading


class Refusal(Exception):
    """Becomes a JSON-RPC error."""

    def __init__(self, message, name="EINVAL", code=-32000):
        super().__init__(message)
        self.error = {"code": code, "message": message, "data": {"errno": name}}


class FakeDaemon:
    """`answers` maps a method to its result, or to a function of params.  Requests are kept."""

    def __init__(self, path, answers=None, raw=None):
        """raw: bytes sent instead of every answer; b"" closes the connection."""
        self.path = str(path)
        self.answers = answers or {}
        self.raw = raw
        self.requests = []
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.listener.bind(self.path)
        self.listener.listen()
        self.connections = []
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.connections.append(connection)
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        with connection, connection.makefile("rwb") as stream:
            for line in stream:
                request = json.loads(line)
                self.requests.append(request)
                if self.raw is not None:
                    answer = self.raw
                else:
                    answer = json.dumps(self.answer(request)).encode() + b"\n"
                try:
                    stream.write(answer)
                    stream.flush()
                except OSError:
                    return
                if not answer:
                    return

    def answer(self, request):
        reply = {"jsonrpc": "2.0", "id": request["id"]}
        method = request["method"]
        try:
            if method not in self.answers:
                raise Refusal(f"unknown method {method}", "ENOSYS", -32601)
            result = self.answers[method]
            reply["result"] = result(request.get("params")) if callable(result) else result
        except Refusal as refusal:
            reply["error"] = refusal.error
        return reply

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for connection in self.connections:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        os.unlink(self.path)
