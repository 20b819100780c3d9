"""What is said to a model of what came of its call: the structured result, or a refusal that it can act on.

Above: calls and approvals. Below: dispatch_service's answers. Nothing of a request is quoted but names of arguments.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import grpc
import orjson
from mcp_types import ContentBlock
from pydantic import TypeAdapter, ValidationError
from switchboard.dispatch.v1 import error_pb2

from model_gateway.definitions import REASONING, STATUS_TOOL, ListedTool
from model_gateway.dispatch import CallToolResponse
from model_gateway.documents import from_struct

ERROR = "switchboard.dev/error"
CORRELATION = "switchboard.dev/correlation-id"

_ARGUMENTS = "arguments."
_AGAIN = "Call again with the same arguments: it is not done twice."
_LATER = "Nothing was done. Try again later."
_NO_ANSWER: Mapping[bool, tuple[str, str]] = {
    True: ("INTEGRATION_DOWN", f"Switchboard gave no answer. {_LATER}"),
    False: ("OUTCOME_UNKNOWN", f"Switchboard gave no answer: it is not known whether this was done. {_AGAIN}"),
}
_FAULTS: Mapping[grpc.StatusCode, tuple[str, str]] = {
    grpc.StatusCode.UNAUTHENTICATED: ("UNAUTHENTICATED", "The access token is not valid any more: get another one."),
    grpc.StatusCode.PERMISSION_DENIED: ("FORBIDDEN", "The caller may not do this."),
    grpc.StatusCode.RESOURCE_EXHAUSTED: ("RATE_LIMITED", f"Too much at once. {_LATER}"),
    grpc.StatusCode.INVALID_ARGUMENT: ("INVALID_ARGUMENT", "Switchboard cannot read this call."),
}


def result(document: dict[str, Any], *texts: str, correlation_id: str = "") -> dict[str, Any]:
    """The result of a call that was carried out: in structure, in a sentence, and as JSON in text where only that is shown."""
    whole: dict[str, Any] = {
        "content": [_text(text) for text in (*texts, orjson.dumps(document).decode())],
        "structuredContent": document,
        "resultType": "complete",
    }
    return whole | ({"_meta": {CORRELATION: correlation_id}} if correlation_id else {})


def refusal(code: str, text: str, **facts: Any) -> dict[str, Any]:
    """A call that was not carried out, in words that a model can act on, and in `_meta` for programs."""
    error = {"code": code, "message": text, **{name: value for name, value in facts.items() if value}}
    return {"content": [_text(text)], "isError": True, "resultType": "complete", "_meta": {ERROR: error}}


def of_response(response: CallToolResponse, console_url: str) -> dict[str, Any]:
    """Say what dispatch_service answered."""
    if response.ok:
        document = from_struct(response.result.data)
        blocks = _blocks(document)
        if blocks is not None:
            return {"content": blocks, "resultType": "complete", "_meta": {CORRELATION: response.correlation_id}}
        return result(document, response.result.message or "Done.", correlation_id=response.correlation_id)
    error = response.error
    code = error_pb2.ErrorCode.Name(error.code)
    missing = [_argument(path) for path in error.missing_fields]
    wrong = [(_argument(one.field), one.message) for one in error.field_violations]
    return refusal(
        code,
        _words(code, response, missing, wrong, console_url),
        missingFields=[] if code == "REASONING_REQUIRED" else missing,
        fieldViolations=[{"field": field, "message": message} for field, message in wrong],
        retryable=bool(error.retryable),
        correlationId=response.correlation_id,
        queueId=response.authorization.queue_id,
    )


def of_fault(code: grpc.StatusCode, tool: ListedTool | None) -> dict[str, Any]:
    """Say what it means for a call of `tool` that dispatch_service did not answer it in the domain's words."""
    known = _FAULTS.get(code)
    name, text = known or _NO_ANSWER[tool is None or tool.reads_only]
    return refusal(name, text, retryable=known is None or name == "RATE_LIMITED")


def queued(queue_id: str, reason: str, console_url: str) -> str:
    """What a model is told of a call that waits."""
    return (
        f"Queued for authorization {queue_id}. {reason} Nothing was done yet: a person decides at {console_url}/authorizations. "
        f"Ask with the tool {STATUS_TOOL} how it stands, and do not call this again for the same thing."
    )


def _words(code: str, response: CallToolResponse, missing: list[str], wrong: list[tuple[str, str]], console_url: str) -> str:
    details = response.error.details
    if code == "AUTHORIZATION_REQUIRED":
        pending = response.authorization
        return queued(pending.queue_id, pending.reason or details, console_url)
    if code == "REASONING_REQUIRED":
        return f"Reasoning required: call again and say why in `{REASONING}`. {details}".strip()
    lines = [_HEADLINES.get(code, "{details}").format(details=details)]
    if missing:
        lines.append(f"Missing: {', '.join(missing)}.")
    lines += [f"{field}: {message}" for field, message in wrong]
    if response.error.retryable and code not in _SAYS_WHEN:
        lines.append("It may work later: try again then.")
    return "\n".join(lines)


_CONTENT: TypeAdapter[list[ContentBlock]] = TypeAdapter(list[ContentBlock])
_HEADLINES = {
    "MISSING_FIELDS": "Nothing was done: arguments are missing. Find them out, and call again.",
    "INVALID_ARGUMENT": "Nothing was done: some arguments are not right. Correct them, and call again.",
    "DENIED": "Denied. {details}",
    "RATE_LIMITED": "Too many calls. Nothing was done: wait a moment and try again.",
    "INTEGRATION_DOWN": "{details} Try again later.",
    "OUTCOME_UNKNOWN": "Outcome unknown. {details}",
}
_SAYS_WHEN = frozenset({"RATE_LIMITED", "INTEGRATION_DOWN", "OUTCOME_UNKNOWN"})


def _blocks(document: dict[str, Any]) -> list[dict[str, Any]] | None:
    """The content of a third party's tool that answers in MCP's content blocks and nothing else: pictures, sound, text."""
    content = document.get("content")
    if document.keys() != {"content"} or not isinstance(content, list) or not content:
        return None
    try:
        _CONTENT.validate_python(content)
    except ValidationError:
        return None
    return content


def _argument(path: str) -> str:
    """What a model knows an argument by."""
    return path.removeprefix(_ARGUMENTS)


def _text(text: str) -> dict[str, str]:
    return {"type": "text", "text": text}
