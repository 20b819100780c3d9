"""Two dispatch replicas and two adapters answer as one of each does, and go on where one of each is gone."""

from __future__ import annotations

import concurrent.futures
import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.e2e.clicks import AVAILABILITY, BOOKING, ESTIMATE, FLOW, Operator, Vendor, Visitor, open_day
from tests.fix_sandbox import wait_until
from tests.fix_stack import RunningStack

TWO_OF_EACH = {"SWITCHBOARD_DISPATCH_REPLICAS": "2", "SWITCHBOARD_ADAPTER_REPLICAS": "2"}
# Ids of all kinds: our references, actions, cards, signed slots, correlation ids.
_ID = re.compile(r"^([a-z]{2,5}_[A-Za-z0-9_-]{12,}|[0-9a-f-]{36}|[A-Za-z0-9_-]{40,}(\.[A-Za-z0-9_-]+)*)$")


@pytest.fixture(scope="module")
def single() -> Iterator[RunningStack]:
    """A stack with one process of each kind, that nobody has used."""
    yield from _run({})


@pytest.fixture(scope="module")
def double() -> Iterator[RunningStack]:
    """A stack with two dispatch processes and two adapters, that nobody has used."""
    yield from _run(TWO_OF_EACH)


def _run(settings: dict[str, str]) -> Iterator[RunningStack]:
    stack = RunningStack(settings)
    try:
        stack.up()
        yield stack
    finally:
        stack.remove()


def _requests() -> list[tuple[str, dict[str, Any], str]]:
    """The request set: each action done, repeated, refused."""
    person = {"firstName": "Philippa", "lastName": "Quandary", "phone": "(608) 555-0142"}
    address = {"line1": "88 Larkspur Way", "city": "Madison", "state": "WI", "zip": "53703"}
    booking = {"serviceId": "drain-cleaning", "customer": person, "address": address}
    estimate = {**booking, "serviceId": "water-heater-repair", "problemSummary": "It hums"}
    wish = {**booking, "preferred": {"date1": open_day(9), "timeWindow": "AM"}}
    return [
        (BOOKING, booking, "booking"),
        (BOOKING, booking, "booking"),
        (BOOKING, {**booking, "notes": "Another thing"}, "booking"),
        (BOOKING, wish, "wish"),
        (BOOKING, wish, "wish"),
        (ESTIMATE, estimate, "estimate"),
        (ESTIMATE, estimate, "estimate"),
        (ESTIMATE, {**estimate, "problemSummary": ""}, "nothing to say"),
        (AVAILABILITY, {"serviceId": "drain-cleaning", "zip": "53703"}, ""),
        (AVAILABILITY, {"serviceId": "drain-cleaning"}, ""),
        (BOOKING, {"serviceId": "drain-cleaning"}, "too little"),
        (BOOKING, {**booking, "customer": {**person, "phone": "12"}}, "no telephone"),
        (BOOKING, {**booking, "serviceId": "no-such-service"}, "no service"),
        (FLOW, {}, ""),
    ]


def _answers(stack: RunningStack) -> list[Any]:
    visitor = Visitor(stack, thread="one-conversation")
    with_services = [visitor.http.get("/api/services").json()]
    return [*with_services, *(visitor.send(action, payload, key=key).json() for action, payload, key in _requests())]


def _without_ids(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_ids(item) for name, item in value.items() if name not in {"createdAt", "updatedAt", "latencyMs"}}
    if isinstance(value, list):
        return [_without_ids(item) for item in value]
    return "an id" if isinstance(value, str) and _ID.match(value) else value


def test_the_same_requests_get_the_same_answers_from_two_of_each_as_from_one(single: RunningStack, double: RunningStack) -> None:
    one, two = _answers(single), _answers(double)
    assert _without_ids(two) == _without_ids(one)
    # The comparison means something: ids differ, a repetition is answered with the id of the first call, most are ok.
    assert two != one
    assert two[1] == two[2]
    assert sum(answer.get("ok", False) for answer in two) >= 8


def test_the_journals_tell_the_same_of_both(single: RunningStack, double: RunningStack) -> None:
    told = [
        sorted((entry["action"], entry["status"], entry.get("errorCode", "")) for entry in Operator(stack).log(page_size=100))
        for stack in (single, double)
    ]
    assert told[1] == told[0] != []


def _clicks_of_each(stack: RunningStack) -> dict[str, float]:
    """How many actions each dispatch process counted."""
    return {
        process.name: sum(
            float(line.rsplit(" ", 1)[1])
            for line in httpx.get(process.metrics, timeout=10).text.splitlines()
            if line.startswith("switchboard_actions_total{")
        )
        for process in stack.processes()
        if process.name.startswith("dispatch_service")
    }


def _wait_until_both_are_asked(stack: RunningStack) -> None:
    """A process that started again is asked once the door's health check has seen it, which takes a moment."""

    def both() -> bool:
        before = _clicks_of_each(stack)
        for _ in range(8):
            Visitor(stack).send(AVAILABILITY, {"serviceId": "drain-cleaning"})
        return all(count > before[name] for name, count in _clicks_of_each(stack).items())

    wait_until(both, 20, "the door does not ask both replicas")


def test_every_replica_takes_part(double: RunningStack) -> None:
    _wait_until_both_are_asked(double)
    visitors = [Visitor(double) for _ in range(16)]
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda visitor: visitor.click(BOOKING, visitor.booking()), visitors))
    assert all(answer["ok"] for answer in answers)
    calls = {}
    for process in double.processes():
        if process.name.startswith(("dispatch_service", "mcp_adapter_service")):
            metrics = httpx.get(process.metrics, timeout=10).text
            calls[process.name] = sum(
                float(line.rsplit(" ", 1)[1])
                for line in metrics.splitlines()
                if re.match(r"switchboard_(actions|adapter_tool_calls)_total\{", line)
            )
    assert len(calls) == 4
    assert all(calls.values()), calls


@pytest.mark.parametrize("gone", ["", "-2"])
def test_with_one_of_each_killed_every_booking_works_at_once(double: RunningStack, gone: str) -> None:
    _wait_until_both_are_asked(double)
    killed = {name: double.kill(name) for name in (f"dispatch_service{gone}", f"mcp_adapter_service{gone}")}
    for _ in range(6):
        visitor = Visitor(double)
        payload = visitor.booking()
        answer = visitor.click(BOOKING, payload)
        assert answer["ok"] is True, answer
        assert len(Vendor(double).jobs_of(payload["customer"]["lastName"])) == 1
    for name, pid in killed.items():
        double.wait_until_running(name, other_than=pid)


def test_while_one_of_each_is_stopped_the_others_do_its_work(double: RunningStack) -> None:
    _wait_until_both_are_asked(double)
    for name in ("dispatch_service", "mcp_adapter_service-2"):
        double.stop(name)
    visitor = Visitor(double)
    try:
        assert visitor.click(BOOKING, visitor.booking())["ok"] is True
        assert visitor.http.get("/healthz").status_code == httpx.codes.OK
    finally:
        for name in ("dispatch_service", "mcp_adapter_service-2"):
            double.start(name)
