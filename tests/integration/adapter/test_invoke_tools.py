"""InvokeTools: many calls over one stream, each with its own answer, deadline and end."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import orjson
import pytest
from switchboard.adapter.v1 import adapter_service_pb2 as pb
from switchboard.adapter.v1 import adapter_service_pb2_grpc as pb_grpc

from mcp_adapter_service.invocation_stream import MAX_UNDER_WAY, InvocationStream
from service_kit.grpc_server import build_server, error_interceptor
from service_kit.tls import TlsSettings
from tests.integration.adapter.calls import BOOK, Stub, call
from tests.integration.adapter.conftest import Adapters
from tests.integration.adapter.processes import ToolProcess, eventually

HOLD = b'{"behave":"hold"}'
Invoke = Callable[[pb.InvokeToolRequest, float], Awaitable[pb.InvokeToolResponse]]


class Caller:
    """One stream, and what came back on it."""

    def __init__(self, stub: Stub) -> None:
        self._stream = stub.InvokeTools()
        self.messages: list[pb.InvokeToolsResponse] = []

    async def send(self, *calls: pb.NumberedCall) -> None:
        """Send calls in one message."""
        await self._stream.write(pb.InvokeToolsRequest(calls=calls))

    async def answers(self, count: int) -> dict[int, pb.NumberedAnswer]:
        """Read until there are `count` more answers, and return them by number."""
        found: dict[int, pb.NumberedAnswer] = {}
        async with asyncio.timeout(20):
            while len(found) < count:
                message = await self._stream.read()
                assert isinstance(message, pb.InvokeToolsResponse), "the stream ended early"
                self.messages.append(message)
                found |= {answer.number: answer for answer in message.answers}
        return found

    async def rest(self) -> dict[int, pb.NumberedAnswer]:
        """Send no more, and return every answer that still comes."""
        await self._stream.done_writing()
        found: dict[int, pb.NumberedAnswer] = {}
        async with asyncio.timeout(20):
            while isinstance(message := await self._stream.read(), pb.InvokeToolsResponse):
                found |= {answer.number: answer for answer in message.answers}
        assert await self._stream.code() is grpc.StatusCode.OK
        return found

    def leave(self) -> None:
        """Go away."""
        self._stream.cancel()


def echo(number: int, arguments: bytes = b"{}", *, server: str = "foreign", timeout_ms: int = 20_000) -> pb.NumberedCall:
    return pb.NumberedCall(number=number, timeout_ms=timeout_ms, call=call(server, "echo", arguments))


async def counted(tool: ToolProcess, before: dict[str, int], name: str, more: int) -> None:
    """Wait until the tool server counted `more` of something since `before`."""

    async def enough() -> bool:
        return (await asyncio.to_thread(tool.state)).get(name, 0) >= before.get(name, 0) + more

    await eventually(enough, 5)


@asynccontextmanager
async def serving(folder: Path, invoke: Invoke) -> AsyncIterator[Stub]:
    """A server whose calls are answered by `invoke`."""

    class Servicer(pb_grpc.AdapterServiceServicer):
        async def InvokeTools(self, requests: Any, context: Any) -> None:  # type: ignore[override]
            await InvocationStream(invoke, context).serve()

    target = f"unix:{folder}/stream.sock"
    server = build_server(TlsSettings(listen=target, tls="off"), (error_interceptor(),), services=())
    pb_grpc.add_AdapterServiceServicer_to_server(Servicer(), server.server)
    await server.start()
    options = [("grpc.max_receive_message_length", 8 * 1024 * 1024)]
    try:
        async with grpc.aio.insecure_channel(target, options=options) as channel:
            yield pb_grpc.AdapterServiceStub(channel)
    finally:
        await server.stop(0)


async def test_calls_on_one_stream_run_side_by_side_and_each_gets_its_own_answer(stub: Stub) -> None:
    caller = Caller(stub)
    await caller.send(*(echo(number, orjson.dumps({"n": number})) for number in range(1, 101)))
    answers = await caller.answers(100)
    for number, answer in answers.items():
        assert orjson.loads(answer.answer.result_json)["arguments"] == {"n": number}
    caller.leave()


async def test_a_slow_call_does_not_delay_the_others(stub: Stub) -> None:
    caller = Caller(stub)
    await caller.send(echo(1, HOLD), echo(2))
    assert set(await caller.answers(1)) == {2}
    for number in range(3, 13):
        await caller.send(echo(number))
        assert set(await caller.answers(1)) == {number}
    caller.leave()


async def test_answers_that_are_ready_together_share_a_message(stub: Stub) -> None:
    caller = Caller(stub)
    await caller.send(*(echo(number, server="nobody") for number in range(1, 51)))
    answers = await caller.answers(50)
    assert {answer.answer.error_code for answer in answers.values()} == {"NOT_FOUND"}
    assert len(caller.messages) == 1
    caller.leave()


async def test_a_stream_that_breaks_ends_its_own_calls_and_no_others(stub: Stub, tool: ToolProcess) -> None:
    before = tool.state()
    leaving, staying = Caller(stub), Caller(stub)
    await leaving.send(echo(1, HOLD), echo(2, HOLD))
    await staying.send(echo(1, HOLD))
    await counted(tool, before, "begun", 3)
    leaving.leave()
    await counted(tool, before, "cancelled", 2)
    await staying.send(echo(2))
    assert set(await staying.answers(1)) == {2}
    assert tool.state().get("cancelled", 0) == before.get("cancelled", 0) + 2
    staying.leave()
    await counted(tool, before, "cancelled", 3)


async def test_each_call_has_its_own_deadline_and_is_answered_before_it(stub: Stub) -> None:
    caller = Caller(stub)
    began = time.monotonic()
    await caller.send(echo(1, HOLD, timeout_ms=600), echo(2, timeout_ms=40), echo(3, timeout_ms=0), echo(4))
    answers = await caller.answers(4)
    assert 0.5 < time.monotonic() - began < 2
    assert (answers[1].answer.outcome, answers[1].answer.effect) == (pb.TOOL_OUTCOME_TIMEOUT, pb.EFFECT_CERTAINTY_POSSIBLE)
    assert answers[1].answer.latency_ms < 600
    for number in (2, 3):
        assert (answers[number].answer.outcome, answers[number].answer.error_code) == (pb.TOOL_OUTCOME_REFUSED, "TIMEOUT")
    assert answers[4].answer.outcome == pb.TOOL_OUTCOME_SUCCEEDED
    caller.leave()


async def test_a_call_that_the_adapter_cannot_make_is_a_fault_and_the_stream_goes_on(stub: Stub) -> None:
    caller = Caller(stub)
    broken = pb.NumberedCall(number=1, timeout_ms=5000, call=call("housecall_pro", BOOK, b"["))
    await caller.send(broken, echo(2))
    answers = await caller.answers(2)
    assert answers[1].fault == "INVALID_ARGUMENT"
    assert not answers[1].HasField("answer")
    assert answers[2].answer.outcome == pb.TOOL_OUTCOME_SUCCEEDED
    caller.leave()


async def test_a_caller_that_sends_no_more_gets_every_answer(stub: Stub) -> None:
    caller = Caller(stub)
    await caller.send(echo(1, HOLD, timeout_ms=400), echo(2))
    answers = await caller.rest()
    assert answers[1].answer.error_code == "TIMEOUT"
    assert answers[2].answer.outcome == pb.TOOL_OUTCOME_SUCCEEDED


async def test_an_adapter_that_stops_says_so_and_answers_what_is_under_way(adapters: Adapters, tool: ToolProcess) -> None:
    process = adapters(MCP__FOREIGN__TIMEOUT_SECONDS="1.0", STOP_GRACE_SECONDS="15")
    before = tool.state()
    async with grpc.aio.insecure_channel(process.target) as channel:
        caller = Caller(pb_grpc.AdapterServiceStub(channel))
        await caller.send(echo(1, HOLD))
        await counted(tool, before, "begun", 1)
        ended = asyncio.create_task(asyncio.to_thread(process.terminate))
        answers = await caller.answers(1)
        assert caller.messages[0].closing
        assert answers[1].answer.error_code == "TIMEOUT"
        assert not ended.done()
        caller.leave()
        assert await ended == 0


async def test_something_that_breaks_inside_is_told_to_its_caller_only(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def invoke(request: pb.InvokeToolRequest, patience: float) -> pb.InvokeToolResponse:
        if request.tool == "break":
            raise KeyError("a customer's name")
        return pb.InvokeToolResponse(outcome=pb.TOOL_OUTCOME_SUCCEEDED)

    async with serving(folder, invoke) as stub:
        caller = Caller(stub)
        await caller.send(pb.NumberedCall(number=1, call=call("s", "break")), echo(2))
        answers = await caller.answers(2)
        caller.leave()
    assert (answers[1].answer.error_code, answers[1].answer.effect) == ("INTERNAL", pb.EFFECT_CERTAINTY_POSSIBLE)
    assert answers[2].answer.outcome == pb.TOOL_OUTCOME_SUCCEEDED
    assert [record.getMessage() for record in caplog.records if record.levelname == "ERROR"] == ["unhandled error in a call"]


async def test_calls_beyond_what_a_stream_may_have_under_way_are_refused_at_once(folder: Path) -> None:
    released = asyncio.Event()

    async def invoke(request: pb.InvokeToolRequest, patience: float) -> pb.InvokeToolResponse:
        await released.wait()
        return pb.InvokeToolResponse(outcome=pb.TOOL_OUTCOME_SUCCEEDED)

    async with serving(folder, invoke) as stub:
        caller = Caller(stub)
        await caller.send(*(echo(number) for number in range(1, MAX_UNDER_WAY + 6)))
        refused = await caller.answers(5)
        assert set(refused) == set(range(MAX_UNDER_WAY + 1, MAX_UNDER_WAY + 6))
        assert {(answer.answer.error_code, answer.answer.effect) for answer in refused.values()} == {
            ("BUSY", pb.EFFECT_CERTAINTY_NONE)
        }
        assert all(answer.answer.retryable for answer in refused.values())
        released.set()
        assert len(await caller.answers(MAX_UNDER_WAY)) == MAX_UNDER_WAY
        caller.leave()


async def test_large_answers_are_spread_over_messages(folder: Path) -> None:
    async def invoke(request: pb.InvokeToolRequest, patience: float) -> pb.InvokeToolResponse:
        return pb.InvokeToolResponse(outcome=pb.TOOL_OUTCOME_SUCCEEDED, result_json=b'"' + b"x" * 4_000_000 + b'"')

    async with serving(folder, invoke) as stub:
        caller = Caller(stub)
        await caller.send(*(echo(number) for number in range(1, 7)))
        assert len(await caller.answers(6)) == 6
        assert len(caller.messages) == 6
        caller.leave()
