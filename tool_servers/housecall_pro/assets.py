"""Photos by our own asset ids, through a port.

Above: `estimate`. Below: the dispatch service's SQL function `dispatch.read_asset`, which is all that this server may use of
that schema.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from service_kit.postgres import Database, load_queries

_SQL = load_queries("tool_servers.housecall_pro")


@dataclass(frozen=True, kw_only=True, slots=True)
class Asset:
    """One uploaded file."""

    content: bytes
    content_type: str


class AssetReader(Protocol):
    """Reads uploaded files."""

    async def read(self, asset_id: str) -> Asset | None:
        """Return the file, or None where there is none. Raises DatabaseError."""


class PostgresAssetReader:
    """Reads uploaded files from the dispatch service's schema."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def read(self, asset_id: str) -> Asset | None:
        """Return the file, or None where there is none. Raises DatabaseError."""
        row = await self._database.fetch_one(_SQL["read_asset"], {"asset_id": asset_id})
        if row is None or row["content"] is None:
            return None
        return Asset(content=bytes(row["content"]), content_type=row["content_type"])
