"""Answers: the DispatchResult of everything that can become of an action.

Above: the journey. Below: cards and the published error codes.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from google.protobuf.message import Message
from switchboard.dispatch.v1 import action_pb2, dispatch_service_pb2, error_pb2

from dispatch_service.actions import ActionRegistry
from dispatch_service.call import Call, Plan, Refusal, ToolAnswer
from dispatch_service.cards import build
from dispatch_service.tenant import Tenant
from service_kit.contract.problems import Problem
from service_kit.contract.render import arguments
from service_kit.logging import log

_logger = logging.getLogger(__name__)
Result = dispatch_service_pb2.DispatchResult

MISSING, INVALID, DOWN, UNKNOWN = "MISSING_FIELDS", "INVALID_ARGUMENT", "INTEGRATION_DOWN", "OUTCOME_UNKNOWN"
_SENTENCES = {
    MISSING: "Some required fields are missing.",
    INVALID: "Some fields are not right.",
    DOWN: "Online booking does not work just now. Nothing was booked.",
    UNKNOWN: "We could not confirm whether this went through. Try again with the same key, or call us: it is not done twice.",
}
# What a tool calls the reason, and what we publish. Everything else is the integration's failure.
_TOOL_CODES = {
    "INVALID_ARGUMENT": (INVALID, "The company's system does not take this."),
    "NOT_FOUND": ("NOT_FOUND", "What this names is not there."),
    "CONFLICT": ("CONFLICT", "This appointment was just taken. Please choose another."),
    "FORBIDDEN": ("FORBIDDEN", "This is not allowed."),
}
# Tool arguments that have another name in a card's payload.
_PAYLOAD_NAMES = {"serviceHcpId": "serviceId", "photosAssetIds": "photos", "slot": "slotId"}
_PHONE_TEXT = {
    DOWN: "Our online booking is taking a break. Call us, or let us call you.",
    UNKNOWN: "We are not sure that your request went through. Call us and we will check.",
}


class Answers:
    """Makes answers for one company's actions."""

    def __init__(self, tenant: Tenant, actions: ActionRegistry) -> None:
        self._tenant = tenant
        self._actions = actions

    def of_tool(self, action: str, correlation_id: str, plan: Plan, answer: ToolAnswer, reference_key: str) -> Result:
        """The answer to an action whose tool was called."""
        if answer.succeeded:
            return _result(action, correlation_id, ok=True, shown=self._shown(plan, answer, reference_key))
        if answer.possible_effect:
            code, details = UNKNOWN, _SENTENCES[UNKNOWN]
        else:
            code, details = _TOOL_CODES.get(answer.code, (DOWN, _SENTENCES[DOWN]))
        result = _result(action, correlation_id, ok=False)
        result.error.code = error_pb2.ErrorCode.Value(code)
        result.error.details = details
        result.error.retryable = answer.retryable and code in {DOWN, UNKNOWN, "CONFLICT"}
        if answer.error_field and code in {INVALID, "NOT_FOUND", "CONFLICT"}:
            result.error.field_violations.add(
                field=_payload_path(answer.error_field), rule=f"tool.{code.lower()}", message=details
            )
        self._add_fallback(result, code)
        return result

    def _shown(self, plan: Plan, answer: ToolAnswer, reference_key: str) -> dispatch_service_pb2.ActionResult:
        try:
            return self._actions.present(plan, answer.result, reference_key)
        except Exception:
            # It is done, whatever the tool says of it: that must be said and journalled, if without a card.
            log(_logger, logging.ERROR, "a tool's result cannot be shown", exc_info=True, presenter=plan.presenter)
            return dispatch_service_pb2.ActionResult(message="Done. We will be in touch with the details.")

    def of_view(self, action: str, correlation_id: str, plan: Plan, reference_key: str) -> Result:
        """The answer to an action that needed no tool."""
        return _result(action, correlation_id, ok=True, shown=self._actions.present(plan, {}, reference_key))

    def of_refusal(self, call: Call, refusal: Refusal) -> Result:
        """The answer to an action that was refused before anything was called."""
        result = _result(call.action, call.correlation_id, ok=False)
        error = result.error
        error.code = error_pb2.ErrorCode.Value(refusal.code)
        error.details = refusal.details
        missing = [problem.path for problem in refusal.problems if problem.missing]
        error.missing_fields.extend(missing)
        for problem in refusal.problems:
            if not problem.missing:
                error.field_violations.add(field=problem.path, rule=problem.rule, message=problem.message)
        error.retryable = refusal.code == DOWN or (refusal.code == "CONFLICT" and refusal.retryable)
        if refusal.code == MISSING and call.payload is not None:
            self._add_form(result, call, call.payload, missing)
        self._add_fallback(result, refusal.code)
        return result

    def _add_form(self, result: Result, call: Call, payload: Message, missing: Sequence[str]) -> None:
        inside = [path for path in missing if not path.startswith("context.")]
        if not inside:
            return
        known: dict[str, Any] = arguments(payload)
        card = build.missing_fields(call.action, self._actions.payload_type(call.action), inside, known)
        result.result.message = card.text
        result.result.card.CopyFrom(card)

    def _add_fallback(self, result: Result, code: str) -> None:
        if code in _PHONE_TEXT:
            result.result.message = _PHONE_TEXT[code]
            result.result.card.CopyFrom(build.fallback(self._tenant, _PHONE_TEXT[code]))


def refusal_of(problems: Sequence[Problem]) -> Refusal:
    """Turn what the contract found into a refusal: MISSING_FIELDS where anything is missing, else INVALID_ARGUMENT."""
    code = MISSING if any(problem.missing for problem in problems) else INVALID
    return Refusal(code, _SENTENCES[code], problems)


def _result(action: str, correlation_id: str, *, ok: bool, shown: dispatch_service_pb2.ActionResult | None = None) -> Result:
    result = Result(ok=ok, correlation_id=correlation_id)
    if action in action_pb2.Action.DESCRIPTOR.values_by_name:
        result.action = action_pb2.Action.Value(action)
    if shown is not None:
        result.result.CopyFrom(shown)
    return result


def _payload_path(tool_path: str) -> str:
    head, dot, rest = tool_path.partition(".")
    return _PAYLOAD_NAMES.get(head) or head + dot + rest
