"""The same call again, under its key, after a person decided on the first: it hears what came of it and acts no second time."""

from __future__ import annotations

from typing import Any

import pytest
from google.protobuf.json_format import MessageToDict, ParseDict
from switchboard.authorization.v1 import authorization_service_pb2, authorization_service_pb2_grpc

from tests.callers import caller
from tests.fix_dispatch import DispatchProcess
from tests.fix_proving import ProvingServer
from tests.integration.dispatch.authorization_parts import until
from tests.integration.dispatch.test_tool_door import call

AGENT, OPERATOR = caller("agent"), caller("operator")


async def remove(dispatch: DispatchProcess, key: str = "k-1") -> dict[str, Any]:
    """Ask for a removal that a person has to allow."""
    return await call(dispatch, "remove", {"thingId": "thing-1"}, AGENT, idempotencyKey=key, reasoning="A duplicate")


async def decide(dispatch: DispatchProcess, answer: dict[str, Any], decision: str, who: Any = OPERATOR, notes: str = "") -> None:
    """Decide on what an answer says is waiting."""
    assert dispatch.channel is not None
    stub = authorization_service_pb2_grpc.AuthorizationServiceStub(dispatch.channel)
    document = {"id": answer["authorization"]["queue_id"], "decision": decision, "notes": notes}
    request = ParseDict(document, authorization_service_pb2.DecideAuthorizationRequest())
    MessageToDict(await stub.DecideAuthorization(request, timeout=20, metadata=who))


async def ended(dispatch: DispatchProcess, status: str) -> None:
    """Wait until the one authorization is in a state."""
    await until(lambda: dispatch.rows("select 1 from dispatch.authorization where status = %s", status), 30)


async def test_what_was_done_is_answered_with_its_result_though_the_tool_could_not_do_it_again(
    proving_dispatch: DispatchProcess, proving: ProvingServer
) -> None:
    proving.put("thing-1")
    asked = await remove(proving_dispatch)
    assert asked["error"]["code"] == "AUTHORIZATION_REQUIRED"
    await decide(proving_dispatch, asked, "authorized")
    await ended(proving_dispatch, "EXECUTED")
    # There is nothing left to remove, and a preview says so.
    anew = await remove(proving_dispatch, "k-2")
    assert anew["error"]["code"] != "AUTHORIZATION_REQUIRED"
    again = await remove(proving_dispatch)
    assert again["ok"] is True
    assert again["correlationId"] == asked["correlationId"]
    assert len(proving.effects(tool="remove")) == 1


@pytest.mark.requirement("S1.66")
async def test_what_was_denied_is_answered_with_the_denial_and_its_note(
    proving_dispatch: DispatchProcess, proving: ProvingServer
) -> None:
    proving.put("thing-1")
    asked = await remove(proving_dispatch)
    await decide(proving_dispatch, asked, "denied", notes="Frau Quetzalcoatlova still needs it.")
    again = await remove(proving_dispatch)
    assert again["error"]["code"] == "DENIED"
    assert "Frau Quetzalcoatlova still needs it." in again["error"]["details"]
    assert "authorization" not in again
    assert proving.effects() == []
    for table in ("action", "event", "claim", "authorization"):
        rows = proving_dispatch.rows(f"select row_to_json(t)::text as text from dispatch.{table} t")
        assert not any("Quetzalcoatlova" in row["text"] for row in rows), f"a person's words stand in {table}"


async def test_what_was_taken_back_or_given_up_is_not_said_to_wait(
    proving_dispatch: DispatchProcess, proving: ProvingServer
) -> None:
    proving.put("thing-1")
    await decide(proving_dispatch, await remove(proving_dispatch), "cancelled", AGENT)
    assert (await remove(proving_dispatch))["error"]["code"] == "CONFLICT"
    asked = await remove(proving_dispatch, "k-2")
    assert asked["error"]["code"] == "AUTHORIZATION_REQUIRED"
    proving_dispatch.rows("update dispatch.authorization set expires_at = now() - interval '1 second' where status = 'PENDING'")
    await ended(proving_dispatch, "EXPIRED")
    given_up = (await remove(proving_dispatch, "k-2"))["error"]
    assert (given_up["code"], "in time" in given_up["details"]) == ("CONFLICT", True)


async def test_what_was_allowed_and_failed_is_answered_with_the_failure_and_asks_nobody_again(
    proving_dispatch: DispatchProcess, proving: ProvingServer
) -> None:
    proving.put("thing-1", amount_cents=100, state="open")
    asked = await remove(proving_dispatch)
    # It is another thing by now than the one that was looked at.
    proving.put("thing-1", amount_cents=900_000, related_records=7, state="paid")
    await decide(proving_dispatch, asked, "authorized")
    await ended(proving_dispatch, "FAILED")
    again = await remove(proving_dispatch)
    assert again["error"]["code"] == "CONFLICT"
    assert "authorization" not in again
    assert proving.effects() == []
    [row] = proving_dispatch.rows("select count(*) as waited from dispatch.authorization")
    assert row["waited"] == 1
