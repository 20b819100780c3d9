"""What would have been decided otherwise: the journal's actions, put to other policies.

Above: `switchboard policy replay`. Below: `policies`, and the tables of the journal, which are only read.

An event holds what policy was asked. Older ones do not: there the question is put together from the action log, which knows
neither facts nor roles, and counted apart.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from dispatch_service.policy.contract import PolicyAction
from dispatch_service.policy.policies import Policies
from dispatch_service.policy.question import Effect, GrantRef, Question
from dispatch_service.policy.record import from_record
from dispatch_service.principal import AGENT, ANONYMOUS, CUSTOMER, HUMAN, OPERATOR, SERVICE, VISITOR, Principal
from service_kit.postgres import Database, load_queries

_QUERIES = load_queries("dispatch_service.policy")
_PAGE = 2_000
_SHOWN = 200
_KIND_AND_ROLE = {
    "USER_CLICK": (HUMAN, CUSTOMER),
    "OPERATOR": (HUMAN, OPERATOR),
    "SERVICE": ("service", SERVICE),
    "MODEL": ("model", AGENT),
}
# Refusals that policy made, by their published codes. Others were made before anybody asked it.
_REFUSED = {"FORBIDDEN": Effect.DENY, "REASONING_REQUIRED": Effect.NEEDS_REASONING}

# What operators do to the register of third-party servers, which their role is enough for.
_REGISTER = "registry/"


@dataclass(frozen=True, kw_only=True, slots=True)
class Difference:
    """One action that would be decided otherwise."""

    action_id: str
    at: datetime
    action: str
    actor: str
    before: Effect
    after: Effect
    policy_ids: tuple[str, ...]


@dataclass(kw_only=True)
class Replayed:
    """What came of a replay. `guessed` were decided before the journal kept questions; `skipped` never reached policy."""

    decided: int = 0
    guessed: int = 0
    skipped: int = 0
    changes: Counter[tuple[Effect, Effect]] = field(default_factory=Counter)
    differences: list[Difference] = field(default_factory=list)


async def replay(database: Database, policies: Policies, *, tenant: str, since: datetime) -> Replayed:
    """Decide every action of `tenant` since then once more. Raises DatabaseError."""
    replayed = Replayed()
    async for row in _actions(database, tenant, since):
        asked = _question(row, tenant)
        if asked is None:
            replayed.skipped += 1
            continue
        question, before, grants = asked
        policies.know(_third_party(row["decision"], question))
        replayed.decided += 1
        replayed.guessed += not row["decision"]
        after = policies.decide(question, grants)
        if after.effect is before:
            continue
        replayed.changes[before, after.effect] += 1
        if len(replayed.differences) < _SHOWN:
            replayed.differences.append(
                Difference(
                    action_id=row["id"],
                    at=row["created_at"],
                    action=question.action,
                    actor=f"{question.principal.kind} {question.principal.subject}",
                    before=before,
                    after=after.effect,
                    policy_ids=after.policy_ids,
                )
            )
    return replayed


def report(replayed: Replayed) -> list[str]:
    """Say it to a person: how many would change and how, then which."""
    lines = [f"{replayed.decided} actions decided again, {sum(replayed.changes.values())} would differ"]
    if replayed.guessed:
        lines.append(f"({replayed.guessed} are from before the journal kept roles and facts: taken as the log shows them)")
    if replayed.skipped:
        lines.append(f"({replayed.skipped} never reached policy, and are left out)")
    for (before, after), count in sorted(replayed.changes.items(), key=lambda item: (-item[1], item[0])):
        lines.append(f"{count:>8}  {before} -> {after}")
    if replayed.differences:
        lines.append("")
    for found in replayed.differences:
        by = ", ".join(found.policy_ids) or "no permit"
        at = found.at.isoformat(timespec="seconds")
        lines.append(f"{at}  {found.action_id}  {found.action}  {found.actor}  {found.before} -> {found.after}  ({by})")
    more = sum(replayed.changes.values()) - len(replayed.differences)
    return [*lines, f"… and {more} more"] if more else lines


async def _actions(database: Database, tenant: str, since: datetime) -> AsyncIterator[dict[str, Any]]:
    after_at, after_id = since, ""
    while True:
        rows = await database.fetch_all(
            _QUERIES["decided_actions"],
            {"tenant": tenant, "since": since, "after_at": after_at, "after_id": after_id, "limit": _PAGE},
        )
        for row in rows:
            yield row
        if len(rows) < _PAGE:
            return
        after_at, after_id = rows[-1]["created_at"], rows[-1]["id"]


def _question(row: Mapping[str, Any], tenant: str) -> tuple[Question, Effect, tuple[GrantRef, ...]] | None:
    """The question of one action, what was said, and the standing permissions that counted; None where policy was not asked."""
    record = row["decision"]
    if record:
        question = from_record(record)
        return question, Effect(record["effect"]), _grants(record, question)
    if row["action"].startswith(_REGISTER) or (row["status"] == "REJECTED" and row["error_code"] not in _REFUSED):
        return None
    before = _REFUSED.get(row["error_code"], Effect.ALLOW) if row["status"] == "REJECTED" else Effect.ALLOW
    kind, role = _KIND_AND_ROLE[row["origin"]]
    role = VISITOR if row["actor"] == ANONYMOUS else role
    principal = Principal(tenant=tenant, subject=row["actor"], kind=kind, role=role, tier=row["tier"])
    door = "tool" if "/" in row["action"] else "card"
    return Question(principal=principal, action=f"{door}/{row['action']}"), before, ()


def _third_party(record: Mapping[str, Any] | None, question: Question) -> dict[str, PolicyAction]:
    """A third-party tool is taken as it was configured then, and enabled: who has it now is not in policies either."""
    groups = (record or {}).get("third_party")
    if not groups:
        return {}
    _, server, tool = (*question.action.split("/", 2), "", "")[:3]
    return {question.action: PolicyAction(id=question.action, server=server, tool=tool, groups=tuple(groups))}


def _grants(record: Mapping[str, Any], question: Question) -> tuple[GrantRef, ...]:
    """A grant that decided then is taken to be in force: whether it still is does not depend on policies."""
    _, server, tool = (*question.action.split("/", 2), "", "")[:3]
    principal = question.principal
    return tuple(GrantRef(name, principal.subject, principal.kind, server, tool) for name in record.get("grant_ids", ()))
