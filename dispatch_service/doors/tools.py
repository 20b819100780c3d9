"""The door for tools: any tool by its name, and the CallToolResponse of everything that can become of a call.

Above: the journey and recovery; the typed tool services answer with what this says. Below: the contract and the published codes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Protocol

import orjson
from google.protobuf.message import Message
from switchboard.dispatch.v1 import error_pb2
from switchboard.tool.v1 import tool_service_pb2

from dispatch_service.call import Call, Plan, Refusal, ToolAnswer, Waiting
from dispatch_service.cards import build
from dispatch_service.doors import errors
from dispatch_service.doors.errors import DOWN, UNKNOWN
from dispatch_service.foreign.tool import CHANGED
from service_kit.contract.problems import Problem
from service_kit.contract.render import arguments, without_secrets
from service_kit.contract.scope import items_of, scope_of
from service_kit.contract.tools import ToolSpec, tools

Result = tool_service_pb2.CallToolResponse
WAITS = "authorization_required"
_PRESENTER = "tool"

# By published code, what a tool's refusal means to a program that called it.
_SENTENCES = {
    DOWN: "The tool does not work just now. Nothing was done.",
    UNKNOWN: "It is not known whether this was done. Ask again with the same idempotency key: it is not done twice.",
    "INVALID_ARGUMENT": "The tool does not take this.",
    "NOT_FOUND": errors.NOT_FOUND,
    "CONFLICT": "What this is about has changed. Look it up and try again.",
    "FORBIDDEN": "The tool does not allow this.",
}
# The adapter's codes for a third-party tool that its server lists otherwise than it was pinned: it was not called.
_NOT_AS_PINNED = frozenset({"TOOL_CHANGED", "TOOL_GONE", "TOOL_NOT_ACCEPTED"})
_CHANGED_SENTENCES = _SENTENCES | {"FORBIDDEN": CHANGED}


class Availability(Protocol):
    """Which tools are not called just now."""

    def unavailable(self, tool: ToolSpec) -> str:
        """Say to a person why a tool is not called just now, or nothing."""
        ...


def name_of(tool: ToolSpec) -> str:
    """Return what the log calls a call of `tool`."""
    return f"{tool.server}/{tool.name}"


def tool_of(action: str) -> ToolSpec | None:
    """Return the tool that `name_of` named."""
    server, _, tool = action.partition("/")
    return tools().get((server, tool))


def plan_of(tool: ToolSpec, request: Message, *, dry_run: bool = False) -> Plan:
    """Plan a call of `tool` with a request that has passed the contract."""
    return Plan(
        presenter=_PRESENTER,
        tool=tool,
        arguments=arguments(request),
        view={},
        scope=scope_of(request),
        items=items_of(request),
        dry_run=dry_run,
    )


def foreign_plan_of(tool: ToolSpec, document: dict[str, Any]) -> Plan:
    """Plan a call of a third-party tool with arguments that have passed its schema.

    Nobody says whose data they name. Of how many things they are about, the longest list at their top is what can be known."""
    items = max((len(value) for value in document.values() if isinstance(value, list)), default=0)
    return Plan(presenter=_PRESENTER, tool=tool, arguments=document, view={}, items=items)


class ToolDoor:
    """Tools by their name."""

    answer_type = Result

    def __init__(self, availability: Availability) -> None:
        self._availability = availability

    def objections(self, call: Call) -> Sequence[Problem]:
        """Return every problem that the contract found."""
        return call.problems

    async def plan(self, call: Call) -> Plan:
        """Plan the call as it was asked for. Raises Refusal where there is no such tool, or it is not what it was."""
        if call.tool is not None and call.untyped is not None:
            return self._foreign_plan(call, call.tool, call.untyped)
        if call.tool is None or call.payload is None:
            raise Refusal("NOT_FOUND", errors.NOT_FOUND)
        if call.dry_run and call.tool.reads_only:
            problem = Problem(path="dryRun", rule="reads_only", message="This tool changes nothing: there is nothing to preview.")
            raise Refusal("INVALID_ARGUMENT", "Some fields are not right.", [problem])
        return plan_of(call.tool, call.payload, dry_run=call.dry_run)

    def _foreign_plan(self, call: Call, tool: ToolSpec, document: dict[str, Any]) -> Plan:
        why = self._availability.unavailable(tool)
        if why:
            raise Refusal("FORBIDDEN", why)
        if call.refusal is not None:
            raise call.refusal
        if call.dry_run:
            problem = Problem(path="dryRun", rule="no_preview", message="This tool cannot tell what it would do.")
            raise Refusal("INVALID_ARGUMENT", "Some fields are not right.", [problem])
        return foreign_plan_of(tool, document)

    async def succeeded(self, call: Call, plan: Plan) -> None:
        """Nothing is kept between calls."""

    def of_tool(self, action: str, correlation_id: str, plan: Plan, answer: ToolAnswer, reference_key: str) -> Result:
        """The answer to a call whose tool was called."""
        result = _result(action, correlation_id, ok=answer.succeeded)
        if answer.succeeded:
            result.result.message = "This is what would be done." if plan.dry_run else "Done."
            result.result.data.update(_shown(plan, answer))
        else:
            # What is not there is answered like what is somebody else's, which policy refuses without a word on where it lies.
            path = answer.error_field if answer.code != "NOT_FOUND" else ""
            sentences = _SENTENCES
            if answer.code in _NOT_AS_PINNED:
                answer, sentences = replace(answer, code="FORBIDDEN"), _CHANGED_SENTENCES
            result.error.CopyFrom(errors.of_tool(answer, sentences, path))
        return result

    def of_view(self, action: str, correlation_id: str, plan: Plan, reference_key: str) -> Result:
        """Every call of this door has a tool."""
        raise ValueError("a call of a tool has a tool")

    def of_refusal(self, call: Call, refusal: Refusal) -> Result:
        """The answer to a call that was refused before the tool was called."""
        result = _result(call.action, call.correlation_id, ok=False)
        result.error.CopyFrom(errors.of_refusal(refusal))
        return result

    def of_waiting(self, call: Call, plan: Plan, waiting: Waiting) -> Result:
        """The answer to a call that waits for a person."""
        result = _result(call.action, call.correlation_id, ok=False)
        result.error.code, result.error.details = error_pb2.AUTHORIZATION_REQUIRED, waiting.reason
        title = plan.tool.title if plan.tool else call.action
        pending = result.authorization
        pending.status, pending.queue_id, pending.reason = WAITS, waiting.authorization_id, waiting.reason
        pending.message = (
            "A person has to allow this first, at /authorizations."
            f" GET /api/authorizations/{waiting.authorization_id} says how it stands and, in the end, what came of it."
        )
        pending.expires_at = waiting.expires_at.strftime("%Y-%m-%dT%H:%M:%SZ")
        result.result.card.CopyFrom(build.authorization_required(title, waiting, question=_question(plan)))
        result.result.message = f"{title} waits for somebody to allow it."
        return result


def _shown(plan: Plan, answer: ToolAnswer) -> dict[str, Any]:
    """A result as callers see it: a vendor's identifiers stay on our side."""
    output = plan.tool.output if plan.tool is not None and not plan.dry_run else None
    return answer.result if output is None else without_secrets(answer.result, output.DESCRIPTOR)


def _question(plan: Plan) -> str:
    """What a person is asked. It holds what the caller sent, for those whom the caller shows it; no journal or log has it."""
    return f"Call {plan.tool.name} with args {orjson.dumps(plan.arguments).decode()}?" if plan.tool else ""


def _result(action: str, correlation_id: str, *, ok: bool) -> Result:
    server, _, tool = action.partition("/")
    return Result(ok=ok, server=server, tool=tool, correlation_id=correlation_id)
