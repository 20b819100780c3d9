"""The effect and its record: call the tool under a durable intent, and journal what came of it.

Above: the journey, for a call that may go on at once, and `carrying`, for one that a person allowed. Below: the adapter, the
journal's writer, the door that says what the answer is.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from dispatch_service import metrics
from dispatch_service.adapter import ToolPort
from dispatch_service.call import ToolAnswer
from dispatch_service.doors import Door, Result
from dispatch_service.journal import records, rows
from dispatch_service.journal.claims import ClaimReader
from dispatch_service.journal.writer import JournalWriter
from dispatch_service.keying import KeptPlan, Keying
from service_kit.logging import log
from service_kit.postgres import DatabaseError

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class Intent:
    """An action whose intent is durable. `claimed` says whether it holds an idempotency key, `retry_of` which action it repeats,
    `repeated` that an attempt of its own may have reached the tool before, `allowed` that a person allowed it: then it is not for
    whoever sends it again to have it tried once more."""

    action_id: str
    tool_key: str
    claimed: bool
    retry_of: str = ""
    repeated: bool = False
    allowed: bool = False


class Execution:
    """Carries intents out. `seconds` bounds a tool call."""

    def __init__(
        self,
        *,
        doors: Mapping[str, Door],
        adapter: ToolPort,
        writer: JournalWriter,
        claims: ClaimReader,
        keying: Keying,
        seconds: float,
    ) -> None:
        self._doors = doors
        self._adapter = adapter
        self._writer = writer
        self._claims = claims
        self._keying = keying
        self._seconds = seconds

    async def carry_out(self, kept: KeptPlan, intent: Intent) -> Result:
        """Call the tool, journal the outcome and return the answer. Whatever happens to the tool is in the answer."""
        answer = await self._call_tool(kept, intent.tool_key)
        if intent.repeated and not answer.from_tool:
            # That this attempt came to nothing says nothing of the one before it.
            answer = replace(answer, possible_effect=True, retryable=True)
        result = self._result(kept, intent, answer)
        durable = await self._record(kept, intent, answer, result)
        if intent.claimed and not durable and not answer.succeeded:
            # Should this process end before its outcome is written, another one finds the intent and calls again.
            return self._result(kept, intent, replace(answer, possible_effect=True, code="NOT_RECORDED", retryable=True))
        return result

    def _result(self, kept: KeptPlan, intent: Intent, answer: ToolAnswer) -> Result:
        door = self._doors[kept.door]
        return door.of_tool(kept.action, kept.correlation_id, kept.plan, answer, intent.tool_key or intent.action_id)

    async def _call_tool(self, kept: KeptPlan, key: str) -> ToolAnswer:
        tool = kept.plan.tool
        if tool is None:
            raise ValueError("a plan without a tool is not executed")
        try:
            return await self._adapter.call(
                tool,
                kept.plan.arguments,
                principal=kept.principal,
                correlation_id=kept.correlation_id,
                key=key,
                seconds=self._seconds,
            )
        except Exception:
            # Whatever broke here, the intent is written: it has to get an outcome, and the honest one is that nobody knows.
            log(_logger, logging.ERROR, "a tool call broke on our side", exc_info=True, tool=tool.name)
            return ToolAnswer(succeeded=False, possible_effect=not tool.reads_only, code="CALL_BROKE", retryable=True)

    async def _record(self, kept: KeptPlan, intent: Intent, answer: ToolAnswer, result: Result) -> bool:
        """Journal the outcome, and say whether that is durable."""
        now = datetime.now(UTC)
        took = (now - kept.received_at).total_seconds()
        closing = rows.outcome(
            intent.action_id,
            at=now,
            latency_ms=int(took * 1000),
            plan=kept.plan,
            answer=answer,
            result=result,
            keying=self._keying,
        )
        if intent.claimed:
            state = rows.claim_state(kept.plan, answer)
            if intent.allowed and state == records.RETRYABLE:
                state = records.KEPT
            sealed = self._keying.seal_result(result, kept.scope) if state == records.DONE else None
            closing = replace(closing, claim_state=state, sealed_result=sealed)
        if intent.retry_of:
            closing.row["retry_of"] = intent.retry_of
        # Read first, so that the outcome and what it settles are written in one commit.
        settled = await self._unsettled(intent.retry_of) if intent.retry_of and answer.succeeded else []
        durable = self._writer.close(closing)
        for attempt in settled:
            self._writer.close(rows.settled(attempt, now, closing.row))
        metrics.observe(kept.action, result, took)
        # What was done is told even where the journal is away just now: the writer keeps the outcome until it is written.
        written = await durable
        if not written:
            log(_logger, logging.WARNING, "answered before the outcome was durable", action_id=intent.action_id)
        return written

    async def _unsettled(self, retry_of: str) -> list[str]:
        """Every earlier attempt whose outcome was not known: it has this one's, for they shared the tool's key."""
        try:
            return await self._claims.unsettled(retry_of)
        except DatabaseError:
            # Which of them were unknown cannot be read now, and what was certain must stay so.
            log(_logger, logging.WARNING, "earlier attempts are not settled", retry_of=retry_of)
            return []
