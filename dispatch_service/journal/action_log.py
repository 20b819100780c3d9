"""Reading the action log: pages, single entries, and what changes.

Above: the action-log servicer. Below: the projection `dispatch.action` and, for what changed, the chains: within one chain
sequence numbers become visible in order, so following every chain misses nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from dispatch_service.journal import QUERIES
from dispatch_service.journal.records import WAITING
from service_kit.errors import InvalidArgument
from service_kit.keys import BadSeal, Keyring
from service_kit.postgres import Database

Row = Mapping[str, Any]
_FOLLOW_SECONDS = 0.25


@dataclass(frozen=True, kw_only=True, slots=True)
class Filters:
    """What to keep; None keeps everything."""

    thread_id: str | None = None
    action: str | None = None
    status: str | None = None
    correlation_id: str | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None

    def keeps(self, row: Row) -> bool:
        """Whether a row passes the filters that a watch has."""
        return all(
            wanted is None or row[name] == wanted
            for name, wanted in (("thread_id", self.thread_id), ("action", self.action), ("status", self.status))
        )


class ActionLog:
    """The log of one tenant at a time."""

    def __init__(self, database: Database, keys: Keyring) -> None:
        self._database = database
        self._keys = keys

    async def page(self, tenant: str, filters: Filters, size: int, token: str) -> tuple[list[Row], str]:
        """Return a page, newest first, and the token of the next. Raises InvalidArgument for a token that is not ours."""
        at, last = self._open_token(tenant, token)
        parameters = {
            "tenant": tenant,
            "thread_id": filters.thread_id,
            "action": filters.action,
            "status": filters.status,
            "correlation_id": filters.correlation_id,
            "created_after": filters.created_after,
            "created_before": filters.created_before,
            "cursor_at": at,
            "cursor_id": last,
            "limit": size + 1,
        }
        query = "list_waiting" if filters.status in WAITING else "list_actions"
        rows = await self._database.fetch_all(QUERIES[query], parameters)
        if len(rows) <= size:
            return list(rows), ""
        kept = rows[:size]
        return list(kept), self._token(tenant, kept[-1])

    async def entry(self, tenant: str, action_id: str) -> tuple[Row, list[Row]] | None:
        """Return one row and its events, oldest first, or None."""
        row = await self._database.fetch_one(QUERIES["get_action"], {"tenant": tenant, "id": action_id})
        if row is None:
            return None
        events = await self._database.fetch_all(QUERIES["action_events"], {"id": action_id})
        return row, [{**event, "status": orjson.loads(event["body"])["row"].get("status", "")} for event in events]

    async def changes(self, tenant: str, filters: Filters) -> AsyncIterator[Row]:
        """Yield rows as they are made or change, from now on, until the caller stops."""
        seen = await self._heads()
        while True:
            await asyncio.sleep(_FOLLOW_SECONDS)
            heads = await self._heads()
            for writer, until in heads.items():
                after = seen.get(writer, 0)
                if until <= after:
                    continue
                parameters = {"writer": writer, "after": after, "until": until}
                for row in await self._database.fetch_all(QUERIES["changed_actions"], parameters):
                    if row["tenant"] == tenant and filters.keeps(row):
                        yield row
            seen = heads

    async def _heads(self) -> dict[str, int]:
        heads = await self._database.fetch_all(QUERIES["chain_heads"])
        return {head["writer_id"]: head["sequence"] for head in heads}

    def _token(self, tenant: str, row: Row) -> str:
        return self._keys.sign("cursor", orjson.dumps([tenant, row["created_at"].isoformat(), row["id"]]))

    def _open_token(self, tenant: str, token: str) -> tuple[datetime | None, str | None]:
        if not token:
            return None, None
        try:
            owner, at, last = orjson.loads(self._keys.verify("cursor", token))
        except (BadSeal, ValueError):
            owner, at, last = "", "", ""
        if owner != tenant:
            raise InvalidArgument("INVALID_ARGUMENT", "The page token is not one of ours; begin without one.")
        return datetime.fromisoformat(at), last
