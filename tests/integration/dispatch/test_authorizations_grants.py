"""Allow always: for one caller and one tool, until it ends or is taken back. And what is kept in clear: nothing personal."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import grpc
import pytest

from dispatch_service.policy import GrantRef
from dispatch_service.principal import Principal
from tests.integration.dispatch.authorization_parts import (
    AGENT,
    NOTE,
    OLGA,
    REASONING,
    SERVER,
    TOOL_NAME,
    Parts,
    Pb,
    as_dict,
    token,
)
from tests.integration.dispatch.test_authorizations import CUSTOMER, OTHER_TENANT, STATUS, refusal

NOTES = "Wilhelmina may be told that it is done"
PERSONAL = ("Wilhelmina", "Oddfellow", "555-0177", REASONING, NOTES)


async def live(parts: Parts, **changes: str) -> list[GrantRef]:
    """The live grants for the agent's note, with changes."""
    asked = {"tenant": "demo", "subject": AGENT.subject, "kind": AGENT.kind, "server": SERVER, "tool": TOOL_NAME, **changes}
    return await parts.grants.live(**asked)


async def grants(parts: Parts, by: Principal = OLGA, **fields: Any) -> list[dict[str, Any]]:
    """The grants that `by` is shown."""
    answer = await parts.stub.ListGrants(Pb.ListGrantsRequest(**fields), metadata=token(by))
    found: list[dict[str, Any]] = as_dict(answer).get("grants", [])
    return found


@pytest.mark.requirement("S1.65")
async def test_allow_always_is_for_this_caller_and_this_tool_only(authorizations: Parts) -> None:
    waiting = await authorizations.ask()
    answer = await authorizations.decide(waiting, "authorized", upgradePermission=True)
    [made] = await live(authorizations)
    assert made == GrantRef(answer["grantId"], AGENT.subject, AGENT.kind, SERVER, TOOL_NAME)
    others = ({"tenant": "acme"}, {"subject": "agent-8"}, {"kind": "service"}, {"server": "crm"}, {"tool": "proving.wipe"})
    assert [await live(authorizations, **change) for change in others] == [[]] * len(others)
    [listed] = await grants(authorizations)
    assert (listed["id"], listed["createdBy"], listed["authorizationId"]) == (made.id, "olga", waiting)
    created, expires = (datetime.fromisoformat(listed[name]) for name in ("createdAt", "expiresAt"))
    assert expires - created == timedelta(days=30)


async def test_a_grant_lasts_as_long_as_was_said_and_no_longer(authorizations: Parts) -> None:
    waiting = await authorizations.ask()
    await authorizations.decide(waiting, "authorized", upgradePermission=True, grantDays=2)
    [listed] = await grants(authorizations)
    lasts = datetime.fromisoformat(listed["expiresAt"]) - datetime.fromisoformat(listed["createdAt"])
    assert lasts == timedelta(days=2)
    authorizations.rows("update dispatch.grant set expires_at = now() - interval '1 second'")
    assert await live(authorizations) == []
    assert await grants(authorizations) == []
    assert len(await grants(authorizations, include_ended=True)) == 1


async def test_a_revoked_grant_is_over_at_once_and_that_is_in_the_journal(authorizations: Parts) -> None:
    waiting = await authorizations.ask()
    grant_id = (await authorizations.decide(waiting, "authorized", upgradePermission=True))["grantId"]
    revoke = Pb.RevokeGrantRequest(id=grant_id)
    first = as_dict(await authorizations.stub.RevokeGrant(revoke, metadata=token(OLGA)))
    assert first["revokedBy"] == "olga"
    assert await live(authorizations) == []
    assert await grants(authorizations) == []
    again = as_dict(await authorizations.stub.RevokeGrant(revoke, metadata=token(OLGA)))
    assert again == first
    assert authorizations.history(waiting) == ["pending", "authorised", "grant_revoked"]


@pytest.mark.parametrize(("by", "expected"), [(OTHER_TENANT, STATUS.NOT_FOUND), (AGENT, STATUS.PERMISSION_DENIED)])
async def test_only_the_tenants_operators_see_and_revoke_grants(
    authorizations: Parts, by: Principal, expected: grpc.StatusCode
) -> None:
    waiting = await authorizations.ask()
    grant_id = (await authorizations.decide(waiting, "authorized", upgradePermission=True))["grantId"]
    revoke = authorizations.stub.RevokeGrant(Pb.RevokeGrantRequest(id=grant_id), metadata=token(by))
    assert (await refusal(revoke)).code() is expected
    if by == OTHER_TENANT:
        assert await grants(authorizations, by, include_ended=True) == []
    else:
        listing = authorizations.stub.ListGrants(Pb.ListGrantsRequest(), metadata=token(CUSTOMER))
        assert (await refusal(listing)).code() is STATUS.PERMISSION_DENIED
    assert len(await live(authorizations)) == 1


@pytest.mark.requirement("S4.22")
async def test_a_sensitive_tool_is_never_allowed_always(authorizations: Parts) -> None:
    waiting = await authorizations.ask({"thingId": "thing-1"}, tool="proving.wipe")
    assert (await authorizations.get(waiting))["offersAlways"] is False
    refused = await refusal(authorizations.decide(waiting, "authorized", upgradePermission=True))
    assert refused.code() is STATUS.INVALID_ARGUMENT
    assert authorizations.status(waiting) == "PENDING"
    assert await grants(authorizations, include_ended=True) == []


async def test_a_decision_that_comes_too_late_leaves_no_grant_and_no_job(authorizations: Parts) -> None:
    waiting = await authorizations.ask(hours=-1)
    late = authorizations.decide(waiting, "authorized", upgradePermission=True)
    assert (await refusal(late)).code() is STATUS.ABORTED
    assert authorizations.rows("select 1 from dispatch.grant") == []
    assert authorizations.rows("select 1 from dispatch_queue.procrastinate_jobs") == []


def in_clear(parts: Parts) -> str:
    """Everything that the tables of authorizations, the journal and the queue hold, as text."""
    tables = ("dispatch.authorization", "dispatch.grant", "dispatch.action", "dispatch.event", "dispatch.claim")
    queue = ("dispatch_queue.procrastinate_jobs", "dispatch_queue.procrastinate_events")
    rows = [parts.rows(f"select to_jsonb(held) as row from {table} as held") for table in (*tables, *queue)]
    return str(rows)


def sealed(parts: Parts, authorization_id: str) -> set[str]:
    """Which sealed things a row still has."""
    [row] = parts.rows("select * from dispatch.authorization where id = %s", authorization_id)
    return {name for name, value in row.items() if name.startswith("sealed_") and value is not None}


async def test_nothing_personal_is_in_clear_and_what_is_sealed_is_erased_when_it_is_over(authorizations: Parts) -> None:
    denied, executed, overdue = await authorizations.ask(), await authorizations.ask(), await authorizations.ask()
    cancelled = await authorizations.ask()
    assert sealed(authorizations, denied) == {"sealed_request", "sealed_preview"}
    text = in_clear(authorizations)
    # Sealed is not merely encoded.
    assert not [word for word in PERSONAL if word in text or word.encode().hex() in text]

    await authorizations.decide(denied, "denied", notes=NOTES)
    await authorizations.decide(cancelled, "cancelled", AGENT)
    authorizations.rows("update dispatch.authorization set expires_at = now() where id = %s", overdue)
    await authorizations.upkeep.turn()
    await authorizations.decide(executed, "authorized", notes=NOTES)
    await authorizations.executor.execute(executed)
    assert sealed(authorizations, denied) == {"sealed_notes"}
    assert sealed(authorizations, cancelled) == set()
    assert sealed(authorizations, overdue) == set()
    assert sealed(authorizations, executed) == {"sealed_notes", "sealed_result"}
    text = in_clear(authorizations)
    assert not [word for word in PERSONAL if word in text or word.encode().hex() in text]

    authorizations.rows("update dispatch.authorization set updated_at = now() - interval '31 days'")
    await authorizations.upkeep.turn()
    assert sealed(authorizations, denied) == sealed(authorizations, executed) == set()
    polled = await authorizations.get(executed, AGENT)
    assert polled["status"] == "EXECUTED"
    assert "result" not in polled


async def test_what_was_asked_for_with_another_key_is_not_shown(authorizations: Parts) -> None:
    waiting = await authorizations.ask()
    other = await authorizations.ask({**NOTE, "text": "Another note"})
    authorizations.rows(
        "update dispatch.authorization set sealed_preview = (select sealed_preview from dispatch.authorization where id = %s)"
        " where id = %s",
        other,
        waiting,
    )
    shown = await authorizations.get(waiting)
    assert "preview" not in shown
    assert shown["arguments"]["text"] == "[FREE_TEXT]"
