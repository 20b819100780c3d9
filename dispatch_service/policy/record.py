"""What the journal keeps of a decision: enough to put the same question again, under other policies.

Above: the journey, which writes it into the action log, and `replay`. Below: nothing. Ids, codes and numbers only: what was typed
stays out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dispatch_service.policy.question import Decision, Question
from dispatch_service.principal import Principal

_CLAIMS = ("tenant", "subject", "kind", "role", "tier", "owner", "buildings", "resident")


def as_record(question: Question, decision: Decision) -> dict[str, Any]:
    """Return the JSON object for the journal. What is empty or false is left out."""
    principal = question.principal
    asked = {name: getattr(principal, name) for name in _CLAIMS} | {
        "action": question.action,
        "scope": {name: list(values) for name, values in question.scope.items() if values},
        "items": question.items,
        "reasoning": question.reasoning,
        "authorized": question.authorized,
        "effect": str(decision.effect),
        "hidden": decision.hidden,
        "policy_ids": list(decision.policy_ids),
        "grant_ids": list(decision.grant_ids),
        "third_party": list(decision.third_party),
    }
    record = {name: value for name, value in asked.items() if value}
    if "buildings" in record:
        record["buildings"] = list(principal.buildings)
    # A preview without a single fact is not the same as no preview.
    if question.facts is not None:
        record["facts"] = {name: value for name, value in question.facts.items() if isinstance(value, str | int)}
    return record


def from_record(record: Mapping[str, Any]) -> Question:
    """Return the question that a record was made of. Raises KeyError where it is none of ours."""
    claims: dict[str, Any] = {name: record.get(name, "") for name in _CLAIMS}
    facts = record.get("facts")
    return Question(
        principal=Principal(**{**claims, "buildings": tuple(record.get("buildings", ()))}),
        action=record["action"],
        scope={name: tuple(values) for name, values in record.get("scope", {}).items()},
        facts=None if facts is None else dict(facts),
        items=record.get("items", 0),
        reasoning=record.get("reasoning", False),
        authorized=record.get("authorized", False),
    )
