"""Calls on one server, guarded: a turn of its rate, a place in the bulkhead, leave of the breaker, and another attempt where
that is right.

Above: the adapter's servicer. Below: `McpClient`, which makes one attempt, and the guards, which know nothing of MCP.

Per attempt: breaker, rate, place, breaker again (it may have opened while the call waited), call. A place is held during an
attempt and not while waiting for the next. A server that says "429, Retry-After" is not called before that by anybody.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from mcp_adapter_service.mcp_client import McpClient
from mcp_adapter_service.mcp_client.faults import Code, refused
from mcp_adapter_service.mcp_client.outcomes import (
    ERROR_META,
    Effect,
    Fault,
    HttpFault,
    InputRequired,
    ServerAlive,
    TimedOut,
    ToolFailed,
    ToolList,
    ToolReply,
)
from mcp_adapter_service.mcp_client.reply_stream import ProgressCallback
from mcp_adapter_service.resilience.breaker import Admission, Breaker, BreakerState
from mcp_adapter_service.resilience.bulkhead import Bulkhead, Place
from mcp_adapter_service.resilience.rate import Rate
from mcp_adapter_service.resilience.retry import RetryPolicy


@dataclass(slots=True, kw_only=True)  # Not frozen: one is made for every call, and freezing triples what that costs.
class CallReport:
    """CallReport is a call's outcome and what it took."""

    outcome: ToolReply
    attempts: int
    """How many attempts were made; 0 where the guards let none through."""
    latency: float
    """Seconds from asking to outcome, waiting included."""


class ResilientClient:
    """ResilientClient guards one `McpClient`. Make one per server and keep it: the guards remember."""

    def __init__(
        self,
        client: McpClient,
        *,
        breaker: Breaker | None = None,
        bulkhead: Bulkhead | None = None,
        rate: Rate | None = None,
        retry: RetryPolicy | None = None,
        attempt_seconds: float | None = None,
        patience_seconds: float = 1.0,
    ) -> None:
        """Guard `client`, with guards of the default size where none are given.

        `attempt_seconds` bounds a single attempt of a call that is safe to repeat. A server that does not answer within
        less than `patience_seconds` is not blamed: a caller with no time must not open the breaker for everybody.
        """
        self._client = client
        self._breaker = breaker or Breaker(clock=asyncio.get_running_loop().time)
        self._bulkhead = bulkhead or Bulkhead()
        self._rate = rate or Rate(clock=asyncio.get_running_loop().time)
        self._retry = retry or RetryPolicy()
        self._attempt_seconds = attempt_seconds
        self._patience_seconds = patience_seconds

    @property
    def client(self) -> McpClient:
        """The client underneath."""
        return self._client

    @property
    def breaker_state(self) -> BreakerState:
        """The breaker's state."""
        return self._breaker.state

    async def call(
        self,
        tool: str,
        arguments_json: bytes,
        *,
        deadline: float,
        correlation_id: str | None = None,
        traceparent: str | None = None,
        meta: Mapping[str, Any] | None = None,
        safe_to_repeat: bool = False,
        on_progress: ProgressCallback | None = None,
        answering: InputRequired | None = None,
        answers: Mapping[str, Any] | None = None,
    ) -> CallReport:
        """Call a tool, several times where that is right, and report the last outcome.

        `deadline` (loop time) bounds all of it. With `safe_to_repeat` an attempt that may have had its effect is repeated too,
        and no single attempt takes longer than `attempt_seconds`. Once an attempt may have had its effect, a later one that
        was merely refused, or that the tool says it could not make just now, does not hide that: the earlier outcome stands.
        """
        loop = asyncio.get_running_loop()
        begun = loop.time()
        send = partial(
            self._client.call_tool,
            tool,
            arguments_json,
            correlation_id=correlation_id or uuid.uuid4().hex,
            traceparent=traceparent,
            meta=meta,
            on_progress=on_progress,
            answering=answering,
            answers=answers,
        )
        attempts = 0
        doubtful: Fault | None = None
        while True:
            admission = await self._admit(deadline)
            if isinstance(admission, Fault):
                # Our own guards said no: to ask them again at once is what they are there to prevent.
                return CallReport(outcome=doubtful or admission, attempts=attempts, latency=loop.time() - begun)
            attempts += 1
            outcome = await self._attempt(admission, send, self._attempt_deadline(deadline, safe_to_repeat))
            if isinstance(outcome, Fault) and outcome.effect is Effect.POSSIBLE:
                doubtful = outcome
            now = loop.time()
            delay = self._retry.delay(outcome, attempt=attempts, remaining=deadline - now, safe_to_repeat=safe_to_repeat)
            if delay is None:
                if doubtful is not None and _speaks_of_itself(outcome):
                    outcome = doubtful
                return CallReport(outcome=outcome, attempts=attempts, latency=now - begun)
            await asyncio.sleep(delay)

    async def list_tools(self, deadline: float) -> ToolList | Fault:
        """List the server's tools once, past the guards: drift is checked in the background, at its own pace."""
        return await self._client.list_tools(deadline)

    async def ping(self, deadline: float) -> ServerAlive | Fault:
        """Ask for a sign of life, past the guards: whoever asks wants to know how the server is, not the breaker."""
        return await self._client.ping(deadline)

    async def _admit(self, deadline: float) -> Admission | Fault:
        """Take a place and leave to use it; a fault where either is refused, and then no place is held."""
        server = self._client.server_name
        wait = self._breaker.refuses()
        if wait is not None:
            return refused(server, Code.BREAKER_OPEN, retry_after=wait)
        wait = await self._rate.acquire(deadline)
        if wait is not None:
            return refused(server, Code.RATE_EXCEEDED, retry_after=wait)
        place = await self._bulkhead.acquire(deadline)
        if place is not Place.GRANTED:
            return refused(server, Code.QUEUE_FULL if place is Place.QUEUE_FULL else Code.QUEUE_TIMED_OUT)
        admission = self._breaker.admit()
        if admission is None:
            self._bulkhead.release()
            return refused(server, Code.BREAKER_OPEN, retry_after=self._breaker.refuses())
        return admission

    def _attempt_deadline(self, deadline: float, safe_to_repeat: bool) -> float:
        if not safe_to_repeat or self._attempt_seconds is None:
            return deadline
        return min(deadline, asyncio.get_running_loop().time() + self._attempt_seconds)

    async def _attempt(self, admission: Admission, send: Callable[..., Awaitable[ToolReply]], deadline: float) -> ToolReply:
        clock = asyncio.get_running_loop().time
        begun = clock()
        outcome: ToolReply | None = None
        try:
            outcome = await send(deadline=deadline)
            if isinstance(outcome, HttpFault) and outcome.status == 429 and outcome.retry_after is not None:
                self._rate.pause(outcome.retry_after)
            return outcome
        finally:
            self._bulkhead.release()
            if outcome is None or self._says_nothing(outcome, clock() - begun):
                self._breaker.abandoned(admission)
            elif outcome.blames_server:
                self._breaker.failed(admission)
            else:
                self._breaker.succeeded(admission)

    def _says_nothing(self, outcome: ToolReply, took: float) -> bool:
        """Whether the outcome is about the caller's deadline and not about the server."""
        hasty = isinstance(outcome, TimedOut) and took < self._patience_seconds
        return hasty or (isinstance(outcome, Fault) and outcome.code == Code.DEADLINE_PASSED)


def _speaks_of_itself(outcome: ToolReply) -> bool:
    """Whether an outcome says nothing of the attempts before it. A tool that cannot work just now may not even know of them."""
    if isinstance(outcome, ToolFailed):
        error = outcome.meta.get(ERROR_META)
        return not isinstance(error, Mapping) or error.get("retryable") is not False
    return isinstance(outcome, Fault)
