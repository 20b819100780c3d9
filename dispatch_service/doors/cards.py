"""The door for clicks: what a card action means, and the DispatchResult of everything that can become of it.

Above: the journey and recovery. Below: actions, cards and the published error codes.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from google.protobuf.message import Message
from switchboard.dispatch.v1 import action_pb2, dispatch_service_pb2, error_pb2

from dispatch_service.actions import ActionRegistry
from dispatch_service.call import Call, Plan, Refusal, ToolAnswer, Waiting
from dispatch_service.cards import build
from dispatch_service.doors import errors
from dispatch_service.doors.errors import DOWN, MISSING, UNKNOWN
from dispatch_service.tenant import Tenant
from service_kit.contract.problems import Problem
from service_kit.contract.render import arguments
from service_kit.logging import log

_logger = logging.getLogger(__name__)
Result = dispatch_service_pb2.DispatchResult

# By published code, what a tool's refusal means to somebody who clicked.
_SENTENCES = {
    DOWN: "Online booking does not work just now. Nothing was booked.",
    UNKNOWN: "We could not confirm whether this went through. Try again with the same key, or call us: it is not done twice.",
    "INVALID_ARGUMENT": "The company's system does not take this.",
    "NOT_FOUND": errors.NOT_FOUND,
    "CONFLICT": "This appointment was just taken. Please choose another.",
    "FORBIDDEN": "This is not allowed.",
}
# Tool arguments that have another name in a card's payload.
_PAYLOAD_NAMES = {"serviceHcpId": "serviceId", "photosAssetIds": "photos", "slot": "slotId"}
_PHONE_TEXT = {
    DOWN: "Our online booking is taking a break. Call us, or let us call you.",
    UNKNOWN: "We are not sure that your request went through. Call us and we will check.",
}


class CardDoor:
    """One company's card actions."""

    answer_type = Result

    def __init__(self, tenant: Tenant, actions: ActionRegistry) -> None:
        self._tenant = tenant
        self._actions = actions

    def objections(self, call: Call) -> Sequence[Problem]:
        """Return those problems of `call` that are a reason to refuse it."""
        return self._actions.objections(call)

    async def plan(self, call: Call) -> Plan:
        """Say what `call` means to do. Raises Refusal."""
        return await self._actions.plan(call)

    async def succeeded(self, call: Call, plan: Plan) -> None:
        """Take note that the tool did what was asked."""
        await self._actions.succeeded(call, plan)

    def of_tool(self, action: str, correlation_id: str, plan: Plan, answer: ToolAnswer, reference_key: str) -> Result:
        """The answer to an action whose tool was called."""
        if answer.succeeded:
            return _result(action, correlation_id, ok=True, shown=self._shown(plan, answer, reference_key))
        result = _result(action, correlation_id, ok=False)
        result.error.CopyFrom(errors.of_tool(answer, _SENTENCES, _payload_path(answer.error_field)))
        self._add_fallback(result)
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
        result.error.CopyFrom(errors.of_refusal(refusal))
        if refusal.code == MISSING and call.payload is not None:
            self._add_form(result, call, call.payload)
        self._add_fallback(result)
        return result

    def of_waiting(self, call: Call, plan: Plan, waiting: Waiting) -> Result:
        """The answer to an action that waits for a person."""
        result = _result(call.action, call.correlation_id, ok=False)
        result.error.code, result.error.details = error_pb2.AUTHORIZATION_REQUIRED, waiting.reason
        card = build.authorization_required(plan.tool.title if plan.tool else call.action, waiting)
        result.result.message = card.text
        result.result.card.CopyFrom(card)
        return result

    def _add_form(self, result: Result, call: Call, payload: Message) -> None:
        inside = [path for path in result.error.missing_fields if not path.startswith("context.")]
        if not inside:
            return
        known: dict[str, Any] = arguments(payload)
        card = build.missing_fields(call.action, self._actions.payload_type(call.action), inside, known)
        result.result.message = card.text
        result.result.card.CopyFrom(card)

    def _add_fallback(self, result: Result) -> None:
        text = _PHONE_TEXT.get(error_pb2.ErrorCode.Name(result.error.code))
        if text:
            result.result.message = text
            result.result.card.CopyFrom(build.fallback(self._tenant, text))


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
