"""The whole mapping in memory, kept current by asking Postgres three times a second whether anything changed.

Above: substitution and the servicers read it, always from memory. Below: `store`. Polling one number survives restarts of the
database, poolers and failovers, which a LISTEN connection does not without as much machinery again.

While Postgres is away what was read last is served; before anything was read, readers get DatabaseUnavailable.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from mcp_adapter_service.service_mapping.conversion import MappedService
from mcp_adapter_service.service_mapping.store import MappingStore, Snapshot
from service_kit.logging import log
from service_kit.postgres import DatabaseUnavailable

_logger = logging.getLogger(__name__)


class MappingCache:
    """MappingCache holds every tenant's mapping and follows its changes between `open` and `close`."""

    def __init__(
        self, store: MappingStore, *, before_first_load: Callable[[], Awaitable[None]], poll_seconds: float = 0.3
    ) -> None:
        self._store = store
        self._before_first_load = before_first_load
        self._poll_seconds = poll_seconds
        self._generation: int | None = None
        self._snapshot: Snapshot = {}
        self._loaded = asyncio.Event()
        self._following: asyncio.Task[None] | None = None
        self._reloading = asyncio.Lock()

    def find(self, tenant: str, service_id: str) -> MappedService | None:
        """Return a tenant's mapping of one service, inactive ones included.

        Raises:
            DatabaseUnavailable: nothing was read yet.
        """
        return self.of_tenant(tenant).get(service_id)

    def of_tenant(self, tenant: str) -> dict[str, MappedService]:
        """Return a tenant's mappings by service id, in display order. Read only: it is shared.

        Raises:
            DatabaseUnavailable: nothing was read yet.
        """
        if self._generation is None:
            raise DatabaseUnavailable("the service mapping was not read yet")
        return self._snapshot.get(tenant, {})

    async def open(self, *, wait_seconds: float) -> None:
        """Begin to follow, and give the first load `wait_seconds`; without it the service starts all the same."""
        self._following = asyncio.create_task(self._follow(), name="service-mapping-cache")
        try:
            async with asyncio.timeout(wait_seconds):
                await self._loaded.wait()
        except TimeoutError:
            log(_logger, logging.WARNING, "starting without the service mapping; it is read when Postgres answers")

    async def close(self) -> None:
        """Stop following."""
        if self._following is not None:
            self._following.cancel()
            await asyncio.wait({self._following})

    async def refresh(self) -> None:
        """Read the mapping now if it changed. Whoever changed it here sees the change at once."""
        # One at a time, so that an older snapshot never replaces a newer one.
        async with self._reloading:
            if await self._store.generation() == self._generation:
                return
            self._generation, self._snapshot = await self._store.load()
            self._loaded.set()
            services = sum(len(mappings) for mappings in self._snapshot.values())
            log(_logger, logging.INFO, "service mapping read", generation=self._generation, services=services)

    async def _follow(self) -> None:
        away = False
        while True:
            try:
                if self._generation is None:
                    await self._before_first_load()
                await self.refresh()
                if away:
                    log(_logger, logging.INFO, "service mapping is followed again")
                away = False
            except Exception:  # The top of a background task: whatever happened, following has to go on.
                if not away:
                    log(
                        _logger,
                        logging.WARNING,
                        "service mapping cannot be read; serving what was read last",
                        exc_info=True,
                    )
                away = True
            await asyncio.sleep(self._poll_seconds)
