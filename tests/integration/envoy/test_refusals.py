"""Whatever the front door refuses by itself, a JSON caller gets the published body: never HTML, plain text or nothing."""

from __future__ import annotations

import socket
from typing import Any

import httpx
import pytest

from tests.integration.envoy.envoy_process import FrontDoor
from tests.integration.envoy.published import assert_published
from tests.integration.envoy.scripted_dispatch import ScriptedDispatch

DISPATCH = "/api/actions/dispatch"
LARGE = 256 * 1024
UPLOAD = 6 * 1024 * 1024

_BAD = (400, "INVALID_ARGUMENT")

REFUSED_BODIES = {
    "no JSON": b"hello",
    "an unfinished object": b'{"action":',
    "white space only": b"  ",
    "an array": b"[]",
    "a string": b'"x"',
    "a number": b"1",
    "null": b"null",
    "two documents": b"{}{}",
    "text after the document": b"{} x",
    "a byte order mark": b"\xef\xbb\xbf{}",
    "UTF-16": '{"action":"x"}'.encode("utf-16"),
    "a payload that is an array": b'{"payload":[]}',
    "a payload that is a string": b'{"payload":"x"}',
    "a context that is a string": b'{"context":"x"}',
    "an action that is a number": b'{"action":1}',
    "an action that is an object": b'{"action":{}}',
    "a key twice in the payload": b'{"payload":{"a":1,"a":2}}',
    "a number that is none": b'{"payload":{"a":NaN}}',
    "a number too large": b'{"payload":{"a":1e999}}',
    "bytes that are not UTF-8": b'{"action":"\xff"}',
    "an overlong encoding": b'{"action":"\xc0\xaf"}',
    "a surrogate as bytes": b'{"action":"\xed\xa0\x80"}',
    "a key that is not UTF-8": b'{"payload":{"\xff":1}}',
    "a lone surrogate": b'{"action":"\\ud800"}',
    "surrogates the wrong way round": b'{"action":"\\udc00\\ud800"}',
    "a lone surrogate in a key": b'{"payload":{"\\ud800":1}}',
    # Nested deeper than protobuf's own parser takes, but not than Envoy's.
    "60 levels": b'{"payload":' + b'{"a":' * 60 + b"1" + b"}" * 60 + b"}",
    "60 levels of arrays": b'{"payload":{"a":' + b"[" * 60 + b"]" * 60 + b"}}",
    "10,000 levels": b'{"payload":' + b'{"a":' * 10_000 + b"1" + b"}" * 10_000 + b"}",
    "10,000 levels of arrays": b'{"payload":{"a":' + b"[" * 10_000 + b"]" * 10_000 + b"}}",
    "10,000 levels in an unknown field": b'{"x":' + b"[" * 10_000 + b"]" * 10_000 + b"}",
}

REFUSED_CALLS: dict[str, tuple[dict[str, Any], int, str]] = {
    "an unknown path": ({"method": "GET", "url": "/api/nothing"}, 404, "NOT_FOUND"),
    "the root": ({"method": "GET", "url": "/"}, 404, "NOT_FOUND"),
    "a path that leaves the API": ({"method": "GET", "url": "/api/../etc/passwd"}, 404, "NOT_FOUND"),
    "a path below a known one": ({"method": "POST", "url": f"{DISPATCH}/x", "json": {}}, 404, "NOT_FOUND"),
    "a known path with a slash": ({"method": "POST", "url": f"{DISPATCH}/", "json": {}}, 404, "NOT_FOUND"),
    "a verb on an entry": ({"method": "GET", "url": "/api/action-log/x:watch", "signed": True}, 404, "NOT_FOUND"),
    "an internal service": (
        {"method": "POST", "url": "/switchboard.adapter.v1.AdapterService/InvokeTool", "json": {}},
        404,
        "NOT_FOUND",
    ),
    "gRPC's path without gRPC": (
        {"method": "POST", "url": "/switchboard.dispatch.v1.DispatchService/Dispatch", "json": {}},
        404,
        "NOT_FOUND",
    ),
    "GET where POST is": ({"method": "GET", "url": DISPATCH}, 405, "INVALID_ARGUMENT"),
    "POST where GET is": ({"method": "POST", "url": "/api/services", "json": {}}, 405, "INVALID_ARGUMENT"),
    "DELETE of an entry": ({"method": "DELETE", "url": "/api/action-log/7"}, 405, "INVALID_ARGUMENT"),
    "TRACE": ({"method": "TRACE", "url": "/api/services"}, 405, "INVALID_ARGUMENT"),
    "OPTIONS that is no preflight": ({"method": "OPTIONS", "url": DISPATCH}, 405, "INVALID_ARGUMENT"),
    "a query value of the wrong type": (
        {"method": "GET", "url": "/api/action-log?page_size=many", "signed": True},
        *_BAD,
    ),
    "a status that is none": ({"method": "GET", "url": "/api/action-log?status=NOPE", "signed": True}, *_BAD),
    "a body over the limit": (
        {"method": "POST", "url": DISPATCH, "content": b'{"action":"' + b"a" * LARGE + b'"}'},
        413,
        "INVALID_ARGUMENT",
    ),
    "a body over the limit in pieces": (
        {"method": "POST", "url": DISPATCH, "content": iter([b"a" * 1024] * 300)},
        413,
        "INVALID_ARGUMENT",
    ),
    "an upload over its limit": (
        {"method": "POST", "url": "/api/assets?thread_id=t", "content": b"a" * (UPLOAD + 1)},
        413,
        "INVALID_ARGUMENT",
    ),
    "no token where one is needed": ({"method": "GET", "url": "/api/action-log"}, 401, "UNAUTHENTICATED"),
    "no token for a stream": ({"method": "GET", "url": "/api/action-log:watch"}, 401, "UNAUTHENTICATED"),
    "an upgrade": (
        {"method": "GET", "url": "/healthz", "headers": {"connection": "upgrade", "upgrade": "websocket"}},
        403,
        "FORBIDDEN",
    ),
}

HOST = b"Host: door\r\n"
REFUSED_BYTES = {
    "no HTTP": (b"GARBAGE\r\n\r\n", *_BAD),
    "no host": (b"GET /api/services HTTP/1.1\r\n\r\n", *_BAD),
    "HTTP/1.0": (b"GET /api/services HTTP/1.0\r\n\r\n", 426, "INVALID_ARGUMENT"),
    "an unknown method": (b"FOO /api/services HTTP/1.1\r\n" + HOST + b"\r\n", *_BAD),
    "a header line without a name": (b"GET /api/services HTTP/1.1\r\n" + HOST + b"nonsense\r\n\r\n", *_BAD),
    "NUL in a header": (b"GET /api/services HTTP/1.1\r\n" + HOST + b"x-a: a\x00b\r\n\r\n", *_BAD),
    "two lengths": (
        b"POST /api/actions/dispatch HTTP/1.1\r\n" + HOST + b"content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        *_BAD,
    ),
    "headers too large": (
        b"GET /api/services HTTP/1.1\r\n" + HOST + b"x-a: " + b"a" * 70_000 + b"\r\n\r\n",
        431,
        "INVALID_ARGUMENT",
    ),
    "a path too long": (b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\n" + HOST + b"\r\n", 431, "INVALID_ARGUMENT"),
}


@pytest.mark.parametrize("body", REFUSED_BODIES.values(), ids=REFUSED_BODIES.keys())
def test_a_body_that_is_no_request_is_a_400_with_the_published_body(
    http: httpx.Client, dispatch: ScriptedDispatch, body: bytes
) -> None:
    reply = http.post(DISPATCH, content=body, headers={"content-type": "application/json"})
    assert_published(reply.status_code, reply.headers, reply.content, expected=400, code="INVALID_ARGUMENT")
    assert dispatch.calls == []


@pytest.mark.parametrize(("call", "status", "code"), REFUSED_CALLS.values(), ids=REFUSED_CALLS.keys())
def test_a_call_that_the_door_refuses_has_the_published_body(  # noqa: PLR0917
    http: httpx.Client,
    dispatch: ScriptedDispatch,
    signed_in: dict[str, str],
    call: dict[str, Any],
    status: int,
    code: str,
) -> None:
    headers = {**call.get("headers", {}), **(signed_in if call.get("signed") else {})}
    request = {name: value for name, value in call.items() if name not in {"signed", "headers"}}
    reply = http.request(**request, headers=headers)
    assert_published(reply.status_code, reply.headers, reply.content, expected=status, code=code)
    assert dispatch.calls == []


@pytest.mark.parametrize(("data", "status", "code"), REFUSED_BYTES.values(), ids=REFUSED_BYTES.keys())
def test_a_request_that_cannot_even_be_read_has_the_published_body(door: FrontDoor, data: bytes, status: int, code: str) -> None:
    got, headers, body = door.raw(data)
    assert_published(got, headers, body, expected=status, code=code)


def test_a_405_says_which_methods_there_are(http: httpx.Client) -> None:
    assert http.get(DISPATCH).headers["allow"] == "POST"


def test_the_same_bodies_come_over_http2(door: FrontDoor) -> None:
    preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\x00\x00\x00\x04\x00\x00\x00\x00\x00"
    # One HEADERS frame, END_STREAM and END_HEADERS: GET / of host d, in HPACK without compression.
    block = b"\x82\x86\x84" + b"\x01\x01d"
    frame = len(block).to_bytes(3, "big") + b"\x01\x05" + (1).to_bytes(4, "big") + block
    goaway = b"\x00\x00\x08\x07\x00" + b"\x00" * 12
    with socket.create_connection(("127.0.0.1", door.port), timeout=10) as connection:
        connection.sendall(preface + frame)
        received = b""
        while b"correlationId" not in received:
            received += connection.recv(65536)
        connection.sendall(goaway)
    assert b'"code":"NOT_FOUND"' in received
