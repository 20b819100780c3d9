"""ServerRegistryService as the adapter serves it, to the dispatch service and to whoever runs the machine.

Above: the gRPC server. Below: `cache` for showing, `registration` and `store` for changing, `watch` for what a server lists now.
Whose servers they are and who asks is in the metadata: dispatch has checked the operator's token, and nobody else gets here.
"""

from __future__ import annotations

import logging
import re
from collections.abc import AsyncIterator
from contextlib import aclosing, suppress
from typing import Any, Final, TypeAlias

import grpc
from google.protobuf.message import Message
from switchboard.registry.v1 import server_registry_service_pb2 as pb
from switchboard.registry.v1 import server_registry_service_pb2_grpc as pb_grpc

from mcp_adapter_service.registry.cache import RegistryCache
from mcp_adapter_service.registry.records import EFFECT_NAMES, LEVEL_NAMES, Author, KeptServer, Key
from mcp_adapter_service.registry.registration import CannotRegister, Registrar
from mcp_adapter_service.registry.store import RegistryStore
from mcp_adapter_service.registry.watch import CannotList, Watch
from mcp_adapter_service.server_directory import ServerDirectory
from mcp_adapter_service.servers import contract_servers
from service_kit.contract.validation import check
from service_kit.errors import AlreadyExists, Conflict, FailedPrecondition, InvalidArgument, NotFound
from service_kit.logging import log
from service_kit.postgres import DatabaseError

_logger = logging.getLogger(__name__)

TENANT_METADATA: Final = "x-switchboard-tenant"
ACTOR_METADATA: Final = "x-switchboard-actor"
CORRELATION_METADATA: Final = "x-correlation-id"
_NAMED: Final = re.compile(r"[\x20-\x7e]{1,200}")

Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"


class RegistryServicer(pb_grpc.ServerRegistryServiceServicer):
    """RegistryServicer shows from memory and changes through the store."""

    def __init__(
        self, store: RegistryStore, cache: RegistryCache, directory: ServerDirectory, registrar: Registrar, watch: Watch
    ) -> None:
        self._store = store
        self._cache = cache
        self._directory = directory
        self._registrar = registrar
        self._watch = watch

    async def RegisterServer(
        self, request: pb.RegisterServerRequest, context: Context
    ) -> AsyncIterator[pb.RegisterServerResponse]:
        """Register a server and tell how far that is."""
        tenant, author = _caller(context)
        _require_valid(request)
        key = (tenant, request.name)
        if request.name in self._directory.configured or request.name in contract_servers():
            raise AlreadyExists("ALREADY_EXISTS", f"The name {request.name} is that of a server of ours; take another.")
        if self._cache.find(key) is not None:
            raise AlreadyExists("ALREADY_EXISTS", f"There is a server called {request.name} already; remove it first.")
        try:
            async with aclosing(self._registrar.register(tenant, request, author)) as steps:  # type: ignore[type-var]
                async for step in steps:
                    if step.server is None:
                        yield pb.RegisterServerResponse(step=step.text, done=False)
                        continue
                    await self._changed("server registered", key, author)
                    kept = self._cache.find(key) or step.server
                    yield pb.RegisterServerResponse(step=step.text, done=True, server=self._shown(kept, with_tools=True))
        except CannotRegister as problem:
            yield pb.RegisterServerResponse(step="Nothing was kept", done=True, error=str(problem))

    async def ListRegisteredServers(
        self, request: pb.ListRegisteredServersRequest, context: Context
    ) -> pb.ListRegisteredServersResponse:
        """List a tenant's servers, without their tools."""
        tenant, _ = _caller(context)
        servers = self._cache.of_tenant(tenant)
        return pb.ListRegisteredServersResponse(servers=[self._shown(server, with_tools=False) for server in servers])

    async def GetRegisteredServer(self, request: pb.GetRegisteredServerRequest, context: Context) -> pb.RegisteredServer:
        """Return one server with its tools."""
        tenant, _ = _caller(context)
        return self._shown(self._found((tenant, request.name)), with_tools=True)

    async def RepinServer(self, request: pb.RepinServerRequest, context: Context) -> pb.RegisteredServer:
        """Accept tools as the server lists them at this moment."""
        tenant, author = _caller(context)
        _require_valid(request)
        key = (tenant, request.name)
        kept = self._found(key)
        try:
            found, _ = await self._watch.list_now(key)
        except CannotList as problem:
            raise FailedPrecondition("SERVER_DOWN", str(problem)) from None
        if found.hash != request.listing_hash:
            await self._store.note_listing(key, kept.id, found, author)
            await self._changed("server lists something else", key, author)
            raise Conflict("CONFLICT", "The server lists something else by now; look at it again.")
        repinned = await self._store.repin(key, found, request.listing_hash, request.tools, author)
        await self._changed("server pinned again", key, author)
        return self._shown(repinned, with_tools=True)

    async def ConfigureTool(self, request: pb.ConfigureToolRequest, context: Context) -> pb.RegisteredTool:
        """Say what we know of a tool."""
        tenant, author = _caller(context)
        _require_valid(request)
        key = (tenant, request.server)
        tool = await self._store.configure(
            key,
            request.tool,
            author,
            effect=EFFECT_NAMES[request.effect],
            idempotent=request.idempotent,
            permission=LEVEL_NAMES[request.permission],
            sensitive=request.sensitive,
        )
        await self._changed("tool configured", key, author, tool=request.tool)
        return tool.message()

    async def EnableTool(self, request: pb.EnableToolRequest, context: Context) -> pb.RegisteredTool:
        """Let a tool be called, or take that back."""
        tenant, author = _caller(context)
        _require_valid(request)
        key = (tenant, request.server)
        tool = await self._store.enable(key, request.tool, author, subject=request.subject, enabled=request.enabled)
        await self._changed("tool enabled" if request.enabled else "tool disabled", key, author, tool=request.tool)
        return tool.message()

    async def RemoveServer(self, request: pb.RemoveServerRequest, context: Context) -> pb.RemoveServerResponse:
        """Forget a server."""
        tenant, author = _caller(context)
        key = (tenant, request.name)
        await self._store.remove(key, author)
        await self._changed("server removed", key, author)
        return pb.RemoveServerResponse()

    def _found(self, key: Key) -> KeptServer:
        kept = self._cache.find(key)
        if kept is None:
            raise NotFound("NOT_FOUND", "There is no such server.")
        return kept

    def _shown(self, kept: KeptServer, *, with_tools: bool) -> pb.RegisteredServer:
        return kept.message(self._cache.check(kept.key), self._directory.breaker(kept.key), with_tools=with_tools)

    async def _changed(self, message: str, key: Key, author: Author, **facts: Any) -> None:
        log(_logger, logging.INFO, message, server=key[1], tenant=key[0], correlation_id=author.correlation_id, **facts)
        # The change is committed: that it cannot be read back this moment does not undo it, and polling makes up for it.
        with suppress(DatabaseError):
            await self._cache.refresh()


def _caller(context: Context) -> tuple[str, Author]:
    """Return whose servers are meant and who asks. Raises InvalidArgument."""
    given = {key: value for key, value in context.invocation_metadata() or () if isinstance(value, str)}
    tenant, actor = given.get(TENANT_METADATA, ""), given.get(ACTOR_METADATA, "")
    for name, value in ((TENANT_METADATA, tenant), (ACTOR_METADATA, actor)):
        if not _NAMED.fullmatch(value):
            raise InvalidArgument("INVALID_ARGUMENT", f"The call's metadata has to have {name}.")
    return tenant, Author(actor=actor, correlation_id=given.get(CORRELATION_METADATA, "")[:200])


def _require_valid(request: Message) -> None:
    problems = check(request)
    if problems:
        message = "The request breaks the contract; see its field violations."
        raise InvalidArgument("INVALID_ARGUMENT", message, problems=problems)
