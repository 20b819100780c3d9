"""dispatch_service over gRPC: one channel to each replica, taken in turn.

Above: the catalogue, calls and approvals. Below: gRPC with mutual TLS.

A replica that is not there is left alone for a moment, and the call goes to the next. That is safe for a call that was under way,
too: dispatch_service knows a repeated call by its key, or by what it asks for, and does it once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from switchboard.authorization.v1 import authorization_service_pb2, authorization_service_pb2_grpc
from switchboard.tool.v1 import tool_service_pb2, tool_service_pb2_grpc

from model_gateway.caller import Caller
from service_kit.grpc_server import MAX_MESSAGE_BYTES
from service_kit.tls import TlsSettings, open_channel

CallToolRequest = tool_service_pb2.CallToolRequest
CallToolResponse = tool_service_pb2.CallToolResponse
Authorization = authorization_service_pb2.Authorization
Tool = tool_service_pb2.Tool
Reply = TypeVar("Reply")

_NAME = "dispatch"  # What its certificate calls it.
_QUESTION_SECONDS = 10.0
_HEALTH_SECONDS = 2.0
_REST_SECONDS = 1.0
_OPTIONS = (
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    # A restarted replica is found again within a second, not after gRPC's two-minute back-off.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1000),
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.keepalive_timeout_ms", 5_000),
)


class DispatchFault(Exception):
    """dispatch_service did not answer, or not in the domain's words. `code` is gRPC's."""

    def __init__(self, code: grpc.StatusCode) -> None:
        super().__init__(code.name)
        self.code = code


class _Replica:
    def __init__(self, address: str, tls: TlsSettings) -> None:
        self.channel = open_channel(address, _NAME, tls, _OPTIONS)
        self.tools: tool_service_pb2_grpc.ToolServiceAsyncStub = tool_service_pb2_grpc.ToolServiceStub(self.channel)
        self.authorizations: authorization_service_pb2_grpc.AuthorizationServiceAsyncStub = (
            authorization_service_pb2_grpc.AuthorizationServiceStub(self.channel)
        )
        self.health = health_pb2_grpc.HealthStub(self.channel)
        self.rests_until = 0.0


class Dispatch:
    """dispatch_service at `addresses`, separated by commas. Has to be made inside the event loop that uses it."""

    def __init__(self, addresses: str, tls: TlsSettings, *, call_seconds: float) -> None:
        self._replicas = [_Replica(address.strip(), tls) for address in addresses.split(",")]
        self._call_seconds = call_seconds
        self._turn = 0

    async def close(self) -> None:
        """Close the channels."""
        for replica in self._replicas:
            await replica.channel.close()

    async def list_tools(self, caller: Caller, *, names_only: bool) -> Sequence[Tool]:
        """Return what the caller may call. Raises DispatchFault."""
        request = tool_service_pb2.ListToolsRequest(names_only=names_only)
        reply = await self._ask(
            lambda replica: replica.tools.ListTools(request, metadata=caller.metadata, timeout=_QUESTION_SECONDS)
        )
        return reply.tools

    async def call_tool(self, caller: Caller, request: CallToolRequest) -> CallToolResponse:
        """Call one tool. Raises DispatchFault."""
        return await self._ask(
            lambda replica: replica.tools.CallTool(request, metadata=caller.metadata, timeout=self._call_seconds)
        )

    async def authorization(self, caller: Caller, queue_id: str) -> Authorization:
        """Return how a call that waited stands. Raises DispatchFault, with NOT_FOUND for what is not the caller's."""
        request = authorization_service_pb2.GetAuthorizationRequest(id=queue_id)
        return await self._ask(
            lambda replica: replica.authorizations.GetAuthorization(request, metadata=caller.metadata, timeout=_QUESTION_SECONDS)
        )

    async def serving(self) -> bool:
        """Say whether a replica takes calls."""
        request = health_pb2.HealthCheckRequest()
        try:
            reply = await self._ask(lambda replica: replica.health.Check(request, timeout=_HEALTH_SECONDS))
        except DispatchFault:
            return False
        return bool(reply.status == health_pb2.HealthCheckResponse.SERVING)

    async def _ask(self, question: Callable[[_Replica], Awaitable[Reply]]) -> Reply:
        code = grpc.StatusCode.UNAVAILABLE
        for replica in self._in_order():
            try:
                return await question(replica)
            except grpc.aio.AioRpcError as problem:
                code = problem.code()
                if code is not grpc.StatusCode.UNAVAILABLE:
                    break
                replica.rests_until = asyncio.get_running_loop().time() + _REST_SECONDS
        raise DispatchFault(code)

    def _in_order(self) -> list[_Replica]:
        """The replicas, another one first each time, and those that rest last."""
        self._turn = (self._turn + 1) % len(self._replicas)
        now = asyncio.get_running_loop().time()
        turned = self._replicas[self._turn :] + self._replicas[: self._turn]
        return sorted(turned, key=lambda replica: max(replica.rests_until - now, 0.0))
