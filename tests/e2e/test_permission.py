"""Who may do what, on the whole stack: a model asks, a person decides, and it is done once, or not at all."""

from __future__ import annotations

import time
import uuid
from typing import Any

import httpx
import pytest

from tests.e2e.clicks import Operator, Vendor, Visitor
from tests.fix_stack import RunningStack

BOOK = {"server": "housecall_pro", "tool": "housecall_pro.create_booking"}


def ask_to_book(stack: RunningStack, agent: httpx.Client, **changes: Any) -> tuple[dict[str, Any], str]:
    """Have a model ask for a booking; returns the answer and the customer's last name."""
    payload = Visitor(stack).booking()
    arguments = {name: payload[name] for name in ("customer", "address", "preferred")} | {"serviceHcpId": payload["serviceId"]}
    body = {**BOOK, "arguments": arguments, "reasoning": "The caller on the phone wants it.", "idempotencyKey": str(uuid.uuid4())}
    response = agent.post("/api/tools/call", json=body | changes)
    assert response.status_code == 200, response.text
    return response.json(), payload["customer"]["lastName"]


def settled(http: httpx.Client, queue_id: str, seconds: float = 20.0) -> dict[str, Any]:
    """Poll an authorization, as a model does, until something came of it."""
    until = time.monotonic() + seconds
    while True:
        authorization: dict[str, Any] = http.get(f"/api/authorizations/{queue_id}").raise_for_status().json()
        if authorization["status"] not in {"PENDING", "AUTHORIZED"} or time.monotonic() > until:
            return authorization


@pytest.mark.requirement(
    "S1.57", "S1.58", "S1.59", "S1.61", "S1.64", "S1.81", "S1.82", "S1.83", "S4.13", "S4.14", "S4.15", "S4.16"
)
def test_a_model_asks_a_person_allows_it_once_and_the_job_is_made_once(stack: RunningStack) -> None:
    agent, operator = Operator(stack, "agent").http, Operator(stack).http
    answer, last_name = ask_to_book(stack, agent)
    assert answer["error"]["code"] == "AUTHORIZATION_REQUIRED"
    queue_id = answer["authorization"]["queue_id"]
    assert Vendor(stack).jobs_of(last_name) == []

    [waiting] = [one for one in operator.get("/api/authorizations").json()["authorizations"] if one["id"] == queue_id]
    assert waiting["arguments"]["customer"]["lastName"] == last_name, "who decides sees everything"
    assert waiting["preview"]["summary"]
    assert waiting["reasoning"] == "The caller on the phone wants it."
    seen = agent.get(f"/api/authorizations/{queue_id}").json()
    assert seen["status"] == "PENDING"
    assert last_name not in str(seen), "who asked sees its arguments redacted"

    decided = operator.post(f"/api/authorizations/{queue_id}", json={"decision": "authorized"})
    assert decided.status_code == 200, decided.text
    done = settled(agent, queue_id)
    assert done["status"] == "EXECUTED"
    assert done["result"]["ok"] is True
    assert done["result"]["result"]["data"]["status"] == "BOOKING_STATUS_SCHEDULED"
    assert "jobId" not in str(done), "the vendor's identifiers stay on our side"
    assert len(Vendor(stack).jobs_of(last_name)) == 1
    again = operator.post(f"/api/authorizations/{queue_id}", json={"decision": "authorized"})
    assert again.status_code == 409, "a decision is taken once"
    assert len(Vendor(stack).jobs_of(last_name)) == 1

    entry = Operator(stack).log(correlation_id=answer["correlationId"])[0]
    assert entry["status"] == "SUCCEEDED"
    history = operator.get(f"/api/action-log/{entry['id']}").json()["events"]
    assert [event["type"] for event in history] == ["pending", "authorised", "executing", "outcome"]
    assert last_name not in str(entry)


@pytest.mark.requirement("S1.66")
def test_a_denial_is_final_and_its_note_reaches_the_model(stack: RunningStack) -> None:
    agent, operator = Operator(stack, "agent").http, Operator(stack).http
    answer, last_name = ask_to_book(stack, agent)
    queue_id = answer["authorization"]["queue_id"]
    denied = operator.post(f"/api/authorizations/{queue_id}", json={"decision": "denied", "notes": "Call them back first."})
    assert denied.json()["status"] == "DENIED"
    seen = agent.get(f"/api/authorizations/{queue_id}").json()
    assert seen["notes"] == "Call them back first."
    assert Vendor(stack).jobs_of(last_name) == []


@pytest.mark.requirement("S1.65")
def test_allow_always_spares_the_next_question_until_it_is_revoked(stack: RunningStack) -> None:
    agent, operator = Operator(stack, "agent", subject="agent-always").http, Operator(stack).http
    answer, first = ask_to_book(stack, agent)
    queue_id = answer["authorization"]["queue_id"]
    operator.post(
        f"/api/authorizations/{queue_id}", json={"decision": "authorized", "upgrade_permission": True}
    ).raise_for_status()
    assert settled(agent, queue_id)["status"] == "EXECUTED"
    assert len(Vendor(stack).jobs_of(first)) == 1
    spared, second = ask_to_book(stack, agent)
    assert spared["ok"] is True
    assert len(Vendor(stack).jobs_of(second)) == 1
    other, _ = ask_to_book(stack, Operator(stack, "agent", subject="agent-other").http)
    assert other["error"]["code"] == "AUTHORIZATION_REQUIRED", "a grant is for one caller"
    [grant] = [one for one in operator.get("/api/grants").json()["grants"] if one["subject"] == "agent-always"]
    operator.delete(f"/api/grants/{grant['id']}").raise_for_status()
    asked, _ = ask_to_book(stack, agent)
    assert asked["error"]["code"] == "AUTHORIZATION_REQUIRED"


def test_nobody_decides_for_themselves_and_no_model_or_service_decides_at_all(stack: RunningStack) -> None:
    agent = Operator(stack, "agent").http
    answer, last_name = ask_to_book(stack, agent)
    queue_id = answer["authorization"]["queue_id"]
    for role in ("agent", "service", "customer"):
        refused = Operator(stack, role).http.post(f"/api/authorizations/{queue_id}", json={"decision": "authorized"})
        assert refused.status_code in {403, 404}, role
    assert agent.post(f"/api/authorizations/{queue_id}", json={"decision": "cancelled"}).json()["status"] == "CANCELLED"
    assert Vendor(stack).jobs_of(last_name) == []


def test_what_another_asked_for_looks_like_nothing_at_all(stack: RunningStack) -> None:
    answer, _ = ask_to_book(stack, Operator(stack, "agent").http)
    stranger = Operator(stack, "agent", subject="somebody-else").http
    theirs = stranger.get(f"/api/authorizations/{answer['authorization']['queue_id']}")
    nothing = stranger.get("/api/authorizations/auth_00000000000000000000000000000000")
    assert theirs.status_code == nothing.status_code == 404
    assert theirs.json()["error"] == nothing.json()["error"]


@pytest.mark.requirement("S1.77", "S1.78")
def test_capabilities_and_tools_are_listed_for_who_asks(stack: RunningStack) -> None:
    answer = Operator(stack, "agent").http.get("/api/capabilities").json()
    assert answer["success"] is True
    assert answer["data"]["version"] == "1.0"
    domains = {domain["domain"]: domain for domain in answer["data"]["domains"]}
    actions = {action["name"]: action for action in domains["booking"]["actions"]}
    assert actions["create"]["permission"] == "requires_authorization"
    assert actions["create"]["parameters"]["type"] == "object"
    assert {"type": "slots", "filters": ["serviceHcpId", "zip", "preferredDates", "timeWindow"], "includes": []} in answer[
        "data"
    ]["data_types"]
    tools = Operator(stack).http.get("/api/tools").json()["tools"]
    assert "jobId" not in str(tools)
    assert {tool["permission"] for tool in tools} == {"unrestricted"}
    assert Operator(stack, "customer").http.get("/api/tools").json()["tools"] == []
    assert httpx.get(f"{stack.front_door}/api/tools").status_code == 401


def test_a_person_may_change_what_is_done_and_then_has_to_allow_exactly_that(stack: RunningStack) -> None:
    agent, operator = Operator(stack, "agent").http, Operator(stack).http
    answer, last_name = ask_to_book(stack, agent)
    path = f"/api/authorizations/{answer['authorization']['queue_id']}"
    before = operator.get(path).json()
    changed = before["arguments"] | {"notes": "Ring twice."}
    edited = operator.post(path, json={"decision": "edited", "edited_arguments": changed})
    assert edited.status_code == 200, edited.text
    assert edited.json()["status"] == "PENDING"
    assert edited.json()["edited"] is True
    stale = operator.post(path, json={"decision": "authorized", "arguments_hash": before["argumentsHash"]})
    assert stale.status_code == 409, "an approval is for what was looked at"
    fresh = operator.post(path, json={"decision": "authorized", "arguments_hash": edited.json()["argumentsHash"]})
    assert fresh.status_code == 200, fresh.text
    assert settled(agent, answer["authorization"]["queue_id"])["status"] == "EXECUTED"
    [job] = Vendor(stack).jobs_of(last_name)
    assert "Ring twice." in str(job["notes"])
