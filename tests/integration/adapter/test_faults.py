"""Servers that die, come back, are too busy or too slow: what is said of the calls, and that others do not notice."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator

import grpc
import orjson
import pytest
from switchboard.adapter.v1 import adapter_service_pb2 as pb
from switchboard.adapter.v1 import adapter_service_pb2_grpc as pb_grpc

from tests.integration.adapter.calls import BOOK, Stub, call, codes
from tests.integration.adapter.conftest import Adapters
from tests.integration.adapter.processes import TOKEN, ToolProcess, eventually

ARGUMENTS = b'{"serviceHcpId":"drain-cleaning"}'
HOLD = orjson.dumps({"behave": "hold"})


@pytest.fixture
def fragile() -> Iterator[ToolProcess]:
    """A tool server of this test's own, to be killed."""
    process = ToolProcess()
    process.start()
    yield process
    process.kill()


@pytest.fixture
async def stub(adapters: Adapters, fragile: ToolProcess) -> AsyncIterator[Stub]:
    """An adapter whose `housecall_pro` is the fragile server, and whose `foreign` is not."""
    process = adapters(
        MCP__HOUSECALL_PRO__URL=fragile.url,
        MCP__HOUSECALL_PRO__BREAKER_FAILURES="6",
        MCP__HOUSECALL_PRO__BREAKER_COOLDOWN_SECONDS="0.5",
        MCP__NARROW__URL=fragile.url,
        MCP__NARROW__TOKEN=TOKEN,
        MCP__NARROW__CONCURRENCY="1",
        MCP__NARROW__QUEUE="0",
        MCP__NARROW__TIMEOUT_SECONDS="0.5",
        MCP__NARROW__IDEMPOTENT_TOOLS='["idempotent"]',
    )
    async with grpc.aio.insecure_channel(process.target) as channel:
        yield pb_grpc.AdapterServiceStub(channel)
    process.stop()


async def book(stub: Stub) -> pb.InvokeToolResponse:
    return await stub.InvokeTool(call("housecall_pro", BOOK, ARGUMENTS, idempotency_key="k"))


async def test_a_killed_server_is_down_its_breaker_opens_and_it_recovers_while_others_go_on(
    stub: Stub, fragile: ToolProcess
) -> None:
    assert not (await book(stub)).error_code
    fragile.kill()
    down = await book(stub)
    assert (down.outcome, down.error_code) == (pb.TOOL_OUTCOME_REFUSED, "SERVER_DOWN")
    assert down.effect == pb.EFFECT_CERTAINTY_NONE
    assert down.retryable
    assert down.attempts == 3

    async def opened() -> bool:
        return (await book(stub)).error_code == "BREAKER_OPEN"

    await eventually(opened, 5)
    checked = await stub.CheckServer(pb.CheckServerRequest(server="housecall_pro"))
    assert not checked.healthy
    assert checked.breaker in {"open", "half_open"}
    assert "cannot be reached" in checked.message
    assert not (await stub.InvokeTool(call("foreign", "echo"))).error_code

    fragile.start()

    async def recovered() -> bool:
        return not (await book(stub)).error_code

    await eventually(recovered, 10)

    async def healthy() -> bool:
        answer = await stub.CheckServer(pb.CheckServerRequest(server="housecall_pro"))
        return answer.healthy and answer.breaker == "closed"

    await eventually(healthy, 5)


async def test_a_server_killed_in_the_middle_of_a_write_leaves_it_unknown_and_of_a_read_not(
    stub: Stub, fragile: ToolProcess
) -> None:
    before = fragile.state().get("begun", 0)
    arguments = orjson.dumps({"serviceHcpId": "drain-cleaning", "behave": "hold"})
    # Without an idempotency key a write is never sent twice.
    write = stub.InvokeTool(call("housecall_pro", BOOK, arguments))
    read = stub.InvokeTool(call("housecall_pro", "housecall_pro.get_availability", arguments))

    async def begun() -> bool:
        return (await asyncio.to_thread(fragile.state)).get("begun", 0) == before + 2

    await eventually(begun, 5)
    fragile.kill()
    lost = await write
    assert (lost.outcome, lost.error_code) == (pb.TOOL_OUTCOME_CONNECTION_LOST, "CONNECTION_LOST")
    assert lost.effect == pb.EFFECT_CERTAINTY_POSSIBLE
    assert not lost.retryable
    assert lost.attempts == 1
    assert (await read).effect == pb.EFFECT_CERTAINTY_NONE


async def test_a_write_with_a_key_on_an_idempotent_tool_may_be_retried_by_whoever_asked(stub: Stub, fragile: ToolProcess) -> None:
    request = call("narrow", "idempotent", HOLD, idempotency_key="k")
    assert (await stub.InvokeTool(request)).retryable
    assert not (await stub.InvokeTool(call("narrow", "idempotent", HOLD))).retryable
    assert not (await stub.InvokeTool(call("narrow", "other", HOLD, idempotency_key="k"))).retryable


async def test_a_server_without_a_free_place_is_busy_and_its_own_time_limit_ends_a_call(stub: Stub) -> None:
    responses = await asyncio.gather(*(stub.InvokeTool(call("narrow", "echo", HOLD)) for _ in range(3)))
    assert sorted(codes(responses)) == ["BUSY", "BUSY", "TIMEOUT"]


async def test_calls_in_flight_elsewhere_are_not_touched_by_a_server_that_dies(stub: Stub, fragile: ToolProcess) -> None:
    going = asyncio.gather(*(stub.InvokeTool(call("foreign", "echo", b'{"n":1}')) for _ in range(50)))
    dying = asyncio.gather(*(stub.InvokeTool(call("narrow", "echo", HOLD)) for _ in range(5)))
    fragile.kill()
    assert not any(codes(await going))
    assert all(codes(await dying))
