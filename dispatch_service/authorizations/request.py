"""What is kept of a call that waits for a person: its row, sealed and hashed.

Above: the journey, which hands `queued` to the journal; `decisions` and `execution`, which open it again. Below: `keying`.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from switchboard.tool.v1 import tool_service_pb2

from dispatch_service.authorizations.aggregate import Authorization, Status
from dispatch_service.authorizations.ports import KeptRequest, Response
from dispatch_service.call import Call, Plan, Waiting
from dispatch_service.keying import KeptPlan, Keying
from dispatch_service.policy import Decision
from dispatch_service.principal import Principal
from service_kit.contract.parse import parse
from service_kit.contract.redact import redact, redact_unknown

Row = Mapping[str, Any]


def new_authorization_id() -> str:
    """Return a new authorization id."""
    return f"auth_{secrets.token_hex(16)}"


def queued(
    *,
    waiting: Waiting,
    action_id: str,
    call: Call,
    plan: Plan,
    decision: Decision,
    preview: dict[str, Any] | None,
    scope: tuple[str, str, str, str],
    keying: Keying,
) -> dict[str, Any]:
    """Return the row of a call that begins to wait now, as JSON: what `Opening.authorization` takes.

    `preview` is the tool's Preview as proto JSON, None where none was made; `scope` is that of the call's claim. `waiting.reason`
    is stored as it is and must hold no personal data. A plan without a tool cannot wait: raises ValueError.
    """
    if plan.tool is None:
        raise ValueError("nothing is called, so nothing waits")
    now = datetime.now(UTC).isoformat()
    row = {
        "id": waiting.authorization_id,
        "tenant": call.principal.tenant,
        "action_id": action_id,
        "status": Status.PENDING.value,
        "revision": 1,
        "server": plan.tool.server,
        "tool": plan.tool.name,
        "rpc": plan.tool.rpc,
        "requester": call.principal.subject,
        "requester_kind": call.principal.kind,
        "requester_role": call.principal.role,
        "thread_id": call.thread_id,
        "correlation_id": call.correlation_id,
        "reason": waiting.reason,
        "policy_ids": list(decision.policy_ids),
        "offers_always": decision.offers_always and not plan.tool.sensitive,
        "edited": False,
        "decided_by": "",
        "grant_id": "",
        "attempts": 0,
        "created_at": now,
        "updated_at": now,
        "expires_at": waiting.expires_at.isoformat(),
    }
    sealed = contents(waiting.authorization_id, KeptPlan.of(call, plan, scope), preview, keying)
    return row | {name: _json(value) for name, value in sealed.items()}


def contents(authorization_id: str, kept: KeptPlan, preview: dict[str, Any] | None, keying: Keying) -> dict[str, Any]:
    """Return the columns that hold what would be called: sealed, redacted and hashed. An edit replaces them together."""
    return {
        "sealed_request": keying.seal_plan(kept),
        "sealed_preview": None if preview is None else keying.seal_text(preview, _preview_purpose(authorization_id)),
        "arguments_redacted": redacted(kept.plan)[0],
        "arguments_hash": hash_of(kept.principal, kept.plan, preview, keying),
    }


def hash_of(principal: Principal, plan: Plan, preview: dict[str, Any] | None, keying: Keying) -> str:
    """Return the keyed hash that an approval is bound to: who asked, for what tool, with what, and what it would do."""
    tool = plan.tool
    named = [principal.tenant, principal.subject, principal.kind, tool.server if tool else "", tool.name if tool else ""]
    return keying.hash({"call": named, "arguments": plan.arguments, "preview": preview})


def redacted(plan: Plan) -> tuple[dict[str, Any], list[str]]:
    """Return a plan's arguments without personal data, and the paths of what was replaced: by the contract, and where there is
    none, everything but their shape."""
    if plan.tool is None or plan.tool.input is None:
        return dict(redact_unknown(plan.arguments)), ["[REDACTED]"]
    message = plan.tool.input()
    parse(plan.arguments, message)
    return redact(message)


def opened(row: Row, keying: Keying) -> KeptRequest:
    """Open a row that was not erased. Raises BadSeal, or KeyError, TypeError or ValueError where it is not one of ours."""
    return KeptRequest(
        authorization_id=row["id"],
        action_id=row["action_id"],
        tool_key=row["tool_key"],
        kept=keying.unseal_plan(row["sealed_request"]),
        preview=preview_of(row, keying),
        repeated=row["called_at"] is not None,
    )


def preview_of(row: Row, keying: Keying) -> dict[str, Any] | None:
    """Return the preview of a row, where it has one. Raises BadSeal."""
    if row["sealed_preview"] is None:
        return None
    preview: dict[str, Any] = keying.unseal_text(row["sealed_preview"], _preview_purpose(row["id"]))
    return preview


def sealed_notes(authorization_id: str, notes: str, keying: Keying) -> bytes | None:
    """Seal what a decider says to the requester."""
    return keying.seal_text(notes, f"authorization-notes:{authorization_id}") if notes else None


def notes_of(row: Row, keying: Keying) -> str:
    """Return the decider's notes. Raises BadSeal."""
    if row["sealed_notes"] is None:
        return ""
    return str(keying.unseal_text(row["sealed_notes"], f"authorization-notes:{row['id']}"))


def sealed_result(authorization_id: str, result: Response, keying: Keying) -> bytes:
    """Seal what came of carrying it out."""
    return keying.seal_result(result, _result_scope(authorization_id))


def result_of(row: Row, keying: Keying) -> Response | None:
    """Return what came of carrying it out, while that is kept. Raises BadSeal."""
    if row["sealed_result"] is None:
        return None
    return keying.unseal_result(row["sealed_result"], _result_scope(row["id"]), tool_service_pb2.CallToolResponse)


def aggregate_of(row: Row) -> Authorization:
    """Return the aggregate that a row stands for."""
    names = ("id", "tenant", "requester", "requester_kind", "revision", "arguments_hash", "offers_always", "edited", "expires_at")
    return Authorization(status=Status(row["status"]), **{name: row[name] for name in names})


def _preview_purpose(authorization_id: str) -> str:
    return f"authorization-preview:{authorization_id}"


def _result_scope(authorization_id: str) -> tuple[str, str, str, str]:
    return ("authorization", "result", authorization_id, "")


def _json(value: Any) -> Any:
    """Bytes as Postgres reads them from text."""
    return f"\\x{value.hex()}" if isinstance(value, bytes) else value
