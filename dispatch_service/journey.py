"""The journey: the one path that every action and every tool call walks, whatever door it came in by.

Above: `servicers` make a `Call` and hand it in. Below: the call's door (what it means, how it is answered), `permission` (whether
it may), `journal` (the record), `execution` (the effect), `authorizations` (where a person has to decide first).

The journey of a call runs in a task of its own. A caller that goes away cancels only its own waiting: an intent that was written
gets its outcome, and the next call with the same key finds it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial

from dispatch_service import metrics
from dispatch_service.authorizations import request
from dispatch_service.authorizations.verdicts import Verdicts
from dispatch_service.call import Call, Plan, Refusal, ToolAnswer, Waiting
from dispatch_service.doors import Door, Result, errors
from dispatch_service.execution import Execution, Intent
from dispatch_service.journal import records, rows
from dispatch_service.journal.claims import ClaimReader
from dispatch_service.journal.writer import JournalUnavailable, JournalWriter
from dispatch_service.keying import KeptPlan, Keying
from dispatch_service.leading import Leader, Leaders, OtherRequest
from dispatch_service.permission import Permission, Permitted
from service_kit.errors import Unavailable

_OTHER_REQUEST = "This idempotency key was used for something else."
_NO_SCOPE = ("", "", "", "")


@dataclass(frozen=True, kw_only=True, slots=True)
class _Passage:
    """One call on its way: what it means, and what policy said."""

    door: Door
    call: Call
    plan: Plan
    permitted: Permitted


class Journey:
    """Everything that a journey needs, put together once in `app`. `call_seconds` is how long a caller waits for somebody else's
    outcome under its key, `authorization_hours` how long a call waits for a person."""

    def __init__(
        self,
        *,
        doors: Mapping[str, Door],
        permission: Permission,
        execution: Execution,
        writer: JournalWriter,
        claims: ClaimReader,
        verdicts: Verdicts,
        keying: Keying,
        call_seconds: float,
        authorization_hours: float,
    ) -> None:
        self._doors = doors
        self._permission = permission
        self._execution = execution
        self._writer = writer
        self._claims = claims
        self._verdicts = verdicts
        self._keying = keying
        self._call_seconds = call_seconds
        self._authorization_hours = authorization_hours
        self._running: set[asyncio.Task[Result]] = set()
        self._leaders = Leaders()

    async def start(self, call: Call) -> Result:
        """Walk the journey to its end and return its result. The caller may be cancelled; the journey is not.

        Raises Unavailable where the journal cannot be written: then nothing was called.
        """
        waiter: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        task = asyncio.create_task(self._travel(call))
        self._running.add(task)

        def arrived(done: asyncio.Task[Result]) -> None:
            self._running.discard(done)
            problem = done.exception()
            # The caller may be gone: then nobody asks, and that is no fault.
            if not waiter.done() and problem is not None:
                waiter.set_exception(problem)
            elif not waiter.done():
                waiter.set_result(done.result())

        task.add_done_callback(arrived)
        return await waiter

    async def finish(self) -> None:
        """Wait for every journey that is under way, on shutdown."""
        while self._running:
            await asyncio.wait(self._running)

    async def _travel(self, call: Call) -> Result:
        door = self._doors[call.door]
        try:
            try:
                return await self._walk(door, call)
            except Refusal as refusal:
                return await self._refuse(door, call, refusal)
        except JournalUnavailable as problem:
            if problem.uncertain:
                # Unavailable all the same, as when the front door loses an answer.
                raise Unavailable("OUTCOME_UNKNOWN", "The journal did not answer. Try again with the same key.") from problem
            raise Unavailable("INTEGRATION_DOWN", "The journal cannot be written, so nothing was called. Try again.") from problem

    async def _walk(self, door: Door, call: Call) -> Result:
        plan = await self._plan(door, call)
        try:
            permitted = await self._permission.ask(call, plan)
        except Refusal as refusal:
            answered = await self._answered_before(door, call, plan, refusal)
            if answered is None:
                raise
            return answered
        passage = _Passage(door=door, call=call, plan=plan, permitted=permitted)
        if plan.dry_run:
            return await self._answer_preview(passage)
        if plan.tool is None:
            return await self._answer_without_a_tool(passage)
        if plan.changes_nothing and not permitted.waits:
            return await self._execute(passage)
        return await self._once(passage)

    async def _plan(self, door: Door, call: Call) -> Plan:
        """Parse, validate and normalise have happened on the way in; what is left of them is what only the action knows."""
        objections = door.objections(call)
        if objections:
            raise errors.refusal_of(objections)
        return await door.plan(call)

    async def _once(self, passage: _Passage) -> Result:
        """Claim the key: the first call with it is carried out, or put before a person; the others get its answer."""
        claim = self._keying.claim(passage.call, passage.plan)
        go_on = self._put_before_a_person if passage.permitted.waits else self._execute_claimed
        repeated = metrics.REPLAYS.labels(passage.call.action).inc
        try:
            return await self._leaders.once(claim, partial(go_on, passage, claim), repeated)
        except OtherRequest:
            raise Refusal("CONFLICT", _OTHER_REQUEST) from None

    async def _execute_claimed(self, passage: _Passage, claim: records.Claim, leader: Leader) -> Result:
        """Journal the intent with its claim, call the tool, journal the outcome, answer."""
        opening = self._intent(passage, claim)
        opened = await self._writer.open(opening)
        leader.won.set_result(opened.won)
        if not opened.won:
            return await self._of_another(passage, claim, opened)
        intent = Intent(action_id=opening.action_id, tool_key=opened.tool_key, claimed=True, retry_of=opened.retry_of)
        result = await self._execution.carry_out(KeptPlan.of(passage.call, passage.plan, claim.scope), intent)
        if result.ok:
            await passage.door.succeeded(passage.call, passage.plan)
        return result

    async def _execute(self, passage: _Passage) -> Result:
        """Call a tool that changes nothing: journalled like every other, without a claim."""
        opening = self._intent(passage, None)
        await self._writer.open(opening)
        intent = Intent(action_id=opening.action_id, tool_key="", claimed=False)
        return await self._execution.carry_out(KeptPlan.of(passage.call, passage.plan, _NO_SCOPE), intent)

    def _intent(self, passage: _Passage, claim: records.Claim | None) -> records.Opening:
        permitted = passage.permitted
        policy_ids, decision = permitted.decision.policy_ids, permitted.as_record()
        return rows.intent(passage.call, passage.plan, claim, policy_ids, self._keying, decision=decision)

    async def _put_before_a_person(self, passage: _Passage, claim: records.Claim, leader: Leader) -> Result:
        """Let the call wait. Its action, its claim and its place in the queue are written together."""
        call, plan, permitted = passage.call, passage.plan, passage.permitted
        waiting = Waiting(
            authorization_id=request.new_authorization_id(),
            reason=permitted.reason,
            expires_at=datetime.now(UTC) + timedelta(hours=self._authorization_hours),
        )
        queued = request.queued(
            waiting=waiting,
            action_id=records.new_action_id(),
            call=call,
            plan=plan,
            decision=permitted.decision,
            preview=permitted.preview,
            scope=claim.scope,
            keying=self._keying,
        )
        result = passage.door.of_waiting(call, plan, waiting)
        opening = rows.pending(
            call,
            plan,
            replace(claim, sealed_result=self._keying.seal_result(result, claim.scope)),
            policy_ids=permitted.decision.policy_ids,
            authorization=queued,
            keying=self._keying,
            decision=permitted.as_record(),
        )
        opened = await self._writer.open(opening)
        leader.won.set_result(opened.won)
        if not opened.won:
            return await self._of_another(passage, claim, opened)
        return _observed(call, result)

    async def _of_another(self, passage: _Passage, claim: records.Claim, opened: records.Opened) -> Result:
        """The key is held by another action: answer with its outcome, once there is one."""
        call = passage.call
        if opened.fingerprint != claim.fingerprint:
            raise Refusal("CONFLICT", _OTHER_REQUEST)
        metrics.REPLAYS.labels(call.action).inc()
        held = opened if opened.state != records.IN_FLIGHT else None
        if held is None:
            held = await self._claims.outcome(opened.holder, call.started + self._call_seconds)
        if held is not None and held.sealed_result is not None:
            kept = self._keying.unseal_result(held.sealed_result, claim.scope, passage.door.answer_type)
            return await self._as_it_stands(passage.door, call, kept)
        if held is None:
            raise Refusal("CONFLICT", "The same action is still being worked on. Try again with the same key.", retryable=True)
        raise Refusal("INTEGRATION_DOWN", "The same action just failed. Try again with the same key.")

    async def _answered_before(self, door: Door, call: Call, plan: Plan, refusal: Refusal) -> Result | None:
        """What was done changes what the tool says of doing it: a repetition is not refused for that."""
        by_facts = not refusal.decision or "facts" in refusal.decision
        if plan.changes_nothing or not by_facts or not (plan.own_key or call.idempotency_key):
            return None
        claim = self._keying.claim(call, plan)
        held = await self._claims.held(claim.scope)
        if held is None or held.fingerprint != claim.fingerprint or held.state != records.DONE or held.sealed_result is None:
            return None
        metrics.REPLAYS.labels(call.action).inc()
        return await self._as_it_stands(door, call, self._keying.unseal_result(held.sealed_result, claim.scope, door.answer_type))

    async def _as_it_stands(self, door: Door, call: Call, kept: Result) -> Result:
        """What waited when its answer was kept may have come to nothing since."""
        waited_for = kept.result.card.authorization_required.authorization_id
        verdict = await self._verdicts.of(call.principal.tenant, waited_for) if waited_for else None
        if verdict is None:
            return kept
        # A repetition like any other: it is not journalled, least of all with a person's words.
        refused = door.of_refusal(call, verdict)
        refused.correlation_id = kept.correlation_id
        return refused

    async def _answer_preview(self, passage: _Passage) -> Result:
        preview = passage.permitted.preview or {}
        answer = ToolAnswer(succeeded=True, possible_effect=False, from_tool=True, result=preview)
        action_id, call = records.new_action_id(), passage.call
        result = passage.door.of_tool(call.action, call.correlation_id, passage.plan, answer, action_id)
        return await self._answered(passage, action_id, result)

    async def _answer_without_a_tool(self, passage: _Passage) -> Result:
        action_id, call = records.new_action_id(), passage.call
        result = passage.door.of_view(call.action, call.correlation_id, passage.plan, action_id)
        return await self._answered(passage, action_id, result)

    async def _answered(self, passage: _Passage, action_id: str, result: Result) -> Result:
        await self._writer.open(rows.answered(passage.call, passage.plan, action_id, self._keying))
        return _observed(passage.call, result)

    async def _refuse(self, door: Door, call: Call, refusal: Refusal) -> Result:
        """Refusals are journalled too."""
        result = door.of_refusal(call, refusal)
        await self._writer.open(rows.rejected(call, refusal))
        return _observed(call, result)


def _observed(call: Call, result: Result) -> Result:
    metrics.observe(call.action, result, time.monotonic() - call.started)
    return result
