"""Why policy decides as it does, for the person who writes the rules.

Above: `switchboard policy explain`. Below: `policies`, and the contract, which says whose data some arguments name.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from google.protobuf.message import Message

from dispatch_service.actions import payload_types
from dispatch_service.policy.policies import Policies
from dispatch_service.policy.question import Effect, Question
from dispatch_service.policy.source import Policy
from service_kit.contract.scope import items_of, scope_of
from service_kit.contract.tools import message_class, tools
from service_kit.contract.validation import read_document


class NotAsked(Exception):
    """The question cannot be put; the message says why."""


def named(action: str, arguments: Mapping[str, Any]) -> tuple[dict[str, tuple[str, ...]], int]:
    """Return whose data `arguments` name, and how many things they are about. Raises NotAsked where the contract refuses them."""
    message = _input(action)()
    problems = [problem for problem in read_document(dict(arguments), message) if not problem.missing]
    if problems:
        raise NotAsked("; ".join(f"{problem.path}: {problem.message}" for problem in problems))
    return scope_of(message), items_of(message)


def explain(policies: Policies, question: Question) -> list[str]:
    """Return the lines that say what policy decides and which policies are about the call. Raises NotAsked."""
    try:
        decision, deciding, applying = policies.explain(question)
    except KeyError:
        raise NotAsked(f"the contract has no action {question.action}") from None
    lines = [f"{decision.effect}: {decision.reason}" if decision.reason else str(decision.effect)]
    if decision.hidden:
        lines.append("It is answered as if there were no such thing.")
    if decision.effect is Effect.NEEDS_AUTHORIZATION:
        lines.append(f"Allow always: {'is' if decision.offers_always else 'is not'} offered.")
    lines += ["", *_asked(question), "", *_table(deciding, applying)]
    return lines


def _input(action: str) -> type[Message]:
    door, _, name = action.partition("/")
    if door == "card":
        payload = payload_types().get(name)
        if payload is not None:
            return message_class(payload)
    else:
        server, _, tool = name.partition("/")
        spec = tools().get((server, tool))
        if spec is not None:
            return spec.messages[0]
    raise NotAsked(f"the contract has no action {action}")


def _asked(question: Question) -> Iterator[str]:
    who = question.principal
    yield f"{question.action}, asked by {who.kind} {who.subject} of {who.tenant or 'no company'} (role {who.role or 'none'})"
    claims = {"tier": who.tier, "owner": who.owner, "buildings": ", ".join(who.buildings), "resident": who.resident}
    known: dict[str, Any] = {name: value for name, value in claims.items() if value}
    known |= {f"names {name}": ", ".join(values) for name, values in question.scope.items() if values}
    known |= {"items": question.items} if question.items else {}
    known |= {f"fact {name}": value for name, value in (question.facts or {}).items()}
    known |= {"reasoning": "given"} if question.reasoning else {}
    known |= {"authorized": "yes"} if question.authorized else {}
    yield from (f"  {name}: {value}" for name, value in known.items())


def _table(deciding: Sequence[Policy], applying: Sequence[Policy]) -> list[str]:
    policies = [*deciding, *(policy for policy in applying if policy not in deciding)]
    if not policies:
        return ["No policy is about this, and what nothing permits is denied."]
    rows = [("policy", "says", "part", "lifted by", "where")]
    for policy in policies:
        part = "decided" if policy in deciding else "applies"
        rows.append((policy.id, "forbid" if policy.forbids else "permit", part, policy.lifted_by or "-", policy.place))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
