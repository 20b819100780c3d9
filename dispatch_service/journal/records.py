"""What is written to the journal: openings (taken in or refused) and closings (what came of it).

Above: the journey and recovery make them. Below: `writer`, which sends them to `dispatch.write_journal`.
"""

from __future__ import annotations

import base64
import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

INTENT, REJECTED, ANSWERED, OUTCOME, SETTLED, ANCHOR = "intent", "rejected", "answered", "outcome", "settled", "anchor"
IN_FLIGHT, RETRYABLE, DONE = "in_flight", "retryable", "done"


def new_action_id() -> str:
    """Return a new action id: unguessable, because a tool's idempotency key begins as one."""
    return f"act_{secrets.token_hex(16)}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Claim:
    """The hold that an action takes on an idempotency key. `scope` is (tenant, actor, action, keyed hash of the key)."""

    scope: tuple[str, str, str, str]
    fingerprint: str
    derived: bool
    sealed_plan: bytes


@dataclass(frozen=True, kw_only=True, slots=True)
class Opening:
    """An action that is taken in (`intent`), answered without a tool (`answered`) or refused (`rejected`)."""

    action_id: str
    type: str
    at: datetime
    row: dict[str, Any]
    claim: Claim | None = None

    def item(self) -> dict[str, Any]:
        """The opening as `dispatch.open_actions` takes it."""
        item = _item(self.action_id, self.type, self.at, self.row)
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
    """What came of an action. `claim_state` says what the next call with the same key gets."""

    action_id: str
    type: str
    at: datetime
    row: dict[str, Any]
    claim_state: str = ""
    sealed_result: bytes | None = None

    def item(self) -> dict[str, Any]:
        """The closing as `dispatch.close_actions` takes it."""
        item = _item(self.action_id, self.type, self.at, self.row)
        if self.claim_state:
            item["claim_state"] = self.claim_state
            if self.sealed_result is not None:
                item["sealed_result"] = base64.b64encode(self.sealed_result).decode()
        return item


def _item(action_id: str, kind: str, at: datetime, row: dict[str, Any]) -> dict[str, Any]:
    written = at.isoformat()
    # The hashed text names the action, the type and the time as well, so that none of the columns can be changed alone.
    body = orjson.dumps({"action": action_id, "type": kind, "at": written, "row": row}).decode()
    return {"action_id": action_id, "type": kind, "at": written, "body": body, "row": row}
