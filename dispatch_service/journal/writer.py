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
import select
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias, TypeVar

import psycopg
from psycopg.rows import TupleRow, tuple_row

from dispatch_service.journal import QUERIES, batch, rows
from dispatch_service.journal.records import ANCHOR, INTENT, OUTCOME, RETRYABLE, SETTLED, Closing, Opened, Opening
from service_kit.logging import log
from service_kit.postgres import DatabaseRefused, DatabaseUnavailable, translated

_logger = logging.getLogger(__name__)
_RECONNECT_SECONDS = 0.2
_WRITE = QUERIES["write_journal"].encode()
_ENDS = frozenset({OUTCOME, SETTLED})
_BARE = frozenset({"status", "latency_ms", "updated_at"})
# A server that stops answering must not hold the process: the statement ends on either side. The functions' plans are made
# once, when the tables are small: without the rest they would read whole tables for as long as the process lives.
_SESSION = (
    "set statement_timeout = {milliseconds}; set enable_seqscan = off; set enable_hashjoin = off; set enable_mergejoin = off;"
    "set jit = off"
)

Written = TypeVar("Written")
Said = TypeVar("Said")
Waiting: TypeAlias = tuple[Written, asyncio.Future[Said]]


class JournalUnavailable(Exception):
    """The journal cannot be written now. Nothing was called and nothing will be, unless it is `uncertain`: the answer to a commit
    was lost, and should this process end before it has taken back what may be in it, another one carries it out."""

    def __init__(self, message: str, *, uncertain: bool = False) -> None:
        super().__init__(message)
        self.uncertain = uncertain


class JournalWriter:
    """Writes openings and closings of one process. `run` must be running for `open` and `close` to return."""

    def __init__(self, url: str, *, batch: int, timeout: float, lease: float, derived_window: float) -> None:
        self.writer_id = f"w_{secrets.token_hex(8)}"
        self._url = url
        self._batch = batch
        self._timeout = timeout
        self._lease = timedelta(seconds=lease)
        self._window = timedelta(seconds=derived_window)
        self._connection: psycopg.AsyncConnection[TupleRow] | None = None
        self._opens: deque[Waiting[Opening, Opened]] = deque()
        self._closes: deque[Waiting[Closing, bool]] = deque()
        # How long the chain was when we last heard of it; when an answer was lost; before each action that is under way began.
        self._length = 0
        self._lost: int | None = None
        self._under_way: dict[str, int] = {}
        self._wake = asyncio.Event()
        self._connecting = asyncio.Lock()
        # Whether the last commit can have reached Postgres.
        self._sent = False
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
    def settled(self) -> int:
        """A length of the chain up to which everything that this process began has its outcome in the journal."""
        return min(self._under_way.values(), default=self._length)

    def adopted(self, action_ids: Iterable[str], length: int) -> None:
        """Take note that this process finishes what another one began, told of in the chain after its first `length` events."""
        self._under_way.update((action_id, length) for action_id in action_ids)

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
            connection = await psycopg.AsyncConnection[TupleRow].connect(
                self._url, autocommit=True, row_factory=tuple_row, connect_timeout=3
            )
            await connection.execute(_SESSION.format(milliseconds=int(self._timeout * 1000)).encode())
            await connection.execute(QUERIES["start_chain"].encode(), {"writer": self.writer_id, "lease": self._lease})
            self._connection = connection

    async def _write_waiting(self) -> None:
        opens, closes = self._take()
        try:
            await self._commit(opens, closes)
        except (DatabaseUnavailable, TimeoutError):
            await self._database_away(opens, closes)
        except DatabaseRefused:
            await self._one_by_one(opens, closes)
        else:
            if not self._closes:
                self._lost = None

    def _take(self) -> tuple[list[Waiting[Opening, Opened]], list[Waiting[Closing, bool]]]:
        """Take what fits into one commit. Two openings that want the same key cannot share one."""
        opens: list[Waiting[Opening, Opened]] = []
        later: list[Waiting[Opening, Opened]] = []
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
        closes: list[Waiting[Closing, bool]] = []
        changed: set[str] = set()
        # What becomes of one action is written step by step.
        while self._closes and len(closes) < self._batch and self._closes[0][0].action_id not in changed:
            closes.append(self._closes.popleft())
            changed.add(closes[-1][0].action_id)
        return opens, closes

    async def _commit(self, opens: list[Waiting[Opening, Opened]], closes: list[Waiting[Closing, bool]]) -> None:
        """Write what is given in one commit, and tell whoever waits."""
        try:
            written = batch.parameters([opening for opening, _ in opens], [closing for closing, _ in closes])
        except TypeError as problem:
            raise DatabaseRefused("an event is not JSON", None) from problem
        self._sent = False
        async with translated(), asyncio.timeout(self._timeout):
            if self._connection is not None and self.connected and _has_something_to_say(self._connection):
                # A server that goes away says so on an idle connection. What is not sent has certainly not happened.
                await self._connection.close()
            if not self.connected:
                await self.connect()
            if self._connection is None:
                raise DatabaseUnavailable("no connection")
            self._sent = True
            cursor = await self._connection.execute(
                _WRITE,
                {
                    "writer": self.writer_id,
                    "known": self._lost,
                    "window": self._window,
                    **written,
                },
                prepare=True,
            )
            length, answers = (await cursor.fetchall())[0]
        self._note(opens, closes, answers or {})
        self._length = length

    def _note(
        self, opens: list[Waiting[Opening, Opened]], closes: list[Waiting[Closing, bool]], answers: Mapping[str, Any]
    ) -> None:
        for opening, future in opens:
            opened = batch.opened(opening, answers.get(opening.action_id))
            if opened.won and opening.type == INTENT:
                self._under_way[opening.action_id] = self._length
            if not future.done():
                future.set_result(opened)
        for closing, done in closes:
            if closing.type in _ENDS:
                self._under_way.pop(closing.action_id, None)
            if not done.done():
                done.set_result(True)

    async def _database_away(self, opens: list[Waiting[Opening, Opened]], closes: list[Waiting[Closing, bool]]) -> None:
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
        waiting, self._opens = self._opens, deque()
        for opening, future in opens:
            self._give_up(opening, future)
        for _, future in waiting:
            if not future.done():
                future.set_exception(JournalUnavailable("the journal cannot be written"))
        if self._lost is None:
            self._lost = self._length
        if not self._stopping:
            self._wake.clear()
            with contextlib.suppress(TimeoutError):
                # A new opening is worth an attempt at once: its caller is waiting.
                await asyncio.wait_for(self._wake.wait(), _RECONNECT_SECONDS)
        elif not self._connection:
            # On shutdown one more attempt is all there is time for.
            log(_logger, logging.ERROR, "journal still away at shutdown", closings=len(self._closes))
            self._closes.clear()

    def _give_up(self, opening: Opening, future: asyncio.Future[Opened]) -> None:
        """Tell whoever waits that an opening of the last commit is not to be.

        Where the commit may have happened although its answer was lost, what it took in is closed as not carried out.
        """
        uncertain = self._sent and opening.claim is not None
        if not future.done():
            future.set_exception(JournalUnavailable("the journal cannot be written", uncertain=uncertain))
        if uncertain:
            self._under_way[opening.action_id] = self._length
            self._closes.append((_abandoned(opening), asyncio.get_running_loop().create_future()))

    async def _one_by_one(self, opens: list[Waiting[Opening, Opened]], closes: list[Waiting[Closing, bool]]) -> None:
        """Postgres refused the batch: find the item that it refuses and let the others through."""
        for closing, done in closes:
            try:
                await self._commit([], [(closing, done)])
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
                await self._commit([(opening, future)], [])
            except DatabaseRefused as problem:
                log(_logger, logging.ERROR, "opening refused by the journal", sqlstate=problem.sqlstate)
                if not future.done():
                    future.set_exception(JournalUnavailable("the opening was refused"))
            except (DatabaseUnavailable, TimeoutError):
                self._give_up(opening, future)


def _abandoned(opening: Opening) -> Closing:
    closing = rows.not_carried_out(opening.action_id, "The journal did not answer in time; nothing was called.")
    return replace(closing, claim_state=RETRYABLE)


def _has_something_to_say(connection: psycopg.AsyncConnection[TupleRow]) -> bool:
    """Whether the server sent something nobody asked for: on a connection that listens to nothing, that it ends."""
    waiting = select.poll()
    waiting.register(connection.fileno(), select.POLLIN)
    return bool(waiting.poll(0))
