"""What the tests do as an operator of a tenant, and as somebody of the tenant who calls a tool.

Above: the tests of the registry. Below: the adapter's gRPC.
"""

from __future__ import annotations

from typing import Any

import grpc
import orjson
from switchboard.adapter.v1 import adapter_service_pb2 as adapter_pb
from switchboard.adapter.v1 import adapter_service_pb2_grpc as adapter_grpc
from switchboard.registry.v1 import server_registry_service_pb2 as pb
from switchboard.registry.v1 import server_registry_service_pb2_grpc as pb_grpc

from tests.integration.adapter.processes import eventually

SECONDS = 20.0


class Operator:
    """An operator of `tenant`, over one channel."""

    def __init__(self, channel: grpc.aio.Channel, tenant: str = "demo", actor: str = "operator-1") -> None:
        self.tenant = tenant
        self.registry: Any = pb_grpc.ServerRegistryServiceStub(channel)
        self._adapter: Any = adapter_grpc.AdapterServiceStub(channel)
        self.metadata = (("x-switchboard-tenant", tenant), ("x-switchboard-actor", actor), ("x-correlation-id", "corr-1"))

    async def register(self, name: str, url: str = "", **fields: Any) -> list[pb.RegisterServerResponse]:
        """Register a server and return every step."""
        request = pb.RegisterServerRequest(name=name, url=url, **fields)
        call = self.registry.RegisterServer(request, metadata=self.metadata, timeout=SECONDS)
        return [step async for step in call]

    async def refused(self, name: str, url: str = "", **fields: Any) -> str:
        """Register what cannot be used and return why not, having seen that nothing was kept."""
        steps = await self.register(name, url, **fields)
        assert steps[-1].done
        assert not steps[-1].HasField("server")
        assert name not in [server.name for server in await self.servers()]
        return str(steps[-1].error)

    async def servers(self) -> list[pb.RegisteredServer]:
        """The tenant's servers."""
        return list((await self._call("ListRegisteredServers", pb.ListRegisteredServersRequest())).servers)

    async def server(self, name: str) -> pb.RegisteredServer:
        """One server with its tools."""
        found: pb.RegisteredServer = await self._call("GetRegisteredServer", pb.GetRegisteredServerRequest(name=name))
        return found

    async def drifts(self, name: str) -> dict[str, str]:
        """How each tool of a server stands to its pin."""
        tools = (await self.server(name)).tools
        return {tool.name: pb.Drift.Name(tool.drift).removeprefix("DRIFT_").lower() for tool in tools}

    async def drifted(self, name: str, **expected: str) -> None:
        """Wait until tools of a server stand as expected."""

        async def they_do() -> bool:
            return (await self.drifts(name)).items() >= expected.items()

        await eventually(they_do, SECONDS)

    async def repin(self, name: str, *tools: str, listing_hash: str = "") -> pb.RegisteredServer:
        """Accept what a server lists."""
        seen = listing_hash or (await self.server(name)).listing_hash
        request = pb.RepinServerRequest(name=name, listing_hash=seen, tools=tools)
        repinned: pb.RegisteredServer = await self._call("RepinServer", request)
        return repinned

    async def configure(self, name: str, tool: str, **fields: Any) -> pb.RegisteredTool:
        """Say what is known of a tool."""
        configured: pb.RegisteredTool = await self._call(
            "ConfigureTool", pb.ConfigureToolRequest(server=name, tool=tool, **fields)
        )
        return configured

    async def enable(self, name: str, tool: str, *, subject: str = "", enabled: bool = True) -> pb.RegisteredTool:
        """Let a tool be called, or take that back."""
        request = pb.EnableToolRequest(server=name, tool=tool, subject=subject, enabled=enabled)
        answer: pb.RegisteredTool = await self._call("EnableTool", request)
        return answer

    async def remove(self, name: str) -> None:
        """Forget a server."""
        await self._call("RemoveServer", pb.RemoveServerRequest(name=name))

    async def call(self, server: str, tool: str, **arguments: Any) -> adapter_pb.InvokeToolResponse:
        """Call a tool on behalf of somebody of the tenant."""
        principal = adapter_pb.Principal(tenant=self.tenant, subject="someone", kind="human", role="operator")
        answer: adapter_pb.InvokeToolResponse = await self._adapter.InvokeTool(
            adapter_pb.InvokeToolRequest(
                server=server,
                tool=tool,
                arguments_json=orjson.dumps(arguments),
                principal=principal,
                idempotency_key="key-1",
                correlation_id="corr-2",
            ),
            timeout=SECONDS,
        )
        return answer

    async def _call(self, rpc: str, request: Any) -> Any:
        return await getattr(self.registry, rpc)(request, metadata=self.metadata, timeout=SECONDS)
