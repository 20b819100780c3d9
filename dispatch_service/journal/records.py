"""What is written to the journal: openings (taken in, queued or refused) and closings (what came of it, step by step).

Above: the journey and recovery make them. Below: `writer`, which commits them.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

# How an action begins.
INTENT, PENDING, ANSWERED, REJECTED = "intent", "pending", "answered", "rejected"
# What a person decides of one that waits, and that it is then carried out.
AUTHORISED, EDITED, DENIED, CANCELLED, EXPIRED, EXECUTING = (
    "authorised",
    "edited",
    "denied",
    "cancelled",
    "expired",
    "executing",
)
# How it ends, and what may lie between: another process goes on with it, or an operator has it called again.
OUTCOME, SETTLED, ADOPTED, RETRIED = "outcome", "settled", "adopted", "retried"
# Not about an action: the heads of other chains, and where their dropped beginnings ended.
ANCHOR, CHECKPOINT = "anchor", "checkpoint"
# States in which an action waits for somebody: the few that are kept in a list of their own.
WAITING = frozenset({"PENDING_AUTHORIZATION", "OUTCOME_UNKNOWN"})
IN_FLIGHT, RETRYABLE, DONE = "in_flight", "retryable", "done"
# Not a state: it stays in the one that it has, with the answer that it has.
KEPT = "kept"


def new_action_id() -> str:
    """Return a new action id: unguessable, because a tool's idempotency key begins as one."""
    return f"act_{secrets.token_hex(16)}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Claim:
    """The hold that an action takes on an idempotency key. `scope` is (tenant, actor, action, keyed hash of the key).

    `sealed_result` is for an action that waits for a person: what repetitions are answered meanwhile.
    """

    scope: tuple[str, str, str, str]
    fingerprint: str
    derived: bool
    sealed_plan: bytes
    sealed_result: bytes | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Opening:
    """An action that is taken in (`intent`), put before a person (`pending`), answered without a tool or refused.

    `row` is for the action log; `details` stay in the event. `authorization` is the row of dispatch.authorization that is made
    with the action, by column, with bytes as hexadecimal digits after `\\x`; the claim is then done, with its own sealed_result.
    """

    action_id: str
    type: str
    at: datetime
    row: dict[str, Any]
    claim: Claim | None = None
    details: Mapping[str, Any] = field(default_factory=dict)
    authorization: Mapping[str, Any] | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Opened:
    """What became of an opening. Where `won` is false, the claim is another action's and the rest describes it."""

    won: bool
    tool_key: str
    holder: str
    state: str
    fingerprint: str
    sealed_result: bytes | None
    retry_of: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Closing:
    """What came of an action. `claim_state` says what the next call with the same key gets; empty leaves that as it is, and KEPT
    does, too, but for the plan, which is not needed any more."""

    action_id: str
    type: str
    at: datetime
    row: dict[str, Any]
    claim_state: str = ""
    sealed_result: bytes | None = None
    details: Mapping[str, Any] = field(default_factory=dict)
