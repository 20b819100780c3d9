"""The tool calls of a model's reply: from functions and arguments as text to calls on the journey, and back to messages.

Above: ToolService. Below: the caller's table of names, and one port that calls a tool as CallTool does. Whatever a model gets
wrong is answered to the model, in words that it can act on; only what never reached the domain is an error of the request.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import orjson
from switchboard.dispatch.v1 import error_pb2
from switchboard.tool.v1 import tool_service_pb2 as pb

from dispatch_service.aliases import AliasTable
from dispatch_service.foreign.tool import document_of
from dispatch_service.tool_descriptions import REASONING, asks_for_reasoning
from service_kit.contract.problems import Problem
from service_kit.contract.strict import without_nulls
from service_kit.contract.tools import ToolSpec

_ARGUMENTS = "arguments"
_DEEPEST = 60
# What the log and the answer call a function that is no tool's.
_NOWHERE = "unknown"
_NO_FUNCTION = "There is no function of this name."
_WHAT_TO_DO: Mapping[str, str] = {
    "MISSING_FIELDS": "Find out what is missing, ask for it if need be, and call again with it.",
    "INVALID_ARGUMENT": "Correct what is named and call again.",
    "REASONING_REQUIRED": "Call again with `reasoning`: why this is to be done.",
    "NOT_FOUND": "Check names and identifiers. Nothing was done.",
    "FORBIDDEN": "Do not call this again; say that it is not allowed.",
    "DENIED": "Do not call this again unless you are asked to; go by what the person said.",
    "CONFLICT": "Look up how things stand now; call again only if it is still to be done.",
    "RATE_LIMITED": "Go on with something else, and call again later.",
    "INTEGRATION_DOWN": "It was not done. Say so, or call again later.",
    "OUTCOME_UNKNOWN": "It may have been done. Do not call this again; say that a person has to look.",
    "INTERNAL": "Do not call this again; say that it did not work.",
}
_CALL_A_LISTED_ONE = "Call one of the functions that you were given, by its exact name."


class CallTool(Protocol):
    """A call as CallTool makes it."""

    async def __call__(
        self, tool: ToolSpec | None, document: dict[str, Any], envelope: pb.CallToolRequest, problems: Sequence[Problem]
    ) -> pb.CallToolResponse:
        """Call `tool` with loose arguments; `problems` are reasons not to read them. Raises ServiceError."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class _Asked:
    """One tool call, read."""

    call: pb.ModelToolCall
    tool: ToolSpec | None
    document: dict[str, Any]
    problems: Sequence[Problem]
    reasoning: str


class ModelCalls:
    """Carries tool calls out. `key_of` makes a tool call's idempotency key of its thread and its id."""

    def __init__(self, call_tool: CallTool, key_of: Callable[[str, str], str]) -> None:
        self._call_tool = call_tool
        self._key_of = key_of

    async def execute(self, request: pb.ExecuteToolCallsRequest, table: AliasTable[ToolSpec]) -> pb.ExecuteToolCallsResponse:
        """Carry out the calls of one reply: those that only look side by side, the others one after another in their order.

        One that has to wait for a person does not hold up those after it. Raises ServiceError where one of them never reached the
        domain; the same request may then be sent again.
        """
        asked = [_read(call, table, request.reasoning) for call in request.tool_calls]
        looking = [index for index, one in enumerate(asked) if one.tool is None or one.tool.reads_only]
        changing = [index for index in range(len(asked)) if index not in looking]
        answers: dict[int, pb.CallToolResponse] = {}

        async def in_order(indexes: Sequence[int]) -> None:
            for index in indexes:
                answers[index] = await self._call(asked[index], request)

        await asyncio.gather(in_order(changing), *(in_order([index]) for index in looking))
        response = pb.ExecuteToolCallsResponse()
        for index, one in enumerate(asked):
            if answers[index].HasField("authorization"):
                response.confirmations.append(_confirmation(one, answers[index]))
            else:
                response.messages.append(_message(one, answers[index]))
        response.complete = not response.confirmations
        return response

    async def _call(self, asked: _Asked, request: pb.ExecuteToolCallsRequest) -> pb.CallToolResponse:
        envelope = pb.CallToolRequest(
            server=asked.tool.server if asked.tool else _NOWHERE,
            tool=asked.tool.name if asked.tool else asked.call.function.name,
            reasoning=asked.reasoning,
            thread_id=request.thread_id,
            idempotency_key=self._key_of(request.thread_id, asked.call.id),
            confirm=asked.call.function.name in request.confirm,
        )
        return await self._call_tool(asked.tool, asked.document, envelope, asked.problems)


def _read(call: pb.ModelToolCall, table: AliasTable[ToolSpec], reasoning: str) -> _Asked:
    tool = table.find(call.function.name)
    if tool is None:
        return _Asked(call=call, tool=None, document={}, problems=(), reasoning=reasoning)
    document, problem = _document(call.function.arguments)
    problems = [problem] if problem is not None else []
    own = document.get(REASONING) if asks_for_reasoning(tool) else document.pop(REASONING, None)
    if isinstance(own, str):
        reasoning = own if own.strip() else reasoning
    elif own is not None and not asks_for_reasoning(tool):
        problems.append(Problem(path=f"{_ARGUMENTS}.{REASONING}", rule="type", message="This must be text."))
    if tool.foreign:
        # The contract's own parser takes a null for what is absent; a foreign server may not.
        document = without_nulls(document, tool.input_schema)
    return _Asked(call=call, tool=tool, document=document, problems=problems, reasoning=reasoning)


def _document(text: str) -> tuple[dict[str, Any], Problem | None]:
    """Read arguments. Models send no text at all for a function without parameters."""
    try:
        document = orjson.loads(text) if text.strip() else {}
    except orjson.JSONDecodeError as problem:
        where = f"line {problem.lineno}, column {problem.colno}"
        return {}, Problem(path=_ARGUMENTS, rule="json", message=f"This is not JSON: look at {where}.")
    if not isinstance(document, dict):
        return {}, Problem(path=_ARGUMENTS, rule="json", message="This must be a JSON object.")
    if not _is_shallow(document):
        return {}, Problem(path=_ARGUMENTS, rule="depth", message=f"This is nested more than {_DEEPEST} deep.")
    return document, None


def _is_shallow(document: Any) -> bool:
    level = [document]
    for _ in range(_DEEPEST):
        inner = [value for one in level for value in (one.values() if isinstance(one, dict) else one)]
        level = [value for value in inner if isinstance(value, (dict, list))]
        if not level:
            return True
    return False


def _message(asked: _Asked, answer: pb.CallToolResponse) -> pb.ToolMessage:
    told = {"result": document_of(answer.result.data)} if answer.ok else {"error": _error(asked, answer.error)}
    # Sorted, so that a repetition says the same: a Struct keeps no order.
    content = orjson.dumps(told, option=orjson.OPT_SORT_KEYS).decode()
    return pb.ToolMessage(role="tool", tool_call_id=asked.call.id, name=asked.call.function.name, content=content)


def _confirmation(asked: _Asked, answer: pb.CallToolResponse) -> pb.Confirmation:
    confirmation = pb.Confirmation(
        tool_call_id=asked.call.id, name=asked.call.function.name, authorization=answer.authorization, card=answer.result.card
    )
    confirmation.arguments.update(asked.document)
    return confirmation


def _error(asked: _Asked, error: error_pb2.ActionError) -> dict[str, Any]:
    code = error_pb2.ErrorCode.Name(error.code)
    known = asked.tool is not None
    told: dict[str, Any] = {
        "code": code,
        "message": error.details if known else _NO_FUNCTION,
        "missingFields": [_parameter(path) for path in error.missing_fields],
        "fieldViolations": [
            {"field": _parameter(violation.field), "message": violation.message} for violation in error.field_violations
        ],
        "whatToDo": _WHAT_TO_DO.get(code, "") if known else _CALL_A_LISTED_ONE,
    }
    return {name: value for name, value in told.items() if value}


def _parameter(path: str) -> str:
    """A function's parameters are the tool's arguments."""
    return path.removeprefix(f"{_ARGUMENTS}.")
