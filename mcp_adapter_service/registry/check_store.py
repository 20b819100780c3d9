"""When which server is looked at, shared by every adapter through Postgres: each server is looked at by one of them at a time.

Above: `watch`. Below: `service_kit.postgres` and the named SQL in `sql/registry.sql`.
"""

from __future__ import annotations

from mcp_adapter_service.registry.records import Key
from service_kit.postgres import Database, load_queries

_SQL = load_queries("mcp_adapter_service", "registry.sql")


class CheckStore:
    """CheckStore hands out servers that are due. Every method may raise DatabaseUnavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def claim(self, *, lease_seconds: float, most: int) -> list[Key]:
        """Take up to `most` servers that are due; nobody else gets them within `lease_seconds`."""
        rows = await self._database.fetch_all(_SQL["claim_checks"], {"lease_seconds": lease_seconds, "most": most})
        return [(row["tenant"], row["server"]) for row in rows]

    async def put(self, key: Key, *, healthy: bool, message: str, next_seconds: float) -> None:
        """Note how a server was, and have it looked at again after `next_seconds`."""
        await self._database.fetch_all(
            _SQL["put_check"],
            {"tenant": key[0], "server": key[1], "healthy": healthy, "message": message, "next_seconds": next_seconds},
        )

    async def make_due(self, key: Key) -> None:
        """Have a server looked at now."""
        await self._database.fetch_all(_SQL["make_due"], {"tenant": key[0], "server": key[1]})
