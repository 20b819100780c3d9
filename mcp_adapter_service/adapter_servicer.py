"""AdapterService: tool calls in, what is known of them out; one at a time, or many over one stream.

Above: the gRPC server. Below: `invocation` (one call), `invocation_stream` (many), `server_health`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

import grpc
from switchboard.adapter.v1 import adapter_service_pb2 as pb
from switchboard.adapter.v1 import adapter_service_pb2_grpc as pb_grpc

from mcp_adapter_service.invocation import Invocations
from mcp_adapter_service.invocation_stream import InvocationStream
from mcp_adapter_service.server_health import ServerHealth
from mcp_adapter_service.servers import ToolServer
from service_kit.errors import NotFound, Unavailable

Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"


class AdapterServicer(pb_grpc.AdapterServiceServicer):
    """AdapterServicer calls tools, and says how the servers of the settings are; `registry` shows the others."""

    def __init__(self, servers: Mapping[str, ToolServer], invocations: Invocations, health: ServerHealth) -> None:
        self._servers = servers
        self._invocations = invocations
        self._health = health
        self._streams: set[InvocationStream] = set()
        self._stopping = False

    async def InvokeTool(self, request: pb.InvokeToolRequest, context: Context) -> pb.InvokeToolResponse:
        """Call one tool. When the caller goes away, gRPC cancels this and with it the call on the tool."""
        return await self._invocations.invoke(request, context.time_remaining())

    # gRPC allows a coroutine that reads and writes; the generated base class knows the other form only, a generator.
    async def InvokeTools(self, requests: Any, context: Context) -> None:  # type: ignore[override]
        """Call the tools of a stream. When the caller goes away, gRPC cancels this and with it the stream's calls."""
        if self._stopping:
            raise Unavailable("INTEGRATION_DOWN", "The adapter is about to stop; nothing was called.")
        stream = InvocationStream(self._invocations.invoke, context)
        self._streams.add(stream)
        try:
            await stream.serve()
        finally:
            self._streams.discard(stream)

    async def ListServers(self, request: pb.ListServersRequest, context: Context) -> pb.ListServersResponse:
        """List the configured servers."""
        return pb.ListServersResponse(
            servers=[
                pb.ListedServer(name=name, breaker=server.client.breaker_state.value)
                for name, server in sorted(self._servers.items())
            ]
        )

    async def CheckServer(self, request: pb.CheckServerRequest, context: Context) -> pb.CheckServerResponse:
        """Say how a server is now."""
        server = self._servers.get(request.server)
        if server is None:
            raise NotFound("NOT_FOUND", "No tool server of this name is configured.")
        state = await self._health.of(server)
        return pb.CheckServerResponse(healthy=state.healthy, message=state.message, breaker=server.client.breaker_state.value)

    async def close_streams(self) -> None:
        """Have the callers begin no more on their streams: what is under way is answered, and no new stream begins."""
        self._stopping = True
        for stream in self._streams:
            stream.close()
