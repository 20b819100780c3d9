"""Looks again, in the background, at what every registered server lists, and notes what is not as it was pinned.

Above: `app`. Below: `check_store` (each server is looked at by one adapter at a time), the server's own client, `store`. The
check before each call is not here: it is a look into a dictionary, which the cache keeps.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any, Final

from mcp_adapter_service.mcp_client import Fault
from mcp_adapter_service.metrics import Metrics
from mcp_adapter_service.registry import listing
from mcp_adapter_service.registry.cache import RegistryCache
from mcp_adapter_service.registry.check_store import CheckStore
from mcp_adapter_service.registry.listing import Drift, Listing, ListingUnusable, Standing
from mcp_adapter_service.registry.records import Author, Key
from mcp_adapter_service.registry.store import RegistryStore
from mcp_adapter_service.server_directory import ServerDirectory, ServerUnusable
from service_kit.errors import NotFound
from service_kit.logging import log

_logger = logging.getLogger(__name__)

_TURN_SECONDS: Final = 1.0
_AT_ONE_TIME: Final = 4
_LOOK_SECONDS: Final = 15.0
# Longer than a look takes: another adapter takes over from one that died.
_LEASE_SECONDS: Final = 30.0
_SHORTEST_SECONDS: Final = 1.0
_LONGEST_SECONDS: Final = 3600.0

AUTHOR: Final = Author(actor="adapter")


class CannotList(Exception):
    """A server's tools cannot be listed now; the message says why to a person."""


class Watch:
    """Watch looks at servers between `open` and `close`."""

    def __init__(
        self,
        checks: CheckStore,
        store: RegistryStore,
        cache: RegistryCache,
        directory: ServerDirectory,
        metrics: Metrics,
        *,
        every_seconds: float,
    ) -> None:
        self._checks = checks
        self._store = store
        self._cache = cache
        self._directory = directory
        self._metrics = metrics
        self._every_seconds = every_seconds
        self._wake = asyncio.Event()
        self._noticed: set[Key] = set()
        self._looks: set[asyncio.Task[None]] = set()
        self._watching: asyncio.Task[None] | None = None

    def open(self) -> None:
        """Begin to watch."""
        self._watching = asyncio.create_task(self._watch(), name="registry-watch")

    async def close(self) -> None:
        """Stop watching."""
        tasks = {*self._looks, *([self._watching] if self._watching else [])}
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    def notice(self, key: Key) -> None:
        """Have a server looked at now: it says that its tools are others."""
        self._noticed.add(key)
        self._wake.set()

    async def list_now(self, key: Key) -> tuple[Listing, float | None]:
        """Return what a server lists now, and how long that stands in seconds where it says so. Raises CannotList."""
        try:
            server = self._directory.registered(key)
        except ServerUnusable as problem:
            raise CannotList(f"The server cannot be used: {problem}.") from None
        if server is None:
            raise CannotList("There is no such server.")
        server.begin()
        try:
            listed = await server.client.list_tools(asyncio.get_running_loop().time() + _LOOK_SECONDS)
        finally:
            server.end()
        if isinstance(listed, Fault):
            raise CannotList(listed.text)
        try:
            kept = self._directory.kept(key)
            accepted = {tool.pin for tool in kept.pinned.values()} if kept else set()
            return await asyncio.to_thread(listing.read, listed, accepted), listed.ttl_seconds
        except ListingUnusable as problem:
            raise CannotList(f"The server cannot be used: {problem}.") from None

    async def _watch(self) -> None:
        away = False
        while True:
            try:
                await self._turn()
                away = False
            except Exception:  # The top of a background task: whatever happened, watching has to go on.
                if not away:
                    log(_logger, logging.WARNING, "servers cannot be looked at; trying again", exc_info=True)
                away = True
            try:
                async with asyncio.timeout(_TURN_SECONDS):
                    await self._wake.wait()
            except TimeoutError:
                continue
            self._wake.clear()

    async def _turn(self) -> None:
        for key in tuple(self._noticed):
            await self._checks.make_due(key)
            self._noticed.discard(key)
        free = _AT_ONE_TIME - len(self._looks)
        for key in await self._checks.claim(lease_seconds=_LEASE_SECONDS, most=free) if free else ():
            look = asyncio.create_task(self._look(key), name=f"look-{key[1]}")
            self._looks.add(look)
            look.add_done_callback(self._looks.discard)

    async def _look(self, key: Key) -> None:
        try:
            await self._look_at(key)
        except NotFound:
            log(_logger, logging.INFO, "server was removed while it was looked at", server=key[1], tenant=key[0])
        except Exception:  # The top of a task: the server is due again when its lease ends.
            log(_logger, logging.WARNING, "what a server lists could not be noted", exc_info=True, server=key[1], tenant=key[0])

    async def _look_at(self, key: Key) -> None:
        kept = self._directory.kept(key)
        if kept is None:
            # Kept by another adapter a moment ago, and not read here yet.
            await self._checks.put(key, healthy=True, message="", next_seconds=_SHORTEST_SECONDS)
            return
        try:
            found, ttl = await self.list_now(key)
        except CannotList as problem:
            await self._checks.put(key, healthy=False, message=str(problem), next_seconds=self._every_seconds)
            return
        news = await self._store.note_listing(key, kept.id, found, AUTHOR)
        seconds = min(max(ttl, _SHORTEST_SECONDS), _LONGEST_SECONDS) if ttl else self._every_seconds
        await self._checks.put(key, healthy=True, message="", next_seconds=seconds)
        if news:
            self._metrics.observe_drift(key[1], sum(standing.drift is not Drift.NONE for standing in news))
            for standing in news:
                _say(key, standing)
            await self._cache.refresh()


def _say(key: Key, standing: Standing) -> None:
    """Say once, when it is found, that a tool stands otherwise than before."""
    facts: dict[str, Any] = {"server": key[1], "tenant": key[0], "tool": standing.name, "drift": standing.drift.value}
    if standing.drift is Drift.NONE:
        log(_logger, logging.INFO, "tool is as it was pinned again", **facts)
    else:
        log(_logger, logging.WARNING, "tool is not as it was pinned", **facts)
