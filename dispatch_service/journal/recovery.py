"""Finishing what a dead process left executing.

Above: `app` runs `Recovery.run` beside the server. Below: claims whose owner's lease ran out, sealed plans, the adapter.

An orphan is called again with its tool key where our configuration says that the tool is idempotent: the tool then continues or
returns what it already did. Otherwise nobody can know, and the action waits as OUTCOME_UNKNOWN for a person.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from dispatch_service import metrics
from dispatch_service.adapter import ToolPort
from dispatch_service.call import ToolAnswer
from dispatch_service.doors import Door
from dispatch_service.journal import QUERIES, records, rows
from dispatch_service.journal.writer import JournalUnavailable, JournalWriter
from dispatch_service.keying import KeptPlan, Keying
from service_kit.keys import BadSeal
from service_kit.logging import log
from service_kit.postgres import Database, DatabaseError

Row = Mapping[str, Any]
_logger = logging.getLogger(__name__)
_ANCHOR_SECONDS = 60.0
_NO_ANSWER = "The process that looked this up ended before it had an answer."
# Long enough for a tool that waits, after a lost reply, before it dares to act again.
_PAUSES_SECONDS = (1.0, 2.0, 4.0, 8.0, 16.0, 16.0, 0.0)


class Recovery:
    """Renews this process's lease, adopts orphans, anchors the other chains. `tool_seconds` bounds a repeated call."""

    def __init__(
        self,
        *,
        database: Database,
        writer: JournalWriter,
        adapter: ToolPort,
        keying: Keying,
        doors: Mapping[str, Door],
        lease: float,
        tool_seconds: float,
    ) -> None:
        self._database = database
        self._writer = writer
        self._adapter = adapter
        self._keying = keying
        self._doors = doors
        self._lease = lease
        self._tool_seconds = tool_seconds
        self._finishing: set[asyncio.Task[None]] = set()
        self._anchored = 0.0
        # What is anchored already: a chain that has ended is anchored once.
        self._heads: dict[str, int] = {}

    async def run(self) -> None:
        """Work until cancelled; a database that is away is tried again at the next turn."""
        while True:
            try:
                await self._turn()
            except (DatabaseError, JournalUnavailable):
                log(_logger, logging.WARNING, "recovery waits for the database")
            await asyncio.sleep(self._lease / 4)

    async def _turn(self) -> None:
        await self._writer.connect()
        writer = self._writer.writer_id
        lease = {"writer": writer, "lease": timedelta(seconds=self._lease), "settled": self._writer.settled}
        await self._database.fetch_all(QUERIES["renew_lease"], lease)
        await self._adopt(await self._database.fetch_all(QUERIES["adopt"], {"writer": writer}))
        await self._settle()
        await self._anchor()

    async def _adopt(self, left: Sequence[Row]) -> None:
        """Finish what dead processes left: call claimed actions again, and say of look-ups that nothing came of them."""
        orphans = [row for row in left if row["claimed"]]
        if orphans:
            self._writer.adopted((row["action_id"] for row in orphans), orphans[0]["length"] - len(orphans))
        for row in left:
            if not row["claimed"]:
                self._writer.close(rows.not_carried_out(row["action_id"], _NO_ANSWER))
                continue
            task = asyncio.create_task(self._finish(row))
            self._finishing.add(task)
            task.add_done_callback(self._finishing.discard)

    async def _settle(self) -> None:
        """Settle attempts of which nobody said, when a later one succeeded, that its outcome is theirs: that process died, or
        could not look them up."""
        for row in await self._database.fetch_all(QUERIES["known_by_now"]):
            now = datetime.now(UTC)
            attempt = row.pop("attempt")
            await self._writer.close(rows.settled(attempt, now, {**row, "updated_at": now.isoformat()}))

    async def _finish(self, orphan: Row) -> None:
        action_id = orphan["action_id"]
        try:
            kept = self._keying.unseal_plan(orphan["sealed_plan"])
        except (BadSeal, KeyError, TypeError, ValueError):
            log(_logger, logging.ERROR, "an orphaned action cannot be read; a person must settle it", action_id=action_id)
            kept = None
        answer = await self._repeat(kept, orphan["tool_key"]) if kept is not None else _unknown()
        closing = self._closing(action_id, orphan["tool_key"], kept, answer)
        if orphan["retry_of"]:
            # With this the attempts before it are found, and settled once it is known to have succeeded.
            closing.row["retry_of"] = orphan["retry_of"]
        metrics.RECOVERED.labels(rows.status_of(answer)).inc()
        log(_logger, logging.WARNING, "took over an action", action_id=action_id, status=rows.status_of(answer))
        await self._writer.close(closing)

    async def _repeat(self, kept: KeptPlan, tool_key: str) -> ToolAnswer:
        tool = kept.plan.tool
        if tool is None or not tool.idempotent:
            return _unknown()
        answer = _unknown()
        for pause in _PAUSES_SECONDS:
            answer = await self._adapter.call(
                tool,
                kept.plan.arguments,
                principal=kept.principal,
                correlation_id=kept.correlation_id,
                key=tool_key,
                seconds=self._tool_seconds,
            )
            if _speaks_for_the_key(answer):
                return answer
            await asyncio.sleep(pause)
        # That these calls were never answered says nothing of the one before them.
        return replace(answer, possible_effect=True, retryable=True)

    def _closing(self, action_id: str, tool_key: str, kept: KeptPlan | None, answer: ToolAnswer) -> records.Closing:
        now = datetime.now(UTC)
        if kept is None:
            row = {"status": "OUTCOME_UNKNOWN", "error_code": "OUTCOME_UNKNOWN", "updated_at": now.isoformat()}
            return records.Closing(action_id=action_id, type=records.OUTCOME, at=now, row=row, claim_state=records.DONE)
        result = self._doors[kept.door].of_tool(kept.action, kept.correlation_id, kept.plan, answer, tool_key)
        latency = int((now - kept.received_at).total_seconds() * 1000)
        closing = rows.outcome(
            action_id, at=now, latency_ms=latency, plan=kept.plan, answer=answer, result=result, keying=self._keying
        )
        state = rows.claim_state(kept.plan, answer)
        sealed = self._keying.seal_result(result, kept.scope) if state == records.DONE else None
        return replace(closing, claim_state=state, sealed_result=sealed)

    async def _anchor(self) -> None:
        """Put the other chains' heads into ours, so that cutting the end off one of them is found."""
        now = asyncio.get_running_loop().time()
        if self._anchored and now - self._anchored < _ANCHOR_SECONDS:
            return
        self._anchored = now
        heads = await self._database.fetch_all(QUERIES["chain_heads"])
        others = [
            [head["writer_id"], head["sequence"], head["hash"].hex()]
            for head in heads
            if head["writer_id"] != self._writer.writer_id and head["sequence"] > self._heads.get(head["writer_id"], 0)
        ]
        if others:
            await self._writer.anchor(others)
            self._heads.update((writer, sequence) for writer, sequence, _ in others)


def _speaks_for_the_key(answer: ToolAnswer) -> bool:
    """Whether an idempotent tool's answer holds for every call with the key, the lost one included. A tool that cannot work just
    now may not even know of that one."""
    return answer.succeeded or (answer.from_tool and not answer.retryable and not answer.possible_effect)


def _unknown() -> ToolAnswer:
    return ToolAnswer(succeeded=False, possible_effect=True, code="OWNER_LOST")
