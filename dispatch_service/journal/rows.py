"""What the journal says of each step: rows of the action log, redacted by the contract.

Above: the journey and recovery. Below: `records`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, TypeAlias

from switchboard.dispatch.v1 import dispatch_service_pb2, error_pb2
from switchboard.tool.v1 import tool_service_pb2

from dispatch_service.call import Call, Plan, Refusal, ToolAnswer
from dispatch_service.journal import records
from dispatch_service.keying import Keying
from dispatch_service.principal import Principal
from service_kit.contract.fields import plan_for
from service_kit.contract.redact import redact, redact_unknown
from service_kit.contract.text import one_line

Result: TypeAlias = dispatch_service_pb2.DispatchResult | tool_service_pb2.CallToolResponse


def intent(
    call: Call,
    plan: Plan,
    claim: records.Claim | None,
    policy_ids: Sequence[str],
    keying: Keying,
    *,
    decision: Mapping[str, Any] | None = None,
) -> records.Opening:
    """A tool is about to be called. `decision` is what policy was asked and said; it stays in the event."""
    action_id = records.new_action_id()
    row = _received(call, action_id) | _planned(call, plan, policy_ids, keying) | {"status": "EXECUTING"}
    return records.Opening(
        action_id=action_id, type=records.INTENT, at=call.received_at, row=row, claim=claim, details=_details(decision)
    )


def pending(
    call: Call,
    plan: Plan,
    claim: records.Claim | None,
    *,
    policy_ids: Sequence[str],
    authorization: Mapping[str, Any],
    keying: Keying,
    decision: Mapping[str, Any] | None = None,
) -> records.Opening:
    """The call waits for a person. `authorization` is the row that is made with the action; it gets the action's id."""
    action_id = str(authorization.get("action_id") or records.new_action_id())
    row = (
        _received(call, action_id)
        | _planned(call, plan, policy_ids, keying)
        | {"status": "PENDING_AUTHORIZATION", "authorization_id": authorization["id"]}
    )
    return records.Opening(
        action_id=action_id,
        type=records.PENDING,
        at=call.received_at,
        row=row,
        claim=claim,
        details=_details(decision),
        authorization={**authorization, "action_id": action_id},
    )


_STATUS_OF_DECISION = {
    records.AUTHORISED: "PENDING_AUTHORIZATION",
    records.EDITED: "PENDING_AUTHORIZATION",
    records.DENIED: "DENIED",
    records.CANCELLED: "CANCELLED",
    records.EXPIRED: "EXPIRED",
    records.EXECUTING: "EXECUTING",
}


def decided(
    action_id: str,
    kind: str,
    *,
    at: datetime,
    by: str = "",
    details: Mapping[str, Any] | None = None,
    changes: Mapping[str, Any] | None = None,
) -> records.Closing:
    """What was decided of an action that waits, or that it is carried out now. `kind` is the event's type.

    `by` is a subject. `details` stay in the event and `changes` go to the action log (after an edit: input_hash,
    payload_redacted, redactions, policy_ids, scope); neither may hold a person's words in clear. Add claim_state and
    sealed_result with `replace` where repetitions are to be answered otherwise from now on.
    """
    row = {**(changes or {}), "status": _STATUS_OF_DECISION[kind], "updated_at": at.isoformat()}
    said = {**(details or {}), **({"by": by} if by else {})}
    return records.Closing(action_id=action_id, type=kind, at=at, row=row, details=said)


def answered(call: Call, plan: Plan, action_id: str, keying: Keying) -> records.Opening:
    """The action was answered without a tool."""
    row = _received(call, action_id) | {"status": "SUCCEEDED", "input_hash": keying.hash(plan.view)}
    return records.Opening(action_id=action_id, type=records.ANSWERED, at=call.received_at, row=row)


def rejected(call: Call, refusal: Refusal) -> records.Opening:
    """The action did not pass the contract, the policy or its idempotency key."""
    known = [problem.path if problem.known else "[unknown field]" for problem in refusal.problems]
    action_id = records.new_action_id()
    row = _received(call, action_id, {problem.path for problem in refusal.problems}) | {
        "status": "REJECTED",
        "error_code": refusal.code,
        "error_details": f"{refusal.details} ({', '.join(sorted(set(known))[:20])})" if known else refusal.details,
    }
    return records.Opening(
        action_id=action_id, type=records.REJECTED, at=call.received_at, row=row, details=_details(refusal.decision)
    )


def outcome(
    action_id: str,
    *,
    at: datetime,
    latency_ms: int,
    plan: Plan,
    answer: ToolAnswer,
    result: Result,
    keying: Keying,
) -> records.Closing:
    """What came of a call."""
    row: dict[str, Any] = {"status": status_of(answer), "latency_ms": latency_ms, "updated_at": at.isoformat()}
    if answer.succeeded:
        row |= {
            "output_hash": keying.hash(answer.result),
            "external_id": getattr(result.result, "external_id", ""),
            "vendor_reference": vendor_reference(plan, answer),
        }
    else:
        code = error_pb2.ErrorCode.Name(result.error.code)
        # The tool's own code says more than the published one; its text stays out: it may quote what it was given.
        row |= {"error_code": code, "error_details": f"{result.error.details} [{answer.code}]"}
    return records.Closing(action_id=action_id, type=records.OUTCOME, at=at, row=row)


def settled(action_id: str, at: datetime, of: dict[str, Any]) -> records.Closing:
    """An earlier attempt whose outcome was not known turns out to have the outcome of its repetition."""
    taken = ("status", "external_id", "vendor_reference", "updated_at")
    row = {key: value for key, value in of.items() if key in taken}
    if row.get("status") == "SUCCEEDED":
        # What was said when nobody knew is no longer so.
        row |= {"error_code": "", "error_details": ""}
    return records.Closing(action_id=action_id, type=records.SETTLED, at=at, row=row)


def not_carried_out(action_id: str, details: str) -> records.Closing:
    """An action that a dead process left, and that changed nothing."""
    now = datetime.now(UTC)
    row = {"status": "FAILED", "error_code": "INTEGRATION_DOWN", "error_details": details, "updated_at": now.isoformat()}
    return records.Closing(action_id=action_id, type=records.OUTCOME, at=now, row=row)


def status_of(answer: ToolAnswer) -> str:
    """Return the state that an answer puts its action in."""
    if answer.succeeded:
        return "SUCCEEDED"
    return "OUTCOME_UNKNOWN" if answer.possible_effect else "FAILED"


def claim_state(plan: Plan, answer: ToolAnswer) -> str:
    """Return what the next call with the same key gets: the same answer, or another attempt where that is safe."""
    if answer.succeeded:
        return records.DONE
    if answer.possible_effect and not (plan.tool and plan.tool.idempotent):
        return records.DONE
    return records.RETRYABLE


def vendor_reference(plan: Plan, answer: ToolAnswer) -> str:
    """Return the vendor's identifier in a result: the field that the contract marks as secret. For operators only."""
    if plan.tool is None or plan.tool.output is None:
        # What a third-party tool answers is not described by anybody whom we believe: none of it is kept.
        return ""
    secret = next((field.json_name for field in plan_for(plan.tool.output.DESCRIPTOR).fields if field.pii == "SECRET"), "")
    # A foreign system's text: what Postgres cannot store, or a screen should not show, does not belong in the log.
    return one_line(str(answer.result.get(secret, ""))[:200]) if secret else ""


def _planned(call: Call, plan: Plan, policy_ids: Sequence[str], keying: Keying) -> dict[str, Any]:
    return {
        "mcp_tool": plan.tool.name if plan.tool else "",
        "server": plan.tool.server if plan.tool else "",
        "input_hash": keying.hash(plan.arguments),
        "policy_ids": list(policy_ids),
        "scope": _scope(call.principal) | {name: ", ".join(values) for name, values in plan.scope.items()},
    }


def _scope(principal: Principal) -> dict[str, str]:
    """Whose data the caller is limited to, as far as the token says; what the arguments name goes before it."""
    limits = {"owner": principal.owner, "resident": principal.resident}
    return {name: value for name, value in limits.items() if value}


def _details(decision: Mapping[str, Any] | None) -> dict[str, Any]:
    return {"decision": dict(decision)} if decision else {}


def _received(call: Call, action_id: str, broken: set[str] | None = None) -> dict[str, Any]:
    payload, redactions = _redacted(call, frozenset(broken or ()))
    return {
        "id": action_id,
        "tenant": call.principal.tenant,
        "thread_id": call.thread_id,
        "action": call.action,
        "actor": call.principal.subject,
        "tier": call.principal.tier,
        "origin": call.principal.origin,
        "payload_redacted": payload,
        "redactions": redactions,
        "correlation_id": call.correlation_id,
        "client": dict(call.client),
        "scope": _scope(call.principal),
        "created_at": call.received_at.isoformat(),
        "updated_at": call.received_at.isoformat(),
    }


def _redacted(call: Call, broken: frozenset[str]) -> tuple[dict[str, Any], list[str]]:
    if call.payload is not None:
        return redact(call.payload, also=broken)
    if not call.untyped:
        return {}, []
    # Nobody whom we believe says what is personal in this: nothing but its shape is kept.
    return dict(redact_unknown(call.untyped)), ["[REDACTED]"]
