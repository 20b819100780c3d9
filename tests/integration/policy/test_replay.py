"""`switchboard policy replay`, on a real journal: what would have been decided otherwise."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from psycopg import conninfo

from dispatch_service.journal import records
from dispatch_service.journal.writer import JournalWriter
from dispatch_service.policy import Decision, Effect, GrantRef, Policies, PolicyAction, Question, as_record
from dispatch_service.principal import Principal
from stack.cli import main
from stack.settings import REPOSITORY
from stack.tenant import tenant_id
from tests.fix_dispatch import OWNER
from tests.fix_postgres import MigratedDatabase
from tests.integration.policy.works import SHIPPED

TENANT = tenant_id(REPOSITORY / "config" / "tenant.json")
BOOK = "housecall_pro/housecall_pro.create_booking"
LOOK = "housecall_pro/housecall_pro.get_availability"
NOW = datetime.now(UTC)

VISITOR = Principal(tenant=TENANT, subject="anonymous", kind="human", role="visitor")
AGENT = Principal(tenant=TENANT, subject="agent-1", kind="model", role="agent")
STAFF = Principal(tenant=TENANT, subject="ann", kind="human", role="operator")


def opening(
    question: Question, decision: Decision | None, *, kind: str, age: timedelta = timedelta(), **row: Any
) -> records.Opening:
    """An action as the journal takes it in; without `decision`, as one from before decisions were kept."""
    action_id, at = records.new_action_id(), NOW - age
    who = question.principal
    written = {
        "id": action_id,
        "tenant": who.tenant,
        "action": question.action.partition("/")[2],
        "actor": who.subject,
        "origin": who.origin,
        "correlation_id": "cor-1",
        "status": "EXECUTING",
        "created_at": at.isoformat(),
        "updated_at": at.isoformat(),
    }
    details = {"decision": as_record(question, decision)} if decision else {}
    return records.Opening(action_id=action_id, type=kind, at=at, row=written | row, details=details)


def taken_in(policies: Policies) -> list[records.Opening]:
    """A small day: visitors book, an agent looks, asks, books under a grant, and has a third party's tool; somebody changes the
    register; refusals; old rows; one from long ago."""
    click = Question(principal=VISITOR, action="card/HOUSECALL_PRO_BOOKING")
    look = Question(principal=AGENT, action=f"tool/{LOOK}")
    book = Question(principal=AGENT, action=f"tool/{BOOK}")
    many = Question(principal=STAFF, action=f"tool/{BOOK}", facts={"items": 7}, reasoning=True)
    grant = GrantRef("grant_1", "agent-1", "model", *BOOK.split("/"))
    refused = Question(principal=AGENT, action="card/HOUSECALL_PRO_BOOKING")
    foreign = Question(principal=AGENT, action="tool/jira/find")
    register = Question(principal=STAFF, action="tool/registry/EnableTool")
    groups = ("tool", "level/unrestricted", "effect/read", "server/jira", "foreign")
    policies.know({foreign.action: PolicyAction(id=foreign.action, server="jira", tool="find", groups=groups)})
    return [
        opening(foreign, policies.decide(foreign), kind=records.INTENT),
        opening(register, None, kind=records.INTENT),
        *(opening(click, policies.decide(click), kind=records.INTENT) for _ in range(3)),
        opening(look, policies.decide(look), kind=records.INTENT),
        opening(book, policies.decide(book), kind=records.PENDING, status="PENDING_AUTHORIZATION"),
        opening(book, policies.decide(book, [grant]), kind=records.INTENT),
        opening(many, policies.decide(many), kind=records.PENDING, status="PENDING_AUTHORIZATION"),
        opening(refused, policies.decide(refused), kind=records.REJECTED, status="REJECTED", error_code="FORBIDDEN"),
        opening(click, None, kind=records.REJECTED, status="REJECTED", error_code="MISSING_FIELDS"),
        opening(click, None, kind=records.INTENT),
        opening(refused, None, kind=records.REJECTED, status="REJECTED", error_code="FORBIDDEN"),
        opening(look, policies.decide(look), kind=records.INTENT, age=timedelta(days=40)),
        opening(
            Question(principal=Principal(tenant="other", subject="x", kind="human", role="visitor"), action=click.action),
            policies.decide(click),
            kind=records.INTENT,
        ),
    ]


def as_url(connection: str) -> str:
    """A connection string as the URL that a person would give."""
    parts = {name: str(value) for name, value in conninfo.conninfo_to_dict(connection).items()}
    return f"postgresql:///{parts.pop('dbname')}?{urlencode(parts)}"


@pytest.fixture
def journal(fresh_database: Callable[..., MigratedDatabase], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A database with that day in it, which `switchboard` takes for its stack's."""
    database = fresh_database(OWNER)

    async def write() -> None:
        writer = JournalWriter(database.url(OWNER.role), batch=64, timeout=5.0, lease=60.0, derived_window=0.0)
        running = asyncio.create_task(writer.run())
        await asyncio.gather(*(writer.open(item) for item in taken_in(Policies(SHIPPED, tenant=TENANT))))
        writer.stop()
        await running

    asyncio.run(write())
    monkeypatch.setenv("SWITCHBOARD_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("SWITCHBOARD_DATABASE_URL", as_url(database.owner_url))
    monkeypatch.delenv("SWITCHBOARD_TENANT_FILE", raising=False)
    monkeypatch.delenv("SWITCHBOARD_POLICY_DIRECTORY", raising=False)


@pytest.mark.usefixtures("journal")
def test_under_the_same_policies_nothing_differs(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["policy", "replay", "--since", "30d"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "11 actions decided again, 0 would differ",
        "(2 are from before the journal kept roles and facts: taken as the log shows them)",
        "(2 never reached policy, and are left out)",
    ]


@pytest.mark.usefixtures("journal")
def test_under_other_policies_the_counts_come_first_and_then_the_actions(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for file in SHIPPED.glob("*.cedar"):
        text = file.read_text(encoding="utf-8").replace('["visitor", "customer", "operator"]', '["customer", "operator"]')
        (tmp_path / file.name).write_text(text.replace("context.items > 5", "context.items > 9"), encoding="utf-8")
    base = tmp_path / "base.cedar"
    base.write_text(
        base.read_text(encoding="utf-8").replace("context.facts.items > 5", "context.facts.items > 9"), encoding="utf-8"
    )
    assert main(["policy", "replay", "--since", "60d", "--directory", str(tmp_path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "12 actions decided again, 5 would differ"
    assert [line.split() for line in lines[3:5]] == [
        ["4", "ALLOW", "->", "DENY"],
        ["1", "NEEDS_AUTHORIZATION", "->", "ALLOW"],
    ]
    rows = lines[6:]
    assert len(rows) == 5
    assert sum("card/HOUSECALL_PRO_BOOKING  human anonymous  ALLOW -> DENY  (no permit)" in row for row in rows) == 4
    assert sum(f"tool/{BOOK}  human ann  NEEDS_AUTHORIZATION -> ALLOW  (housecall-pro.staff)" in row for row in rows) == 1


def test_effects_are_kept_by_names_that_can_be_read_again() -> None:
    assert [Effect(str(effect)) for effect in Effect] == list(Effect)
