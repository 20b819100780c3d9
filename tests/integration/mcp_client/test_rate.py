"""How often a server is called: its own pauses, and our setting."""

from __future__ import annotations

import asyncio

import aiohttp
import pytest

from mcp_adapter_service.mcp_client import HttpFault, McpClient, Refused, ToolSucceeded
from mcp_adapter_service.resilience import Rate, ResilientClient
from tests.integration.mcp_client.conftest import within
from tests.integration.mcp_client.faulty_server import FaultyServer


def clock() -> float:
    """The loop's time."""
    return asyncio.get_running_loop().time()


async def test_after_a_429_nobody_calls_the_server_before_the_time_that_it_named(
    faulty: FaultyServer, pool: aiohttp.ClientSession
) -> None:
    client = ResilientClient(McpClient("faulty", faulty.url, session=pool))
    neighbour = asyncio.create_task(client.call("hold", b"{}", deadline=within(20)))
    await asyncio.wait_for(faulty.holding.wait(), 5)
    limited = await client.call("429", b"{}", deadline=within(5))
    assert isinstance(limited.outcome, HttpFault)

    refused = await client.call("echo", b"{}", deadline=within(5))

    assert isinstance(refused.outcome, Refused)
    assert (refused.outcome.code, refused.attempts, faulty.calls["echo"]) == ("RATE_EXCEEDED", 0, 0)
    assert refused.outcome.retry_after is not None
    assert 5 < refused.outcome.retry_after <= 7
    assert refused.latency < 1
    faulty.release.set()
    assert isinstance((await neighbour).outcome, ToolSucceeded)


async def test_a_pause_that_ends_before_the_deadline_is_waited_for_and_one_server_pauses_no_other(
    faulty: FaultyServer, pool: aiohttp.ClientSession
) -> None:
    rate = Rate(clock=clock)
    paused = ResilientClient(McpClient("paused", faulty.url, session=pool), rate=rate)
    other = ResilientClient(McpClient("other", faulty.url, session=pool))
    rate.pause(1.0)

    at_once, waited = await asyncio.gather(
        other.call("echo", b"{}", deadline=within(5)), paused.call("echo", b"{}", deadline=within(5))
    )

    assert isinstance(at_once.outcome, ToolSucceeded)
    assert isinstance(waited.outcome, ToolSucceeded)
    assert at_once.latency < 0.9
    assert waited.latency > 0.95


async def test_a_server_cannot_have_itself_left_alone_for_more_than_a_minute() -> None:
    rate = Rate(clock=clock)
    rate.pause(86_400.0)

    wait = await rate.acquire(within(1))

    assert wait is not None
    assert 59 < wait <= 60


async def test_calls_come_as_a_burst_and_then_at_the_rate() -> None:
    rate = Rate(per_second=50, burst=5, clock=clock)
    begun = clock()

    waits = await asyncio.gather(*(rate.acquire(within(5)) for _ in range(15)))

    assert waits == [None] * 15
    assert 0.19 < clock() - begun < 5


async def test_whoever_would_wait_past_the_deadline_is_told_at_once_and_uses_no_turn() -> None:
    rate = Rate(per_second=1, burst=1, clock=clock)
    assert await rate.acquire(within(5)) is None

    refused = [await rate.acquire(within(0.1)) for _ in range(10)]

    assert all(wait is not None and 0.5 < wait <= 1 for wait in refused)


async def test_whoever_gives_up_waiting_gives_the_turn_back() -> None:
    rate = Rate(per_second=2, burst=1, clock=clock)
    assert await rate.acquire(within(5)) is None
    waiting = [asyncio.create_task(rate.acquire(within(30))) for _ in range(20)]
    turn = asyncio.Event()
    asyncio.get_running_loop().call_soon(turn.set)
    await turn.wait()
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)

    assert await rate.acquire(within(0.7)) is None


@pytest.mark.parametrize(("per_second", "burst"), [(0, 1), (-1, 1), (1, 0)])
async def test_a_rate_that_lets_nothing_through_is_a_programming_error(per_second: float, burst: int) -> None:
    with pytest.raises(ValueError, match="positive"):
        Rate(per_second=per_second, burst=burst, clock=clock)
