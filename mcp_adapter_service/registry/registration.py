"""Registering a server: look at it, list its tools, check and pin them, keep it; and tell how far that is.

Above: `servicer`. Below: `endpoint` (what may be asked for), `clients`, `listing`, `store`. What cannot be used is said in one
line, and nothing is kept then.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace

import aiohttp
from switchboard.registry.v1 import server_registry_service_pb2 as pb

from mcp_adapter_service.mcp_client import Fault, ToolList
from mcp_adapter_service.registry import listing
from mcp_adapter_service.registry.clients import open_client
from mcp_adapter_service.registry.endpoint import Endpoints, Forbidden
from mcp_adapter_service.registry.listing import Listing, ListingUnusable
from mcp_adapter_service.registry.records import Author, KeptServer, NewServer
from mcp_adapter_service.registry.store import RegistryStore

_LOOK_SECONDS = 30.0
_DEFAULT_TIMEOUT_SECONDS = 25


class CannotRegister(Exception):
    """The server cannot be used; the message says why to a person."""


@dataclass(frozen=True, slots=True)
class Step:
    """Step is how far a registration is; `server` is there when it is done."""

    text: str
    server: KeptServer | None = None


class Registrar:
    """Registrar registers servers."""

    def __init__(
        self, store: RegistryStore, endpoints: Endpoints, session: aiohttp.ClientSession, *, next_check_seconds: float
    ) -> None:
        self._store = store
        self._endpoints = endpoints
        self._session = session
        self._next_check_seconds = next_check_seconds

    async def register(self, tenant: str, request: pb.RegisterServerRequest, author: Author) -> AsyncIterator[Step]:
        """Register a server, step by step.

        Raises:
            CannotRegister: it cannot be used; nothing is kept.
            AlreadyExists: the tenant has a server of that name.
        """
        server = self._described(tenant, request)
        async with AsyncExitStack() as opened:
            try:
                address = self._endpoints.check_address(server.url, server.command)
                client, close = open_client(server.name, self._endpoints.of(server), self._session, _nobody_listens)
            except Forbidden as problem:
                raise CannotRegister(_sentence(str(problem))) from None
            opened.push_async_callback(client.aclose)
            if close is not None:
                opened.push_async_callback(close)
            yield Step(f"Looking for an MCP server at {address}")
            deadline = asyncio.get_running_loop().time() + _LOOK_SECONDS
            alive = await client.ping(deadline)
            if isinstance(alive, Fault):
                raise CannotRegister(alive.text)
            yield Step(f"It speaks MCP of {client.protocol_version}; listing its tools")
            pages: asyncio.Queue[int] = asyncio.Queue()
            listing_tools = asyncio.create_task(client.list_tools(deadline, on_page=pages.put_nowait), name="list-tools")
            opened.push_async_callback(_cancelled, listing_tools)
            async for count in _until_done(pages, listing_tools):
                yield Step(f"It listed {count} tools so far")
            listed = listing_tools.result()
            if isinstance(listed, Fault):
                raise CannotRegister(listed.text)
            yield Step(f"It lists {len(listed.tools) + len(listed.left_out)} tools; checking their schemas")
            try:
                # Somebody else's schemas may take a while, in which others are served.
                found = await asyncio.to_thread(listing.read, listed)
            except ListingUnusable as problem:
                raise CannotRegister(f"The server cannot be used: {problem}.") from None
            for step in _checked(found):
                yield step
            new = replace(server, protocol_version=client.protocol_version or "")
            kept = await self._store.add(new, found, author, next_check_seconds=self._next_check_seconds)
        yield Step(f"Kept as {server.name}. Nothing of it can be called before it is enabled.", kept)

    def _described(self, tenant: str, request: pb.RegisterServerRequest) -> NewServer:
        if request.token and (request.token_environment or request.command):
            raise CannotRegister(
                "Give a token or the variable that holds it, not both; a server that is started gets it by a variable."
            )
        try:
            sealed = self._endpoints.seal(tenant, request.name, request.url, request.token) if request.token else None
        except Forbidden as problem:
            raise CannotRegister(_sentence(str(problem))) from None
        return NewServer(
            tenant=tenant,
            name=request.name,
            url=request.url,
            command=tuple(request.command),
            token_environment=request.token_environment,
            sealed_token=sealed,
            timeout_seconds=request.timeout_seconds or _DEFAULT_TIMEOUT_SECONDS,
            protocol_version="",
        )


async def _until_done(pages: asyncio.Queue[int], task: asyncio.Task[ToolList | Fault]) -> AsyncIterator[int]:
    """Yield what comes through `pages` until `task` is done."""
    while True:
        page = asyncio.ensure_future(pages.get())
        try:
            await asyncio.wait({page, task}, return_when=asyncio.FIRST_COMPLETED)
            if not page.done():
                break
            yield page.result()
        finally:
            page.cancel()
    while not pages.empty():
        yield pages.get_nowait()


async def _cancelled(task: asyncio.Task[ToolList | Fault]) -> None:
    """End a task that nobody waits for any more."""
    task.cancel()
    await asyncio.wait({task})


def _checked(found: Listing) -> list[Step]:
    steps = [Step(f"The tool {name} cannot be used: {reason}") for name, reason in sorted(found.unusable.items())]
    return [*steps, Step(f"Pinned {len(found.tools)} tools")]


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."


def _nobody_listens() -> None:
    """A server that is only being looked at may change its tools: they are listed again once it is kept."""
