"""Whatever is sent to the dispatch route, the answer is one of ours.

More than two thousand generated requests go through the real front door to the real stack: JSON of any shape, good requests
mutated, nested, cut short and damaged, odd headers. The same ones on every run, so that a failure can be run again.
"""

from __future__ import annotations

import http.client
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import pytest
from google.protobuf.descriptor import FileDescriptor
from hypothesis import HealthCheck, given, settings
from hypothesis.strategies import SearchStrategy
from switchboard.booking.v1 import booking_pb2
from switchboard.dispatch.v1 import action_pb2, error_pb2

from tests.contract import generated_bodies
from tests.contract.generated_bodies import Request
from tests.contract.odd_json import written
from tests.fix_sandbox import wait_until
from tests.fix_stack import RunningStack

_EXAMPLES = {"arbitrary": 700, "mutated": 1000, "nested": 200, "damaged": 500, "odd_headers": 400}
_PATIENCE_SECONDS = 30.0
_CODES = {value.name for value in error_pb2.ErrorCode.DESCRIPTOR.values if value.number}
_PATH = re.compile(r"[ -~]+")
_MISSING_PATH = re.compile(r"[a-z][A-Za-z0-9]*(\[\d+\])?(\.[a-z][A-Za-z0-9]*(\[\d+\])?)*")
_RULE = re.compile(r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)*")
_INSIDES = re.compile(
    r"Traceback|Exception|google\.protobuf|\bError\(|File \"|/(work|usr|home|tmp|proto|gen)/|\.(py|proto)\b|0x[0-9a-f]{6,}"
)
# Shorter texts occur in sentences by themselves; these are values that a sentence may name, because the contract does.
_LEAST_ECHO = 8


def _names(file: FileDescriptor) -> set[str]:
    return {value.name for enum in file.enum_types_by_name.values() for value in enum.values}


_PUBLISHED = _names(action_pb2.DESCRIPTOR) | _names(booking_pb2.DESCRIPTOR)


@dataclass(frozen=True, kw_only=True)
class Reply:
    """What came back, as it came."""

    status: int
    content_type: str
    correlation_id: str
    body: bytes


class FrontDoor:
    """One connection that is kept, and what its replies had in common."""

    def __init__(self, host: str, port: int) -> None:
        self._connection = http.client.HTTPConnection(host, port, timeout=40)
        self.answered = 0
        self.correlation_ids: set[str] = set()

    def send(self, request: Request) -> Reply:
        """Send it, again while the rate limit says no: one client may not send as fast as this one can."""
        replies: list[Reply] = []

        def let_in() -> bool:
            replies.append(self._exchange(request))
            return replies[-1].status != HTTPStatus.TOO_MANY_REQUESTS

        wait_until(let_in, _PATIENCE_SECONDS, "the front door lets nothing in")
        self.answered += 1
        return replies[-1]

    def close(self) -> None:
        self._connection.close()

    def _exchange(self, request: Request) -> Reply:
        try:
            return self._once(request)
        except (http.client.HTTPException, OSError):
            # The next request shall not find this connection half used.
            self._connection.close()
            raise

    def _once(self, request: Request) -> Reply:
        self._connection.putrequest("POST", "/api/actions/dispatch")
        self._connection.putheader("content-length", str(len(request.body)))
        for name, value in request.headers:
            self._connection.putheader(name, value)
        self._connection.endheaders(request.body)
        response = self._connection.getresponse()
        body = response.read()
        return Reply(
            status=response.status,
            content_type=response.headers.get("content-type", ""),
            correlation_id=response.headers.get("x-correlation-id", ""),
            body=body,
        )


@pytest.fixture(scope="module")
def front_door(stack: RunningStack) -> Iterator[FrontDoor]:
    door = FrontDoor("127.0.0.1", stack.port)
    yield door
    door.close()


@pytest.mark.parametrize("kind", _EXAMPLES)
def test_every_reply_to_a_generated_request_is_one_of_ours(kind: str, front_door: FrontDoor) -> None:
    requests: SearchStrategy[Request] = getattr(generated_bodies, kind)()

    @settings(
        max_examples=_EXAMPLES[kind], derandomize=True, database=None, deadline=None, suppress_health_check=list(HealthCheck)
    )
    @given(request=requests)
    def answered_well(request: Request) -> None:
        check(request, front_door.send(request), front_door.correlation_ids)

    before = front_door.answered
    answered_well()
    assert front_door.answered - before >= _EXAMPLES[kind]


def test_no_log_tells_what_was_sent_or_of_an_error_that_nobody_handled(front_door: FrontDoor, stack: RunningStack) -> None:
    """After the tests above: the values are those that most of their requests hold."""
    for envelope in generated_bodies.GOOD[:3]:
        front_door.send(Request(body=written(envelope)))
    logs = stack.logs()
    private = {"555-0123", "6085550123", "ada.quill", "Orchard Street", "gate code", "someone.else", "Ada Quill"}
    assert not {value for value in private if value in logs}
    assert "unhandled error in a call" not in logs


def test_at_least_two_thousand_requests_are_generated() -> None:
    assert sum(_EXAMPLES.values()) >= 2000


def check(request: Request, reply: Reply, seen: set[str]) -> None:
    """What holds for every reply, whatever was asked."""
    assert reply.status < HTTPStatus.INTERNAL_SERVER_ERROR, reply
    assert reply.content_type == "application/json", reply
    answer = json.loads(reply.body.decode("utf-8", "strict"))
    assert isinstance(answer["ok"], bool)
    assert answer["ok"] == ("error" not in answer)
    assert reply.status == HTTPStatus.OK or not answer["ok"]
    # A repeated action is answered with the first one's id; every other answer has the id of its own call.
    assert answer["correlationId"]
    assert answer["correlationId"] in {reply.correlation_id} | seen
    seen.add(answer["correlationId"])
    if not answer["ok"]:
        check_error(answer["error"], reply.status)
    check_texts(request, texts(answer))


def check_error(error: dict[str, Any], status: int) -> None:
    assert error["code"] in _CODES
    assert error["code"] != "INTERNAL"
    assert error["details"]
    missing, violations = error.get("missingFields", []), error.get("fieldViolations", [])
    if status == HTTPStatus.OK:
        assert bool(missing) == (error["code"] == "MISSING_FIELDS")
    assert all(_MISSING_PATH.fullmatch(path) for path in missing), missing
    assert len(set(missing)) == len(missing)
    for violation in violations:
        assert set(violation) == {"field", "rule", "message"}
        assert _PATH.fullmatch(violation["field"]), violation
        assert _RULE.fullmatch(violation["rule"]), violation
        assert violation["message"].endswith("."), violation
    fields = [violation["field"] for violation in violations]
    assert len(set(fields)) == len(fields)
    assert not set(fields) & set(missing)


def texts(answer: dict[str, Any]) -> str:
    """Everything in an answer that we worded."""
    error = answer.get("error", {})
    sentences = [error.get("details", ""), answer.get("result", {}).get("message", "")]
    sentences += [text for violation in error.get("fieldViolations", []) for text in (violation["message"], violation["rule"])]
    return "\n".join(sentences)


def check_texts(request: Request, worded: str) -> None:
    assert not _INSIDES.search(worded), worded
    for value in request.values:
        if len(value) >= _LEAST_ECHO and value not in _PUBLISHED:
            assert value not in worded, (value, worded)
