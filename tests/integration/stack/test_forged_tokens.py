"""Tokens that are not good, through the real front door to the real services, as JSON and as gRPC."""

from __future__ import annotations

import base64
import json
import socket
from collections.abc import Callable, Iterator, Sequence
from typing import cast

import grpc
import httpx
import pytest
from switchboard.audit.v1 import action_log_service_pb2, action_log_service_pb2_grpc
from switchboard.dispatch.v1 import dispatch_service_pb2, dispatch_service_pb2_grpc
from switchboard.tool.v1 import tool_service_pb2, tool_service_pb2_grpc

from tests.fix_stack import RunningStack
from tests.integration.stack.forgery import CASES, FORBIDDEN, REMOVED, UNAUTHENTICATED, Forger, part

# One that needs a token, and one that only takes it.
CLOSED, OPEN = "/api/action-log", "/api/actions/dispatch"
STATUS = {401: grpc.StatusCode.UNAUTHENTICATED, 403: grpc.StatusCode.PERMISSION_DENIED}
OPERATOR = {"sub": "boss", "tenant": "demo", "role": "operator", "kind": "human"}


@pytest.fixture(scope="module")
def forger(stack: RunningStack) -> Forger:
    """A forger of this stack's tokens."""
    return Forger(stack.identity)


@pytest.fixture(scope="module")
def http(stack: RunningStack) -> Iterator[httpx.Client]:
    """A JSON client."""
    with httpx.Client(base_url=stack.front_door, timeout=30) as client:
        yield client


@pytest.fixture(scope="module")
def channel(stack: RunningStack) -> Iterator[grpc.Channel]:
    """A gRPC client."""
    with grpc.insecure_channel(stack.front_door.removeprefix("http://")) as opened:
        yield opened


def answers(http: httpx.Client, headers: list[tuple[str, str]]) -> list[tuple[int, str]]:
    """Status and code of the closed and of the open call over JSON."""
    replies = [http.get(CLOSED, headers=headers), http.post(OPEN, json={}, headers=headers)]
    return [(reply.status_code, reply.json().get("error", {}).get("code", "")) for reply in replies]


def statuses(channel: grpc.Channel, headers: Sequence[tuple[str, str | bytes]]) -> list[grpc.StatusCode]:
    """Statuses of the closed and of the open call over gRPC."""
    metadata = tuple(headers)
    log = action_log_service_pb2_grpc.ActionLogServiceStub(channel)
    click = dispatch_service_pb2_grpc.DispatchServiceStub(channel)
    return [
        _status(lambda: log.ListActionLog(action_log_service_pb2.ListActionLogRequest(), metadata=metadata, timeout=30)),
        _status(lambda: click.Dispatch(dispatch_service_pb2.DispatchRequest(), metadata=metadata, timeout=30)),
    ]


def _status(call: Callable[[], object]) -> grpc.StatusCode:
    try:
        call()
    except grpc.RpcError as problem:
        return cast("grpc.Call", problem).code()
    return grpc.StatusCode.OK


@pytest.mark.parametrize("case", CASES)
@pytest.mark.requirement("S3.6", "S3.12")
def test_a_forged_or_stale_token_is_refused(http: httpx.Client, channel: grpc.Channel, forger: Forger, case: str) -> None:
    make, (status, code) = CASES[case]
    header = make(forger)
    assert answers(http, [("authorization", header)]) == [(status, code)] * 2
    assert statuses(channel, [("authorization", header)]) == [STATUS[status]] * 2


def test_there_are_many_forgeries() -> None:
    assert len(CASES) >= 60


@pytest.mark.parametrize("role", ["operator", "customer", "service", "agent"])
@pytest.mark.requirement("S3.6")
def test_a_good_token_of_each_role_is_taken(stack: RunningStack, http: httpx.Client, channel: grpc.Channel, role: str) -> None:
    metadata = [("authorization", f"Bearer {stack.token(role=role)}")]
    log, click = answers(http, metadata)
    assert log == ((200, "") if role == "operator" else FORBIDDEN)
    assert click[0] == 200
    assert statuses(channel, metadata)[1] is grpc.StatusCode.OK
    tools = tool_service_pb2_grpc.ToolServiceStub(channel).ListTools(
        tool_service_pb2.ListToolsRequest(), metadata=tuple(metadata), timeout=30
    )
    assert tools is not None


@pytest.mark.requirement("S3.7")
def test_a_persons_token_may_carry_every_claim_that_limits_them(http: httpx.Client, forger: Forger) -> None:
    claims = {"tier": "T2", "appOwnerId": "o1", "buildingIds": ["b1", "b2"], "residentId": "r1", "firebase": {"x": 1}}
    token = forger.person("operator", kind="model", **claims)
    assert answers(http, [("authorization", f"Bearer {token}")])[0] == (200, "")


def test_two_authorization_headers_are_refused_even_if_both_are_good(
    http: httpx.Client, channel: grpc.Channel, forger: Forger
) -> None:
    good, bad = f"Bearer {forger.person()}", f"Bearer {forger.with_own_key()}"
    for pair in ((good, good), (good, bad), (bad, good)):
        headers = [("authorization", value) for value in pair]
        assert answers(http, headers) == [UNAUTHENTICATED] * 2
        assert statuses(channel, headers) == [grpc.StatusCode.UNAUTHENTICATED] * 2


def test_a_token_elsewhere_than_in_its_header_is_no_token(http: httpx.Client, forger: Forger) -> None:
    token = forger.person()
    for name in ("access_token", "token", "authorization", "jwt"):
        assert http.get(CLOSED, params={name: token}).status_code == 401
        assert http.get(CLOSED, headers={"cookie": f"{name}={token}; switchboard_session={token}"}).status_code == 401
        assert http.get(CLOSED, headers={f"x-{name}": f"Bearer {token}"}).status_code == 401
        assert http.request("GET", CLOSED, json={name: token}).status_code == 401
    assert http.get(CLOSED, headers={"proxy-authorization": f"Bearer {token}"}).status_code == 401


@pytest.mark.parametrize(
    "name", ["x-jwt-payload", "X-Jwt-Payload", "X-JWT-PAYLOAD", "x_jwt_payload", "x-jwt-payload-bin", "jwt-payload"]
)
def test_the_doors_word_in_a_clients_mouth_counts_for_nothing(
    stack: RunningStack, http: httpx.Client, channel: grpc.Channel, forger: Forger, name: str
) -> None:
    payload = part({**forger.claims(), **OPERATOR})
    customer = ("authorization", f"Bearer {stack.token(role='customer')}")
    for forged in ([(name, payload)], [(name, payload), (name, payload)]):
        assert answers(http, forged)[0] == UNAUTHENTICATED
        # Beside a good token the good token counts, and it is a customer's.
        assert answers(http, [customer, *forged]) == [FORBIDDEN, (200, "MISSING_FIELDS")]
        assert answers(http, [*forged, customer])[0] == FORBIDDEN
    if name == name.lower():
        value = payload.encode() if name.endswith("-bin") else payload
        injected: list[tuple[str, str | bytes]] = [(name, value), (name, value)]
        assert statuses(channel, injected)[0] is grpc.StatusCode.UNAUTHENTICATED
        assert statuses(channel, [customer, *injected])[0] is grpc.StatusCode.PERMISSION_DENIED


def test_the_doors_word_in_a_trailer_counts_for_nothing(stack: RunningStack, forger: Forger) -> None:
    payload = part({**forger.claims(), **OPERATOR})
    host, _, port = stack.front_door.removeprefix("http://").partition(":")
    request = (
        f"POST {OPEN} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\nconnection: close\r\n"
        f"transfer-encoding: chunked\r\ntrailer: x-jwt-payload\r\n\r\n2\r\n{{}}\r\n0\r\nx-jwt-payload: {payload}\r\n\r\n"
    )
    with socket.create_connection((host, int(port)), timeout=30) as connection:
        connection.sendall(request.encode())
        received = b"".join(iter(lambda: connection.recv(65536), b"")).decode()
    correlation_id = json.loads(received.partition("\r\n\r\n")[2])["correlationId"]
    operator = {"authorization": f"Bearer {stack.token(role='operator')}"}
    entries = httpx.get(
        stack.front_door + CLOSED, params={"correlation_id": correlation_id}, headers=operator, timeout=30
    ).json()["entries"]
    assert [entry["actor"] for entry in entries] == ["anonymous"]


def test_a_token_of_another_company_acts_for_nobody_here_and_sees_nothing(http: httpx.Client, forger: Forger) -> None:
    headers = {"authorization": f"Bearer {forger.person(tenant='nowhere-else')}"}
    payload = {"threadId": "t", "serviceId": "drain-cleaning", "zip": "53703"}
    body = {"action": "HOUSECALL_PRO_AVAILABILITY_LOOKUP", "payload": payload, "context": {"threadId": "t"}}
    refused = http.post(OPEN, json=body, headers=headers).json()
    assert (refused["ok"], refused["error"]["code"]) == (False, "NOT_FOUND")
    # Its own refused attempt is all that it sees.
    assert {entry["actor"] for entry in http.get(CLOSED, headers=headers).json()["entries"]} == {"mallory"}


def test_a_token_that_is_larger_than_headers_may_be_is_refused_as_that(http: httpx.Client, forger: Forger) -> None:
    reply = http.get(CLOSED, headers={"authorization": f"Bearer {forger.person(note='x' * 80_000)}"})
    assert (reply.status_code, reply.json()["error"]["code"]) == (431, "INVALID_ARGUMENT")


def test_a_token_ends_within_a_minute_of_its_end_and_no_later(http: httpx.Client, forger: Forger) -> None:
    now = forger.claims()["iat"]
    within, after = ({"iat": now - 600, "exp": now - late} for late in (5, 61))
    assert answers(http, [("authorization", f"Bearer {forger.person(**within)}")])[0] == (200, "")
    assert answers(http, [("authorization", f"Bearer {forger.person(**after)}")])[0] == UNAUTHENTICATED


def test_a_refusal_says_nothing_of_the_token(http: httpx.Client, forger: Forger) -> None:
    for token in (forger.person(sub="s3cr3t" * 40), forger.person(auth_time=REMOVED), forger.with_own_key()):
        reply = http.get(CLOSED, headers={"authorization": f"Bearer {token}"})
        payload = json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))
        assert str(payload["sub"]) not in reply.text
        assert token[:40] not in reply.text
