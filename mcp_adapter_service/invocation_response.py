"""Conversion of a tool call's outcome into the contract's InvokeToolResponse.

Above: `invocation`. Below: `mcp_client.outcomes`, `resilience`, the generated contract. What a foreign server wrote
into an error is not in the response: it may quote what it was sent. Our own tool servers are believed, in what they say under
`ERROR_META`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import orjson
from switchboard.adapter.v1 import adapter_service_pb2 as pb

from mcp_adapter_service.mcp_client import (
    Code,
    Effect,
    Fault,
    HttpFault,
    InputRequired,
    Refused,
    TimedOut,
    ToolFailed,
    ToolSucceeded,
    Unknown,
)
from mcp_adapter_service.mcp_client.faults import text_of
from mcp_adapter_service.mcp_client.outcomes import ERROR_META
from mcp_adapter_service.resilience import CallReport
from mcp_adapter_service.servers import Tool
from service_kit.grpc_server import MAX_MESSAGE_BYTES

DRY_RUN_META: Final = "switchboard.dev/dry-run"
_MAX_TEXT: Final = 500
_MAX_RESULT: Final = MAX_MESSAGE_BYTES - 64 * 1024

_EFFECTS: Final = {
    Effect.NONE: pb.EFFECT_CERTAINTY_NONE,
    Effect.POSSIBLE: pb.EFFECT_CERTAINTY_POSSIBLE,
    Effect.DONE: pb.EFFECT_CERTAINTY_DONE,
}
_REFUSAL_CODES: Final = {
    Code.BREAKER_OPEN.value: "BREAKER_OPEN",
    Code.QUEUE_FULL.value: "BUSY",
    Code.QUEUE_TIMED_OUT.value: "BUSY",
    Code.RATE_EXCEEDED.value: "BUSY",
    Code.DEADLINE_PASSED.value: "TIMEOUT",
}


def refusal(code: str, message: str, *, field: str = "", retryable: bool = False) -> pb.InvokeToolResponse:
    """Return the response to a call that was not sent for a reason of ours."""
    return pb.InvokeToolResponse(
        outcome=pb.TOOL_OUTCOME_REFUSED,
        effect=pb.EFFECT_CERTAINTY_NONE,
        error_code=code,
        error_message=message,
        error_field=field,
        retryable=retryable,
    )


def response_of(report: CallReport, server: str, tool: Tool, *, repeatable: bool) -> pb.InvokeToolResponse:
    """Return what is known of a call. `repeatable` says that the same call may be made again whatever became of this one."""
    outcome = report.outcome
    if isinstance(outcome, ToolSucceeded):
        response = _succeeded(outcome, server, tool)
    elif isinstance(outcome, ToolFailed):
        response = _failed(outcome, server, tool)
    elif isinstance(outcome, InputRequired):
        message = f"The tool server '{server}' wants an answer from a person first, which cannot be given here."
        response = _error(pb.TOOL_OUTCOME_TOOL_ERROR, Effect.NONE, "INPUT_REQUIRED", message)
    else:
        response = _fault(outcome, repeatable=repeatable)
    if tool.reads_only:
        # Whatever became of a read, it changed nothing.
        response.effect = pb.EFFECT_CERTAINTY_NONE
    response.attempts = report.attempts
    response.latency_ms = round(report.latency * 1000)
    return response


def preview_of(report: CallReport, server: str, tool: Tool) -> pb.InvokeToolResponse:
    """Return what is known of a dry run, which changes nothing. An answer without its mark is of a server that did not
    understand what it was asked, and may have done it."""
    outcome = report.outcome
    if isinstance(outcome, (ToolSucceeded, ToolFailed)) and not _did_nothing(outcome, tool):
        message = f"The tool server '{server}' was asked what a call would do, and may have done it; check there."
        response = _error(pb.TOOL_OUTCOME_PROTOCOL_ERROR, Effect.POSSIBLE, "PROTOCOL_ERROR", message)
        response.attempts = report.attempts
        response.latency_ms = round(report.latency * 1000)
        return response
    response = response_of(report, server, tool, repeatable=True)
    response.effect = pb.EFFECT_CERTAINTY_NONE
    return response


def mismatch(report: CallReport, server: str, tool: Tool) -> pb.InvokeToolResponse:
    """Return the response to a call whose result is not what the tool was accepted to give: nobody knows what it did."""
    message = f"The tool server '{server}' answered with something else than the tool declares; check there whether it was done."
    effect = Effect.NONE if tool.reads_only else Effect.POSSIBLE
    response = _error(pb.TOOL_OUTCOME_PROTOCOL_ERROR, effect, "PROTOCOL_ERROR", message)
    response.attempts = report.attempts
    response.latency_ms = round(report.latency * 1000)
    return response


def crash() -> pb.InvokeToolResponse:
    """Return the response to a call in which something of ours broke, nobody knows when."""
    return _error(pb.TOOL_OUTCOME_PROTOCOL_ERROR, Effect.POSSIBLE, "INTERNAL", "Something broke on our side.")


def _did_nothing(outcome: ToolSucceeded | ToolFailed, tool: Tool) -> bool:
    """Whether an answer has the mark of a dry run, or is a refusal of ours that was made before anybody looked for one."""
    told = outcome.meta.get(ERROR_META) if tool.in_contract and isinstance(outcome, ToolFailed) else None
    refused = isinstance(told, dict) and told.get("effect") == "none"
    return refused or outcome.meta.get(DRY_RUN_META) is True


def _succeeded(outcome: ToolSucceeded, server: str, tool: Tool) -> pb.InvokeToolResponse:
    structured = outcome.structured
    if isinstance(structured, dict):
        result: Mapping[str, Any] = structured
    elif tool.in_contract:
        message = f"The tool server '{server}' answered without the result that the tool declares; report it to whoever runs it."
        return _error(pb.TOOL_OUTCOME_PROTOCOL_ERROR, Effect.POSSIBLE, "PROTOCOL_ERROR", message)
    elif structured is not None:
        result = {"result": structured}
    else:
        # A tool without an output schema answers in content blocks only.
        result = {"content": outcome.content}
    result_json = orjson.dumps(result)
    if len(result_json) > _MAX_RESULT:
        # Within the limit as it came, and beyond what a message may be as it is written here.
        return _error(pb.TOOL_OUTCOME_PROTOCOL_ERROR, Effect.POSSIBLE, "PROTOCOL_ERROR", text_of(server, Code.REPLY_TOO_LARGE))
    return pb.InvokeToolResponse(outcome=pb.TOOL_OUTCOME_SUCCEEDED, effect=pb.EFFECT_CERTAINTY_DONE, result_json=result_json)


def _failed(outcome: ToolFailed, server: str, tool: Tool) -> pb.InvokeToolResponse:
    told = outcome.meta.get(ERROR_META) if tool.in_contract else None
    if not isinstance(told, dict):
        message = f"The tool server '{server}' answered that the tool failed."
        return _error(pb.TOOL_OUTCOME_TOOL_ERROR, Effect.POSSIBLE, "TOOL_ERROR", message)
    return pb.InvokeToolResponse(
        outcome=pb.TOOL_OUTCOME_TOOL_ERROR,
        effect=pb.EFFECT_CERTAINTY_NONE if told.get("effect") == "none" else pb.EFFECT_CERTAINTY_POSSIBLE,
        error_code=_text(told.get("code")) or "TOOL_ERROR",
        error_message=_text(told.get("message")),
        error_field=_text(told.get("field")),
        retryable=told.get("retryable") is True,
    )


def _fault(fault: Fault, *, repeatable: bool) -> pb.InvokeToolResponse:
    if isinstance(fault, Refused):
        # Nothing was sent and nothing was wrong with the call: later it may go through.
        code = _REFUSAL_CODES.get(fault.code, "SERVER_DOWN")
        return refusal(code, fault.text, retryable=True)
    retryable = fault.retryable and (fault.effect is Effect.NONE or repeatable)
    outcome: pb.ToolOutcome.ValueType
    if isinstance(fault, TimedOut):
        outcome, code = pb.TOOL_OUTCOME_TIMEOUT, "TIMEOUT"
    elif isinstance(fault, Unknown):
        outcome, code = pb.TOOL_OUTCOME_CONNECTION_LOST, "CONNECTION_LOST"
    elif isinstance(fault, HttpFault):
        outcome, code = pb.TOOL_OUTCOME_HTTP_ERROR, f"HTTP_{fault.status}"
    else:
        outcome, code = pb.TOOL_OUTCOME_PROTOCOL_ERROR, "PROTOCOL_ERROR"
    return _error(outcome, fault.effect, code, fault.text, retryable=retryable)


def _error(
    outcome: pb.ToolOutcome.ValueType, effect: Effect, code: str, message: str, *, retryable: bool = False
) -> pb.InvokeToolResponse:
    return pb.InvokeToolResponse(
        outcome=outcome, effect=_EFFECTS[effect], error_code=code, error_message=message, retryable=retryable
    )


def _text(value: Any) -> str:
    return value[:_MAX_TEXT] if isinstance(value, str) else ""
