"""A journal with nothing above it: a writer on a database of its own, a clock that a test sets, and actions to write.

Above: tests of the journal. Below: `JournalWriter`, `verify`, `fix_postgres`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import psycopg
from psycopg.rows import dict_row

from dispatch_service.journal import records
from dispatch_service.journal.verify import verify
from dispatch_service.journal.writer import JournalWriter
from tests.fix_postgres import MigratedDatabase

ROLE = "switchboard_dispatch"


@dataclass(kw_only=True)
class Journal:
    """A database with a journal, and one process's writer."""

    database: MigratedDatabase
    writer: JournalWriter
    made: list[str] = field(default_factory=list)

    def rows(self, statement: str, *parameters: Any) -> list[dict[str, Any]]:
        """Run a statement as the database's owner."""
        with psycopg.connect(self.database.owner_url, autocommit=True, row_factory=dict_row) as connection:
            cursor = connection.execute(statement.encode(), parameters or None)
            return cursor.fetchall() if cursor.description else []

    def clock(self, at: datetime | None = None) -> None:
        """Set the journal's clock, or let it go as it does."""
        body = f"select timestamptz '{at.isoformat()}'" if at else "select clock_timestamp()"
        self.rows(
            f"create or replace function dispatch.clock() returns timestamptz language sql volatile as $clock$ {body} $clock$"
        )

    def status(self, action_id: str) -> str:
        """The status that the action log shows."""
        [row] = self.rows("select status from dispatch.action where id = %s", action_id)
        return str(row["status"])

    def problems(self) -> list[str]:
        """What verification finds."""
        return verify(self.database.owner_url).problems

    async def open(self, key: str = "", **changes: Any) -> tuple[str, records.Opened]:
        """Open an action, with a claim on `key` where there is one."""
        opening = opening_of(key, **changes)
        self.made.append(opening.action_id)
        return opening.action_id, await self.writer.open(opening)

    async def book(self, key: str) -> str:
        """Open an action and close it as done."""
        action_id, opened = await self.open(key)
        assert opened.won
        assert await self.writer.close(closing_of(action_id))
        return action_id


def opening_of(key: str = "", *, fingerprint: str = "f", derived: bool = False, **changes: Any) -> records.Opening:
    """An action that is taken in."""
    action_id, now = records.new_action_id(), datetime.now(UTC)
    row = {
        "id": action_id,
        "tenant": "demo",
        "thread_id": "thread-1",
        "action": "HOUSECALL_PRO_BOOKING",
        "actor": "anonymous",
        "origin": "USER_CLICK",
        "status": "EXECUTING",
        "correlation_id": f"c-{action_id}",
        "payload_redacted": {"notes": "[FREE_TEXT]", "name": 'Zoë \\ "quoted"'},
        "redactions": ["notes"],
        "created_at": now.isoformat(),
        "updated_at": now.isoformat(),
        **changes.pop("row", {}),
    }
    claim = None
    if key:
        scope = ("demo", "anonymous", "HOUSECALL_PRO_BOOKING", key)
        claim = records.Claim(scope=scope, fingerprint=fingerprint, derived=derived, sealed_plan=b"plan")
    values: dict[str, Any] = {"type": records.INTENT, "at": now, "row": row, "claim": claim} | changes
    return records.Opening(action_id=action_id, **values)


def closing_of(action_id: str, status: str = "SUCCEEDED", state: str = records.DONE, **changes: Any) -> records.Closing:
    """What came of an action."""
    now = datetime.now(UTC)
    row = {"status": status, "latency_ms": 7, "updated_at": now.isoformat()}
    values: dict[str, Any] = {
        "type": records.OUTCOME,
        "at": now,
        "row": row,
        "claim_state": state,
        "sealed_result": b"result",
    } | changes
    return records.Closing(action_id=action_id, **values)


def writer_of(database: MigratedDatabase, **settings: Any) -> JournalWriter:
    """A writer as the service makes it."""
    known: dict[str, Any] = {"batch": 256, "timeout": 5.0, "lease": 30.0, "derived_window": 120.0}
    return JournalWriter(database.url(ROLE), **(known | settings))


@asynccontextmanager
async def writing(*writers: JournalWriter) -> AsyncIterator[Sequence[JournalWriter]]:
    """Let writers work for a while."""
    tasks = [asyncio.create_task(writer.run()) for writer in writers]
    try:
        yield writers
    finally:
        for writer in writers:
            writer.stop()
        await asyncio.wait_for(asyncio.gather(*tasks), 20)


@asynccontextmanager
async def journal_on(database: MigratedDatabase) -> AsyncIterator[Journal]:
    """A journal whose writer works."""
    writer = writer_of(database)
    async with writing(writer):
        yield Journal(database=database, writer=writer)
