"""One stream of calls to one adapter: calls that are made together travel together, answers find their callers by number.

Above: `targets` opens one, opens another when it ends, and takes back the calls that it never sent. Below: `InvokeTools`.

A stream is opening, then open, then over; it may be retired before, and then takes no more calls. What it was given waits until
the adapter has taken the stream, so that of every call it is known whether it can have reached an adapter: one that is not yet
handed to gRPC on an open stream cannot, every other one may.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, TypeAlias

import grpc
from switchboard.adapter.v1 import adapter_service_pb2 as pb
from switchboard.adapter.v1 import adapter_service_pb2_grpc as pb_grpc

OPEN_METADATA: Final = ("x-switchboard-stream", "open")

_BATCH_BYTES: Final = 1024 * 1024  # Far below what a message may be, so that no call waits long behind others.
_NUMBERS: Final = 2**32
_END_SECONDS: Final = 1.0  # How long after its last message a stream may take to end.

Stub: TypeAlias = "pb_grpc.AdapterServiceAsyncStub"  # Exists in the stub files only.


@dataclass(slots=True)
class Lost:
    """No answer: why, as a gRPC status, and whether the call can have reached an adapter that began it."""

    status: str
    sent: bool


@dataclass(slots=True, eq=False)
class PendingCall:
    """A call that waits for its answer. `deadline` is in the loop's time; `number` is 0 until it is sent."""

    request: pb.InvokeToolRequest
    deadline: float
    answer: asyncio.Future[pb.NumberedAnswer | Lost]
    size: int
    stream: CallStream | None = None
    number: int = 0
    sent_at: float = 0.0
    tries: int = 0

    def settle(self, outcome: pb.NumberedAnswer | Lost) -> None:
        """Give the waiter its answer, if it still waits."""
        if not self.answer.done():
            self.answer.set_result(outcome)

    def expire(self) -> None:
        """The deadline passed."""
        sent = self.number > 0
        self.settle(Lost("DEADLINE_EXCEEDED", sent))
        if self.stream is not None:
            self.stream.gave_up(self)


class CallStream:
    """CallStream is one stream. `over` is called once, when it takes no more calls, with its status and the calls that it never
    sent."""

    def __init__(
        self, stub: Stub, over: Callable[[CallStream, str, list[PendingCall]], None], open_seconds: float | None
    ) -> None:
        self._stub = stub
        self._over = over
        self.opened = False
        self._open_seconds = open_seconds
        self._loop = asyncio.get_running_loop()
        self._outbox: list[PendingCall] = []
        self._under_way: dict[int, PendingCall] = {}
        self._last_number = 0
        self._heard_at = 0.0
        self._retired = False
        self._idle: asyncio.Future[None] | None = None
        self._task = self._loop.create_task(self._run(), name="adapter-stream")

    def put(self, call: PendingCall) -> None:
        """Send a call with whatever else is sent in this turn of the loop."""
        call.stream = self
        self._outbox.append(call)
        if self._idle is not None and not self._idle.done():
            self._idle.set_result(None)

    def gave_up(self, call: PendingCall) -> None:
        """The call's waiter is gone; where that is because of its deadline, and nothing was heard since the call was sent, the
        adapter may be frozen: what is sent to it now would be begun when nobody waits for it any more."""
        if call.number == 0:
            with suppress(ValueError):
                self._outbox.remove(call)
            return
        if self._under_way.pop(call.number, None) is None:
            return
        if call.answer.cancelled() or self._heard_at > call.sent_at:
            self._end_if_done()
        else:
            self._retire("DEADLINE_EXCEEDED")

    async def close(self) -> None:
        """End the stream and whatever is under way on it."""
        self._task.cancel()
        await asyncio.wait({self._task})

    async def _run(self) -> None:
        status = "CANCELLED"
        stream = self._stub.InvokeTools()
        try:
            async with asyncio.timeout(self._open_seconds):
                opened = OPEN_METADATA in tuple(await stream.initial_metadata())
            if opened:
                self.opened = True
                async with asyncio.TaskGroup() as both:
                    writer = both.create_task(self._write(stream))
                    await self._read(stream)
                    writer.cancel()
            async with asyncio.timeout(_END_SECONDS):
                status = (await stream.code()).name
        except TimeoutError:
            status = "UNAVAILABLE"
        finally:
            stream.cancel()
            self._retire(status)
            for call in self._under_way.values():
                call.settle(Lost(status, sent=True))
            self._under_way.clear()

    async def _read(self, stream: grpc.aio.StreamStreamCall[pb.InvokeToolsRequest, pb.InvokeToolsResponse]) -> None:
        while True:
            try:
                message = await stream.read()
            except grpc.aio.AioRpcError:
                return
            if not isinstance(message, pb.InvokeToolsResponse):
                return
            self._heard_at = self._loop.time()
            for answer in message.answers:
                call = self._under_way.pop(answer.number, None)
                if call is not None:
                    call.settle(answer)
            if message.closing:
                self._retire("UNAVAILABLE")
            self._end_if_done()

    async def _write(self, stream: grpc.aio.StreamStreamCall[pb.InvokeToolsRequest, pb.InvokeToolsResponse]) -> None:
        while True:
            if not self._outbox:
                self._idle = self._loop.create_future()
                await self._idle
            batch = self._batch()
            if not batch.calls:
                continue
            try:
                await stream.write(batch)
            except (grpc.aio.AioRpcError, asyncio.InvalidStateError):
                return  # The stream is over; whoever reads it hears why.

    def _batch(self) -> pb.InvokeToolsRequest:
        """Number what goes into the next message."""
        now, size = self._loop.time(), 0
        batch = pb.InvokeToolsRequest()
        taken = 0
        for call in self._outbox:
            size += call.size
            if taken and size > _BATCH_BYTES:
                break
            taken += 1
            if call.answer.done():
                continue
            self._last_number = self._last_number % (_NUMBERS - 1) + 1
            call.number, call.sent_at = self._last_number, now
            self._under_way[call.number] = call
            timeout = max(0, int((call.deadline - now) * 1000))
            batch.calls.add(number=call.number, timeout_ms=timeout, call=call.request)
        del self._outbox[:taken]
        return batch

    def _retire(self, status: str) -> None:
        """Take no more calls, and end when the last one that is under way has its answer or has given up."""
        if self._retired:
            return
        self._retired = True
        unsent, self._outbox = self._outbox, []
        self._over(self, status, unsent)
        self._end_if_done()

    def _end_if_done(self) -> None:
        if self._retired and not self._under_way:
            self._task.cancel()
