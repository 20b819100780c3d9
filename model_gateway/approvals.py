"""Calls that wait for a person: how one stands, and sending the person who sits at the client to where it is decided.

Above: calls and the listing. Below: dispatch_service's authorizations, and the client's url-mode elicitation where it has one.

Nobody decides here. The client is only given the console's address; who decides signs in there. With 2026-07-28 the call is
answered `input_required` and the client sends it again afterwards; with 2025-11-25 the client is asked while the call is open.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from typing import Any

import grpc
from mcp.server.context import ServerRequestContext
from mcp.shared.exceptions import MCPError
from mcp_types import CallToolRequestParams, ElicitRequest, ElicitRequestURLParams, ElicitResult, InputRequiredResult
from mcp_types.version import MODERN_PROTOCOL_VERSIONS
from pydantic import ValidationError
from switchboard.authorization.v1 import authorization_service_pb2
from switchboard.dispatch.v1 import error_pb2

from model_gateway import answers
from model_gateway.caller import Caller
from model_gateway.definitions import STATUS_TOOL, ListedTool
from model_gateway.dispatch import Authorization, CallToolResponse, Dispatch, DispatchFault
from model_gateway.documents import from_struct

Context = ServerRequestContext[dict[str, Any], Any]

_INPUT = "approval"
_QUEUE_ID = re.compile(r"auth_[0-9A-Za-z_-]{1,94}")
_POLL_SECONDS = 0.5
_NOBODY_S = "There is nothing of yours that waits by that id."
_Status = authorization_service_pb2.AuthorizationStatus
_OPEN = frozenset({_Status.PENDING, _Status.AUTHORIZED})
_SENTENCES: Mapping[int, str] = {
    _Status.PENDING: "Nobody has decided yet. Ask again later.",
    _Status.AUTHORIZED: "A person has allowed it, and it is about to be carried out. Ask again in a moment.",
    _Status.DENIED: "A person said no, and nothing was done.",
    _Status.CANCELLED: "It was taken back, and nothing was done.",
    _Status.EXPIRED: "Nobody decided in time, and nothing was done.",
    _Status.EXECUTED: "It was allowed and carried out.",
    _Status.FAILED: "It was allowed, and could not be carried out.",
}
_NULLABLE_TEXT = {"type": ["string", "null"]}

STATUS_DEFINITION: dict[str, Any] = {
    "name": STATUS_TOOL,
    "title": "How a queued call stands",
    "description": "Says how a call stands that was queued for a person and, once it was carried out, what came of it.",
    "inputSchema": {
        "type": "object",
        "properties": {
            "queue_id": {"type": "string", "description": "The id that the queued call was answered with.", "maxLength": 99}
        },
        "required": ["queue_id"],
        "additionalProperties": False,
    },
    "outputSchema": {
        "type": "object",
        "properties": {
            "queue_id": {"type": "string"},
            "status": {"type": "string", "enum": [name for name, number in _Status.items() if number]},
            "server": {"type": "string"},
            "tool": {"type": "string"},
            "notes": {**_NULLABLE_TEXT, "description": "What the person who decided has to say."},
            "edited": {"type": "boolean", "description": "Whether a person has changed the arguments."},
            "expires_at": _NULLABLE_TEXT,
            "result": {"type": ["object", "null"], "description": "The tool's result, once it was carried out."},
            "error": {"type": ["object", "null"], "description": "Why it could not be carried out."},
        },
        "required": ["queue_id", "status", "server", "tool", "notes", "edited", "expires_at", "result", "error"],
    },
    "annotations": {
        "title": "How a queued call stands",
        "readOnlyHint": True,
        "destructiveHint": False,
        "idempotentHint": True,
        "openWorldHint": False,
    },
}


class Approvals:
    """What waits for a person, for those who asked for it."""

    def __init__(self, dispatch: Dispatch, *, console_url: str, decision_seconds: float, elicitation_seconds: float) -> None:
        self._dispatch = dispatch
        self._console_url = console_url
        self._decision_seconds = decision_seconds
        self._elicitation_seconds = elicitation_seconds

    async def status(self, caller: Caller, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Answer a call of the tool that asks how something stands."""
        queue_id = arguments.get("queue_id")
        if not isinstance(queue_id, str) or not queue_id.strip():
            return answers.refusal("MISSING_FIELDS", "Missing: queue_id.", missingFields=["queue_id"])
        try:
            found = await self._find(caller, queue_id.strip())
        except DispatchFault as fault:
            return answers.of_fault(fault.code, None)
        if found is None:
            return answers.refusal("NOT_FOUND", _NOBODY_S)
        sentence = f"{_Status.Name(found.status)}: {_SENTENCES[found.status]}"
        texts = [f"{sentence} The decider's note: {found.notes}" if found.notes else sentence]
        return answers.result(_document(found), *texts, correlation_id=found.correlation_id)

    def can_ask(self, context: Context) -> bool:
        """Say whether the client can send its user to an address."""
        capabilities = context.session.client_capabilities
        elicitation = capabilities.elicitation if capabilities is not None else None
        return elicitation is not None and elicitation.url is not None

    async def ask(
        self, context: Context, caller: Caller, tool: ListedTool, response: CallToolResponse
    ) -> dict[str, Any] | InputRequiredResult:
        """Send the client's user to where the call is decided, and answer with what came of it where that is soon."""
        pending = response.authorization
        message = f"{tool.wire['title']}: {pending.reason} Whoever may decide does so in the console."
        url = f"{self._console_url}/authorizations?id={pending.queue_id}"
        if context.protocol_version in MODERN_PROTOCOL_VERSIONS:
            request = ElicitRequest(params=ElicitRequestURLParams(message=message, url=url))
            return InputRequiredResult(input_requests={_INPUT: request}, request_state=pending.queue_id)
        if not await self._accepted(context, message, url, pending.queue_id):
            return answers.of_response(response, self._console_url)
        answer, over = await self._outcome(caller, pending.queue_id)
        if over:
            await context.session.send_elicit_complete(pending.queue_id, related_request_id=context.request_id)
        return answer

    async def resume(self, caller: Caller, tool: ListedTool, params: CallToolRequestParams) -> dict[str, Any]:
        """Answer a call that comes again after its client was asked to send its user somewhere."""
        queue_id = params.request_state or ""
        try:
            found = await self._find(caller, queue_id)
        except DispatchFault as fault:
            return answers.of_fault(fault.code, None)
        if found is None or (found.server, found.tool) != (tool.server, tool.name):
            return answers.refusal("NOT_FOUND", _NOBODY_S)
        given = (params.input_responses or {}).get(_INPUT)
        if isinstance(given, ElicitResult) and given.action == "accept":
            return (await self._outcome(caller, queue_id))[0]
        return self._answer(found)

    async def _accepted(self, context: Context, message: str, url: str, queue_id: str) -> bool:
        try:
            async with asyncio.timeout(self._elicitation_seconds):
                answer = await context.session.elicit_url(message, url, queue_id, related_request_id=context.request_id)
        except (TimeoutError, MCPError, ValidationError):
            # A client that cannot be asked after all gets the answer that every other one gets.
            return False
        return answer.action == "accept"

    async def _outcome(self, caller: Caller, queue_id: str) -> tuple[dict[str, Any], bool]:
        """Wait a while for the decision; return what to answer, and whether it has fallen."""
        loop = asyncio.get_running_loop()
        until = loop.time() + self._decision_seconds
        try:
            while (found := await self._find(caller, queue_id)) is not None:
                if found.status not in _OPEN or loop.time() >= until:
                    return self._answer(found), found.status not in _OPEN
                await asyncio.sleep(_POLL_SECONDS)
        except DispatchFault as fault:
            return answers.of_fault(fault.code, None), False
        return answers.refusal("NOT_FOUND", _NOBODY_S), False

    async def _find(self, caller: Caller, queue_id: str) -> Authorization | None:
        if not _QUEUE_ID.fullmatch(queue_id):
            return None
        try:
            return await self._dispatch.authorization(caller, queue_id)
        except DispatchFault as fault:
            if fault.code is grpc.StatusCode.NOT_FOUND:
                return None
            raise

    def _answer(self, found: Authorization) -> dict[str, Any]:
        """What the call that was queued is answered with, as things stand."""
        if found.status in _OPEN:
            text = answers.queued(found.id, found.reason, self._console_url)
            return answers.refusal("AUTHORIZATION_REQUIRED", text, correlationId=found.correlation_id, queueId=found.id)
        if found.status in (_Status.EXECUTED, _Status.FAILED):
            return answers.of_response(found.result, self._console_url)
        text = " ".join(part for part in (_SENTENCES[found.status], found.notes) if part)
        return answers.refusal("DENIED", f"Denied. {text}", correlationId=found.correlation_id, queueId=found.id)


def _document(found: Authorization) -> dict[str, Any]:
    carried_out = found.status == _Status.EXECUTED
    failed = found.status == _Status.FAILED
    error = found.result.error
    return {
        "queue_id": found.id,
        "status": _Status.Name(found.status),
        "server": found.server,
        "tool": found.tool,
        "notes": found.notes or None,
        "edited": found.edited,
        "expires_at": found.expires_at.ToJsonString() if found.HasField("expires_at") else None,
        "result": from_struct(found.result.result.data) if carried_out else None,
        "error": {"code": error_pb2.ErrorCode.Name(error.code), "details": error.details} if failed else None,
    }
