"""Deciding: who may, once, on exactly what was looked at; and who sees what."""

from __future__ import annotations

import asyncio
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from dispatch_service.policy import Effect
from dispatch_service.principal import Principal
from tests.integration.dispatch.authorization_parts import AGENT, NOTE, OLGA, PETE, REASONING, Parts, Pb, token

STATUS = grpc.StatusCode
OTHER_TENANT = Principal(tenant="acme", subject="olga", kind="human", role="operator")
CUSTOMER = Principal(tenant="demo", subject="carl", kind="human", role="customer")
UNKNOWN = "auth_" + "0" * 32


async def refusal(call: Any) -> grpc.aio.AioRpcError:
    """The error that a call ends with."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return caught.value


def fields_of(problem: grpc.aio.AioRpcError) -> list[str]:
    """The fields that an error names."""
    status = rpc_status.from_call(problem)  # type: ignore[arg-type]
    bad = error_details_pb2.BadRequest()
    for detail in status.details:
        if detail.Is(bad.DESCRIPTOR):
            detail.Unpack(bad)
    return [violation.field for violation in bad.field_violations]


@pytest.mark.requirement("S1.61", "S1.64", "S1.82", "S1.83")
async def test_what_is_allowed_once_is_carried_out_and_who_asked_polls_the_result(authorizations: Parts) -> None:
    waiting = await authorizations.ask()
    assert (await authorizations.get(waiting, AGENT))["status"] == "PENDING"
    async with authorizations.working():
        answer = await authorizations.decide(waiting, "authorized", notes="Go ahead")
        assert answer["decidedBy"] == "olga"
        await _finished(authorizations, waiting)
    polled = await authorizations.get(waiting, AGENT)
    assert polled["status"] == "EXECUTED"
    assert polled["notes"] == "Go ahead"
    assert polled["result"]["ok"] is True
    assert polled["result"]["result"]["data"]["said"] == NOTE["text"]
    assert "grantId" not in polled
    assert authorizations.history(waiting) == ["pending", "authorised", "executing", "outcome"]
    assert authorizations.action(waiting)["status"] == "SUCCEEDED"
    [call] = authorizations.journey.calls
    assert call.tool_key == authorizations.action(waiting)["id"]
    assert call.kept.principal == AGENT


@pytest.mark.requirement("S1.61", "S1.66")
async def test_what_is_denied_is_never_called_and_who_asked_reads_why(authorizations: Parts) -> None:
    waiting = await authorizations.ask()
    await authorizations.decide(waiting, "Denied", notes="Ask her again first")
    polled = await authorizations.get(waiting, AGENT)
    assert (polled["status"], polled["notes"]) == ("DENIED", "Ask her again first")
    await authorizations.executor.execute(waiting)
    assert authorizations.journey.calls == []
    action = authorizations.action(waiting)
    assert (action["status"], action["error_code"]) == ("DENIED", "DENIED")
    assert authorizations.history(waiting) == ["pending", "denied"]


async def test_of_many_who_decide_at_once_one_wins(authorizations: Parts) -> None:
    waiting = await authorizations.ask()
    verdicts = ["authorized", "denied"] * 6
    people = [Principal(tenant="demo", subject=f"olga-{n}", kind="human", role="operator") for n in range(len(verdicts))]
    answers = await asyncio.gather(
        *(authorizations.decide(waiting, verdict, by) for verdict, by in zip(verdicts, people, strict=True)),
        return_exceptions=True,
    )
    won = [answer for answer in answers if isinstance(answer, dict)]
    lost = [answer for answer in answers if isinstance(answer, grpc.aio.AioRpcError)]
    assert len(won) == 1
    assert {problem.code() for problem in lost} == {STATUS.ABORTED}
    assert len(authorizations.history(waiting)) == 2
    assert authorizations.status(waiting) == won[0]["status"]


@pytest.mark.parametrize("again", ["authorized", "denied", "cancelled"])
async def test_a_decision_is_not_taken_twice(authorizations: Parts, again: str) -> None:
    waiting = await authorizations.ask()
    await authorizations.decide(waiting, "authorized")
    assert (await refusal(authorizations.decide(waiting, again, PETE))).code() is STATUS.ABORTED
    edit = authorizations.decide(waiting, "edited", PETE, editedArguments=NOTE)
    assert (await refusal(edit)).code() is STATUS.ABORTED


@pytest.mark.parametrize("verdict", ["authorized", "denied", "edited"])
async def test_who_asked_does_not_decide(authorizations: Parts, verdict: str) -> None:
    waiting = await authorizations.ask(by=OLGA)
    fields = {"editedArguments": NOTE} if verdict == "edited" else {}
    assert (await refusal(authorizations.decide(waiting, verdict, OLGA, **fields))).code() is STATUS.PERMISSION_DENIED
    assert authorizations.status(waiting) == "PENDING"
    assert authorizations.history(waiting) == ["pending"]


async def test_a_person_does_not_decide_what_its_own_model_asked_for(authorizations: Parts) -> None:
    waiting = await authorizations.ask(by=Principal(tenant="demo", subject="olga", kind="model", role="agent"))
    assert (await refusal(authorizations.decide(waiting, "authorized", OLGA))).code() is STATUS.PERMISSION_DENIED


@pytest.mark.parametrize(
    "by",
    [
        AGENT,
        Principal(tenant="demo", subject="agent-8", kind="model", role="agent"),
        Principal(tenant="demo", subject="billing", kind="service", role="service"),
        Principal(tenant="demo", subject="billing", kind="service", role="admin"),
        CUSTOMER,
        Principal(tenant="demo", subject="boss", kind="human", role="owner"),
    ],
    ids=lambda by: f"{by.kind}-{by.subject}-{by.role}",
)
async def test_only_a_person_in_the_role_for_it_decides(authorizations: Parts, by: Principal) -> None:
    waiting = await authorizations.ask()
    # Who asked may know of it and may not decide; for everybody else there is no such thing.
    expected = STATUS.PERMISSION_DENIED if by == AGENT else STATUS.NOT_FOUND
    for verdict, fields in (("authorized", {}), ("denied", {}), ("edited", {"editedArguments": NOTE})):
        assert (await refusal(authorizations.decide(waiting, verdict, by, **fields))).code() is expected
    assert authorizations.status(waiting) == "PENDING"


async def test_who_asked_takes_it_back(authorizations: Parts) -> None:
    waiting = await authorizations.ask()
    assert (await authorizations.decide(waiting, "cancelled", AGENT))["status"] == "CANCELLED"
    assert (await refusal(authorizations.decide(waiting, "authorized"))).code() is STATUS.ABORTED
    assert authorizations.action(waiting)["status"] == "CANCELLED"


@pytest.mark.parametrize(
    "by",
    [OTHER_TENANT, CUSTOMER, Principal(tenant="demo", subject="agent-7", kind="service", role="service")],
    ids=["another tenant's operator", "a customer", "the same name of another kind"],
)
async def test_what_is_somebody_elses_is_answered_like_what_is_not_there(authorizations: Parts, by: Principal) -> None:
    waiting = await authorizations.ask()
    for verdict in ("authorized", "denied", "cancelled"):
        foreign = await refusal(authorizations.decide(waiting, verdict, by))
        missing = await refusal(authorizations.decide(UNKNOWN, verdict, by))
        assert (foreign.code(), foreign.details()) == (missing.code(), missing.details()) == (STATUS.NOT_FOUND, missing.details())
    foreign, missing = await refusal(authorizations.get(waiting, by)), await refusal(authorizations.get(UNKNOWN, by))
    assert (foreign.code(), foreign.details()) == (missing.code(), missing.details())
    answer = await authorizations.listed(by, allStatuses=True)
    assert answer == {}


async def test_without_a_token_there_is_nothing(authorizations: Parts) -> None:
    waiting = await authorizations.ask()
    stub = authorizations.stub
    calls = (
        stub.ListAuthorizations(Pb.ListAuthorizationsRequest()),
        stub.GetAuthorization(Pb.GetAuthorizationRequest(id=waiting)),
        stub.DecideAuthorization(Pb.DecideAuthorizationRequest(id=waiting, decision="authorized")),
        stub.ListGrants(Pb.ListGrantsRequest()),
        stub.RevokeGrant(Pb.RevokeGrantRequest(id="grant_1")),
        stub.WatchAuthorizations(Pb.WatchAuthorizationsRequest()).read(),
    )
    assert [(await refusal(call)).code() for call in calls] == [STATUS.UNAUTHENTICATED] * len(calls)


async def test_an_edit_is_held_to_the_contract_waits_again_and_voids_earlier_approvals(authorizations: Parts) -> None:
    waiting = await authorizations.ask()
    before = await authorizations.get(waiting)
    bad = await refusal(authorizations.decide(waiting, "edited", editedArguments={"text": 7, "colour": "red"}))
    assert bad.code() is STATUS.INVALID_ARGUMENT
    assert sorted(fields_of(bad)) == ["editedArguments.colour", "editedArguments.text", "editedArguments.thingId"]
    assert (await authorizations.get(waiting))["argumentsHash"] == before["argumentsHash"]

    edited = await authorizations.decide(waiting, "edited", editedArguments={**NOTE, "text": "  Call her back  "})
    assert (edited["status"], edited["edited"]) == ("PENDING", True)
    assert edited["arguments"]["text"] == "Call her back"
    assert edited["preview"]["summary"] == "Writes: Call her back"
    assert edited["argumentsHash"] != before["argumentsHash"]

    late = authorizations.decide(waiting, "authorized", PETE, argumentsHash=before["argumentsHash"])
    assert (await refusal(late)).code() is STATUS.ABORTED
    await authorizations.decide(waiting, "authorized", PETE, argumentsHash=edited["argumentsHash"])
    await authorizations.executor.execute(waiting)
    assert [call.kept.plan.arguments["text"] for call in authorizations.journey.calls] == ["Call her back"]
    assert authorizations.history(waiting) == ["pending", "edited", "authorised", "executing", "outcome"]


async def test_an_edit_that_policy_refuses_to_who_asked_changes_nothing(authorizations: Parts) -> None:
    waiting = await authorizations.ask()
    authorizations.journey.asked = Effect.DENY
    refused = await refusal(authorizations.decide(waiting, "edited", editedArguments=NOTE))
    assert refused.code() is STATUS.INVALID_ARGUMENT
    assert authorizations.history(waiting) == ["pending"]


@pytest.mark.parametrize(
    ("decided", "fields", "named"),
    [
        ("maybe", {}, ["decision"]),
        ("", {}, ["decision"]),
        ("edited", {}, ["editedArguments"]),
        ("authorized", {"editedArguments": {}}, ["editedArguments"]),
        ("denied", {"upgradePermission": True}, ["upgradePermission"]),
        ("authorized", {"grantDays": 3}, ["grantDays"]),
        ("authorized", {"upgradePermission": True, "grantDays": 400}, ["grantDays"]),
    ],
)
async def test_a_decision_that_says_two_things_is_refused(
    authorizations: Parts, decided: str, fields: dict[str, Any], named: list[str]
) -> None:
    waiting = await authorizations.ask()
    refused = await refusal(authorizations.decide(waiting, decided, **fields))
    assert (refused.code(), fields_of(refused)) == (STATUS.INVALID_ARGUMENT, named)
    assert authorizations.status(waiting) == "PENDING"


async def test_what_is_overdue_cannot_be_decided_any_more(authorizations: Parts) -> None:
    waiting = await authorizations.ask(hours=-1)
    assert (await refusal(authorizations.decide(waiting, "authorized"))).code() is STATUS.ABORTED
    assert (await authorizations.get(waiting))["status"] == "EXPIRED"
    assert authorizations.action(waiting)["status"] == "EXPIRED"
    assert authorizations.history(waiting) == ["pending", "expired"]


async def test_upkeep_gives_up_what_is_overdue_and_nothing_else(authorizations: Parts) -> None:
    overdue, waiting = await authorizations.ask(hours=-1), await authorizations.ask()
    await authorizations.upkeep.turn()
    assert (authorizations.status(overdue), authorizations.status(waiting)) == ("EXPIRED", "PENDING")


async def test_deciders_see_everything_while_it_waits_and_who_asked_sees_it_redacted(authorizations: Parts) -> None:
    waiting = await authorizations.ask()
    full = await authorizations.get(waiting)
    assert full["arguments"] == NOTE
    assert full["preview"]["facts"] == {"relatedRecords": 15}
    assert full["reasoning"] == REASONING
    assert (full["title"], full["reason"]) == ("Write a note", "It has 15 related records.")
    own = await authorizations.get(waiting, AGENT)
    assert own["arguments"] == {"thingId": "thing-1", "text": "[FREE_TEXT]"}
    assert "preview" not in own
    assert "reasoning" not in own
    await authorizations.decide(waiting, "denied")
    assert (await authorizations.get(waiting))["arguments"] == own["arguments"]


@pytest.mark.requirement("S1.81")
async def test_what_waits_is_listed_newest_first_in_pages_and_counted(authorizations: Parts) -> None:
    asked = [await authorizations.ask() for _ in range(5)]
    other = await authorizations.ask(by=Principal(tenant="demo", subject="agent-8", kind="model", role="agent"))
    await authorizations.decide(asked[0], "denied")
    first = await authorizations.listed(pageSize=3)
    second = await authorizations.listed(pageSize=3, pageToken=first["nextPageToken"])
    listed = [found["id"] for page in (first, second) for found in page["authorizations"]]
    assert listed == [other, *reversed(asked[1:])]
    assert first["pending"] == 5
    assert "nextPageToken" not in second
    own = await authorizations.listed(AGENT, allStatuses=True)
    assert [found["id"] for found in own["authorizations"]] == list(reversed(asked))
    assert own["pending"] == 4
    denied = await authorizations.listed(status="DENIED")
    assert [found["id"] for found in denied["authorizations"]] == asked[:1]
    by_requester = await authorizations.listed(requester="agent-8", tool="proving.note")
    assert [found["id"] for found in by_requester["authorizations"]] == [other]
    stolen = authorizations.listed(AGENT, pageSize=3, pageToken=first["nextPageToken"])
    assert (await refusal(stolen)).code() is STATUS.INVALID_ARGUMENT


async def test_a_watcher_sees_each_change_once_and_only_what_it_may(authorizations: Parts) -> None:
    await authorizations.ask()
    watched = {}
    for name, by in (("operator", OLGA), ("agent", AGENT), ("stranger", CUSTOMER), ("foreign", OTHER_TENANT)):
        watched[name] = authorizations.stub.WatchAuthorizations(Pb.WatchAuthorizationsRequest(), metadata=token(by))
        await watched[name].initial_metadata()
    waiting = await authorizations.ask()
    seen: dict[str, list[tuple[str, str]]] = {"operator": [], "agent": []}
    for name, found in seen.items():
        message = (await asyncio.wait_for(watched[name].read(), 10)).authorization
        found.append((message.id, Pb.AuthorizationStatus.Name(message.status)))
    await authorizations.decide(waiting, "denied")
    for name, found in seen.items():
        message = (await asyncio.wait_for(watched[name].read(), 10)).authorization
        found.append((message.id, Pb.AuthorizationStatus.Name(message.status)))
    assert seen == {name: [(waiting, "PENDING"), (waiting, "DENIED")] for name in seen}
    for name in ("stranger", "foreign"):
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(watched[name].read(), 0.6)


async def _finished(parts: Parts, authorization_id: str) -> None:
    async with asyncio.timeout(20):
        while parts.status(authorization_id) in ("PENDING", "AUTHORIZED"):
            await asyncio.to_thread(lambda: None)
