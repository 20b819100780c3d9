"""ServerRegistryService: the third-party servers of an operator's own company. Every call is handed on to the adapter, which
keeps them; every change is in the action log.

Above: the door. Below: the adapter's register, `foreign.changes`.

A change that has begun is carried to its end, and its outcome journalled, also where the caller goes away meanwhile.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any, TypeVar

from google.protobuf.message import Message
from switchboard.registry.v1 import server_registry_service_pb2 as pb
from switchboard.registry.v1 import server_registry_service_pb2_grpc

from dispatch_service.adapter import Asker, RegistryClient
from dispatch_service.foreign.changes import Asked, Changes
from dispatch_service.principal import Principal, Realm, require_operator
from dispatch_service.servicers import metadata as metadata_of
from service_kit.contract import validation
from service_kit.errors import Forbidden, InvalidArgument
from service_kit.keys import Keyring

Response = TypeVar("Response", bound=Message)
_Tell = Callable[[pb.RegisterServerResponse], None]


class ServerRegistryServicer(server_registry_service_pb2_grpc.ServerRegistryServiceServicer):
    """Hands an operator's calls on."""

    def __init__(self, *, realm: Realm, registry: RegistryClient, changes: Changes, keys: Keyring) -> None:
        self._realm = realm
        self._registry = registry
        self._changes = changes
        self._keys = keys

    async def RegisterServer(self, request: pb.RegisterServerRequest, context: Any) -> AsyncIterator[pb.RegisterServerResponse]:
        """Look at a server, pin its tools and keep it, step by step."""
        asked = self._asked("RegisterServer", request, context)
        steps: asyncio.Queue[pb.RegisterServerResponse] = asyncio.Queue()
        work = self._changes.start(self._register(asked, request, steps.put_nowait))
        while not work.done() or not steps.empty():
            step = asyncio.ensure_future(steps.get())
            try:
                await asyncio.wait({step, work}, return_when=asyncio.FIRST_COMPLETED)
                if step.done():
                    yield step.result()
            finally:
                step.cancel()
        await work

    async def ListRegisteredServers(
        self, request: pb.ListRegisteredServersRequest, context: Any
    ) -> pb.ListRegisteredServersResponse:
        """List them by name."""
        by = self._asker(request, context)
        return await self._registry.hand_on("ListRegisteredServers", request, pb.ListRegisteredServersResponse, by)

    async def GetRegisteredServer(self, request: pb.GetRegisteredServerRequest, context: Any) -> pb.RegisteredServer:
        """Return one with its tools."""
        by = self._asker(request, context)
        return await self._registry.hand_on("GetRegisteredServer", request, pb.RegisteredServer, by)

    async def RepinServer(self, request: pb.RepinServerRequest, context: Any) -> pb.RegisteredServer:
        """Accept tools as the server now lists them."""
        return await self._change("RepinServer", request, pb.RegisteredServer, context)

    async def ConfigureTool(self, request: pb.ConfigureToolRequest, context: Any) -> pb.RegisteredTool:
        """Say what we know of a tool."""
        return await self._change("ConfigureTool", request, pb.RegisteredTool, context)

    async def EnableTool(self, request: pb.EnableToolRequest, context: Any) -> pb.RegisteredTool:
        """Let a tool be called, or take that back."""
        return await self._change("EnableTool", request, pb.RegisteredTool, context)

    async def RemoveServer(self, request: pb.RemoveServerRequest, context: Any) -> pb.RemoveServerResponse:
        """Forget a server."""
        return await self._change("RemoveServer", request, pb.RemoveServerResponse, context)

    async def _change(self, rpc: str, request: Message, answer: type[Response], context: Any) -> Response:
        asked = self._asked(rpc, request, context)

        async def make() -> Response:
            async with self._changes.journalled(asked) as outcome:
                reply = await self._registry.hand_on(rpc, request, answer, _asker_of(asked))
                outcome.made(reply)
                return reply

        return await asyncio.shield(self._changes.start(make()))

    async def _register(self, asked: Asked, request: pb.RegisterServerRequest, tell: _Tell) -> None:
        async with self._changes.journalled(asked) as outcome:
            async for step in self._registry.register(request, _asker_of(asked)):
                if step.done and step.error:
                    outcome.unusable()
                elif step.done:
                    outcome.made(step)
                tell(step)

    def _asked(self, rpc: str, request: Message, context: Any) -> Asked:
        by = self._operator(request, context)
        metadata = metadata_of.of(context)
        return Asked(
            rpc=rpc,
            request=request,
            by=by,
            correlation_id=metadata_of.correlation_id(metadata),
            client=metadata_of.client(metadata, "", self._keys),
        )

    def _asker(self, request: Message, context: Any) -> Asker:
        by = self._operator(request, context)
        return Asker(actor=by.subject, correlation_id=metadata_of.correlation_id(metadata_of.of(context)))

    def _operator(self, request: Message, context: Any) -> Principal:
        """Return the operator who asks, where the request is as the contract says."""
        by = require_operator(metadata_of.of(context), self._realm)
        if by.tenant != self._realm.tenant:
            raise Forbidden("FORBIDDEN", "This is another company's.")
        problems = validation.check(request)
        if problems:
            named = ", ".join(problem.path for problem in problems)
            raise InvalidArgument("INVALID_ARGUMENT", f"Check these parameters: {named}.", problems=problems)
        return by


def _asker_of(asked: Asked) -> Asker:
    return Asker(actor=asked.by.subject, correlation_id=asked.correlation_id)
