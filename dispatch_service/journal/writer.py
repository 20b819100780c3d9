"""The group commit: everything that is waiting shares one statement, one commit and one place in this process's chain.

Above: the journey awaits `open` and `close`. Below: one connection of its own to Postgres and `dispatch.write_journal`.

A writer never trusts a waiter to be there: callers may be cancelled at any moment. An opening whose commit got no answer is
reported as failed and closed as soon as the database is back, so that nothing executes it later. A closing is kept until it is
written, however long that takes.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
from collections import deque
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import psycopg
from psycopg.rows import DictRow, dict_row

from dispatch_service.journal import QUERIES
from dispatch_service.journal.records import ANCHOR, OUTCOME, RETRYABLE, Closing, Opened, Opening
from service_kit.logging import log
from service_kit.postgres import DatabaseRefused, DatabaseUnavailable, translated

_logger = logging.getLogger(__name__)
_RECONNECT_SECONDS = 0.2
_BARE = frozenset({"status", "latency_ms", "updated_at"})
# A server that stops answering must not hold the process: the statement ends on either side. The functions' plans are made
# once, when the tables are small: without the rest they would read whole tables for as long as the process lives.
_SESSION = (
    "set statement_timeout = {milliseconds}; set enable_seqscan = off; set enable_hashjoin = off; set enable_mergejoin = off;"
    "set jit = off"
)


class JournalUnavailable(Exception):
    """The journal cannot be written now. Nothing was called and nothing will be."""


class JournalWriter:
    """Writes openings and closings of one process. `run` must be running for `open` and `close` to return."""

    def __init__(self, url: str, *, batch: int, timeout: float, lease: float, derived_window: float) -> None:
        self.writer_id = f"w_{secrets.token_hex(8)}"
        self._url = url
        self._batch = batch
        self._timeout = timeout
        self._lease = timedelta(seconds=lease)
        self._window = timedelta(seconds=derived_window)
        self._connection: psycopg.AsyncConnection[DictRow] | None = None
        self._opens: deque[tuple[Opening, asyncio.Future[Opened]]] = deque()
        self._closes: deque[tuple[Closing, asyncio.Future[bool]]] = deque()
        self._again = False
        self._wake = asyncio.Event()
        self._connecting = asyncio.Lock()
        self._stopping = False

    async def open(self, opening: Opening) -> Opened:
        """Write `opening` durably. Raises JournalUnavailable where that is not certain: then the caller must not go on."""
        future: asyncio.Future[Opened] = asyncio.get_running_loop().create_future()
        self._opens.append((opening, future))
        self._wake.set()
        return await future

    def close(self, closing: Closing) -> asyncio.Future[bool]:
        """Queue `closing`. It is written even if nobody waits for that.

        The future says True once it is durable, and False where the journal is away: then it is kept and written later.
        """
        future: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._closes.append((closing, future))
        self._wake.set()
        return future

    async def anchor(self, heads: list[list[Any]]) -> None:
        """Write the heads of other chains, each [writer id, sequence, hash in hex], into this one."""
        opening = Opening(action_id="", type=ANCHOR, at=datetime.now(UTC), row={"heads": heads})
        await self.open(opening)

    @property
    def connected(self) -> bool:
        """Whether the last thing that was known of the database is that it works."""
        return self._connection is not None and not self._connection.closed

    async def run(self) -> None:
        """Write until `stop` was called and nothing is left to write."""
        while True:
            if not self._opens and not self._closes:
                if self._stopping:
                    break
                self._wake.clear()
                await self._wake.wait()
                continue
            await self._write_waiting()
        if self._connection is not None:
            await self._connection.close()

    def stop(self) -> None:
        """Let `run` end when everything that is queued has been written."""
        self._stopping = True
        self._wake.set()

    async def connect(self) -> None:
        """Open the writer's connection and start its chain. Raises DatabaseUnavailable."""
        async with self._connecting, translated():
            if self.connected:
                return
            connection = await psycopg.AsyncConnection[DictRow].connect(
                self._url, autocommit=True, row_factory=dict_row, connect_timeout=3
            )
            await connection.execute(_SESSION.format(milliseconds=int(self._timeout * 1000)).encode())
            await connection.execute(QUERIES["start_chain"].encode(), {"writer": self.writer_id, "lease": self._lease})
            self._connection = connection

    async def _write_waiting(self) -> None:
        opens, closes = self._take()
        try:
            rows = await self._commit([opening.item() for opening, _ in opens], [closing.item() for closing, _ in closes])
        except (DatabaseUnavailable, TimeoutError):
            await self._database_away(opens, closes)
        except DatabaseRefused:
            await self._one_by_one(opens, closes)
        else:
            _answer(opens, closes, rows)
            self._again = self._again and bool(self._closes)

    def _take(self) -> tuple[list[tuple[Opening, asyncio.Future[Opened]]], list[tuple[Closing, asyncio.Future[bool]]]]:
        """Take what fits into one commit. Two openings that want the same key cannot share one."""
        opens: list[tuple[Opening, asyncio.Future[Opened]]] = []
        later: list[tuple[Opening, asyncio.Future[Opened]]] = []
        scopes: set[tuple[str, str, str, str]] = set()
        while self._opens and len(opens) < self._batch:
            opening, future = self._opens.popleft()
            if future.cancelled():
                # Whoever wanted this is gone before it was written: not taking it in is the truth.
                continue
            scope = opening.claim.scope if opening.claim else None
            if scope in scopes:
                later.append((opening, future))
                continue
            if scope is not None:
                scopes.add(scope)
            opens.append((opening, future))
        self._opens.extendleft(reversed(later))
        closes = [self._closes.popleft() for _ in range(min(len(self._closes), self._batch))]
        return opens, closes

    async def _commit(self, opens: list[dict[str, Any]], closes: list[dict[str, Any]]) -> list[DictRow]:
        async with translated(), asyncio.timeout(self._timeout):
            if not self.connected:
                await self.connect()
            if self._connection is None:
                raise DatabaseUnavailable("no connection")
            cursor = await self._connection.execute(
                QUERIES["write_journal"].encode(),
                {
                    "writer": self.writer_id,
                    "opens": orjson.dumps(opens).decode(),
                    "closes": orjson.dumps(closes).decode(),
                    "again": self._again,
                    "window": self._window,
                },
            )
            return await cursor.fetchall()

    async def _database_away(
        self, opens: list[tuple[Opening, asyncio.Future[Opened]]], closes: list[tuple[Closing, asyncio.Future[bool]]]
    ) -> None:
        """Fail what was to be taken in, keep what was to be closed, and wait a moment before the next attempt."""
        log(_logger, logging.WARNING, "journal cannot be written", openings=len(opens), closings=len(closes))
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(psycopg.Error):
                await connection.close()
        for _, done in closes:
            if not done.done():
                done.set_result(False)
        self._closes.extendleft(reversed(closes))
        waiting = [*opens, *self._opens]
        self._opens.clear()
        for _, future in waiting:
            if not future.done():
                future.set_exception(JournalUnavailable("the journal cannot be written"))
        # The commit may have happened although its answer was lost: what it took in is then closed as not carried out.
        self._closes.extend(
            (_abandoned(opening), asyncio.get_running_loop().create_future()) for opening, _ in opens if opening.claim
        )
        self._again = True
        if not self._stopping:
            self._wake.clear()
            with contextlib.suppress(TimeoutError):
                # A new opening is worth an attempt at once: its caller is waiting.
                await asyncio.wait_for(self._wake.wait(), _RECONNECT_SECONDS)
        elif not self._connection:
            # On shutdown one more attempt is all there is time for.
            log(_logger, logging.ERROR, "journal still away at shutdown", closings=len(self._closes))
            self._closes.clear()

    async def _one_by_one(
        self, opens: list[tuple[Opening, asyncio.Future[Opened]]], closes: list[tuple[Closing, asyncio.Future[bool]]]
    ) -> None:
        """Postgres refused the batch: find the item that it refuses and let the others through."""
        for closing, done in closes:
            try:
                _answer([], [(closing, done)], await self._commit([], [closing.item()]))
            except (DatabaseUnavailable, TimeoutError):
                self._closes.append((closing, done))
            except DatabaseRefused as problem:
                log(
                    _logger,
                    logging.ERROR,
                    "outcome refused by the journal",
                    action_id=closing.action_id,
                    sqlstate=problem.sqlstate,
                )
                if not done.done():
                    done.set_result(False)
                if set(closing.row) - _BARE:
                    # An action must not stay under way for want of its details: what is certain is written without them.
                    bare = {name: value for name, value in closing.row.items() if name in _BARE}
                    self._closes.append((replace(closing, row=bare), asyncio.get_running_loop().create_future()))
        for opening, future in opens:
            try:
                _answer([(opening, future)], [], await self._commit([opening.item()], []))
            except (DatabaseUnavailable, DatabaseRefused, TimeoutError) as problem:
                log(_logger, logging.ERROR, "opening refused by the journal", sqlstate=getattr(problem, "sqlstate", None))
                if not future.done():
                    future.set_exception(JournalUnavailable("the opening was refused"))


def _abandoned(opening: Opening) -> Closing:
    now = datetime.now(UTC)
    row = {
        "status": "FAILED",
        "error_code": "INTEGRATION_DOWN",
        "error_details": "The journal did not answer in time; nothing was called.",
        "updated_at": now.isoformat(),
    }
    return Closing(action_id=opening.action_id, type=OUTCOME, at=now, row=row, claim_state=RETRYABLE)


def _answer(
    opens: Iterable[tuple[Opening, asyncio.Future[Opened]]],
    closes: Iterable[tuple[Closing, asyncio.Future[bool]]],
    rows: Iterable[DictRow],
) -> None:
    by_action = {row["action_id"]: row for row in rows}
    for opening, future in opens:
        if future.done():
            continue
        row = by_action.get(opening.action_id)
        if row is None:
            future.set_exception(JournalUnavailable("the journal gave no answer for this action"))
            continue
        future.set_result(
            Opened(
                won=row["won"],
                tool_key=row["tool_key"] or "",
                holder=row["holder"],
                state=row["state"],
                fingerprint=row["fingerprint"] or "",
                sealed_result=row["sealed_result"],
                retry_of=row["retry_of"] or "",
            )
        )
    for _, done in closes:
        if not done.done():
            done.set_result(True)
