"""One stream of tool calls: every call a task of its own, and one writer, which sends together what is ready together.

Above: the adapter's servicer. Below: `invocation`, through a function.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeAlias

import grpc
from switchboard.adapter.v1 import adapter_service_pb2 as pb

from mcp_adapter_service.invocation_response import crash, refusal
from service_kit.errors import ServiceError
from service_kit.logging import log
from service_kit.postgres import DatabaseUnavailable

_logger = logging.getLogger(__name__)

OPEN_METADATA: Final = ("x-switchboard-stream", "open")
"""What a stream begins with: it is there where the adapter took the stream, and only there."""

MAX_UNDER_WAY: Final = 1024
"""How many calls one stream may have begun and not been told of; more are refused, so that none has to wait for another."""
_BATCH_BYTES: Final = 1024 * 1024  # Far below what a message may be, so that no answer waits long behind others.
_ANSWER_BYTES: Final = 1024  # The most that an answer has besides its result.

Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"
Invoke = Callable[[pb.InvokeToolRequest, float], Awaitable[pb.InvokeToolResponse]]


class InvocationStream:
    """InvocationStream serves one stream by `invoke`, which gets a request and how many seconds its caller waits."""

    def __init__(self, invoke: Invoke, context: Context) -> None:
        self._invoke = invoke
        self._context = context
        self._calls: set[asyncio.Task[None]] = set()
        self._ready: deque[pb.NumberedAnswer] = deque()
        self._closing = False
        self._ended = False
        self._wake = asyncio.Event()
        self._written = asyncio.Event()

    async def serve(self) -> None:
        """Serve until the caller sends no more and has every answer. Cancelling it cancels the stream's calls, and no others."""
        await self._context.send_initial_metadata((OPEN_METADATA,))
        try:
            async with asyncio.TaskGroup() as both:
                both.create_task(self._write())
                await self._read()
        except* grpc.aio.BaseError:
            pass  # The stream broke under what was being sent or read: there is nobody left to tell.
        finally:
            for call in self._calls:
                call.cancel()
            if self._calls:
                await asyncio.wait(self._calls)

    def close(self) -> None:
        """Tell the caller to begin no more here."""
        self._closing = True
        self._wake.set()

    async def _read(self) -> None:
        while True:
            message = await self._context.read()
            if message is grpc.aio.EOF:
                break
            for numbered in message.calls:
                self._begin(numbered)
            # Calls that are too many for us are answered too. From a caller that reads no answers nothing more is read.
            while len(self._ready) > MAX_UNDER_WAY:
                self._written.clear()
                await self._written.wait()
        if self._calls:
            await asyncio.wait(self._calls)
        self._ended = True
        self._wake.set()

    def _begin(self, numbered: pb.NumberedCall) -> None:
        if len(self._calls) + len(self._ready) >= MAX_UNDER_WAY:
            busy = refusal("BUSY", "Too many tool calls are under way; try again later.", retryable=True)
            self._answer(pb.NumberedAnswer(number=numbered.number, answer=busy))
            return
        call = asyncio.create_task(self._call(numbered))
        self._calls.add(call)
        call.add_done_callback(self._calls.discard)

    async def _call(self, numbered: pb.NumberedCall) -> None:
        answer = pb.NumberedAnswer(number=numbered.number)
        try:
            answer.answer.CopyFrom(await self._invoke(numbered.call, numbered.timeout_ms / 1000))
        except ServiceError as fault:
            answer.fault = fault.code
        except DatabaseUnavailable:
            answer.fault = "INTEGRATION_DOWN"
        except Exception:  # The top of a task: whatever happened, the caller is told and the stream goes on.
            log(_logger, logging.ERROR, "unhandled error in a call", exc_info=True)
            answer.answer.CopyFrom(crash())
        self._answer(answer)

    def _answer(self, answer: pb.NumberedAnswer) -> None:
        self._ready.append(answer)
        self._wake.set()

    async def _write(self) -> None:
        """Send what is ready. What gets ready while a message is on its way goes with the next."""
        said_closing = False
        while not (self._ended and not self._ready):
            await self._wake.wait()
            self._wake.clear()
            if self._closing and not said_closing:
                said_closing = True
                await self._context.write(pb.InvokeToolsResponse(closing=True))
            while self._ready:
                await self._context.write(self._batch())
                self._written.set()

    def _batch(self) -> pb.InvokeToolsResponse:
        batch, size = [self._ready.popleft()], 0
        while self._ready:
            size += len(batch[-1].answer.result_json) + _ANSWER_BYTES
            if size + len(self._ready[0].answer.result_json) > _BATCH_BYTES:
                break
            batch.append(self._ready.popleft())
        return pb.InvokeToolsResponse(answers=batch)
