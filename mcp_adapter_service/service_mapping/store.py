"""The service mapping in Postgres: reading it whole, changing it with its audit record in one transaction.

Above: `cache`, `seed` and `servicer`. Below: `service_kit.postgres` and the named SQL in `sql/queries.sql`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
from switchboard.adapter.v1 import service_mapping_service_pb2 as pb

from mcp_adapter_service.service_mapping import conversion
from service_kit.errors import Conflict
from service_kit.migrations import Owner
from service_kit.postgres import Connection, Database, load_queries

OWNER = Owner(package="mcp_adapter_service", schema="adapter", role="switchboard_adapter")
_SQL = load_queries("mcp_adapter_service")

Snapshot = dict[str, dict[str, conversion.MappedService]]
"""Mapped services by tenant and service id, in display order."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Author:
    """Who makes a change, and the correlation id by which the logs know it."""

    actor: str
    correlation_id: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """One audited change."""

    service_id: str
    version: int
    actor: str
    at: datetime
    changed_fields: Sequence[str]
    correlation_id: str


class MappingStore:
    """Reads and changes the mapping. Every method may raise DatabaseUnavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def generation(self) -> int:
        """Return the number that every change moves."""
        row = await self._database.fetch_one(_SQL["generation"])
        return int(row["generation"]) if row else 0

    async def load(self) -> tuple[int, Snapshot]:
        """Return the whole mapping and the generation that it belongs to."""
        rows = await self._database.fetch_all(_SQL["all_mappings"])
        found: Snapshot = {}
        for row in rows:
            if row["tenant"] is not None:
                found.setdefault(row["tenant"], {})[row["service_id"]] = conversion.from_row(row)
        return (int(rows[0]["generation"]) if rows else 0), found

    async def put(
        self, tenant: str, mapping: pb.ServiceMapping, author: Author, *, expected_version: int = 0
    ) -> pb.ServiceMapping:
        """Create or replace one mapping and return it with its version. What changes nothing makes no new version.

        Raises:
            Conflict: `expected_version` is not 0 and not the current version.
        """
        async with self._database.transaction() as connection:
            await connection.execute(_SQL["lock_tenant"].encode(), {"tenant": tenant})
            cursor = await connection.execute(_SQL["current"].encode(), {"tenant": tenant, "service_id": mapping.service_id})
            row = await cursor.fetchone()
            before = conversion.from_row(row).mapping if row else None
            current = before.version if before else 0
            if expected_version and expected_version != current:
                raise Conflict("CONFLICT", "The service mapping was changed meanwhile; read it again and repeat the change.")
            after = pb.ServiceMapping()
            after.CopyFrom(mapping)
            after.version = current + 1
            changed = conversion.changed_fields(before, after)
            if before is not None and not changed:
                return before
            await _write(connection, tenant, after, changed, author)
        return after

    async def seed(self, tenant: str, mappings: Sequence[pb.ServiceMapping], author: Author) -> int:
        """Create `mappings` where the tenant has none at all, and return how many were created."""
        async with self._database.transaction() as connection:
            await connection.execute(_SQL["lock_tenant"].encode(), {"tenant": tenant})
            cursor = await connection.execute(_SQL["has_any"].encode(), {"tenant": tenant})
            row = await cursor.fetchone()
            if row is not None and row["found"]:
                return 0
            for mapping in mappings:
                first = pb.ServiceMapping()
                first.CopyFrom(mapping)
                first.version = 1
                await _write(connection, tenant, first, conversion.changed_fields(None, first), author)
        return len(mappings)

    async def changes(self, tenant: str, service_id: str, limit: int) -> list[Change]:
        """Return a tenant's changes, newest first; of one service where `service_id` is not empty."""
        rows = await self._database.fetch_all(_SQL["changes"], {"tenant": tenant, "service_id": service_id, "limit": limit})
        return [Change(**row) for row in rows]


async def _write(connection: Connection, tenant: str, mapping: pb.ServiceMapping, changed: list[str], author: Author) -> None:
    columns: dict[str, Any] = {"tenant": tenant, **conversion.to_parameters(mapping)}
    vendor = orjson.dumps(conversion.vendor_document(mapping)).decode()
    await connection.execute(_SQL["put"].encode(), {**columns, "vendor": vendor})
    await connection.execute(
        _SQL["add_history"].encode(),
        {
            **columns,
            "actor": author.actor,
            "correlation_id": author.correlation_id,
            "changed_fields": changed,
            "document": orjson.dumps(conversion.to_document(mapping)).decode(),
        },
    )
