"""What is written to the journal: openings (taken in, queued or refused) and closings (what came of it, step by step).

Above: the journey and recovery make them. Below: `writer`, which sends them to `dispatch.write_journal`.
"""

from __future__ import annotations

import base64
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import orjson

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
# How it ends.
OUTCOME, SETTLED = "outcome", "settled"
# Not about an action: the heads of other chains.
ANCHOR = "anchor"
IN_FLIGHT, RETRYABLE, DONE = "in_flight", "retryable", "done"


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

    def item(self) -> dict[str, Any]:
        """The opening as `dispatch.open_actions` takes it."""
        item = _item(self.action_id, self.type, self.at, self.row, self.details)
        if self.authorization is not None:
            item["authorization"] = dict(self.authorization)
        if self.claim is not None:
            tenant, actor, action, key_hash = self.claim.scope
            item["claim"] = {
                "tenant": tenant,
                "actor": actor,
                "action": action,
                "key_hash": key_hash,
                "fingerprint": self.claim.fingerprint,
                "derived": self.claim.derived,
                "sealed_plan": base64.b64encode(self.claim.sealed_plan).decode(),
            }
            if self.claim.sealed_result is not None:
                item["claim"]["sealed_result"] = base64.b64encode(self.claim.sealed_result).decode()
        return item


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
    """What came of an action. `claim_state` says what the next call with the same key gets; empty leaves that as it is."""

    action_id: str
    type: str
    at: datetime
    row: dict[str, Any]
    claim_state: str = ""
    sealed_result: bytes | None = None
    details: Mapping[str, Any] = field(default_factory=dict)

    def item(self) -> dict[str, Any]:
        """The closing as `dispatch.close_actions` takes it."""
        item = _item(self.action_id, self.type, self.at, self.row, self.details)
        if self.claim_state:
            item["claim_state"] = self.claim_state
            if self.sealed_result is not None:
                item["sealed_result"] = base64.b64encode(self.sealed_result).decode()
        return item


def _item(action_id: str, kind: str, at: datetime, row: dict[str, Any], details: Mapping[str, Any]) -> dict[str, Any]:
    written = at.isoformat()
    # The hashed text names the action, the type and the time as well, so that none of the columns can be changed alone.
    document = {"action": action_id, "type": kind, "at": written, "row": row}
    if details:
        document["details"] = details
    return {"action_id": action_id, "type": kind, "at": written, "body": orjson.dumps(document).decode(), "row": row}
