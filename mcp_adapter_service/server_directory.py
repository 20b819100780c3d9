"""Every MCP server that this process calls: those of the settings, for every tenant, and each tenant's own of the registry.

Above: `app` makes it; `invocation`, `registry.watch` and `metrics` look servers up, always in memory. Below: `servers`, and what
`registry.cache` hands over whenever a server or one of its tools changed.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator, Mapping

import aiohttp

from mcp_adapter_service.registry.clients import Noticed, open_client
from mcp_adapter_service.registry.endpoint import Endpoints, Forbidden
from mcp_adapter_service.registry.listing import Drift
from mcp_adapter_service.registry.records import KeptServer, KeptTool, Key
from mcp_adapter_service.servers import Refusal, Tool, ToolServer, guarded
from mcp_adapter_service.settings import McpGuardSettings
from service_kit.json_schema import Schema, SchemaUnusable
from service_kit.logging import log

_logger = logging.getLogger(__name__)

_REFUSALS = {
    Drift.CHANGED: ("TOOL_CHANGED", "is not as it was accepted"),
    Drift.GONE: ("TOOL_GONE", "is not there any more"),
    Drift.NEW: ("TOOL_NOT_ACCEPTED", "was not accepted yet"),
    Drift.UNUSABLE: ("TOOL_NOT_ACCEPTED", "cannot be accepted"),
}


_REACHED = ("id", "url", "command", "token_environment", "sealed_token", "timeout_seconds")


class ServerUnusable(Exception):
    """A registered server cannot be used as it is kept; the message says why to a person."""


class ServerDirectory:
    """ServerDirectory finds servers by name and tenant. `configured` are the settings'; their names are nobody else's."""

    def __init__(
        self,
        configured: Mapping[str, ToolServer],
        endpoints: Endpoints,
        session: aiohttp.ClientSession,
        noticed: Noticed,
    ) -> None:
        self.configured = configured
        self._endpoints = endpoints
        self._session = session
        self._noticed = noticed
        self._registered: dict[Key, ToolServer] = {}
        self._kept: dict[Key, KeptServer] = {}
        self._problems: dict[Key, str] = {}
        self._retiring: dict[asyncio.Task[None], ToolServer] = {}

    def find(self, name: str, tenant: str) -> ToolServer | None:
        """Return a server as a tenant has it. Raises ServerUnusable."""
        server = self.configured.get(name)
        if server is not None:
            return server
        key = (tenant, name)
        server = self._registered.get(key)
        if server is None and key in self._problems:
            raise ServerUnusable(self._problems[key])
        return server

    def registered(self, key: Key) -> ToolServer | None:
        """Return a server of the registry. Raises ServerUnusable."""
        return None if key[1] in self.configured else self.find(key[1], key[0])

    def kept(self, key: Key) -> KeptServer | None:
        """Return a server of the registry as it is kept."""
        return self._kept.get(key)

    def breaker(self, key: Key) -> str:
        """Return how the breaker of a registered server stands."""
        server = self._registered.get(key)
        return server.client.breaker_state.value if server is not None else "closed"

    def all(self) -> Iterator[ToolServer]:
        """Return every server."""
        yield from self.configured.values()
        yield from self._registered.values()

    def drifted(self) -> Iterator[tuple[str, int]]:
        """Return the name of every registered server and how many of its tools are not as they were accepted."""
        for key, kept in self._kept.items():
            yield key[1], sum(tool.drift is not Drift.NONE for tool in kept.tools.values())

    def follow(self, servers: Mapping[Key, KeptServer]) -> None:
        """Take over what the registry has now. Removed servers are closed when the calls on them have ended."""
        for key, before in list(self._kept.items()):
            if key not in servers or _elsewhere(before, servers[key]):
                self._forget(key)
        for key, kept in servers.items():
            before_kept = self._kept.get(key)
            if before_kept is None:
                self._open(kept)
            elif before_kept.version != kept.version and key in self._registered:
                self._registered[key].know(_tools(kept))
            self._kept[key] = kept

    async def close(self) -> None:
        """Close every server, those too that still wait for their last calls."""
        servers = [*self.all(), *self._retiring.values()]
        retiring = set(self._retiring)
        for task in retiring:
            task.cancel()
        if retiring:
            await asyncio.wait(retiring)
        await asyncio.gather(*(server.close() for server in servers))

    def _open(self, kept: KeptServer) -> None:
        try:
            endpoint = self._endpoints.of(kept)
        except Forbidden as problem:
            self._problems[kept.key] = str(problem)
            log(_logger, logging.WARNING, "registered server cannot be used", server=kept.name, tenant=kept.tenant)
            return
        client, close = open_client(kept.name, endpoint, self._session, lambda: self._noticed(kept.key))
        self._registered[kept.key] = ToolServer(
            kept.name,
            guarded(client, McpGuardSettings()),
            _tools(kept),
            _unknown,
            timeout_seconds=kept.timeout_seconds,
            close=close,
        )

    def _forget(self, key: Key) -> None:
        self._kept.pop(key, None)
        self._problems.pop(key, None)
        server = self._registered.pop(key, None)
        if server is not None:
            task = asyncio.create_task(server.retire(), name=f"retire-{server.name}")
            self._retiring[task] = server
            task.add_done_callback(lambda done: self._retiring.pop(done, None))


def _elsewhere(before: KeptServer, after: KeptServer) -> bool:
    """Whether a server is reached otherwise than before, or is another of the same name."""
    return any(getattr(before, name) != getattr(after, name) for name in _REACHED)


def _tools(kept: KeptServer) -> dict[str, Tool]:
    return {name: _tool(kept.name, tool) for name, tool in kept.tools.items()}


def _tool(server: str, kept: KeptTool) -> Tool:
    refusal = None
    if kept.drift is not Drift.NONE:
        code, what = _REFUSALS[kept.drift]
        refusal = Refusal(code, f"The tool of '{server}' {what}: {kept.reason}.")
    return Tool(
        name=kept.name,
        # Until somebody has said something of it, its name is the server's word only.
        label=kept.name if kept.configured else "other",
        reads_only=kept.effect == "read",
        idempotent=kept.idempotent,
        in_contract=False,
        refusal=refusal,
        result_schema=None if refusal else _result_schema(kept),
        pin=kept.pinned.pin if kept.pinned else "",
    )


def _result_schema(kept: KeptTool) -> Schema | None:
    schema = kept.pinned.output_schema if kept.pinned else None
    try:
        return None if schema is None else Schema.kept(schema)
    except SchemaUnusable:
        # It was usable when it was pinned: an earlier release's bounds were others. What comes back is then refused, not let by.
        return Schema.kept({"not": {}})


def _unknown(name: str) -> Tool:
    message = "The server has no such tool, or it was not accepted."
    refusal = Refusal("UNKNOWN_TOOL", message)
    return Tool(name=name, label="other", reads_only=False, idempotent=False, in_contract=False, refusal=refusal)
