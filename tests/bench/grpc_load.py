"""A load generator for one unary gRPC method: HTTP/2 written by hand, because a gRPC client library costs as much as the server.

Above: `generators.run_grpc` starts it as a process of its own and reads the one line of JSON that it prints. Below: uvloop.

What is left out is what no call here needs: header compression beyond the static table, flow control of replies (the window
is as large as can be), reading of reply headers. A call counts as good when its reply says `ok`, the result's first field.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import ssl
import statistics
import struct
import time
from collections.abc import Sequence
from pathlib import Path
from typing import cast

import uvloop

from service_kit.tls import server_name
from tests.bench.load import SERIAL, Load

_DATA, _HEADERS, _RESET, _SETTINGS, _PING, _GOAWAY, _WINDOW = 0x0, 0x1, 0x3, 0x4, 0x6, 0x7, 0x8
_END_STREAM, _END_HEADERS, _ACK = 0x1, 0x4, 0x1
_MOST = 2**31 - 1
_INITIAL_WINDOW = 65_535
_FRAME_HEADER = 9
_MESSAGE_HEADER = 5
_OK = b"\x08\x01"  # Field 1, a varint, 1.
_DRAIN_SECONDS = 30.0
_CALLER, _SERVER = "envoy", "dispatch"


def _frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def _literal(name: bytes, value: bytes) -> bytes:
    """One header that enters no table, without Huffman coding."""
    return b"\x00" + bytes([len(name)]) + name + bytes([len(value)]) + value


def _request_headers(method: str) -> bytes:
    path = method.encode()
    return (
        b"\x83\x86"  # :method POST, :scheme http
        + b"\x04" + bytes([len(path)]) + path
        + _literal(b":authority", b"localhost")
        + _literal(b"te", b"trailers")
        + _literal(b"content-type", b"application/grpc")
        + _literal(b"grpc-timeout", b"30S")
    )  # fmt: skip


class Generator(asyncio.Protocol):
    """Keeps `in_flight` calls going on one connection for `seconds`, then waits for those that are left."""

    def __init__(self, *, template: bytes, method: str, in_flight: int, seconds: float, first_serial: int) -> None:
        self._parts = template.split(SERIAL.encode())
        self._headers = _request_headers(method)
        self._in_flight = in_flight
        self._seconds = seconds
        self._serial = first_serial
        self._transport: asyncio.Transport | None = None
        self._received = bytearray()
        self._calls: dict[int, tuple[float, bytearray]] = {}
        self._stream = 1
        self._window = _INITIAL_WINDOW
        self._began = 0.0
        self._ended = 0.0
        self._latencies: list[float] = []
        self._sent = 0
        self._failed = 0
        self._broken = 0
        self.drained: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Open the HTTP/2 connection and send the first calls."""
        self._transport = cast(asyncio.Transport, transport)
        settings = struct.pack(">HIHIHI", 0x1, 0, 0x2, 0, 0x4, _MOST)  # No header table, no push, the largest window.
        wider = struct.pack(">I", _MOST - _INITIAL_WINDOW)
        opening = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + _frame(_SETTINGS, 0, 0, settings) + _frame(_WINDOW, 0, 0, wider)
        self._began = time.perf_counter()
        self._transport.write(opening + self._new_calls())

    def connection_lost(self, error: Exception | None) -> None:
        """Count what was under way as broken."""
        self._broken += len(self._calls)
        self._calls.clear()
        self._finish()

    def data_received(self, data: bytes) -> None:
        """Read whole frames and send a call for each that ended."""
        self._received += data
        replies = bytearray()
        position = 0
        while len(self._received) - position >= _FRAME_HEADER:
            length = int.from_bytes(self._received[position : position + 3], "big")
            end = position + _FRAME_HEADER + length
            if len(self._received) < end:
                break
            kind, flags = self._received[position + 3], self._received[position + 4]
            stream = int.from_bytes(self._received[position + 5 : position + 9], "big")
            replies += self._read(kind, flags, stream, bytes(self._received[position + _FRAME_HEADER : end]))
            position = end
        del self._received[:position]
        replies += self._new_calls()
        if replies and self._transport is not None:
            self._transport.write(bytes(replies))
        if not self._calls and self._time_is_up():
            self._finish()

    def load(self) -> Load:
        """What was measured."""
        cuts = statistics.quantiles(self._latencies, n=100, method="inclusive") if len(self._latencies) > 1 else [0.0] * 99
        return Load(
            sent=self._sent,
            answered=len(self._latencies),
            failed=self._failed,
            broken=self._broken,
            seconds=self._ended - self._began,
            p50_ms=cuts[49] * 1000,
            p99_ms=cuts[98] * 1000,
            cpu_seconds=0.0,
        )

    def _read(self, kind: int, flags: int, stream: int, payload: bytes) -> bytes:
        """Take one frame in and return what it has to be answered with at once."""
        if kind == _DATA and stream in self._calls:
            self._calls[stream][1].extend(payload)
        if kind == _WINDOW and stream == 0:
            self._window += int.from_bytes(payload, "big")
        elif kind == _PING and not flags & _ACK:
            return _frame(_PING, _ACK, 0, payload)
        elif kind == _SETTINGS and not flags & _ACK:
            return _frame(_SETTINGS, _ACK, 0, b"")
        elif kind == _GOAWAY and self._transport is not None:
            self._transport.abort()
        elif kind == _RESET and self._calls.pop(stream, None) is not None:
            self._broken += 1
        elif kind in {_DATA, _HEADERS} and flags & _END_STREAM:
            self._ended_call(stream)
        return b""

    def _ended_call(self, stream: int) -> None:
        call = self._calls.pop(stream, None)
        if call is None:
            return
        began, message = call
        self._ended = time.perf_counter()
        self._latencies.append(self._ended - began)
        self._failed += message[_MESSAGE_HEADER : _MESSAGE_HEADER + len(_OK)] != _OK

    def _new_calls(self) -> bytes:
        """Fill up to `in_flight` calls, as far as the server's window goes."""
        out = bytearray()
        while len(self._calls) < self._in_flight and not self._time_is_up():
            message = str(self._serial).encode().join(self._parts)
            if len(message) + _MESSAGE_HEADER > self._window:
                break
            self._window -= len(message) + _MESSAGE_HEADER
            body = b"\x00" + struct.pack(">I", len(message)) + message
            out += _frame(_HEADERS, _END_HEADERS, self._stream, self._headers)
            out += _frame(_DATA, _END_STREAM, self._stream, body)
            self._calls[self._stream] = (time.perf_counter(), bytearray())
            self._stream += 2
            self._serial += 1
            self._sent += 1
        return bytes(out)

    def _time_is_up(self) -> bool:
        return time.perf_counter() >= self._began + self._seconds

    def _finish(self) -> None:
        if not self.drained.done():
            self.drained.set_result(None)


def _tls(certificates: Path, process: str) -> ssl.SSLContext:
    """TLS as the process called `process` in the folder `certificates` speaks it."""
    context = ssl.create_default_context(cafile=certificates / "ca.pem")
    context.load_cert_chain(certificates / f"{process}.pem", certificates / f"{process}.key")
    context.set_alpn_protocols(["h2"])
    return context


async def generate(socket: str, certificates: Path | None = None, **options: object) -> Load:
    """Put load on the server at the unix socket `socket` and return what came of it; with `certificates`, as the front door."""
    transport, generator = await asyncio.get_running_loop().create_unix_connection(
        lambda: Generator(**options),  # type: ignore[arg-type]
        socket,
        ssl=_tls(certificates, _CALLER) if certificates else None,
        server_hostname=server_name(_SERVER) if certificates else None,
    )
    before = time.process_time()
    async with asyncio.timeout(float(str(options["seconds"])) + _DRAIN_SECONDS):
        await generator.drained
    load = generator.load()
    transport.close()
    return load.with_cpu(time.process_time() - before)


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the options, generate, print the result."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--socket", required=True)
    parser.add_argument("--certificates", type=Path)
    parser.add_argument("--template", type=Path, required=True)
    parser.add_argument("--method", required=True)
    parser.add_argument("--in-flight", type=int, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--first-serial", type=int, required=True)
    options = vars(parser.parse_args(arguments))
    options["template"] = options["template"].read_bytes()
    print(json.dumps(uvloop.run(generate(**options)).to_json()))


if __name__ == "__main__":
    main()
