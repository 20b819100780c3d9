"""The journey: the one path that every action walks, whatever door it came in by.

Above: `servicers` make a `Call` and hand it in. Below: `actions` (what it means), `policy` (whether it may), `journal` (the
record), `adapter` (the effect), `cards` (the answer).

The journey of a call runs in a task of its own. A caller that goes away cancels only its own waiting: an intent that was written
gets its outcome, and the next call with the same key finds it.
"""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from switchboard.dispatch.v1 import dispatch_service_pb2

from dispatch_service import metrics
from dispatch_service.actions import ActionRegistry
from dispatch_service.adapter import ToolPort
from dispatch_service.answers import Answers, refusal_of
from dispatch_service.call import Call, Plan, Refusal, ToolAnswer
from dispatch_service.journal import records, rows
from dispatch_service.journal.claims import ClaimReader
from dispatch_service.journal.writer import JournalUnavailable, JournalWriter
from dispatch_service.keying import Keying
from dispatch_service.policy import decide
from service_kit.errors import Unavailable
from service_kit.logging import log
from service_kit.postgres import DatabaseError

_logger = logging.getLogger(__name__)
Result = dispatch_service_pb2.DispatchResult
_OTHER_REQUEST = "This idempotency key was used for something else."


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """Times of a journey in seconds: how long a caller waits, how long a tool may take."""

    call: float
    tool: float


class Leader:
    """The first call of this process that asks for a key: whether it got it, and what came of it."""

    def __init__(self, fingerprint: str) -> None:
        loop = asyncio.get_running_loop()
        self.fingerprint = fingerprint
        self.won: asyncio.Future[bool] = loop.create_future()
        self.result: asyncio.Future[Result] = loop.create_future()

    def failed(self, problem: BaseException) -> None:
        """Tell whoever waits. Without followers nobody asks for the problem; that is no fault."""
        if not self.won.done():
            self.won.set_result(False)
        self.result.set_exception(problem)
        self.result.exception()


class Journey:
    """Everything that a journey needs, put together once in `app`."""

    def __init__(
        self,
        *,
        tenant: str,
        actions: ActionRegistry,
        answers: Answers,
        adapter: ToolPort,
        writer: JournalWriter,
        claims: ClaimReader,
        keying: Keying,
        limits: Limits,
    ) -> None:
        self._tenant = tenant
        self._actions = actions
        self._answers = answers
        self._adapter = adapter
        self._writer = writer
        self._claims = claims
        self._keying = keying
        self._limits = limits
        self._running: set[asyncio.Task[Result]] = set()
        self._leading: dict[tuple[str, str, str, str], Leader] = {}

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
        try:
            plan = await self._plan(call)
            decision = decide(call, plan, self._tenant)
            if not decision.allowed:
                raise Refusal("FORBIDDEN", decision.reason)
            if plan.tool is None:
                return await self._answer_without_a_tool(call, plan)
            if plan.tool.reads_only:
                return await self._execute(call, plan, None, decision.policy_ids)
            return await self._once(call, plan, decision.policy_ids)
        except Refusal as refusal:
            return await self._refuse(call, refusal)
        except JournalUnavailable as problem:
            raise Unavailable("INTEGRATION_DOWN", "The journal cannot be written, so nothing was called. Try again.") from problem

    async def _plan(self, call: Call) -> Plan:
        """Parse, validate and normalise have happened at the door; what is left of them is what only the action knows."""
        objections = self._actions.objections(call)
        if objections:
            raise refusal_of(objections)
        return await self._actions.plan(call)

    async def _once(self, call: Call, plan: Plan, policy_ids: tuple[str, ...]) -> Result:
        """Claim the key. Calls that repeat one which is under way in this process share its outcome."""
        claim = self._keying.claim(call, plan)
        while (leader := self._leading.get(claim.scope)) is not None:
            if leader.fingerprint == claim.fingerprint:
                metrics.REPLAYS.labels(call.action).inc()
                return await asyncio.shield(leader.result)
            if await asyncio.shield(leader.won):
                raise Refusal("CONFLICT", _OTHER_REQUEST)
            # Another request asked for the key and did not get it: it says nothing of who holds it.
            await asyncio.wait([leader.result])
        leader = Leader(claim.fingerprint)
        self._leading[claim.scope] = leader
        try:
            result = await self._execute(call, plan, claim, policy_ids, leader)
        except BaseException as problem:
            leader.failed(problem)
            raise
        finally:
            del self._leading[claim.scope]
        leader.result.set_result(result)
        return result

    async def _execute(
        self, call: Call, plan: Plan, claim: records.Claim | None, policy_ids: tuple[str, ...], leader: Leader | None = None
    ) -> Result:
        """Journal the intent, call the tool, journal the outcome, answer."""
        opening = rows.intent(call, plan, claim, policy_ids, self._keying)
        opened = await self._writer.open(opening)
        if leader is not None:
            leader.won.set_result(opened.won)
        if claim is not None and not opened.won:
            return await self._of_another(call, claim, opened)
        answer = await self._call_tool(call, plan, opened.tool_key)
        result = self._answers.of_tool(call.action, call.correlation_id, plan, answer, opened.tool_key or opening.action_id)
        await self._record(
            call, plan, action_id=opening.action_id, retry_of=opened.retry_of, claim=claim, answer=answer, result=result
        )
        if answer.succeeded:
            await self._actions.succeeded(call, plan)
        return result

    async def _call_tool(self, call: Call, plan: Plan, key: str) -> ToolAnswer:
        if plan.tool is None:
            raise ValueError("a plan without a tool is not executed")
        try:
            return await self._adapter.call(
                plan.tool,
                plan.arguments,
                principal=call.principal,
                correlation_id=call.correlation_id,
                key=key,
                seconds=self._limits.tool,
            )
        except Exception:
            # Whatever broke here, the intent is written: it has to get an outcome, and the honest one is that nobody knows.
            log(_logger, logging.ERROR, "a tool call broke on our side", exc_info=True, tool=plan.tool.name)
            return ToolAnswer(succeeded=False, possible_effect=not plan.tool.reads_only, code="CALL_BROKE", retryable=True)

    async def _record(
        self,
        call: Call,
        plan: Plan,
        *,
        action_id: str,
        retry_of: str,
        claim: records.Claim | None,
        answer: ToolAnswer,
        result: Result,
    ) -> None:
        now = datetime.now(UTC)
        latency = int((time.monotonic() - call.started) * 1000)
        closing = rows.outcome(
            action_id, at=now, latency_ms=latency, plan=plan, answer=answer, result=result, keying=self._keying
        )
        if claim is not None:
            state = rows.claim_state(plan, answer)
            sealed = self._keying.seal_result(result, claim.scope) if state == records.DONE else None
            closing = replace(closing, claim_state=state, sealed_result=sealed)
        if retry_of:
            closing.row["retry_of"] = retry_of
        durable = self._writer.close(closing)
        if retry_of and answer.succeeded:
            await self._settle(retry_of, now, closing)
        metrics.observe(call.action, result, time.monotonic() - call.started)
        # The truth is told even where the journal is away just now: the writer keeps the outcome until it is written.
        if not await durable:
            log(_logger, logging.WARNING, "answered before the outcome was durable", action_id=action_id)

    async def _settle(self, retry_of: str, now: datetime, closing: records.Closing) -> None:
        """Every earlier attempt whose outcome was not known has this one's: they shared the tool's key."""
        try:
            attempts = await self._claims.unsettled(retry_of)
        except DatabaseError:
            attempts = [retry_of]
        for attempt in attempts:
            self._writer.close(rows.settled(attempt, now, closing.row))

    async def _of_another(self, call: Call, claim: records.Claim, opened: records.Opened) -> Result:
        """The key is held by another action: answer with its outcome, once there is one."""
        if opened.fingerprint != claim.fingerprint:
            raise Refusal("CONFLICT", _OTHER_REQUEST)
        metrics.REPLAYS.labels(call.action).inc()
        held = opened if opened.state != records.IN_FLIGHT else None
        if held is None:
            deadline = call.started + self._limits.call
            held = await self._claims.outcome(opened.holder, deadline)
        if held is not None and held.sealed_result is not None:
            return self._keying.unseal_result(held.sealed_result, claim.scope)
        if held is None:
            raise Refusal("CONFLICT", "The same action is still being worked on. Try again with the same key.", retryable=True)
        raise Refusal("INTEGRATION_DOWN", "The same action just failed. Try again with the same key.")

    async def _answer_without_a_tool(self, call: Call, plan: Plan) -> Result:
        action_id = records.new_action_id()
        result = self._answers.of_view(call.action, call.correlation_id, plan, action_id)
        await self._writer.open(rows.answered(call, plan, action_id, self._keying))
        metrics.observe(call.action, result, time.monotonic() - call.started)
        return result

    async def _refuse(self, call: Call, refusal: Refusal) -> Result:
        """Refusals are journalled too."""
        result = self._answers.of_refusal(call, refusal)
        await self._writer.open(rows.rejected(call, refusal))
        metrics.observe(call.action, result, time.monotonic() - call.started)
        return result
