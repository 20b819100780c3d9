"""Carrying out what a person allowed: once, whatever becomes of the process that does it.

Above: `work`, which has a job for it. Below: the lease on the row, policy asked once more, the journal's intent, the carrier.

A worker takes the row, asks policy and the tool again (what a person allowed is exactly what they were shown), writes the intent,
calls, and writes the result. One that dies before the intent has done nothing, and the next begins anew. One that dies after it
may have acted: the next calls again with the same key where the tool is idempotent, and else says that nobody knows.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from switchboard.dispatch.v1 import error_pb2

from dispatch_service.authorizations import request
from dispatch_service.authorizations.history import History
from dispatch_service.authorizations.ports import Carrier, KeptRequest, Redecide, Response
from dispatch_service.authorizations.store import AuthorizationStore
from dispatch_service.call import Refusal
from dispatch_service.journal import records, rows
from dispatch_service.journal.records import Closing
from dispatch_service.keying import Keying
from dispatch_service.policy import Effect
from service_kit.keys import BadSeal
from service_kit.logging import log
from service_kit.postgres import Database, DatabaseError

Row = Mapping[str, Any]
_logger = logging.getLogger(__name__)
_ATTEMPTS = 12  # With the pauses between them, for about half an hour.
_FIRST_PAUSE = timedelta(seconds=2)
_LONGEST_PAUSE = timedelta(minutes=5)
DOWN, UNKNOWN = "INTEGRATION_DOWN", "OUTCOME_UNKNOWN"
_CHANGED = "What this would do has changed since it was allowed, so it was not done. Ask for it again."
_NOT_NOW = "The tool does not answer, so this was not done. Ask for it again later."
_LOST = "The answer was lost, so nobody knows whether this was done. A person has to look."
_UNREADABLE = "What was asked for cannot be read any more, so nothing was done. Ask for it again."


class _NotDone(Exception):
    """It will not be carried out: a published code and a sentence for a person."""

    def __init__(self, code: str, details: str) -> None:
        super().__init__(code)
        self.code = code
        self.details = details


class _Later(Exception):
    """It cannot be carried out just now. `untouched` says that nothing can have happened."""

    def __init__(self, *, untouched: bool) -> None:
        super().__init__("later")
        self.untouched = untouched


class Executor:
    """Carries out. `lease` (seconds) is how long a dead worker keeps others waiting."""

    def __init__(
        self,
        *,
        database: Database,
        store: AuthorizationStore,
        history: History,
        redecide: Redecide,
        carrier: Carrier,
        keying: Keying,
        lease: float = 10.0,
    ) -> None:
        self._database = database
        self._store = store
        self._history = history
        self._redecide = redecide
        self._carrier = carrier
        self._keying = keying
        self._lease = timedelta(seconds=lease)

    async def execute(self, authorization_id: str) -> None:
        """Carry out one authorization, if it was allowed and nobody else is at it. Raises DatabaseError: then it is left for the
        next sweep."""
        owner = secrets.token_hex(16)
        row = await self._store.take(authorization_id, owner, self._lease)
        if row is None:
            return
        async with self._kept(authorization_id, owner):
            try:
                await self._carry_out(row, owner)
            except _Later as later:
                await self._put_back(row, owner, later)

    async def _carry_out(self, row: Row, owner: str) -> None:
        try:
            kept = self._open(row)
            if kept.repeated and (row["attempts"] > _ATTEMPTS or not _repeatable(kept)):
                await self._finish_unheard(row, owner)
                return
            if row["attempts"] > _ATTEMPTS:
                raise _NotDone(DOWN, _NOT_NOW)
            if not kept.repeated:
                await self._check(row, kept)
            if not await self._begin(row, owner):
                return
        except _NotDone as refused:
            event = _outcome(row, "FAILED", refused.code, refused.details)
            await self._finish(row, owner, _failure(row, refused.code, refused.details), event)
            return
        response = await self._carrier.carry_out(kept, row["action_id"])
        code = "" if response.ok else error_pb2.ErrorCode.Name(response.error.code)
        if code in {DOWN, UNKNOWN} and response.error.retryable and _repeatable(kept):
            raise _Later(untouched=code == DOWN and not kept.repeated)
        await self._finish(row, owner, response)

    def _open(self, row: Row) -> KeptRequest:
        try:
            return request.opened(row, self._keying)
        except (BadSeal, KeyError, TypeError, ValueError):
            log(_logger, logging.ERROR, "an authorization cannot be read", authorization_id=row["id"])
            raise _NotDone("INTERNAL", _UNREADABLE) from None

    async def _check(self, row: Row, kept: KeptRequest) -> None:
        """Policy and the tool are asked as of now: only what is still allowed, and still the same, goes on."""
        try:
            again = await self._redecide.redecide(kept, kept.kept.plan.arguments, authorized=True)
        except Refusal as refusal:
            if refusal.code == DOWN:
                raise _Later(untouched=True) from None
            raise _NotDone("CONFLICT", _CHANGED) from None
        if again.decision.effect is not Effect.ALLOW:
            raise _NotDone("DENIED", again.decision.reason or "Policy does not allow this any more.")
        if request.hash_of(kept.kept.principal, again.plan, again.preview, self._keying) != row["arguments_hash"]:
            raise _NotDone("CONFLICT", _CHANGED)

    async def _begin(self, row: Row, owner: str) -> bool:
        """The intent is durable before the tool is called. False where the lease was lost meanwhile."""
        await self._history.ready()
        event = rows.decided(
            row["action_id"],
            records.EXECUTING,
            at=datetime.now(UTC),
            details={"authorization": row["id"], "arguments_hash": row["arguments_hash"], "attempt": row["attempts"]},
        )
        async with self._database.transaction() as connection:
            begun = await self._store.begin_call(connection, row["id"], owner)
            if begun:
                await self._history.add(connection, [event])
        return begun

    async def _finish(self, row: Row, owner: str, response: Response, event: Closing | None = None) -> None:
        now = datetime.now(UTC)
        finished = request.aggregate_of(row).finish(carried_out=response.ok)
        sealed = request.sealed_result(row["id"], response, self._keying)
        await self._history.ready()
        async with self._database.transaction() as connection:
            if not await self._store.finish(connection, finished, owner=owner, now=now, result=sealed):
                log(_logger, logging.WARNING, "an authorization was taken over while it was carried out", id=row["id"])
            elif event is not None:
                await self._history.add(connection, [event])

    async def _finish_unheard(self, row: Row, owner: str) -> None:
        """Whoever called was not heard of again, and calling once more is no way to find out. The action log may know more."""
        known = await self._store.action(row["action_id"])
        if known["status"] == "SUCCEEDED":
            done = _response(row)
            done.result.message = "Done. Its details were lost on the way."
            await self._finish(row, owner, done)
        elif known["status"] == "FAILED":
            await self._finish(row, owner, _failure(row, known["error_code"], known["error_details"]))
        else:
            event = _outcome(row, "OUTCOME_UNKNOWN", UNKNOWN, _LOST)
            await self._finish(row, owner, _failure(row, UNKNOWN, _LOST), event)

    async def _put_back(self, row: Row, owner: str, later: _Later) -> None:
        pause = min(_FIRST_PAUSE * 2 ** (row["attempts"] - 1), _LONGEST_PAUSE)
        log(_logger, logging.WARNING, "an authorization is carried out later", id=row["id"], attempt=row["attempts"])
        await self._store.put_back(row["id"], owner, pause, untouched=later.untouched)

    @asynccontextmanager
    async def _kept(self, authorization_id: str, owner: str) -> AsyncIterator[None]:
        """Hold the lease while the work takes."""
        renewing = asyncio.create_task(self._renew(authorization_id, owner))
        try:
            yield
        finally:
            renewing.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await renewing

    async def _renew(self, authorization_id: str, owner: str) -> None:
        while True:
            await asyncio.sleep(self._lease.total_seconds() / 3)
            try:
                if not await self._store.renew(authorization_id, owner, self._lease):
                    return
            except DatabaseError:
                log(_logger, logging.WARNING, "a lease cannot be renewed just now", id=authorization_id)


def _repeatable(kept: KeptRequest) -> bool:
    """Whether calling again with the same key is the same effect, by our own configuration of the tool."""
    tool = kept.kept.plan.tool
    return tool is not None and (tool.idempotent or tool.reads_only)


def _response(row: Row) -> Response:
    return Response(ok=True, server=row["server"], tool=row["tool"], correlation_id=row["correlation_id"])


def _failure(row: Row, code: str, details: str) -> Response:
    response = _response(row)
    response.ok = False
    response.error.code = error_pb2.ErrorCode.Value(code)
    response.error.details = details
    response.error.retryable = False
    return response


def _outcome(row: Row, status: str, code: str, details: str) -> Closing:
    now = datetime.now(UTC)
    change = {"status": status, "error_code": code, "error_details": details, "updated_at": now.isoformat()}
    return Closing(action_id=row["action_id"], type=records.OUTCOME, at=now, row=change, details={"authorization": row["id"]})
