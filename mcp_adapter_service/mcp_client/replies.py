"""What a JSON-RPC message or an HTTP status says about a call. Pure.

Above: `exchange` and `reply_stream` read messages with it, `client` results. Below: `outcomes`, `faults`.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any, Final

from mcp_adapter_service.mcp_client import faults
from mcp_adapter_service.mcp_client.faults import Code
from mcp_adapter_service.mcp_client.outcomes import (
    Effect,
    Fault,
    InputRequired,
    ToolFailed,
    ToolReply,
    ToolSucceeded,
)

INVALID_REQUEST: Final = -32600
METHOD_NOT_FOUND: Final = -32601
INVALID_PARAMS: Final = -32602
INTERNAL_ERROR: Final = -32603
HEADER_MISMATCH: Final = -32020
UNSUPPORTED_VERSION: Final = -32022
URL_ELICITATION_REQUIRED: Final = -32042

_CODES: Final[dict[int, Code]] = {
    -32700: Code.REQUEST_REJECTED,
    INVALID_REQUEST: Code.REQUEST_REJECTED,
    METHOD_NOT_FOUND: Code.METHOD_NOT_FOUND,
    INVALID_PARAMS: Code.ARGUMENTS_REJECTED,
    INTERNAL_ERROR: Code.TOOL_CRASHED,
    HEADER_MISMATCH: Code.HEADER_MISMATCH,
    -32021: Code.CAPABILITY_MISSING,
    UNSUPPORTED_VERSION: Code.VERSION_UNSUPPORTED,
}


def answers(message: Mapping[str, Any], request_id: int) -> bool:
    """Whether a response is one to our request: it has its id, or is an error of a server that could not read the id."""
    given = message.get("id")
    if given is None:
        return "error" in message
    return type(given) is int and given == request_id


def result_of(server: str, message: Mapping[str, Any], status: int) -> Mapping[str, Any] | InputRequired | Fault:
    """Return a response's result, or what its error means."""
    result = message.get("result")
    if isinstance(result, dict) and "error" not in message:
        return result
    error = message.get("error")
    if not isinstance(error, dict) or "result" in message:
        return faults.protocol(server, Code.BAD_REPLY, status=status)
    code = error.get("code")
    if not isinstance(code, int) or isinstance(code, bool):
        return faults.protocol(server, Code.BAD_REPLY, status=status)
    if code == URL_ELICITATION_REQUIRED:
        return InputRequired(requests=_mapping(error.get("data")))
    kind = _CODES.get(code, Code.RPC_ERROR)
    if kind is Code.ARGUMENTS_REJECTED and _names_unknown_tool(error.get("message")):
        kind = Code.UNKNOWN_TOOL
    effect = Effect.NONE if status in faults.REFUSING_STATUSES else None
    if effect is Effect.NONE and kind in (Code.TOOL_CRASHED, Code.RPC_ERROR):
        kind = Code.REQUEST_REJECTED
    return faults.protocol(server, kind, rpc_code=code, status=status, effect=effect)


def tool_reply(server: str, result: Mapping[str, Any]) -> ToolReply:
    """Return what the result of `tools/call` says."""
    kind = result.get("resultType", "complete")
    if kind == "input_required":
        state = result.get("requestState")
        return InputRequired(requests=_mapping(result.get("inputRequests")), state=state if isinstance(state, str) else None)
    content = result.get("content", [])
    is_error = result.get("isError")
    well_formed = (
        kind == "complete"
        and isinstance(content, list)
        and all(isinstance(block, dict) for block in content)
        and (is_error is None or isinstance(is_error, bool))
    )
    if not well_formed:
        return faults.protocol(server, Code.BAD_REPLY)
    outcome = ToolFailed if is_error else ToolSucceeded
    return outcome(structured=result.get("structuredContent"), content=tuple(content), meta=_mapping(result.get("_meta")))


def retry_after_seconds(value: str | None) -> float | None:
    """Read a Retry-After header, seconds or a date; None where it is absent or makes no sense."""
    if not value:
        return None
    value = value.strip()
    if value.isascii() and value.isdigit():
        return float(value[:9])
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    except (ValueError, OverflowError):
        return None


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _names_unknown_tool(message: Any) -> bool:
    # The protocol has one code for unknown tools and bad arguments; servers differ in the words only. Nothing but our
    # own code depends on this.
    if not isinstance(message, str):
        return False
    text = message.lower()
    return "tool" in text and ("unknown" in text or "not found" in text)
