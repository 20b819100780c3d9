"""Changes to the register of third-party servers, in the action log like everything that has an effect.

Above: the public registry. Below: the journal. A change holds a key of its own, as a call of a tool does: what a dead process
left is found, and as nobody knows what came of it, a person has to look.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, TypeVar

from google.protobuf.message import Message
from switchboard.dispatch.v1 import error_pb2
from switchboard.tool.v1 import tool_service_pb2

from dispatch_service.adapter.registry import refused
from dispatch_service.call import TOOL, Call, Plan, ToolAnswer
from dispatch_service.journal import records, rows
from dispatch_service.journal.writer import JournalUnavailable, JournalWriter
from dispatch_service.keying import KeptPlan, Keying
from dispatch_service.principal import Principal
from service_kit import errors
from service_kit.contract.redact import redact
from service_kit.contract.render import arguments

ACTION = "registry"
Result = TypeVar("Result")
_PRESENTER = "tool"
_REFUSED = "The change was refused."
_LOST = "It is not known whether the change was made. Look at the server."
_UNUSABLE = "The server cannot be used, and was not kept."

_CODES: Mapping[type[errors.ServiceError], str] = {
    errors.InvalidArgument: "INVALID_ARGUMENT",
    errors.NotFound: "NOT_FOUND",
    errors.Forbidden: "FORBIDDEN",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """A change as it came in. `rpc` is what the log calls it, behind `registry/`."""

    rpc: str
    request: Message
    by: Principal
    correlation_id: str
    client: Mapping[str, str]


class Outcome:
    """What is known of a change while it is made: nothing, until somebody says."""

    def __init__(self) -> None:
        self.answer = ToolAnswer(succeeded=False, possible_effect=True, code="OUTCOME_UNKNOWN")
        self.sentence = _LOST

    def made(self, reply: Message) -> None:
        """It was made, and this is how things stand."""
        self.answer = ToolAnswer(succeeded=True, possible_effect=False, result=arguments(reply))

    def unusable(self) -> None:
        """The server that was to be registered cannot be used."""
        self.answer = ToolAnswer(succeeded=False, possible_effect=False, code="INTEGRATION_DOWN")
        self.sentence = _UNUSABLE

    def refused(self, problem: errors.ServiceError) -> None:
        """The adapter refused it."""
        code = next((code for kind, code in _CODES.items() if isinstance(problem, kind)), "CONFLICT")
        self.answer = ToolAnswer(succeeded=False, possible_effect=False, code=code)
        self.sentence = _REFUSED


class Changes:
    """Journals changes."""

    def __init__(self, writer: JournalWriter, keying: Keying) -> None:
        self._writer = writer
        self._keying = keying
        self._under_way: set[asyncio.Task[Any]] = set()

    def start(self, work: Coroutine[Any, Any, Result]) -> asyncio.Task[Result]:
        """Carry a change out in a task of its own, which goes on where its caller goes away."""
        task = asyncio.create_task(work)
        self._under_way.add(task)
        task.add_done_callback(self._ended)
        return task

    async def finish(self) -> None:
        """Wait for every change that is under way, on shutdown."""
        while self._under_way:
            await asyncio.wait(self._under_way)

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._under_way.discard(task)
        if not task.cancelled():
            # Where the caller is gone nobody asks what became of it, and that is no fault.
            task.exception()

    @asynccontextmanager
    async def journalled(self, asked: Asked) -> AsyncIterator[Outcome]:
        """Journal the intent, let the change be made, journal its outcome. Raises Unavailable where nothing can be journalled:
        then nothing is changed."""
        # What is kept of it is what the log shows: a server's token is in neither.
        plan = Plan(presenter=_PRESENTER, tool=None, arguments=redact(asked.request)[0], view={}, own_key=records.new_action_id())
        call = Call(
            door=TOOL,
            action=f"{ACTION}/{asked.rpc}",
            payload=asked.request,
            problems=(),
            thread_id="",
            session_id="",
            idempotency_key="",
            principal=asked.by,
            correlation_id=asked.correlation_id,
            client=asked.client,
        )
        claim = self._keying.claim(call, plan)
        opening = rows.intent(call, plan, claim, (), self._keying)
        try:
            await self._writer.open(opening)
        except JournalUnavailable as problem:
            raise errors.Unavailable("INTEGRATION_DOWN", "The journal cannot be written, so nothing was changed.") from problem
        outcome = Outcome()
        try:
            yield outcome
        except errors.ServiceError as problem:
            if refused(problem):
                outcome.refused(problem)
            raise
        finally:
            await self._writer.close(self._closing(opening.action_id, KeptPlan.of(call, plan, claim.scope), outcome))

    def _closing(self, action_id: str, kept: KeptPlan, outcome: Outcome) -> records.Closing:
        now = datetime.now(UTC)
        result = tool_service_pb2.CallToolResponse(ok=outcome.answer.succeeded, correlation_id=kept.correlation_id)
        if not outcome.answer.succeeded:
            code = "OUTCOME_UNKNOWN" if outcome.answer.possible_effect else outcome.answer.code
            result.error.code, result.error.details = error_pb2.ErrorCode.Value(code), outcome.sentence
        closing = rows.outcome(
            action_id,
            at=now,
            latency_ms=int((now - kept.received_at).total_seconds() * 1000),
            plan=kept.plan,
            answer=outcome.answer,
            result=result,
            keying=self._keying,
        )
        return replace(closing, claim_state=records.DONE, sealed_result=self._keying.seal_result(result, kept.scope))
