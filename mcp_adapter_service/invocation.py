"""One tool call, from the request to what is known of it.

Above: the adapter's servicer, for one call or for a stream of them. Below: `server_directory` (who to call, guarded, and what of
it may not be called), `service_mapping` (what to put into the arguments), `result_check` and `invocation_response` (what to say
of the outcome).
"""

from __future__ import annotations

import asyncio
import logging
import re
from typing import Any, Final

from switchboard.adapter.v1 import adapter_service_pb2 as pb

from mcp_adapter_service.invocation_response import DRY_RUN_META, mismatch, preview_of, refusal, response_of
from mcp_adapter_service.metrics import Metrics
from mcp_adapter_service.result_check import matches
from mcp_adapter_service.server_directory import ServerDirectory, ServerUnusable
from mcp_adapter_service.servers import Tool, ToolServer
from mcp_adapter_service.service_mapping import MappingCache
from mcp_adapter_service.service_mapping.substitution import UnknownService
from service_kit.errors import InvalidArgument
from service_kit.logging import log

_logger = logging.getLogger(__name__)

IDEMPOTENCY_KEY_META: Final = "switchboard.dev/idempotency-key"
CORRELATION_ID_META: Final = "switchboard.dev/correlation-id"
DEADLINE_META: Final = "switchboard.dev/deadline-ms"
PRINCIPAL_META: Final = "switchboard.dev/principal"

# Our answer has to be back before the caller gives up, or what is known of the call is lost with it.
_MARGIN_SECONDS: Final = 0.05
_HEADER_SAFE: Final = re.compile(r"[\x21-\x7e]{1,200}")


class Invocations:
    """Invocations calls tools on the servers of `directory`."""

    def __init__(self, directory: ServerDirectory, mappings: MappingCache, metrics: Metrics) -> None:
        self._directory = directory
        self._mappings = mappings
        self._metrics = metrics

    async def invoke(self, request: pb.InvokeToolRequest, patience: float | None) -> pb.InvokeToolResponse:
        """Call one tool for a caller who waits `patience` seconds, None for as long as it takes. Cancelling it gives the call up.

        Raises:
            InvalidArgument: the request cannot be sent as it is; nothing was called.
            DatabaseUnavailable: the service mapping was not read yet; nothing was called.
        """
        try:
            server = self._directory.find(request.server, request.principal.tenant)
        except ServerUnusable as problem:
            return refusal("SERVER_UNUSABLE", f"The tool server '{request.server}' cannot be used: {problem}.")
        if server is None:
            return refusal("NOT_FOUND", "No tool server of this name is configured.")
        tool = server.tool(request.tool)
        server.begin()
        try:
            response = await self._invoke(server, tool, request, patience)
        finally:
            server.end()
        self._metrics.observe(server.name, tool.label, response)
        if response.outcome != pb.TOOL_OUTCOME_SUCCEEDED:
            log(
                _logger,
                logging.WARNING,
                "tool call did not succeed",
                server=server.name,
                tool=tool.label,
                dry_run=request.dry_run,
                outcome=pb.ToolOutcome.Name(response.outcome),
                code=response.error_code,
                attempts=response.attempts,
                latency_ms=response.latency_ms,
                correlation_id=request.correlation_id,
            )
        return response

    async def _invoke(
        self, server: ToolServer, tool: Tool, request: pb.InvokeToolRequest, patience: float | None
    ) -> pb.InvokeToolResponse:
        if tool.refusal is not None:
            return refusal(tool.refusal.code, tool.refusal.message)
        if request.pin and request.pin != tool.pin:
            return refusal("TOOL_CHANGED", f"The tool of '{server.name}' was accepted anew since this call was decided.")
        if request.dry_run and not tool.previews:
            return refusal("PREVIEW_UNAVAILABLE", "This tool cannot say beforehand what a call would do.")
        try:
            arguments = self._arguments(request, tool)
        except UnknownService as unknown:
            return refusal("NOT_FOUND", "This service is not offered.", field=unknown.field)
        return await _call(server, tool, request, arguments, patience)

    def _arguments(self, request: pb.InvokeToolRequest, tool: Tool) -> bytes:
        arguments = request.arguments_json.strip() or b"{}"
        if arguments[:1] != b"{" or arguments[-1:] != b"}":
            raise InvalidArgument("INVALID_ARGUMENT", "arguments_json has to be one JSON object.")
        if tool.substitution is None:
            return arguments
        try:
            return tool.substitution.apply(arguments, request.principal.tenant, self._mappings)
        except ValueError:
            raise InvalidArgument("INVALID_ARGUMENT", "arguments_json has to be one JSON object.") from None


async def _call(
    server: ToolServer, tool: Tool, request: pb.InvokeToolRequest, arguments: bytes, patience: float | None
) -> pb.InvokeToolResponse:
    seconds = server.timeout_seconds
    if patience is not None:
        seconds = min(seconds, patience - _MARGIN_SECONDS)
    correlation_id = request.correlation_id
    if correlation_id and not _HEADER_SAFE.fullmatch(correlation_id):
        raise InvalidArgument("INVALID_ARGUMENT", "correlation_id has to be visible ASCII, 200 characters at most.")
    dry_run = request.dry_run
    repeatable = dry_run or tool.reads_only or (tool.idempotent and bool(request.idempotency_key))
    report = await server.client.call(
        request.tool,
        arguments,
        deadline=asyncio.get_running_loop().time() + seconds,
        correlation_id=correlation_id or None,
        meta=_meta(server, request, seconds),
        safe_to_repeat=repeatable,
    )
    if dry_run:
        return preview_of(report, server.name, tool)
    if tool.result_schema is not None and not await matches(report.outcome, tool.result_schema):
        return mismatch(report, server.name, tool)
    return response_of(report, server.name, tool, repeatable=repeatable)


def _meta(server: ToolServer, request: pb.InvokeToolRequest, seconds: float) -> dict[str, Any]:
    """Return what travels with the call. Only our own servers are told on whose behalf it is made."""
    meta: dict[str, Any] = {DEADLINE_META: max(0, int(seconds * 1000))}
    if request.dry_run:
        # Without a key: should a server take this for a call after all, it must not keep its result for the real one.
        meta[DRY_RUN_META] = True
    elif request.idempotency_key:
        meta[IDEMPOTENCY_KEY_META] = request.idempotency_key
    if request.correlation_id:
        meta[CORRELATION_ID_META] = request.correlation_id
    if server.signer is not None:
        meta[PRINCIPAL_META] = server.signer.token(request.principal)
    return meta
