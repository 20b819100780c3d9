"""Calls that succeed: JSON in and out, streams as server-sent events, uploads, and gRPC on the same port."""

from __future__ import annotations

import json
import threading
from typing import Any

import grpc
import httpx
import pytest

from tests.integration.envoy.conftest import StartDoor, wait_until_ready
from tests.integration.envoy.envoy_process import FrontDoor
from tests.integration.envoy.scripted_dispatch import Answer, ScriptedDispatch

DISPATCH = "/api/actions/dispatch"
RPC = "/switchboard.dispatch.v1.DispatchService/DispatchCardAction"
TYPED_RPC = "/switchboard.dispatch.v1.DispatchService/Dispatch"
WATCH_RPC = "/switchboard.audit.v1.ActionLogService/WatchActionLog"


def test_a_click_is_transcoded_both_ways_and_ok_false_is_printed(http: httpx.Client, dispatch: ScriptedDispatch) -> None:
    dispatch.answer = Answer(message={"ok": False, "correlationId": "c", "error": {"code": "MISSING_FIELDS"}})
    request = {
        "action": "HOUSECALL_PRO_BOOKING",
        "payload": {"customer": {"firstName": "Ada"}, "photos": [1, None, True, {"a": []}]},
        "context": {"threadId": "t", "sessionId": "s"},
        "idempotencyKey": "k",
    }
    reply = http.post(DISPATCH, json=request)
    assert reply.status_code == 200
    assert reply.headers["content-type"] == "application/json"
    # Empty lists are printed, absent messages and optional values are not.
    error = {"code": "MISSING_FIELDS", "missingFields": [], "fieldViolations": []}
    assert reply.json() == {"ok": False, "correlationId": "c", "error": error}
    assert dispatch.calls[0].method == RPC
    assert dispatch.calls[0].request == request


def _nested(levels: int) -> bytes:
    return b'{"payload":' + b'{"a":' * levels + b"1" + b"}" * levels + b"}"


LENIENT = {
    "unknown fields of the envelope are dropped": (b'{"action":"a","x":{"y":1}}', {"action": "a"}),
    "the last of two equal keys counts": (b'{"action":"a","action":"b"}', {"action": "b"}),
    "a payload sent twice is merged": (b'{"payload":{"a":1},"payload":{"b":2}}', {"payload": {"a": 1.0, "b": 2.0}}),
    "proto names are taken as well": (b'{"context":{"thread_id":"t"}}', {"context": {"threadId": "t"}}),
    "null is absent": (b'{"action":null}', {}),
    "no body is an empty request": (b"", {}),
    "NUL is a character": (b'{"action":"a\\u0000b"}', {"action": "a\0b"}),
    "a pair of surrogates is one character": (b'{"action":"\\ud83c\\udfe0"}', {"action": "🏠"}),
    "a comma too many is overlooked": (b'{"action":"a",}', {"action": "a"}),
    "30 levels": (_nested(30), {"payload": json.loads(_nested(30))["payload"]}),
}


@pytest.mark.parametrize(("body", "request_message"), LENIENT.values(), ids=LENIENT.keys())
def test_json_is_read_as_protobuf_reads_it(
    http: httpx.Client, dispatch: ScriptedDispatch, body: bytes, request_message: dict[str, Any]
) -> None:
    assert http.post(DISPATCH, content=body).status_code == 200
    assert dispatch.calls[0].request == request_message


@pytest.mark.parametrize(
    "query",
    [
        "thread_id=t&page_size=3&status=succeeded",
        "threadId=t&pageSize=3&status=SUCCEEDED&unknown=1",
        "thread_id=t&page_size=3&status=5",
    ],
)
def test_query_parameters_come_in_both_spellings_and_unknown_ones_are_ignored(
    http: httpx.Client, dispatch: ScriptedDispatch, signed_in: dict[str, str], query: str
) -> None:
    assert http.get(f"/api/action-log?{query}", headers=signed_in).status_code == 200
    assert dispatch.calls[0].request == {"threadId": "t", "pageSize": 3, "status": "SUCCEEDED"}


def test_a_path_variable_is_decoded(http: httpx.Client, dispatch: ScriptedDispatch, signed_in: dict[str, str]) -> None:
    assert http.get("/api/action-log/act_%C3%BC%201", headers=signed_in).status_code == 200
    assert dispatch.calls[0].request == {"id": "act_ü 1"}


def test_a_stream_is_server_sent_events_that_arrive_one_by_one(
    http: httpx.Client, dispatch: ScriptedDispatch, signed_in: dict[str, str]
) -> None:
    more = threading.Event()
    dispatch.answer = Answer(message={"entry": {"id": "act_1"}}, messages_first=2, wait=more)
    with http.stream("GET", "/api/action-log:watch", headers=signed_in) as reply:
        assert reply.headers["content-type"] == "text/event-stream"
        lines = (line for line in reply.iter_lines() if line)
        for _ in range(2):
            assert json.loads(next(lines).removeprefix("data: "))["entry"]["id"] == "act_1"
        more.set()
        assert list(lines) == []


def test_a_stream_opens_before_its_first_message_if_the_service_begins_early(
    http: httpx.Client, dispatch: ScriptedDispatch, signed_in: dict[str, str]
) -> None:
    more = threading.Event()
    dispatch.answer = Answer(begin_early=True, messages_first=0, wait=more)
    with http.stream("GET", "/api/action-log:watch", headers=signed_in) as reply:
        assert (reply.status_code, reply.headers["content-type"]) == (200, "text/event-stream")
        more.set()
        assert list(reply.iter_lines()) == []


def test_an_upload_arrives_as_bytes_with_its_type_and_parameters(http: httpx.Client, dispatch: ScriptedDispatch) -> None:
    picture = bytes(range(256)) * 4096 * 5
    reply = http.post("/api/assets?thread_id=t", content=picture, headers={"content-type": "image/png"})
    assert reply.status_code == 200
    file = dispatch.calls[0].request["file"]
    assert (dispatch.calls[0].request["threadId"], file["contentType"]) == ("t", "image/png")
    assert len(file["data"]) == -(-len(picture) // 3) * 4


def test_a_large_reply_is_passed_on_whole(http: httpx.Client, dispatch: ScriptedDispatch) -> None:
    dispatch.answer = Answer(message={"result": {"message": "x" * 3_000_000}})
    assert len(http.post(DISPATCH, json={}).json()["result"]["message"]) == 3_000_000


def test_an_rpc_without_json_route_is_callable_over_grpc(door: FrontDoor, dispatch: ScriptedDispatch) -> None:
    dispatch.answer = Answer(message={"ok": True})
    with grpc.insecure_channel(f"127.0.0.1:{door.port}") as channel:
        reply, call = channel.unary_unary(TYPED_RPC, request_serializer=bytes, response_deserializer=bytes).with_call(
            b"", timeout=10
        )
    assert reply == b"\x08\x01"
    assert dispatch.calls[0].method == TYPED_RPC
    assert dict(call.initial_metadata())["x-correlation-id"] == dispatch.calls[0].metadata["x-request-id"]


def test_a_stream_is_a_stream_over_grpc_and_lasts_past_every_timeout(
    start_door: StartDoor, dispatch: ScriptedDispatch, signed_in: dict[str, str]
) -> None:
    more = threading.Event()
    dispatch.answer = Answer(messages_first=1, wait=more)
    with start_door(timeout_seconds=0.3, dispatch_timeout_seconds=0.3) as door, httpx.Client(base_url=door.url) as http:
        dispatch.answer = Answer()
        wait_until_ready(http)
        dispatch.answer = Answer(messages_first=1, wait=more)
        with grpc.insecure_channel(f"127.0.0.1:{door.port}") as channel:
            replies = channel.unary_stream(WATCH_RPC, request_serializer=bytes, response_deserializer=bytes)(
                b"", metadata=tuple(signed_in.items()), timeout=10
            )
            assert next(replies) == b""
            assert not more.wait(0.6)
            more.set()
            assert list(replies) == []
            assert replies.code() is grpc.StatusCode.OK


@pytest.mark.parametrize(
    ("rpc", "status"),
    [
        ("/switchboard.adapter.v1.AdapterService/InvokeTool", grpc.StatusCode.UNIMPLEMENTED),
        ("/switchboard.dispatch.v1.DispatchService/Nothing", grpc.StatusCode.UNIMPLEMENTED),
        ("/switchboard.audit.v1.ActionLogService/ListActionLog", grpc.StatusCode.UNAUTHENTICATED),
    ],
)
def test_what_the_door_refuses_a_grpc_caller_has_grpcs_own_form(
    door: FrontDoor, dispatch: ScriptedDispatch, rpc: str, status: grpc.StatusCode
) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        door.rpc(rpc)
    error = caught.value
    assert isinstance(error, grpc.Call)
    assert error.code() is status
    assert error.details()
    assert "{" not in error.details()
    assert dispatch.calls == []
