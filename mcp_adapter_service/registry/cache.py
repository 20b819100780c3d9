"""The whole registry in memory, kept current by asking Postgres three times a second whether anything changed.

Above: `servers` and the servicer read it, always from memory. Below: `store`. Only servers whose version is another are read
again. While Postgres is away what was read last is served; before anything was read, readers get DatabaseUnavailable.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping

from mcp_adapter_service.registry.records import Check, KeptServer, Key
from mcp_adapter_service.registry.store import RegistryStore
from service_kit.logging import log
from service_kit.postgres import DatabaseUnavailable

_logger = logging.getLogger(__name__)

Follower = Callable[[Mapping[Key, KeptServer]], None]
"""Gets every server whenever one changed."""


class RegistryCache:
    """RegistryCache holds every tenant's servers and follows their changes between `open` and `close`."""

    def __init__(self, store: RegistryStore, follower: Follower, *, poll_seconds: float = 0.3) -> None:
        self._store = store
        self._follower = follower
        self._poll_seconds = poll_seconds
        self._generation: int | None = None
        self._servers: dict[Key, KeptServer] = {}
        self._checks: Mapping[Key, Check] = {}
        self._loaded = asyncio.Event()
        self._following: asyncio.Task[None] | None = None
        self._reloading = asyncio.Lock()

    def of_tenant(self, tenant: str) -> list[KeptServer]:
        """Return a tenant's servers by name. Raises DatabaseUnavailable where nothing was read yet."""
        self._require_loaded()
        found = [server for (owner, _), server in self._servers.items() if owner == tenant]
        return sorted(found, key=lambda server: server.name)

    def find(self, key: Key) -> KeptServer | None:
        """Return one server. Raises DatabaseUnavailable where nothing was read yet."""
        self._require_loaded()
        return self._servers.get(key)

    def check(self, key: Key) -> Check | None:
        """Return how a server was when it was last looked at."""
        return self._checks.get(key)

    async def open(self, *, wait_seconds: float) -> None:
        """Begin to follow, and give the first load `wait_seconds`; without it the service starts all the same."""
        self._following = asyncio.create_task(self._follow(), name="registry-cache")
        try:
            async with asyncio.timeout(wait_seconds):
                await self._loaded.wait()
        except TimeoutError:
            log(_logger, logging.WARNING, "starting without the registry of servers; it is read when Postgres answers")

    async def close(self) -> None:
        """Stop following."""
        if self._following is not None:
            self._following.cancel()
            await asyncio.wait({self._following})

    async def refresh(self) -> None:
        """Read what changed now. Whoever changed it here sees the change at once."""
        # One at a time, so that an older state never replaces a newer one.
        async with self._reloading:
            generation, self._checks = await self._store.poll()
            if generation == self._generation:
                return
            versions = await self._store.versions()
            known = {key: (server.id, server.version) for key, server in self._servers.items()}
            stale = [key for key, version in versions.items() if known.get(key) != version]
            read = {server.key: server for server in (await self._store.servers(stale) if stale else ())}
            # What was removed while it was being read is gone with the next generation.
            kept = {key: server for key, server in self._servers.items() if key in versions and key not in stale}
            self._servers = kept | read
            self._generation = generation
            self._follower(self._servers)
            self._loaded.set()
            log(_logger, logging.INFO, "registry of servers read", servers=len(self._servers), changed=len(read))

    def _require_loaded(self) -> None:
        if self._generation is None:
            raise DatabaseUnavailable("the registry of servers was not read yet")

    async def _follow(self) -> None:
        away = False
        while True:
            try:
                await self.refresh()
                if away:
                    log(_logger, logging.INFO, "registry of servers is followed again")
                away = False
            except Exception:  # The top of a background task: whatever happened, following has to go on.
                if not away:
                    log(
                        _logger,
                        logging.WARNING,
                        "registry of servers cannot be read; serving what was read last",
                        exc_info=True,
                    )
                away = True
            await asyncio.sleep(self._poll_seconds)
