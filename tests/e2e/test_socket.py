# SPDX-License-Identifier: BSD-3-Clause
"""The control socket: JSON-RPC 2.0 by the byte, and clients that misbehave."""

import json
import time

from harness.case import TestCase
from harness.wait import wait_until

PARSE_ERROR, INVALID_REQUEST, NO_METHOD, INVALID_PARAMS = -32700, -32600, -32601, -32602
FAILED = -32000


class Protocol(TestCase):
    def set_up(self):
        self.switch = self.bench.switch()
        self.client = self.connect()

    def connect(self):
        client = self.switch.rpc()
        self.addCleanup(client.close)
        return client

    def code(self, line):
        self.client.send(line if isinstance(line, bytes) else line.encode())
        return self.client.line()["error"]["code"]

    def test_version(self):
        result = self.client.call("daemon.version")["result"]
        self.assertEqual(result["api"], 1)
        self.assertEqual(result["pid"], self.switch.pid)

    def test_id_comes_back(self):
        for number in (7, "seven", None):
            self.client.send(json.dumps({"jsonrpc": "2.0", "id": number,
                                         "method": "daemon.ping"}).encode() + b"\n")
            answer = self.client.line()
            self.assertEqual(answer["id"], number)
            self.assertEqual(answer["jsonrpc"], "2.0")

    def test_errors_have_their_codes(self):
        self.assertEqual(self.code("{not json\n"), PARSE_ERROR)
        self.assertEqual(self.code(b"\xff\xff\n"), PARSE_ERROR)
        self.assertEqual(self.code("7\n"), INVALID_REQUEST)
        self.assertEqual(self.code('{"id": 1}\n'), INVALID_REQUEST)
        self.assertEqual(self.code('{"jsonrpc": "1.0", "id": 1, "method": "daemon.ping"}\n'),
                         INVALID_REQUEST)
        self.assertEqual(self.client.call("no.such")["error"]["code"], NO_METHOD)
        self.assertEqual(self.client.call("bridge.add", {"name": 7})["error"]["code"],
                         INVALID_PARAMS)
        answer = self.client.call("bridge.del", {"name": "nope"})
        self.assertEqual(answer["error"]["code"], FAILED)
        self.assertEqual(answer["error"]["data"]["errno"], "ENOENT")
        self.assertIn("nope", answer["error"]["message"])
        self.assertEqual(self.client.call("daemon.ping")["result"], {})

    def test_deep_nesting_is_refused(self):
        self.assertIn(self.code("[" * 5000 + "]" * 5000 + "\n"), (PARSE_ERROR, INVALID_REQUEST))
        self.assertIn("result", self.connect().call("daemon.ping"))

    def test_line_without_end_costs_that_client_only(self):
        flood = self.connect()
        try:
            for _ in range(80):
                flood.send(b"x" * 65536)
            last = flood.line()
            while last is not None:
                last = flood.line()
        except (BrokenPipeError, ConnectionResetError):
            pass
        self.assertEqual(self.client.call("daemon.ping")["result"], {})
        self.assertLess(self.switch.rss(), 64 << 20)

    def test_many_requests_in_one_write(self):
        request = b'{"jsonrpc": "2.0", "id": 1, "method": "daemon.ping"}\n'
        self.client.send(request * 500)
        for _ in range(500):
            self.assertEqual(self.client.line()["result"], {})

    def test_request_in_single_bytes(self):
        for byte in b'{"jsonrpc": "2.0", "id": 1, "method": "daemon.ping"}\n':
            self.client.send(bytes([byte]))
        self.assertEqual(self.client.line()["result"], {})

    def test_many_clients_at_once(self):
        clients = [self.connect() for _ in range(60)]
        for client in clients:
            self.assertEqual(client.call("daemon.ping")["result"], {})

    def test_slow_clients_delay_nobody(self):
        """One sends half a request, one never reads its answers."""
        half, deaf = self.connect(), self.connect()
        half.send(b'{"jsonrpc": "2.0", "id"')
        deaf.socket.settimeout(0.2)
        request = b'{"jsonrpc": "2.0", "id": 1, "method": "daemon.schema"}\n'
        try:
            for _ in range(2000):
                deaf.send(request)
        except (TimeoutError, BrokenPipeError, ConnectionResetError):
            pass
        begin = time.monotonic()
        for _ in range(20):
            self.assertEqual(self.client.call("daemon.ping")["result"], {})
        self.assertLess(time.monotonic() - begin, 0.5)

    def test_clients_that_come_and_go_leave_no_descriptor(self):
        self.client.call("daemon.ping")  # it is accepted
        before = self.switch.descriptors()
        for _ in range(100):
            client = self.switch.rpc()
            client.send(b'{"jsonrpc": "2.0"')
            client.close()
        wait_until(lambda: self.switch.descriptors() <= before, 3,
                   lambda: f"return from {self.switch.descriptors()} to {before} descriptors")


def request(method, params):
    return (b'{"jsonrpc":"2.0","id":1,"method":"' + method + b'","params":' + params + b"}\n")


NAMES = {
    "slash": b'"a/b"', "dots": b'".."', "newline": b'"a\\nb"', "nul": b'"a\\u0000b"',
    "300_characters": b'"' + b"a" * 300 + b'"', "empty": b'""', "number": b"7", "object": b"{}",
    "not_utf_8": b'"\xff\xfe"', "half_a_surrogate": b'"\\ud800"',
}
NUMBERS = {
    "minus_1": b"-1", "2_32": b"4294967296", "2_63": b"9223372036854775808",
    "minus_2_63": b"-9223372036854775808", "2_64": b"18446744073709551616", "1e308": b"1e308",
    "1e309": b"1e309", "10_to_the_308": b"1" + b"0" * 308, "fraction": b"0.5", "text": b'"0x"',
}
LINES = {
    "nul_bytes": b"\0" * 100 + b"\n",
    "nul_behind_a_request": request(b"daemon.ping", b"{}")[:-1] + b"\0\n",
    "not_utf_8": b"\xff\xfe\xfd\n",
    "deep_arrays": b"[" * 100_000 + b"\n",
    "deep_objects": b'{"a":' * 100_000 + b"\n",
    "deep_parameters": request(b"port.show", b"[" * 100_000 + b"]" * 100_000),
    "key_twice": b'{"jsonrpc":"2.0","id":1,"id":2,"method":"daemon.ping"}\n',
    "method_of_a_mebibyte": request(b"a" * (1 << 20), b"{}"),
    "no_object": b"7\n",
    "batch_of_nothing": b"[]\n",
    **{f"name_{name}": request(b"bridge.add", b'{"name":' + value + b"}")
       for name, value in NAMES.items()},
    **{f"ageing_{name}": request(b"bridge.add", b'{"name":"br1","ageing":' + value + b"}")
       for name, value in NUMBERS.items()},
    **{f"capacity_{name}": request(b"bridge.add", b'{"name":"br1","capacity":' + value + b"}")
       for name, value in NUMBERS.items()},
}
GIB = 1 << 30


class Hostile(TestCase):
    """test_NAME: a line that is answered with an error, or not at all, and costs nobody anything."""

    @classmethod
    def set_up_class(cls, bench):
        cls.switch = bench.switch()
        cls.switch("bridge", "add", "br0")

    def unharmed(self, memory):
        self.assertEqual([row["name"] for row in self.switch.rows("bridge", "show")], ["br0"])
        self.assertLess(self.switch.rss() - memory, 48 << 20)

    def check(self, line):
        memory, rpc = self.switch.rss(), self.switch.rpc()
        try:
            rpc.send(line)
            answer = rpc.line()
        except BrokenPipeError:
            answer = None
        if answer is not None:
            self.assertIn("error", answer)
        rpc.close()
        self.unharmed(memory)

    def test_line_of_a_gibibyte(self):
        memory, rpc, sent = self.switch.rss(), self.switch.rpc(), 0
        try:
            while sent < GIB:
                rpc.send(b"a" * (1 << 20))
                sent += 1 << 20
        except (BrokenPipeError, ConnectionResetError):
            pass
        self.assertLess(sent, GIB // 16)
        rpc.close()
        self.unharmed(memory)

    def test_a_thousand_connections(self):
        memory, descriptors = self.switch.rss(), self.switch.descriptors()
        for _ in range(1000):
            rpc = self.switch.rpc()
            rpc.send(b'{"jsonrpc":"2.0",')
            rpc.close()
        wait_until(lambda: self.switch.descriptors() <= descriptors, 10, "closed descriptors")
        self.unharmed(memory)


for case, line in LINES.items():
    setattr(Hostile, f"test_{case}", lambda self, words=line: self.check(words))
