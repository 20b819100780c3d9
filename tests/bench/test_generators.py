"""The load generators count what really happened: tested against servers that count too, and that fail now and then."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import grpc.aio
import pytest
from switchboard.dispatch.v1 import dispatch_service_pb2, dispatch_service_pb2_grpc

from tests.bench import booking, generators, grpc_load
from tests.bench.load import FIRST_SERIAL

_SECONDS = 0.4
_EACH = 10
_KEY = re.compile(rb'"idempotencyKey":"run-(\d{7})"')


class _CountingServer(ThreadingHTTPServer):
    """Says `ok` to every call but each tenth, and keeps the keys."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.keys: list[bytes] = []
        self.refused = 0
        self.turn = threading.Lock()
        self.authority = f"127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # One packet a reply: the other end would wait before it acknowledges the first of two.
    wbufsize = -1
    server: _CountingServer

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        with self.server.turn:
            self.server.keys += _KEY.findall(body)
            good = len(self.server.keys) % _EACH != 0
            self.server.refused += not good
        reply = b'{"ok":true}' if good else b'{"ok":false}'
        self.send_response(200)
        self.send_header("Content-Length", str(len(reply)))
        self.end_headers()
        self.wfile.write(reply)

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def counting_server() -> Iterator[_CountingServer]:
    with _CountingServer() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.mark.needs("wrk")
@pytest.mark.parametrize("in_flight", [1, 8])
def test_wrk_waits_for_every_call_and_counts_the_refused(counting_server: _CountingServer, in_flight: int) -> None:
    template = booking.json_click(counting_server.authority, "run")
    load = generators.run_wrk(f"http://{counting_server.authority}", template, '"ok":true', in_flight, _SECONDS)
    assert load.sent == load.answered == len(counting_server.keys) > _EACH
    assert load.failed == counting_server.refused > 0
    assert load.broken == 0
    assert not load.sound
    assert len(set(counting_server.keys)) == len(counting_server.keys)
    assert int(min(counting_server.keys)) == FIRST_SERIAL
    assert _SECONDS <= load.seconds < _SECONDS + 5


@pytest.mark.needs("wrk")
def test_wrk_that_finds_nobody_has_no_sound_result(counting_server: _CountingServer) -> None:
    counting_server.shutdown()
    counting_server.server_close()
    template = booking.json_click(counting_server.authority, "run")
    try:
        load = generators.run_wrk(f"http://{counting_server.authority}", template, '"ok":true', 1, _SECONDS)
    except generators.GeneratorFailed:
        return
    assert not load.sound


class _CountingServicer(dispatch_service_pb2_grpc.DispatchServiceServicer):
    """Says `ok`, but to two calls of ten: one is refused in the result, one ends with a status."""

    def __init__(self) -> None:
        self.requests: list[dispatch_service_pb2.DispatchRequest] = []
        self.refused = 0
        self.at_once = 0
        self._running = 0

    async def Dispatch(self, request: dispatch_service_pb2.DispatchRequest, context: Any) -> dispatch_service_pb2.DispatchResult:
        self._running += 1
        self.at_once = max(self.at_once, self._running)
        try:
            self.requests.append(request)
            if len(self.requests) % _EACH == 0:
                self.refused += 1
                await context.abort(grpc.StatusCode.UNAVAILABLE, "not now")
            if len(self.requests) % _EACH == 1:
                self.refused += 1
                return dispatch_service_pb2.DispatchResult(ok=False)
            # A reply of several frames.
            return dispatch_service_pb2.DispatchResult(ok=True, correlation_id="c" * 20_000)
        finally:
            self._running -= 1


@pytest.mark.parametrize("in_flight", [1, 8])
async def test_the_grpc_generator_waits_for_every_call_and_counts_the_refused(tmp_path: Path, in_flight: int) -> None:
    servicer, server = _CountingServicer(), grpc.aio.server()
    dispatch_service_pb2_grpc.add_DispatchServiceServicer_to_server(servicer, server)
    socket = str(tmp_path / "grpc.sock")
    server.add_insecure_port(f"unix:{socket}")
    await server.start()
    load = await grpc_load.generate(
        socket,
        template=booking.grpc_message("run"),
        method=booking.GRPC_METHOD,
        in_flight=in_flight,
        seconds=_SECONDS,
        first_serial=FIRST_SERIAL,
    )
    await server.stop(0)
    keys = [request.idempotency_key for request in servicer.requests]
    assert load.sent == load.answered == len(keys) > _EACH
    assert load.failed == servicer.refused > 1
    assert load.broken == 0
    assert sorted(keys) == [f"run-{FIRST_SERIAL + number}" for number in range(len(keys))]
    assert servicer.requests[-1].housecall_pro_booking.customer.phone == "608" + keys[-1].removeprefix("run-")
    assert servicer.at_once <= in_flight
