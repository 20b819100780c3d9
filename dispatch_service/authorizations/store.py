"""The table of authorizations: reading it, and writing what `aggregate` allowed, if the row is still what it was made from.

Above: `decisions`, `execution`, `upkeep`, the servicer. Below: `dispatch.authorization`. What changes a state takes the
connection of a transaction that its caller opened: the journal's event, a grant or a job belong into the same one.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import orjson

from dispatch_service.authorizations import QUERIES
from dispatch_service.authorizations.aggregate import Authorization, Status, may_decide
from dispatch_service.authorizations.request import aggregate_of
from dispatch_service.principal import Principal
from service_kit.errors import InvalidArgument
from service_kit.keys import BadSeal, Keyring
from service_kit.postgres import Connection, Database

Row = Mapping[str, Any]
_FOLLOW_SECONDS = 0.25


@dataclass(frozen=True, kw_only=True, slots=True)
class Filters:
    """What to keep; None keeps everything."""

    status: Status | None = None
    tool: str | None = None
    requester: str | None = None


class AuthorizationStore:
    """Reads and writes authorizations."""

    def __init__(self, database: Database, keys: Keyring) -> None:
        self._database = database
        self._keys = keys

    async def get(self, tenant: str, authorization_id: str) -> Row | None:
        """Return one row of a tenant, or None."""
        return await self._database.fetch_one(QUERIES["get"], {"tenant": tenant, "id": authorization_id})

    async def page(self, viewer: Principal, filters: Filters, size: int, token: str) -> tuple[list[Row], str]:
        """Return a page of what `viewer` may see, newest first, and the token of the next. Raises InvalidArgument for a token
        that is not ours."""
        whose = _own(viewer)
        at, last = self._open_token(whose, token)
        parameters = {
            **whose,
            "status": filters.status,
            "tool": filters.tool,
            "requester": filters.requester,
            "cursor_at": at,
            "cursor_id": last,
            "limit": size + 1,
        }
        rows = await self._database.fetch_all(QUERIES["page"], parameters)
        if len(rows) <= size:
            return list(rows), ""
        kept = rows[size - 1]
        return list(rows[:size]), self._keys.sign("cursor", _cursor(whose, kept["created_at"], kept["id"]))

    async def count_pending(self, viewer: Principal) -> int:
        """Return how many wait that `viewer` may see."""
        row = await self._database.fetch_one(QUERIES["count_pending"], _own(viewer))
        return int(row["pending"]) if row else 0

    async def watermark(self) -> str:
        """Return from where on `changes` misses nothing that is not visible yet."""
        row = await self._database.fetch_one(QUERIES["watermark"])
        return str(row["mark"]) if row else "0"

    async def changes(self, viewer: Principal, mark: str) -> AsyncIterator[Row]:
        """Yield what `viewer` may see as it is made or changes, from a watermark on, until the caller stops."""
        seen: dict[str, str] = {}
        while True:
            await asyncio.sleep(_FOLLOW_SECONDS)
            rows = await self._database.fetch_all(QUERIES["changed"], {"tenant": viewer.tenant, "mark": mark})
            found = [row for row in rows if row["id"] is not None]
            mark = rows[0]["mark"]
            for row in found:
                if seen.get(row["id"]) != row["changed_in"] and visible(row, viewer):
                    yield row
            # A transaction that was under way keeps the watermark back: what was told already comes again.
            seen = {row["id"]: row["changed_in"] for row in found}

    async def decide(
        self, connection: Connection, decided: Authorization, *, by: str, now: datetime, notes: bytes | None, grant_id: str
    ) -> bool:
        """Write a decision. False where somebody else was faster."""
        parameters = {
            "id": decided.id,
            "status": decided.status,
            "revision": decided.revision - 1,
            "by": by,
            "now": now,
            "sealed_notes": notes,
            "grant_id": grant_id,
        }
        return await _changed(connection, "decide", parameters)

    async def edit(
        self,
        connection: Connection,
        edited: Authorization,
        *,
        now: datetime,
        contents: Mapping[str, Any],
        reason: str,
        policy_ids: tuple[str, ...],
        notes: bytes | None,
    ) -> bool:
        """Put other arguments in place. False where somebody else was faster."""
        parameters = {
            **contents,
            "arguments_redacted": orjson.dumps(contents["arguments_redacted"]).decode(),
            "id": edited.id,
            "revision": edited.revision - 1,
            "offers_always": edited.offers_always,
            "reason": reason,
            "policy_ids": orjson.dumps(policy_ids).decode(),
            "sealed_notes": notes,
            "now": now,
        }
        return await _changed(connection, "edit", parameters)

    async def expire(self, connection: Connection, now: datetime, authorization_id: str | None = None) -> list[Row]:
        """Give up what is overdue, or one of them, and return the ids of authorizations and actions."""
        cursor = await connection.execute(QUERIES["expire"].encode(), {"now": now, "id": authorization_id})
        return list(await cursor.fetchall())

    async def take(self, authorization_id: str, owner: str, lease: timedelta) -> Row | None:
        """Take what was allowed, to carry it out, for as long as `lease`. None where it is not to be had."""
        parameters = {"id": authorization_id, "owner": owner, "lease": lease}
        return await self._database.fetch_one(QUERIES["take"], parameters)

    async def renew(self, authorization_id: str, owner: str, lease: timedelta) -> bool:
        """Keep what was taken. False where it was lost."""
        parameters = {"id": authorization_id, "owner": owner, "lease": lease}
        return await self._database.fetch_one(QUERIES["renew"], parameters) is not None

    async def begin_call(self, connection: Connection, authorization_id: str, owner: str) -> bool:
        """Write that the tool may have been called from now on. False where the lease was lost: then it must not be."""
        return await _changed(connection, "begin_call", {"id": authorization_id, "owner": owner})

    async def put_back(self, authorization_id: str, owner: str, pause: timedelta, *, untouched: bool) -> None:
        """Leave it for an attempt after `pause`; `untouched` says that nothing can have happened."""
        parameters = {"id": authorization_id, "owner": owner, "pause": pause, "untouched": untouched}
        await self._database.fetch_one(QUERIES["put_back"], parameters)

    async def finish(self, connection: Connection, finished: Authorization, *, owner: str, now: datetime, result: bytes) -> bool:
        """Write what came of it, and erase what was needed for it. False where the lease was lost."""
        parameters = {"id": finished.id, "owner": owner, "status": finished.status, "now": now, "sealed_result": result}
        return await _changed(connection, "finish", parameters)

    async def left_behind(self, older_than: timedelta) -> list[str]:
        """Return what was allowed and nobody is carrying out."""
        rows = await self._database.fetch_all(QUERIES["left_behind"], {"older_than": older_than})
        return [row["id"] for row in rows]

    async def action(self, action_id: str) -> Row:
        """Return how the action stands in the log: its status and its error; empty where it is not there any more."""
        row = await self._database.fetch_one(QUERIES["action_status"], {"action_id": action_id})
        return row or {"status": "", "error_code": "", "error_details": ""}

    async def forget_results(self, older_than: timedelta) -> None:
        """Erase answers and notes that were kept long enough."""
        await self._database.fetch_all(QUERIES["forget_results"], {"older_than": older_than})

    def _open_token(self, whose: Mapping[str, Any], token: str) -> tuple[datetime | None, str | None]:
        if not token:
            return None, None
        try:
            kind, *owner, at, last = orjson.loads(self._keys.verify("cursor", token))
        except (BadSeal, ValueError, TypeError):
            kind, owner, at, last = "", [], "", ""
        if [kind, *owner] != ["authorizations", *whose.values()]:
            raise InvalidArgument("INVALID_ARGUMENT", "The page token is not one of ours; begin without one.")
        return datetime.fromisoformat(at), last


def visible(row: Row, viewer: Principal) -> bool:
    """Whether `viewer` may know of a row: operators of its tenant, and who asked for it."""
    return aggregate_of(row).visible_to(viewer)


def _own(viewer: Principal) -> dict[str, Any]:
    """Whose authorizations a viewer may see: everybody's of the tenant, or its own."""
    everything = may_decide(viewer)
    return {
        "tenant": viewer.tenant,
        "own_subject": None if everything else viewer.subject,
        "own_kind": None if everything else viewer.kind,
    }


def _cursor(whose: Mapping[str, Any], at: datetime, last: str) -> bytes:
    return orjson.dumps(["authorizations", *whose.values(), at.isoformat(), last])


async def _changed(connection: Connection, query: str, parameters: Mapping[str, Any]) -> bool:
    cursor = await connection.execute(QUERIES[query].encode(), parameters)
    return await cursor.fetchone() is not None
