"""What the people, services and models of a company do with third-party tools, as dispatch sees them behind the door.

Above: the tests of third-party tools. Below: dispatch's gRPC.
"""

from __future__ import annotations

from typing import Any

from google.protobuf.json_format import MessageToDict, ParseDict
from switchboard.authorization.v1 import authorization_service_pb2, authorization_service_pb2_grpc
from switchboard.options.v1 import options_pb2
from switchboard.registry.v1 import server_registry_service_pb2 as pb
from switchboard.registry.v1 import server_registry_service_pb2_grpc as pb_grpc
from switchboard.tool.v1 import tool_service_pb2, tool_service_pb2_grpc

from tests.callers import caller
from tests.fix_dispatch import DispatchProcess
from tests.integration.adapter.processes import eventually

SECONDS = 20.0
OPERATOR, AGENT, SERVICE = caller("operator"), caller("agent"), caller("service")
OTHER_AGENT = caller("agent", subject="another-agent")
READ: dict[str, Any] = {"effect": options_pb2.EFFECT_READ, "permission": options_pb2.PERMISSION_LEVEL_UNRESTRICTED}
WRITE: dict[str, Any] = {"effect": options_pb2.EFFECT_WRITE, "permission": options_pb2.PERMISSION_LEVEL_UNRESTRICTED}
Caller = Any


class Company:
    """One company's dispatch process, and what is asked of it."""

    def __init__(self, dispatch: DispatchProcess) -> None:
        self.dispatch = dispatch

    @property
    def registry(self) -> Any:
        """The register of third-party servers."""
        return pb_grpc.ServerRegistryServiceStub(self._channel)

    async def register(self, name: str, url: str, who: Caller = OPERATOR, **fields: Any) -> list[pb.RegisterServerResponse]:
        """Register a server and return every step."""
        call = self.registry.RegisterServer(pb.RegisterServerRequest(name=name, url=url, **fields), metadata=who, timeout=SECONDS)
        return [step async for step in call]

    async def forget_servers(self) -> None:
        """Remove every server, and wait until nobody is told of one."""
        names = {one.name for one in await self.servers()}
        for name in names:
            await self.registry.RemoveServer(pb.RemoveServerRequest(name=name), metadata=OPERATOR, timeout=SECONDS)

        async def gone() -> bool:
            return not names & {one["server"] for who in (OPERATOR, AGENT) for one in await self.listed(who)}

        await eventually(gone, SECONDS)

    async def servers(self) -> list[pb.RegisteredServer]:
        """The servers that there are."""
        request = pb.ListRegisteredServersRequest()
        return list((await self.registry.ListRegisteredServers(request, metadata=OPERATOR, timeout=SECONDS)).servers)

    async def server(self, name: str) -> pb.RegisteredServer:
        """One server with its tools."""
        request = pb.GetRegisteredServerRequest(name=name)
        found: pb.RegisteredServer = await self.registry.GetRegisteredServer(request, metadata=OPERATOR, timeout=SECONDS)
        return found

    async def configure(self, server: str, tool: str, **fields: Any) -> None:
        """Say what is known of a tool, and wait until calls go by it."""
        request = pb.ConfigureToolRequest(server=server, tool=tool, **fields)
        await self.registry.ConfigureTool(request, metadata=OPERATOR, timeout=SECONDS)
        effect = {options_pb2.EFFECT_READ: "read", options_pb2.EFFECT_WRITE: "write"}.get(fields["effect"], "destructive")
        sensitive = bool(fields.get("sensitive"))

        async def taken_up() -> bool:
            listed = [one for who in (OPERATOR, AGENT) for one in await self.listed(who) if one["name"] == tool]
            return all((one["effect"], one["sensitive"]) == (effect, sensitive) for one in listed)

        await eventually(taken_up, SECONDS)

    async def enable(self, server: str, tool: str, *, subject: str = "", enabled: bool = True, seen_by: Caller = AGENT) -> None:
        """Let a tool be called, or take that back, and wait until `seen_by` notices."""
        request = pb.EnableToolRequest(server=server, tool=tool, subject=subject, enabled=enabled)
        await self.registry.EnableTool(request, metadata=OPERATOR, timeout=SECONDS)

        async def noticed() -> bool:
            return (tool in [one["name"] for one in await self.listed(seen_by)]) is enabled

        await eventually(noticed, SECONDS)

    async def listed(self, who: Caller, **fields: Any) -> list[dict[str, Any]]:
        """The tools that a caller is told of."""
        stub = tool_service_pb2_grpc.ToolServiceStub(self._channel)
        answer = await stub.ListTools(tool_service_pb2.ListToolsRequest(**fields), metadata=who, timeout=SECONDS)
        return [MessageToDict(tool) for tool in answer.tools]

    async def capabilities(self, who: Caller) -> dict[str, Any]:
        """The same by domain."""
        stub = tool_service_pb2_grpc.ToolServiceStub(self._channel)
        answer: dict[str, Any] = MessageToDict(
            await stub.GetCapabilities(tool_service_pb2.GetCapabilitiesRequest(), metadata=who, timeout=SECONDS)
        )
        return answer

    async def call(
        self, server: str, tool: str, arguments: dict[str, Any], who: Caller = AGENT, **envelope: Any
    ) -> dict[str, Any]:
        """Call a tool by its name and return the answer's JSON."""
        document = {"server": server, "tool": tool, "arguments": arguments, **envelope}
        request = ParseDict(document, tool_service_pb2.CallToolRequest())
        stub = tool_service_pb2_grpc.ToolServiceStub(self._channel)
        answer: dict[str, Any] = MessageToDict(await stub.CallTool(request, metadata=who, timeout=SECONDS))
        return answer

    async def waiting(self, authorization_id: str, who: Caller = OPERATOR) -> dict[str, Any]:
        """An authorization as a caller is shown it."""
        request = authorization_service_pb2.GetAuthorizationRequest(id=authorization_id)
        stub = authorization_service_pb2_grpc.AuthorizationServiceStub(self._channel)
        answer: dict[str, Any] = MessageToDict(await stub.GetAuthorization(request, metadata=who, timeout=SECONDS))
        return answer

    async def decide(self, authorization_id: str, decision: str = "authorized", **fields: Any) -> dict[str, Any]:
        """Decide as an operator."""
        document = {"id": authorization_id, "decision": decision, **fields}
        request = ParseDict(document, authorization_service_pb2.DecideAuthorizationRequest())
        stub = authorization_service_pb2_grpc.AuthorizationServiceStub(self._channel)
        answer: dict[str, Any] = MessageToDict(await stub.DecideAuthorization(request, metadata=OPERATOR, timeout=SECONDS))
        return answer

    async def decided(self, authorization_id: str) -> dict[str, Any]:
        """An authorization when it has come to its end."""
        found: dict[str, Any] = {}

        async def over() -> bool:
            nonlocal found
            found = await self.waiting(authorization_id)
            return found["status"] in ("EXECUTED", "FAILED")

        await eventually(over, SECONDS)
        return found

    def actions(self, action: str) -> list[dict[str, Any]]:
        """What the action log has of one kind, in order."""
        return self.dispatch.rows("select * from dispatch.action where action = %s order by created_at, id", action)

    def everything(self) -> str:
        """Every column of every table, and the log, as one text."""
        names = self.dispatch.rows(
            "select schemaname, tablename from pg_tables where schemaname in ('dispatch', 'procrastinate')"
        )
        names += self.dispatch.rows(
            "select schemaname, tablename from pg_tables where schemaname not in ('dispatch', 'pg_catalog', 'information_schema')"
        )
        tables = [
            str(self.dispatch.rows(f'select row_to_json(t)::text from "{one["schemaname"]}"."{one["tablename"]}" t'))
            for one in names
        ]
        return "\n".join([*tables, self.dispatch.log])

    @property
    def _channel(self) -> Any:
        assert self.dispatch.channel is not None
        return self.dispatch.channel
