"""A gRPC status of dispatch_service: the published body for JSON callers, gRPC's own form for gRPC callers."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest

from stack.front_door.replies import header_option
from tests.fix_sandbox import free_port
from tests.integration.envoy.conftest import StartDoor
from tests.integration.envoy.envoy_process import FrontDoor, running_envoy
from tests.integration.envoy.published import assert_published
from tests.integration.envoy.scripted_dispatch import Answer, ScriptedDispatch

DISPATCH = "/api/actions/dispatch"
RPC = "/switchboard.dispatch.v1.DispatchService/DispatchCardAction"

# gRPC status, HTTP status, and the code where dispatch_service named none.
STATUSES = {
    grpc.StatusCode.CANCELLED: (500, "INTERNAL"),
    grpc.StatusCode.UNKNOWN: (500, "INTERNAL"),
    grpc.StatusCode.INVALID_ARGUMENT: (400, "INVALID_ARGUMENT"),
    grpc.StatusCode.DEADLINE_EXCEEDED: (504, "INTEGRATION_DOWN"),
    grpc.StatusCode.NOT_FOUND: (404, "NOT_FOUND"),
    grpc.StatusCode.ALREADY_EXISTS: (409, "CONFLICT"),
    grpc.StatusCode.PERMISSION_DENIED: (403, "FORBIDDEN"),
    grpc.StatusCode.UNAUTHENTICATED: (401, "UNAUTHENTICATED"),
    grpc.StatusCode.RESOURCE_EXHAUSTED: (429, "RATE_LIMITED"),
    grpc.StatusCode.FAILED_PRECONDITION: (400, "INVALID_ARGUMENT"),
    grpc.StatusCode.ABORTED: (409, "CONFLICT"),
    grpc.StatusCode.OUT_OF_RANGE: (400, "INVALID_ARGUMENT"),
    grpc.StatusCode.UNIMPLEMENTED: (500, "INTERNAL"),
    grpc.StatusCode.INTERNAL: (500, "INTERNAL"),
    grpc.StatusCode.UNAVAILABLE: (503, "INTEGRATION_DOWN"),
    grpc.StatusCode.DATA_LOSS: (500, "INTERNAL"),
}

DIFFICULT_SENTENCES = [
    'She said "no" to C:\\path',
    "100 % of it, %41 and %",
    "Grüße, 東京, 🏠",
    "first line\nsecond\tline\r\x01\x7f",
    "</script><b>x</b>",
    "x" * 2000,
]

EARLY = pytest.mark.parametrize("begin_early", [False, True], ids=["status in headers", "status in trailers"])


@EARLY
@pytest.mark.parametrize(("grpc_status", "expected"), STATUSES.items(), ids=lambda value: getattr(value, "name", ""))
def test_each_status_has_its_http_status_and_code_and_no_library_text(
    http: httpx.Client,
    dispatch: ScriptedDispatch,
    grpc_status: grpc.StatusCode,
    expected: tuple[int, str],
    begin_early: bool,
) -> None:
    dispatch.answer = Answer(status=grpc_status, details="psycopg says secret", begin_early=begin_early)
    reply = http.get("/api/services")
    status, code = expected
    details = assert_published(reply.status_code, reply.headers, reply.content, expected=status, code=code)
    assert "psycopg" not in details
    assert reply.json()["correlationId"] == dispatch.calls[0].metadata["x-request-id"]


@EARLY
@pytest.mark.parametrize(("grpc_status", "expected"), STATUSES.items(), ids=lambda value: getattr(value, "name", ""))
def test_a_write_that_broke_off_without_a_word_of_ours_may_have_happened(
    http: httpx.Client,
    dispatch: ScriptedDispatch,
    grpc_status: grpc.StatusCode,
    expected: tuple[int, str],
    begin_early: bool,
) -> None:
    dispatch.answer = Answer(status=grpc_status, details="Server shutdown", begin_early=begin_early)
    reply = http.post(DISPATCH, json={})
    status, code = expected
    if status >= 500 and grpc_status is not grpc.StatusCode.UNIMPLEMENTED:
        code = "OUTCOME_UNKNOWN"
    assert_published(reply.status_code, reply.headers, reply.content, expected=status, code=code)


@EARLY
@pytest.mark.parametrize("sentence", DIFFICULT_SENTENCES)
def test_a_code_of_our_own_is_passed_on_with_its_sentence(
    http: httpx.Client, dispatch: ScriptedDispatch, sentence: str, begin_early: bool
) -> None:
    dispatch.answer = Answer(
        status=grpc.StatusCode.FAILED_PRECONDITION,
        details=sentence,
        trailers=(("x-switchboard-error-code", "REASONING_REQUIRED"),),
        begin_early=begin_early,
    )
    reply = http.post(DISPATCH, json={})
    details = assert_published(reply.status_code, reply.headers, reply.content, expected=400, code="REASONING_REQUIRED")
    assert details == sentence


def test_a_code_without_a_sentence_has_ours(http: httpx.Client, dispatch: ScriptedDispatch) -> None:
    dispatch.answer = Answer(status=grpc.StatusCode.NOT_FOUND, details="", trailers=(("x-switchboard-error-code", "NOT_FOUND"),))
    reply = http.post(DISPATCH, json={})
    assert_published(reply.status_code, reply.headers, reply.content, expected=404, code="NOT_FOUND")


def test_a_stream_that_is_refused_has_the_published_body(
    http: httpx.Client, dispatch: ScriptedDispatch, signed_in: dict[str, str]
) -> None:
    dispatch.answer = Answer(
        status=grpc.StatusCode.PERMISSION_DENIED,
        details="Only operators may watch.",
        trailers=(("x-switchboard-error-code", "FORBIDDEN"),),
        messages_first=0,
    )
    reply = http.get("/api/action-log:watch", headers=signed_in)
    details = assert_published(reply.status_code, reply.headers, reply.content, expected=403, code="FORBIDDEN")
    assert details == "Only operators may watch."


@EARLY
@pytest.mark.parametrize("grpc_status", STATUSES, ids=lambda value: value.name)
def test_a_grpc_caller_gets_status_message_and_details_untouched(
    door: FrontDoor, dispatch: ScriptedDispatch, grpc_status: grpc.StatusCode, begin_early: bool
) -> None:
    rich = b"\x08\x05\x12\x03abc"
    dispatch.answer = Answer(
        status=grpc_status,
        details='Grüße "a" %',
        trailers=(("x-switchboard-error-code", "CONFLICT"), ("grpc-status-details-bin", rich)),
        begin_early=begin_early,
    )
    with pytest.raises(grpc.RpcError) as caught:
        door.rpc(RPC)
    error = caught.value
    assert isinstance(error, grpc.Call)
    assert (error.code(), error.details()) == (grpc_status, 'Grüße "a" %')
    trailers = dict(error.trailing_metadata() or ())
    assert trailers["grpc-status-details-bin"] == rich
    assert trailers["x-switchboard-error-code"] == "CONFLICT"


@pytest.mark.parametrize(
    ("encoded", "details"),
    [
        ("a%ffb", "a?b"),
        ("%c3%bc%c0%af", "ü??"),
        ("%ed%a0%80.", "???."),
        ("%f0%9f%8f", "???"),
        ("%f0%9f%8f%a0%f4%90%80%80", "🏠????"),
        ("%e2%80%a8%00", "\u2028\0"),
    ],
)
def test_a_sentence_that_is_not_utf8_is_still_json(start_door: StartDoor, directory: Path, encoded: str, details: str) -> None:
    # No gRPC library sends such a message, so a second Envoy stands in for dispatch_service.
    port = free_port()
    config = directory / "upstream.json"
    config.write_text(json.dumps(_envoy_that_answers(port, encoded)), encoding="utf-8")
    with (
        running_envoy(config, directory / "upstream.log", ready=lambda: _listens(port)),
        start_door(dispatch=[f"127.0.0.1:{port}"], health_checks=False) as door,
    ):
        reply = httpx.get(f"{door.url}/api/services")
    assert assert_published(reply.status_code, reply.headers, reply.content, expected=404, code="NOT_FOUND") == details


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _envoy_that_answers(port: int, grpc_message: str) -> dict[str, Any]:
    """An Envoy bootstrap that answers every call with NOT_FOUND and this encoded message."""
    headers = {
        "content-type": "application/grpc",
        "grpc-status": "5",
        "grpc-message": grpc_message.replace("%", "%%"),
        "x-switchboard-error-code": "NOT_FOUND",
    }
    route = {
        "match": {"prefix": "/"},
        "direct_response": {"status": 200},
        "response_headers_to_add": [header_option(name, value) for name, value in headers.items()],
    }
    extensions = "type.googleapis.com/envoy.extensions.filters"
    manager = {
        "@type": f"{extensions}.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "upstream",
        "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [route]}]},
        "http_filters": [{"name": "router", "typed_config": {"@type": f"{extensions}.http.router.v3.Router"}}],
    }
    listener = {
        "address": {"socket_address": {"address": "127.0.0.1", "port_value": port}},
        "filter_chains": [{"filters": [{"name": "http", "typed_config": manager}]}],
    }
    return {"static_resources": {"listeners": [listener]}}
