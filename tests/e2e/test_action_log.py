"""The action log as an operator reads it: filters, pages, single entries, live."""

from __future__ import annotations

import json
import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from tests.e2e.clicks import AVAILABILITY, BOOKING, Operator, Visitor
from tests.fix_stack import RunningStack

LOOK = {"serviceId": "drain-cleaning", "zip": "53703"}


@pytest.mark.requirement("S0.77")
def test_the_log_is_for_operators_only(stack: RunningStack) -> None:
    for path in ("/api/action-log", "/api/action-log/act_x", "/api/action-log:watch"):
        assert httpx.get(stack.front_door + path).status_code == 401
        for role in ("agent", "service", "customer"):
            refused = Operator(stack, role=role).http.get(path)
            assert refused.status_code == 403, refused.text
            assert refused.json()["error"]["code"] == "FORBIDDEN"


def test_an_operator_of_another_company_sees_nothing(stack: RunningStack) -> None:
    visitor = Visitor(stack)
    answer = visitor.click(AVAILABILITY, LOOK)
    entry = Operator(stack).entry_of(answer)
    other = Operator(stack, tenant="elsewhere")
    assert other.log(thread_id=visitor.thread) == []
    missing, foreign = other.http.get("/api/action-log/act_none"), other.http.get(f"/api/action-log/{entry['id']}")
    assert missing.status_code == foreign.status_code == 404
    assert missing.json()["error"] == foreign.json()["error"]


def test_filters_keep_what_they_say(stack: RunningStack) -> None:
    visitor, operator = Visitor(stack), Operator(stack)
    before = datetime.now(UTC)
    found = visitor.click(AVAILABILITY, LOOK)
    refused = visitor.click(BOOKING, {})
    mine = {"thread_id": visitor.thread}
    assert {entry["correlationId"] for entry in operator.log(**mine)} == {found["correlationId"], refused["correlationId"]}
    assert [entry["action"] for entry in operator.log(**mine, action=AVAILABILITY)] == [AVAILABILITY]
    assert [entry["errorCode"] for entry in operator.log(**mine, status="REJECTED")] == ["MISSING_FIELDS"]
    assert [entry["status"] for entry in operator.log(correlation_id=found["correlationId"])] == ["SUCCEEDED"]
    later = (datetime.now(UTC) + timedelta(minutes=1)).isoformat().replace("+00:00", "Z")
    assert operator.log(**mine, created_after=later) == []
    assert len(operator.log(**mine, created_after=before.isoformat().replace("+00:00", "Z"), created_before=later)) == 2


def test_pages_follow_each_other_without_gap_or_repetition(stack: RunningStack) -> None:
    visitor, operator = Visitor(stack), Operator(stack)
    sent = [visitor.click(AVAILABILITY, LOOK)["correlationId"] for _ in range(5)]
    seen: list[str] = []
    token = ""
    while True:
        page = operator.http.get(
            "/api/action-log", params={"thread_id": visitor.thread, "page_size": 2, "page_token": token}
        ).json()
        seen += [entry["correlationId"] for entry in page["entries"]]
        token = page.get("nextPageToken", "")
        if not token:
            break
    assert seen == list(reversed(sent))


@pytest.mark.parametrize(
    "parameters",
    [{"page_token": "forged"}, {"page_size": "900"}, {"page_size": "-1"}, {"status": "DANCING"}, {"created_after": "yesterday"}],
)
def test_a_parameter_that_is_wrong_is_said_so(stack: RunningStack, parameters: dict[str, str]) -> None:
    refused = Operator(stack).http.get("/api/action-log", params=parameters)
    assert refused.status_code == 400, refused.text
    assert refused.json()["error"]["code"] == "INVALID_ARGUMENT"
    assert refused.json()["correlationId"]


def test_a_single_entry_comes_with_its_history(stack: RunningStack) -> None:
    visitor, operator = Visitor(stack), Operator(stack)
    answer = visitor.click(BOOKING, visitor.booking())
    entry = operator.http.get(f"/api/action-log/{operator.entry_of(answer)['id']}").json()
    assert [event["type"] for event in entry["events"]] == ["intent", "outcome"]
    assert [event["status"] for event in entry["events"]] == ["EXECUTING", "SUCCEEDED"]
    assert all(len(event["hash"]) == 64 for event in entry["events"])


def test_a_watcher_sees_each_action_as_it_happens(stack: RunningStack) -> None:
    visitor, operator = Visitor(stack), Operator(stack)
    events: list[dict[str, Any]] = []
    watching, done = threading.Event(), threading.Event()

    def watch() -> None:
        with operator.http.stream("GET", "/api/action-log:watch", params={"thread_id": visitor.thread}) as response:
            assert response.headers["content-type"].startswith("text/event-stream")
            watching.set()
            for line in response.iter_lines():
                if line.startswith("data:"):
                    events.append(json.loads(line.removeprefix("data:"))["entry"])
                    if events[-1]["status"] == "SUCCEEDED":
                        done.set()
                        return

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    assert watching.wait(10)
    answer = visitor.click(BOOKING, visitor.booking())
    assert done.wait(10)
    thread.join(10)
    assert {event["correlationId"] for event in events} == {answer["correlationId"]}


def test_the_journal_verifies(stack: RunningStack) -> None:
    checked = stack.command("verify-log")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert checked.stdout.startswith("ok: ")
