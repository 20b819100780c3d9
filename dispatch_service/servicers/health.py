"""HealthService: whether a booking could work now."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from switchboard.health.v1 import health_service_pb2, health_service_pb2_grpc

from dispatch_service.adapter import AdapterClient
from dispatch_service.journal import QUERIES
from service_kit.errors import Unavailable
from service_kit.postgres import Database, DatabaseError

_FRESH_SECONDS = 0.25
_JOURNAL_SECONDS = 2.0


class HealthServicer(health_service_pb2_grpc.HealthServiceServicer):
    """Looks at the journal and at each tool server that a card action needs; an answer is good for a quarter of a second."""

    def __init__(self, database: Database, adapter: AdapterClient, servers: frozenset[str]) -> None:
        self._database = database
        self._adapter = adapter
        self._servers = sorted(servers)
        self._looking = asyncio.Lock()
        self._looked_at = 0.0
        self._found: dict[str, str] = {}

    async def CheckHealth(
        self, request: health_service_pb2.CheckHealthRequest, context: Any
    ) -> health_service_pb2.CheckHealthResponse:
        """Answer, or name the first part that does not work."""
        async with self._looking:
            if time.monotonic() - self._looked_at > _FRESH_SECONDS:
                self._found = await self._look()
                self._looked_at = time.monotonic()
        for part, problem in self._found.items():
            if problem:
                raise Unavailable("INTEGRATION_DOWN", f"{part}: {problem}")
        return health_service_pb2.CheckHealthResponse(ok=True, checks=dict.fromkeys(self._found, "ok"))

    async def _look(self) -> dict[str, str]:
        journal, *servers = await asyncio.gather(self._journal(), *(self._adapter.check(server) for server in self._servers))
        return {"journal": journal, **dict(zip(self._servers, servers, strict=True))}

    async def _journal(self) -> str:
        try:
            async with asyncio.timeout(_JOURNAL_SECONDS):
                await self._database.fetch_all(QUERIES["chain_heads"])
        except (DatabaseError, TimeoutError):
            return "Postgres does not answer."
        return ""
