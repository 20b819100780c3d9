"""`tools/call`: from a name and arguments to a call on dispatch_service, and back to a result or to a refusal in words.

Above: `mcp_server`. Below: the catalogue finds the tool, dispatch_service decides and calls, `answers` words what came of it.

A client that goes away cancels its own waiting, and that of the call on dispatch_service with it. What dispatch_service has begun
goes on there, and has its outcome in the journal.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from mcp.shared.exceptions import MCPError
from mcp_types import INVALID_PARAMS, CallToolRequestParams, InputRequiredResult
from switchboard.dispatch.v1 import error_pb2

from model_gateway import answers, metrics
from model_gateway.approvals import Approvals, Context
from model_gateway.caller import Caller, caller_of
from model_gateway.catalogue import Catalogue
from model_gateway.definitions import REASONING, STATUS_TOOL, ListedTool
from model_gateway.dispatch import CallToolRequest, Dispatch, DispatchFault
from model_gateway.documents import Unusable, to_struct
from model_gateway.progress import reported

KEY = "switchboard.dev/idempotency-key"
THREAD = "switchboard.dev/thread-id"

_MAX_REASONING = 2000

Answer = dict[str, Any] | InputRequiredResult


class Calls:
    """Carries models' calls to dispatch_service."""

    def __init__(self, *, dispatch: Dispatch, catalogue: Catalogue, approvals: Approvals, console_url: str) -> None:
        self._dispatch = dispatch
        self._catalogue = catalogue
        self._approvals = approvals
        self._console_url = console_url

    async def call(self, context: Context, params: CallToolRequestParams) -> Answer:
        """Answer one call. Raises MCPError where the caller knows no tool of that name."""
        started = time.monotonic()
        meta = (context.params or {}).get("_meta") or {}
        caller = caller_of(context.request, meta)
        async with reported(context.session, meta):
            if params.name == STATUS_TOOL:
                name, answer = STATUS_TOOL, await self._status(caller, params)
            else:
                name, answer = await self._tool(context, caller, params, meta)
        metrics.CALLS.labels(name, _code(answer)).inc()
        metrics.SECONDS.labels(name).observe(time.monotonic() - started)
        return answer

    async def _status(self, caller: Caller, params: CallToolRequestParams) -> Answer:
        return await self._approvals.status(caller, params.arguments or {})

    async def _tool(
        self, context: Context, caller: Caller, params: CallToolRequestParams, meta: Mapping[str, Any]
    ) -> tuple[str, Answer]:
        try:
            tool = await self._catalogue.find(caller, params.name)
        except DispatchFault as fault:
            return "unknown", answers.of_fault(fault.code, None)
        if tool is None:
            raise MCPError(INVALID_PARAMS, "Unknown tool. tools/list says which there are.")
        name = f"{tool.server}/{tool.name}"
        if params.request_state is not None:
            return name, await self._approvals.resume(caller, tool, params)
        try:
            request = _request(tool, params.arguments or {}, meta)
        except Unusable as problem:
            return name, answers.refusal("INVALID_ARGUMENT", f"Nothing was done. {problem}")
        try:
            response = await self._dispatch.call_tool(caller, request)
        except DispatchFault as fault:
            return name, answers.of_fault(fault.code, tool)
        if response.error.code == error_pb2.AUTHORIZATION_REQUIRED and self._approvals.can_ask(context):
            return name, await self._approvals.ask(context, caller, tool, response)
        return name, answers.of_response(response, self._console_url)


def _request(tool: ListedTool, given: Mapping[str, Any], meta: Mapping[str, Any]) -> CallToolRequest:
    """Put a call into dispatch_service's words. Raises Unusable."""
    arguments = dict(given)
    reasoning = arguments.get(REASONING) if tool.own_reasoning else arguments.pop(REASONING, None)
    if tool.own_reasoning and isinstance(reasoning, str):
        # The tool checks its own argument; here it is only what is said to whoever decides.
        reasoning = reasoning[:_MAX_REASONING]
    elif tool.own_reasoning:
        reasoning = None
    try:
        return CallToolRequest(
            server=tool.server,
            tool=tool.name,
            arguments=to_struct(arguments),
            reasoning=_text(reasoning, f"`{REASONING}`"),
            idempotency_key=_text(meta.get(KEY), f"_meta {KEY}"),
            thread_id=_text(meta.get(THREAD), f"_meta {THREAD}"),
        )
    except UnicodeEncodeError:
        raise Unusable("The call holds a character that does not exist.") from None


def _text(value: Any, name: str) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise Unusable(f"{name} has to be text.")
    return value


def _code(answer: Answer) -> str:
    if isinstance(answer, InputRequiredResult):
        return "AUTHORIZATION_REQUIRED"
    error = (answer.get("_meta") or {}).get(answers.ERROR)
    return error["code"] if error else "OK"
