"""Settling what nobody knows: an operator says what became of an action, or has its tool called again with the same key.

Above: the action-log servicer. Below: the action and its claim, the journal, `execution`.

Whoever settles holds this process's chain, then the action, for one transaction: of two at once the second finds it settled.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from dispatch_service.call import ToolAnswer
from dispatch_service.doors import Door
from dispatch_service.execution import Execution, Intent
from dispatch_service.journal import QUERIES, batch, records
from dispatch_service.journal.claims import ClaimReader
from dispatch_service.journal.writer import JournalWriter
from dispatch_service.keying import KeptPlan, Keying
from dispatch_service.principal import Principal
from service_kit.errors import FailedPrecondition, NotFound
from service_kit.keys import BadSeal
from service_kit.postgres import Connection, Database

Row = Mapping[str, Any]
DONE, NOT_DONE, RETRY = "DONE", "NOT_DONE", "RETRY"
_STATUS = {DONE: "SUCCEEDED", NOT_DONE: "FAILED"}
_NOT_NOW = "This action is being called again just now; look again in a moment."
_NO_PLAN = "This action cannot be called again: what it was called with is not kept any more. Say what became of it."
_SUPERSEDED = "A later attempt with the same key has taken this one's place; settle that one."


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """What an operator found out, or wants done: `settlement` is DONE, NOT_DONE or RETRY."""

    settlement: str
    by: Principal
    notes: str


class Settler:
    """Settles actions of unknown outcome."""

    def __init__(
        self,
        *,
        database: Database,
        writer: JournalWriter,
        claims: ClaimReader,
        execution: Execution,
        doors: Mapping[str, Door],
        keying: Keying,
    ) -> None:
        self._database = database
        self._writer = writer
        self._claims = claims
        self._execution = execution
        self._doors = doors
        self._keying = keying

    async def settle(self, action_id: str, finding: Finding) -> None:
        """Write down what was found, or call again. Raises NotFound, FailedPrecondition or DatabaseError."""
        if finding.settlement == RETRY:
            await self.retry(action_id, finding)
            return
        await self._writer.connect()
        # An earlier attempt had the same key: what was done was done for it, too.
        attempts = await self._claims.unsettled(action_id) if finding.settlement == DONE else [action_id]
        async with self._database.transaction() as connection:
            claim = await self._hold(connection, action_id, finding)
            now = datetime.now(UTC)
            closing = self._settled(action_id, now, finding)
            answered = self._answered(closing, claim, finding)
            others = [self._settled(other, now, finding) for other in attempts if other != action_id]
            await self._write(connection, [answered, *others])

    async def retry(self, action_id: str, finding: Finding) -> None:
        """Call the tool again with the same key, under an intent that is durable before. Raises as `settle`."""
        await self._writer.connect()
        async with self._database.transaction() as connection:
            claim = await self._hold(connection, action_id, finding)
            if claim is None:
                raise FailedPrecondition("FAILED_PRECONDITION", _SUPERSEDED)
            kept = self._kept(claim)
            if kept is None or kept.plan.tool is None:
                raise FailedPrecondition("FAILED_PRECONDITION", _NO_PLAN)
            now = datetime.now(UTC)
            row = {"status": "OUTCOME_UNKNOWN", "updated_at": now.isoformat()}
            event = self._event(action_id, records.RETRIED, now, row, finding)
            await connection.execute(QUERIES["begin_again"].encode(), {"id": action_id, "writer": self._writer.writer_id})
            length = await self._write(connection, [event])
        self._writer.adopted([action_id], length - 1)
        retry_of = claim["retry_of"] or ""
        # A call that came to nothing before it reached the tool leaves unknown what was unknown.
        intent = Intent(action_id=action_id, tool_key=claim["tool_key"], claimed=True, retry_of=retry_of, repeated=True)
        await self._execution.carry_out(kept, intent)

    async def _hold(self, connection: Connection, action_id: str, finding: Finding) -> Row | None:
        """Lock the action, see that it may be settled, and return the claim that it holds, if it still does."""
        # The chain first, as every commit takes it: nobody then waits for us while we wait for it.
        await connection.execute(QUERIES["hold_chain"].encode(), {"writer": self._writer.writer_id})
        found = await connection.execute(QUERIES["hold_action"].encode(), {"id": action_id, "tenant": finding.by.tenant})
        action = await found.fetchone()
        if action is None:
            raise NotFound("NOT_FOUND", "There is no action by this id.")
        if action["status"] != "OUTCOME_UNKNOWN":
            raise FailedPrecondition("FAILED_PRECONDITION", f"This action's outcome is known: {action['status']}.")
        held = await connection.execute(QUERIES["hold_claim"].encode(), {"id": action_id})
        claim = await held.fetchone()
        if claim is not None and claim["state"] == records.IN_FLIGHT:
            raise FailedPrecondition("FAILED_PRECONDITION", _NOT_NOW)
        return claim

    async def _write(self, connection: Connection, events: Sequence[records.Closing]) -> int:
        parameters = {"writer": self._writer.writer_id, "known": None, "window": None, **batch.parameters([], events)}
        written = await (await connection.execute(QUERIES["write_journal"].encode(), parameters)).fetchone()
        return int(written["length"]) if written else 0

    def _kept(self, claim: Row) -> KeptPlan | None:
        if claim["sealed_plan"] is None:
            return None
        try:
            return self._keying.unseal_plan(claim["sealed_plan"])
        except (BadSeal, KeyError, TypeError, ValueError):
            return None

    def _answered(self, closing: records.Closing, claim: Row | None, finding: Finding) -> records.Closing:
        """Say also what a repetition of the call gets from now on: the answer that it was done, or another attempt."""
        if claim is None:
            return closing
        if finding.settlement == NOT_DONE:
            return replace(closing, claim_state=records.RETRYABLE)
        kept = self._kept(claim)
        if kept is None:
            return closing
        answer = ToolAnswer(succeeded=True, possible_effect=False)
        result = self._doors[kept.door].of_tool(kept.action, kept.correlation_id, kept.plan, answer, claim["tool_key"])
        return replace(closing, claim_state=records.DONE, sealed_result=self._keying.seal_result(result, kept.scope))

    def _settled(self, action_id: str, now: datetime, finding: Finding) -> records.Closing:
        row = {"status": _STATUS[finding.settlement], "updated_at": now.isoformat()}
        return self._event(action_id, records.SETTLED, now, row, finding)

    def _event(self, action_id: str, kind: str, now: datetime, row: dict[str, Any], finding: Finding) -> records.Closing:
        details = {"by": finding.by.subject, "settlement": finding.settlement}
        if finding.notes:
            sealed = self._keying.seal_text(finding.notes, f"settlement\x1f{action_id}")
            details["notes"] = base64.b64encode(sealed).decode()
        return records.Closing(action_id=action_id, type=kind, at=now, row=row, details=details)
