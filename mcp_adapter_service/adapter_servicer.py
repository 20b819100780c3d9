"""AdapterService: one tool call in, what is known of it out.

Above: the gRPC server. Below: `servers` (who to call, guarded), `service_mapping` (what to put into the arguments) and
`invocation_response` (what to say of the outcome).
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Mapping
from typing import Any, Final, TypeAlias

import grpc
from switchboard.adapter.v1 import adapter_service_pb2 as pb
from switchboard.adapter.v1 import adapter_service_pb2_grpc as pb_grpc

from mcp_adapter_service.invocation_response import refusal, response_of
from mcp_adapter_service.metrics import Metrics
from mcp_adapter_service.server_health import ServerHealth
from mcp_adapter_service.servers import Tool, ToolServer
from mcp_adapter_service.service_mapping import MappingCache
from mcp_adapter_service.service_mapping.substitution import UnknownService
from service_kit.errors import InvalidArgument, NotFound
from service_kit.logging import log

_logger = logging.getLogger(__name__)

IDEMPOTENCY_KEY_META: Final = "switchboard.dev/idempotency-key"
CORRELATION_ID_META: Final = "switchboard.dev/correlation-id"
DEADLINE_META: Final = "switchboard.dev/deadline-ms"
PRINCIPAL_META: Final = "switchboard.dev/principal"

# Our answer has to be back before the caller gives up, or what is known of the call is lost with it.
_MARGIN_SECONDS: Final = 0.05
_HEADER_SAFE: Final = re.compile(r"[\x21-\x7e]{1,200}")

Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"


class AdapterServicer(pb_grpc.AdapterServiceServicer):
    """AdapterServicer calls tools on `servers`."""

    def __init__(self, servers: Mapping[str, ToolServer], mappings: MappingCache, health: ServerHealth, metrics: Metrics) -> None:
        self._servers = servers
        self._mappings = mappings
        self._health = health
        self._metrics = metrics

    async def InvokeTool(self, request: pb.InvokeToolRequest, context: Context) -> pb.InvokeToolResponse:
        """Call one tool. When the caller goes away, gRPC cancels this and with it the call on the tool."""
        server = self._servers.get(request.server)
        if server is None:
            return refusal("NOT_FOUND", "No tool server of this name is configured.")
        tool = server.tool(request.tool)
        try:
            arguments = self._arguments(request, tool)
        except UnknownService as unknown:
            response = refusal("NOT_FOUND", "This service is not offered.", field=unknown.field)
        else:
            response = await self._call(server, tool, request, arguments, context)
        self._metrics.observe(server.name, tool.label, response)
        if response.outcome != pb.TOOL_OUTCOME_SUCCEEDED:
            log(
                _logger,
                logging.WARNING,
                "tool call did not succeed",
                server=server.name,
                tool=tool.label,
                outcome=pb.ToolOutcome.Name(response.outcome),
                code=response.error_code,
                attempts=response.attempts,
                latency_ms=response.latency_ms,
                correlation_id=request.correlation_id,
            )
        return response

    async def CheckServer(self, request: pb.CheckServerRequest, context: Context) -> pb.CheckServerResponse:
        """Say how a server is now."""
        server = self._servers.get(request.server)
        if server is None:
            raise NotFound("NOT_FOUND", "No tool server of this name is configured.")
        state = await self._health.of(server)
        return pb.CheckServerResponse(healthy=state.healthy, message=state.message, breaker=server.client.breaker_state.value)

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
        self, server: ToolServer, tool: Tool, request: pb.InvokeToolRequest, arguments: bytes, context: Context
    ) -> pb.InvokeToolResponse:
        seconds = server.timeout_seconds
        remaining = context.time_remaining()
        if remaining is not None:
            seconds = min(seconds, remaining - _MARGIN_SECONDS)
        correlation_id = request.correlation_id
        if correlation_id and not _HEADER_SAFE.fullmatch(correlation_id):
            raise InvalidArgument("INVALID_ARGUMENT", "correlation_id has to be visible ASCII, 200 characters at most.")
        repeatable = tool.reads_only or (bool(request.idempotency_key) and tool.idempotent)
        report = await server.client.call(
            request.tool,
            arguments,
            deadline=asyncio.get_running_loop().time() + seconds,
            correlation_id=correlation_id or None,
            meta=_meta(server, request, seconds),
            safe_to_repeat=repeatable,
        )
        return response_of(report, server.name, tool, repeatable=repeatable)


def _meta(server: ToolServer, request: pb.InvokeToolRequest, seconds: float) -> dict[str, Any]:
    """Return what travels with the call. Only our own servers are told on whose behalf it is made."""
    meta: dict[str, Any] = {DEADLINE_META: max(0, int(seconds * 1000))}
    if request.idempotency_key:
        meta[IDEMPOTENCY_KEY_META] = request.idempotency_key
    if request.correlation_id:
        meta[CORRELATION_ID_META] = request.correlation_id
    if server.signer is not None:
        who = request.principal
        meta[PRINCIPAL_META] = server.signer.token((who.tenant, who.subject, who.kind, who.role))
    return meta
