"""What goes wrong, what the caller sees of it, and what the journal says: on the whole stack, with real processes."""

from __future__ import annotations

import concurrent.futures
import os
import signal
import socket
import time
import uuid
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.e2e.clicks import AVAILABILITY, BOOKING, ESTIMATE, Operator, Vendor, Visitor
from tests.fix_sandbox import wait_until
from tests.fix_stack import RunningStack

FALLBACK = "We can book you by phone in 60 seconds"


@pytest.fixture(autouse=True)
def mended(stack: RunningStack) -> Iterator[None]:
    """Faults and stopped processes of one test do not reach the next."""
    yield
    for process in stack.processes():
        if process.state != "running":
            stack.start(process.name)
    Vendor(stack).mend()
    wait_until(lambda: httpx.get(f"{stack.front_door}/healthz", timeout=5).status_code == 200, 60, "the stack did not heal")


def assert_down(answer: dict[str, Any], *, retryable: bool | None = None) -> None:
    assert answer["ok"] is False
    assert answer["error"]["code"] == "INTEGRATION_DOWN", answer
    assert answer["result"]["card"]["title"] == FALLBACK
    if retryable is not None:
        assert answer["error"].get("retryable", False) is retryable


@pytest.mark.requirement("S0.73", "S0.74", "S0.75", "S0.72", "S0.86")
def test_a_tool_server_that_is_down_gives_the_fallback_card_at_once(stack: RunningStack) -> None:
    visitor, operator = Visitor(stack), Operator(stack)
    stack.stop("housecall_pro")
    began = time.monotonic()
    answer = visitor.click(BOOKING, visitor.booking(), key="down-" + visitor.thread)
    assert time.monotonic() - began < 10
    assert_down(answer, retryable=True)
    kinds = [
        next(kind for kind in ("call", "openForm", "link") if kind in action) for action in answer["result"]["card"]["actions"]
    ]
    assert kinds == ["call", "openForm", "link"]
    assert operator.entry_of(answer)["status"] == "FAILED"
    wait_until(lambda: httpx.get(f"{stack.front_door}/healthz").status_code == 503, 5, "health did not notice")
    assert_down(visitor.click(AVAILABILITY, {"serviceId": "drain-cleaning", "zip": "53703"}), retryable=True)


@pytest.mark.requirement("S0.48")
def test_after_the_tool_server_is_back_the_same_key_books(stack: RunningStack) -> None:
    visitor = Visitor(stack)
    payload, key = visitor.booking(), f"back-{uuid.uuid4()}"
    stack.stop("housecall_pro")
    assert_down(visitor.click(BOOKING, payload, key=key))
    stack.start("housecall_pro")

    def booked() -> bool:
        return bool(visitor.click(BOOKING, payload, key=key)["ok"])

    wait_until(booked, 30, "the same key never booked")
    assert len(Vendor(stack).jobs_of(payload["customer"]["lastName"])) == 1


@pytest.mark.parametrize("status", [401, 404, 422, 429, 500])
@pytest.mark.requirement("S0.73")
def test_a_vendor_that_refuses_is_an_integration_that_is_down_and_books_nothing(stack: RunningStack, status: int) -> None:
    visitor, vendor = Visitor(stack), Vendor(stack)
    vendor.fail("GET", "/customers", "status", status=status, body={"message": "Wilhelm Tell lives at 5 Apple Row"})
    payload = visitor.booking()
    response = visitor.send(BOOKING, payload)
    assert "Apple Row" not in response.text
    assert_down(response.json())
    vendor.mend()
    assert vendor.jobs_of(payload["customer"]["lastName"]) == []
    entry = Operator(stack).entry_of(response.json())
    assert entry["status"] == "FAILED"
    assert "Apple Row" not in str(entry)


def test_a_vendor_that_answers_garbage_is_an_integration_that_is_down(stack: RunningStack) -> None:
    visitor, vendor = Visitor(stack), Vendor(stack)
    vendor.fail("GET", "/company/schedule_availability/booking_windows", "garbage")
    assert_down(visitor.click(AVAILABILITY, {"serviceId": "drain-cleaning", "zip": "53703"}))


def test_a_connection_that_is_lost_after_the_vendor_booked_ends_in_exactly_one_job(stack: RunningStack) -> None:
    visitor, vendor = Visitor(stack), Vendor(stack)
    vendor.fail("POST", "/jobs", "drop_after", times=1)
    payload, key = visitor.booking(), f"lost-{uuid.uuid4()}"
    first = visitor.click(BOOKING, payload, key=key)
    assert first["ok"] or first["error"]["code"] == "OUTCOME_UNKNOWN"
    again = visitor.click(BOOKING, payload, key=key)
    assert again["ok"] is True
    assert len(vendor.jobs_of(payload["customer"]["lastName"])) == 1


def test_a_lost_reply_that_cannot_be_looked_up_is_said_as_unknown_and_settled_by_the_retry(stack: RunningStack) -> None:
    visitor, vendor, operator = Visitor(stack), Vendor(stack), Operator(stack)
    vendor.fail("POST", "/jobs", "drop_after", times=1)
    vendor.fail("GET", "/jobs", "status", status=500)
    payload, key = visitor.booking(), f"unknown-{uuid.uuid4()}"
    first = visitor.click(BOOKING, payload, key=key)
    assert first["error"]["code"] == "OUTCOME_UNKNOWN"
    assert first["error"]["retryable"] is True
    assert operator.entry_of(first)["status"] == "OUTCOME_UNKNOWN"
    vendor.mend()
    again = visitor.click(BOOKING, payload, key=key)
    assert again["ok"] is True
    assert len(vendor.jobs_of(payload["customer"]["lastName"])) == 1
    assert operator.entry_of(first)["status"] == "SUCCEEDED"
    assert operator.entry_of(again)["retryOf"] == operator.entry_of(first)["id"]


def test_an_estimate_whose_reply_was_lost_is_made_once(stack: RunningStack) -> None:
    visitor, vendor = Visitor(stack), Vendor(stack)
    vendor.fail("POST", "/estimates", "drop_after", times=1)
    payload = visitor.booking(problemSummary="It hums", serviceId="water-heater-repair")
    for name in ("preferred", "notes"):
        del payload[name]
    key = f"estimate-{uuid.uuid4()}"
    visitor.click(ESTIMATE, payload, key=key)
    assert visitor.click(ESTIMATE, payload, key=key)["ok"] is True
    [customer] = vendor.all("customers", q=payload["customer"]["lastName"])
    assert len([estimate for estimate in vendor.all("estimates") if estimate["customer"]["id"] == customer["id"]]) == 1


def test_two_hundred_identical_clicks_at_once_make_one_job_and_get_equal_answers(stack: RunningStack) -> None:
    visitor, vendor = Visitor(stack), Vendor(stack)
    body = visitor.body(BOOKING, visitor.booking(), key=f"many-{uuid.uuid4()}")
    limits = httpx.Limits(max_connections=200, max_keepalive_connections=200)
    with (
        httpx.Client(base_url=stack.front_door, timeout=60, limits=limits) as http,
        concurrent.futures.ThreadPoolExecutor(200) as pool,
    ):
        replies = list(pool.map(lambda _: http.post("/api/actions/dispatch", json=body).json(), range(200)))
    assert replies[0]["ok"] is True, replies[0]
    assert all(reply == replies[0] for reply in replies)
    assert len(vendor.jobs_of(body["payload"]["customer"]["lastName"])) == 1
    other = visitor.click(BOOKING, {**body["payload"], "notes": "Something else"}, key=body["idempotencyKey"])
    assert other["error"]["code"] == "CONFLICT"


@pytest.mark.parametrize("name", ["mcp_adapter_service", "dispatch_service", "housecall_pro"])
def test_a_process_that_is_killed_in_the_middle_of_a_call_leaves_one_job_and_one_outcome(stack: RunningStack, name: str) -> None:
    visitor, vendor, operator = Visitor(stack), Vendor(stack), Operator(stack)
    vendor.fail("POST", "/jobs", "delay", delay_seconds=1.5, times=1)
    payload, key = visitor.booking(), f"killed-{uuid.uuid4()}"
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        click = pool.submit(visitor.send, BOOKING, payload, key=key)
        wait_until(lambda: bool(vendor.all("customers", q=payload["customer"]["lastName"])), 20, "the booking never began")
        killed = stack.kill(name)
        response = click.result(timeout=60)
    assert response.headers["content-type"] == "application/json"
    answer = response.json()
    assert answer["ok"] or answer["error"]["code"] in {"OUTCOME_UNKNOWN", "INTEGRATION_DOWN"}, answer
    stack.wait_until_running(name, other_than=killed)

    def booked() -> bool:
        reply = visitor.send(BOOKING, payload, key=key)
        return reply.status_code == 200 and bool(reply.json()["ok"])

    wait_until(booked, 60, "the retry never told what became of it")
    assert len(vendor.jobs_of(payload["customer"]["lastName"])) == 1
    wait_until(
        lambda: {entry["status"] for entry in operator.log(thread_id=visitor.thread)} <= {"SUCCEEDED", "FAILED"},
        60,
        "an action of the conversation has no certain outcome",
    )


def test_without_postgres_nothing_is_called_and_afterwards_it_works_again(stack: RunningStack) -> None:
    visitor = Visitor(stack)
    sandbox = stack.process("housecall_pro_sandbox")
    payload, key = visitor.booking(), f"dark-{uuid.uuid4()}"
    stack.stop("postgres")
    response = visitor.send(BOOKING, payload, key=key)
    assert response.status_code == 503, response.text
    assert response.json()["ok"] is False
    assert response.json()["error"]["code"] == "INTEGRATION_DOWN"
    assert response.json()["error"]["retryable"] is True
    assert response.json()["correlationId"]
    stack.start("postgres")

    def booked() -> bool:
        reply = visitor.send(BOOKING, payload, key=key)
        return reply.status_code == 200 and bool(reply.json()["ok"])

    wait_until(booked, 60, "bookings did not come back")
    assert stack.process("housecall_pro_sandbox").pid == sandbox.pid
    assert len(Vendor(stack).jobs_of(payload["customer"]["lastName"])) == 1


def test_a_tool_server_that_hangs_is_answered_within_the_deadline_and_disturbs_no_other_call(stack: RunningStack) -> None:
    visitor, vendor = Visitor(stack), Vendor(stack)
    vendor.fail("POST", "/jobs", "delay", delay_seconds=120, times=1)
    payload, key = visitor.booking(), f"slow-{uuid.uuid4()}"
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        began = time.monotonic()
        click = pool.submit(visitor.send, BOOKING, payload, key=key)
        wait_until(lambda: bool(vendor.all("customers", q=payload["customer"]["lastName"])), 20, "the booking never began")
        neighbour = Visitor(stack)
        assert neighbour.click(BOOKING, neighbour.booking())["ok"] is True
        answer = click.result(timeout=60).json()
        assert time.monotonic() - began < 35
    assert answer["error"]["code"] == "OUTCOME_UNKNOWN", answer
    assert Operator(stack).entry_of(answer)["status"] == "OUTCOME_UNKNOWN"


def hang_up(front_door: str, body: bytes, after: str) -> None:
    """Post `body` and hang up with a reset: before it is all sent, once it is sent, or a moment later."""
    host, _, port = front_door.removeprefix("http://").rpartition(":")
    with socket.create_connection((host, int(port)), 10) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        lines = (
            "POST /api/actions/dispatch HTTP/1.1",
            f"host: {host}",
            "content-type: application/json",
            f"content-length: {len(body)}",
        )
        head = "\r\n".join((*lines, "", ""))
        connection.sendall(head.encode() + (body[: len(body) // 2] if after == "half of the body" else body))
        if after == "the first byte of the answer":
            connection.recv(1)
        elif after.startswith("milliseconds "):
            connection.settimeout(int(after.split()[1]) / 1000)
            try:
                connection.recv(1)
            except TimeoutError:
                return


@pytest.mark.parametrize(
    "moment",
    [
        "half of the body",
        "the body",
        *(f"milliseconds {n}" for n in (1, 3, 6, 10, 20, 40, 80, 160)),
        "the first byte of the answer",
    ],
)
def test_a_visitor_who_leaves_at_any_moment_loses_nothing(stack: RunningStack, moment: str) -> None:
    visitor, operator, vendor = Visitor(stack), Operator(stack), Vendor(stack)
    payload, key = visitor.booking(), f"left-{uuid.uuid4()}"
    hang_up(stack.front_door, httpx.Request("POST", "http://x", json=visitor.body(BOOKING, payload, key=key)).read(), moment)
    answer = visitor.click(BOOKING, payload, key=key)
    assert answer["ok"] is True
    assert len(vendor.jobs_of(payload["customer"]["lastName"])) == 1
    assert {entry["status"] for entry in operator.log(thread_id=visitor.thread)} == {"SUCCEEDED"}


def test_a_frozen_adapter_does_not_hold_a_caller_past_the_deadline(stack: RunningStack) -> None:
    visitor = Visitor(stack)
    pid = stack.process("mcp_adapter_service").pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    try:
        began = time.monotonic()
        response = visitor.send(BOOKING, visitor.booking())
        assert time.monotonic() - began < 36
        assert response.json()["error"]["code"] in {"OUTCOME_UNKNOWN", "INTEGRATION_DOWN"}
    finally:
        os.kill(pid, signal.SIGCONT)
