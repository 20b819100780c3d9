"""Work at the vendor, one piece per idempotency key: who is at it, which step has been taken, what came out.

Above: `booking` and `estimate` claim their work here and record each step. Below: Postgres, table `housecall_pro.work`.

At most one process works on a key: it holds a lease, which it renews while it works and which runs out where it died. Every
step is recorded before it is taken ("I am posting the job") and again after it ("this is its id"), so that whoever goes on
knows what may have happened. What was posted without a known reply is looked for before it is ever posted again.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import logging
import random
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal, TypeVar

from google.protobuf.message import Message

from service_kit.logging import log
from service_kit.postgres import Database, DatabaseUnavailable, load_queries
from tool_servers.housecall_pro.faults import VendorProblem, as_tool_error
from tool_servers.runtime import Conflict, Effect, IntegrationDown, OutcomeUnknown, ToolCall, ToolError

FoundT = TypeVar("FoundT")
Posting = Literal["customer", "address", "job", "estimate", "lead"]

_SQL = load_queries("tool_servers.housecall_pro")
# What is left of a call's time when it has waited for another call with its key: to answer.
_RESERVE = 0.2

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class Progress:
    """How far a piece of work has got. `posting` is what was posted without a recorded reply."""

    posting: Posting | None = None
    customer_id: str | None = None
    address_id: str | None = None
    record_id: str | None = None
    option_id: str | None = None
    slot_start: datetime | None = None
    slot_end: datetime | None = None
    preferred_unavailable: bool = False


class Unsettled(Exception):
    """Something was posted, no reply came, and it cannot be found, or not yet."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Identity:
    """Which piece of work: the call's tenant, tool and key, and a digest of its arguments."""

    tenant: str
    tool: str
    key_digest: str
    fingerprint: str

    @property
    def reference(self) -> str:
        """Our mark on what is made at the vendor, by which it is found again."""
        return f"sb-{self.key_digest[:24]}"

    @property
    def key(self) -> dict[str, Any]:
        """The primary key."""
        return {"tenant": self.tenant, "tool": self.tool, "key_digest": self.key_digest}


def identify(call: ToolCall, tool: str, request: Message) -> Identity:
    """Return the identity of `call`. `request` is what has to be the same when the call is repeated."""
    key = call.idempotency_key.encode()
    return Identity(
        tenant=call.tenant,
        tool=tool,
        key_digest=hashlib.sha256(key).hexdigest(),
        fingerprint=hmac.new(key, request.SerializeToString(deterministic=True), hashlib.sha256).hexdigest(),
    )


class Work:
    """One piece of work that this call holds. `settle` is in seconds."""

    def __init__(
        self, database: Database, identity: Identity, progress: Progress, posting_age: float, *, lease: float, settle: float
    ) -> None:
        self.identity = identity
        self.progress = progress
        self.done: bytes | None = None
        self._database = database
        self._holder = uuid.uuid4()
        self._posting_age = posting_age
        self._lease = lease
        self._settle = settle

    async def record(self, **changes: Any) -> None:
        """Record a step. Raises Conflict where another call has taken the work over."""
        progress = replace(self.progress, **changes)
        steps = {name: getattr(progress, name) for name in Progress.__slots__}
        if not await self._run("record", **steps):
            raise Conflict(
                "Another call with the same idempotency key has taken this over.", retryable=True, effect=Effect.POSSIBLE
            )
        self.progress = progress

    async def left_over(self, what: Posting, find: Callable[[], Awaitable[FoundT | None]]) -> FoundT | None:
        """Return what an attempt before this one posted, or None where it posted nothing. Raises Unsettled."""
        if self.progress.posting != what:
            return None
        found = await _settled(find)
        if found is None:
            if self._posting_age < self._settle:
                raise Unsettled
            await self.record(posting=None)
        return found

    async def post_once(
        self,
        what: Posting,
        *,
        find: Callable[[], Awaitable[FoundT | None]],
        post: Callable[[], Awaitable[FoundT]],
        **changes: Any,
    ) -> FoundT:
        """Return what `post` makes, or what an attempt before this one made.

        `changes` are recorded with the intent. Raises Unsettled where that cannot be known now, and VendorProblem where the
        vendor did not take what was posted.
        """
        left = await self.left_over(what, find)
        if left is not None:
            return left
        await self.record(posting=what, **changes)
        try:
            return await post()
        except VendorProblem as problem:
            if not problem.uncertain:
                await self.record(posting=None)
                raise
        found = await _settled(find)
        if found is None:
            raise Unsettled
        return found

    def unknown(self) -> ToolError:
        """Return what the caller is told where a reply or the database is missing.

        A customer or an address without a booking is no effect: whoever asks again finds them.
        """
        if self.progress.posting in ("job", "estimate", "lead"):
            return OutcomeUnknown("The scheduling system did not say whether it did this; ask again to find out.")
        return IntegrationDown("The request could not be completed at the moment and nothing was booked; try again later.")

    async def finish(self, result: Message, record_id: str) -> None:
        """Keep the answer for repeated calls. That it could not be kept changes nothing about what was done."""
        self.done = result.SerializeToString()
        try:
            await self._run("finish", result=self.done, record_id=record_id)
        except DatabaseUnavailable:
            log(_logger, logging.WARNING, "a result could not be kept; a repeated call will look it up", tool=self.identity.tool)

    async def claim(self) -> bool:
        """Try to take the work on."""
        row = await self._database.fetch_one(
            _SQL["claim"],
            {**self.identity.key, "fingerprint": self.identity.fingerprint, "holder": self._holder, "lease": self._lease},
        )
        if row is None:
            return False
        self._posting_age = row.pop("posting_age") or 0.0
        self.progress = Progress(**row)
        return True

    async def keep(self) -> None:
        """Renew the lease until cancelled."""
        while True:
            await asyncio.sleep(self._lease / 3)
            try:
                if not await self._run("renew"):
                    return
            except DatabaseUnavailable:
                # The lease may run out now. `record` notices before anything more is posted.
                log(_logger, logging.WARNING, "a lease could not be renewed", tool=self.identity.tool)

    async def release(self) -> None:
        """Let others go on at once; forget work that did nothing."""
        try:
            await self._run("forget")
            await self._run("release")
        except DatabaseUnavailable:
            log(_logger, logging.WARNING, "a lease could not be given back; it will run out", tool=self.identity.tool)

    async def _run(self, name: str, **parameters: Any) -> bool:
        keys = {**self.identity.key, "holder": self._holder, "lease": self._lease}
        return await self._database.fetch_one(_SQL[name], keys | parameters) is not None


class WorkLedger:
    """Gives out work. `lease` and `settle` are in seconds."""

    def __init__(self, database: Database, *, lease: float, settle: float) -> None:
        self._database = database
        self._lease = lease
        self._settle = settle

    async def ping(self) -> None:
        """Return where the table can be read. Raises DatabaseError."""
        await self._database.fetch_one(_SQL["ping"])

    @asynccontextmanager
    async def claim(self, identity: Identity, deadline: float) -> AsyncIterator[Work]:
        """Hold the work, or yield it `done` where it is. Waits for another call with the same key until `deadline`.

        Raises Conflict where the key was used with other arguments or the other call is not done in time. What goes wrong inside
        at the vendor or in the database leaves as a tool error.
        """
        work = Work(self._database, identity, Progress(), 0.0, lease=self._lease, settle=self._settle)
        try:
            await self._take(work, deadline)
        except DatabaseUnavailable as problem:
            raise IntegrationDown("The tool's database cannot be reached at the moment; nothing was booked.") from problem
        if work.done is not None:
            yield work
            return
        keeper = asyncio.create_task(work.keep())
        try:
            yield work
        except VendorProblem as problem:
            raise as_tool_error(problem) from problem
        except (Unsettled, DatabaseUnavailable) as problem:
            raise work.unknown() from problem
        finally:
            keeper.cancel()
            with suppress(asyncio.CancelledError):
                await keeper
            if work.done is None:
                await work.release()

    async def _take(self, work: Work, deadline: float) -> None:
        loop = asyncio.get_running_loop()
        pause = 0.02
        while not await work.claim():
            row = await self._database.fetch_one(_SQL["look"], work.identity.key)
            if row is not None and row["fingerprint"] != work.identity.fingerprint:
                raise Conflict("This idempotency key was used with other arguments.")
            if row is not None and row["result"] is not None:
                work.done = bytes(row["result"])
                return
            if loop.time() + pause > deadline - _RESERVE:
                raise Conflict("The same request is being worked on; ask again.", retryable=True, effect=Effect.POSSIBLE)
            await asyncio.sleep(pause * random.uniform(0.8, 1.2))  # noqa: S311 - jitter, not a secret
            pause = min(pause * 1.5, 0.25)


async def _settled(find: Callable[[], Awaitable[FoundT | None]]) -> FoundT | None:
    """What was posted is as unknown as before where it cannot even be looked for."""
    try:
        return await find()
    except VendorProblem as problem:
        raise Unsettled from problem
