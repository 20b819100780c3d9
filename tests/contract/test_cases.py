"""The case file, over every door: JSON through Envoy, loose gRPC through Envoy, typed gRPC through Envoy.

Whatever comes in, no reply is a 5xx, HTML, a stack trace, or has anything but a published code in `code`.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from typing import Any

import grpc
import httpx
import pytest
from google.protobuf.json_format import MessageToDict, ParseDict, ParseError
from switchboard.dispatch.v1 import dispatch_service_pb2, dispatch_service_pb2_grpc, error_pb2

from tests.contract.case_file import Case, RawCase, cases, raw_cases
from tests.fix_stack import RunningStack

CODES = set(error_pb2.ErrorCode.keys())
ALL, RAW = cases(), raw_cases()


@pytest.fixture(scope="module")
def http(stack: RunningStack) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=stack.front_door, timeout=40) as client:
        yield client


@pytest.fixture(scope="module")
def stub(stack: RunningStack) -> Iterator[dispatch_service_pb2_grpc.DispatchServiceStub]:
    with grpc.insecure_channel(stack.front_door.removeprefix("http://")) as channel:
        yield dispatch_service_pb2_grpc.DispatchServiceStub(channel)


def envelope(case: Case) -> dict[str, Any]:
    body: dict[str, Any] = {"action": case.action, "idempotencyKey": case.key or f"case-{uuid.uuid4()}"}
    if case.payload is not None:
        body["payload"] = case.payload
    if case.context is not None:
        body["context"] = case.context
    return body


def typed_request(case: Case) -> dispatch_service_pb2.DispatchRequest | None:
    """The case as a typed request, or None where types cannot say it."""
    body = envelope(case)
    member = case.action.lower()
    if (
        not case.typed
        or case.action != case.action.upper()
        or member not in dispatch_service_pb2.DispatchRequest.DESCRIPTOR.fields_by_name
    ):
        return None
    typed = {member: body.get("payload", {}), "idempotencyKey": body["idempotencyKey"]}
    if "context" in body:
        typed["context"] = body["context"]
    try:
        return ParseDict(typed, dispatch_service_pb2.DispatchRequest())
    except ParseError:
        return None


def check(case: Case, answer: dict[str, Any]) -> None:
    assert answer["ok"] is case.ok, answer
    assert answer["correlationId"]
    if case.ok:
        assert answer["action"] == case.action
        assert answer["result"]["message"]
    else:
        error = answer["error"]
        assert error["code"] == case.code
        assert set(error.get("missingFields", [])) == case.missing
        assert {violation["field"] for violation in error.get("fieldViolations", [])} == case.violations
        assert all(violation["message"] and violation["rule"] for violation in error.get("fieldViolations", []))
    if case.card:
        assert answer["result"]["card"]["type"] == case.card
    if case.external_id:
        assert answer["result"]["externalId"].startswith(case.external_id)


@pytest.mark.parametrize("case", ALL, ids=lambda case: case.name)
@pytest.mark.requirement("S0.10", "S0.20", "S0.21", "S0.51", "S0.52", "S0.53", "S0.64", "S0.65", "S0.80")
def test_over_json(case: Case, http: httpx.Client) -> None:
    response = http.post("/api/actions/dispatch", json=envelope(case))
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "application/json"
    check(case, response.json())


@pytest.mark.parametrize("case", ALL, ids=lambda case: case.name)
def test_over_grpc_with_a_loose_payload(case: Case, stub: dispatch_service_pb2_grpc.DispatchServiceStub) -> None:
    request = ParseDict(envelope(case), dispatch_service_pb2.DispatchCardActionRequest())
    check(case, MessageToDict(stub.DispatchCardAction(request, timeout=40)))


@pytest.mark.parametrize("case", [case for case in ALL if typed_request(case) is not None], ids=lambda case: case.name)
@pytest.mark.requirement(
    "S0.29", "S0.30", "S0.31", "S0.32", "S0.33", "S0.34", "S0.35", "S0.36", "S0.37", "S0.38", "S0.39", "S0.78"
)
def test_over_typed_grpc(case: Case, stub: dispatch_service_pb2_grpc.DispatchServiceStub) -> None:
    request = typed_request(case)
    assert request is not None
    check(case, MessageToDict(stub.Dispatch(request, timeout=40)))


@pytest.mark.parametrize("case", RAW, ids=lambda case: case.name)
def test_what_is_no_action_is_answered_in_the_same_shape(case: RawCase, http: httpx.Client) -> None:
    response = http.request(case.method, case.path, content=case.body, headers=case.headers)
    assert response.status_code in case.statuses, response.text
    assert response.headers["content-type"] == "application/json"
    answer = json.loads(response.content)
    assert answer["ok"] is False
    assert answer["error"]["code"] in case.codes
    assert answer["error"]["code"] in CODES
    assert answer["error"]["details"]
    assert answer["correlationId"]
    assert "Traceback" not in response.text
    assert "<html" not in response.text.lower()


def test_the_case_file_holds_enough() -> None:
    assert len(ALL) >= 60
    assert sum(typed_request(case) is not None for case in ALL) >= 40
