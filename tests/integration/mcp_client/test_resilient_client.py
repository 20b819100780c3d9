"""The guarded client on a real server: what is repeated, what is not, and that no place is ever lost."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import aiohttp
import pytest

from mcp_adapter_service.mcp_client import (
    Effect,
    HttpFault,
    McpClient,
    Refused,
    TimedOut,
    ToolFailed,
    ToolSucceeded,
    Unknown,
)
from mcp_adapter_service.resilience import Breaker, BreakerState, Bulkhead, ResilientClient, RetryPolicy
from tests.integration.mcp_client.conftest import until, within
from tests.integration.mcp_client.faulty_server import Behaviour, FaultyServer
from tests.integration.mcp_client.raw_http import Peer, answer

_QUICK = RetryPolicy(base_delay=0.002, min_attempt=0.01)


def first_then(server: FaultyServer, tool: str, *behaviours: str) -> None:
    """Let `tool` behave as each of `behaviours` in turn, then as `echo`."""
    queue: list[Behaviour] = [server.behaviours[name] for name in behaviours]

    async def behaviour(peer: Peer, request: dict[str, object]) -> None:
        await (queue.pop(0) if queue else server.behaviours["echo"])(peer, request)

    server.behaviours[tool] = behaviour


async def test_a_call_that_may_have_had_its_effect_is_repeated_only_when_that_is_safe(
    faulty: FaultyServer, pool: aiohttp.ClientSession
) -> None:
    client = ResilientClient(McpClient("faulty", faulty.url, session=pool), retry=_QUICK)
    for tool in ("write", "read"):
        first_then(faulty, tool, "drop")

    write = await client.call("write", b"{}", deadline=within(5))
    read = await client.call("read", b"{}", deadline=within(5), safe_to_repeat=True)

    assert isinstance(write.outcome, Unknown)
    assert (write.attempts, faulty.calls["write"]) == (1, 1)
    assert isinstance(read.outcome, ToolSucceeded)
    assert (read.attempts, faulty.calls["read"]) == (2, 2)


async def test_a_server_that_asks_for_more_patience_than_the_deadline_has_is_not_called_again(
    faulty: FaultyServer, pool: aiohttp.ClientSession
) -> None:
    client = ResilientClient(McpClient("faulty", faulty.url, session=pool), retry=_QUICK)

    report = await client.call("429", b"{}", deadline=within(5))

    assert isinstance(report.outcome, HttpFault)
    assert (report.outcome.code, report.outcome.retry_after, report.attempts) == ("RATE_LIMITED", 7.0, 1)
    assert report.latency < 2


async def test_a_read_succeeds_after_two_faults(faulty: FaultyServer, pool: aiohttp.ClientSession) -> None:
    client = ResilientClient(McpClient("faulty", faulty.url, session=pool), retry=_QUICK)
    first_then(faulty, "read", "drop", "500")

    report = await client.call("read", b'{"n":1}', deadline=within(5), safe_to_repeat=True)

    assert isinstance(report.outcome, ToolSucceeded)
    assert report.outcome.structured == {"n": 1}
    assert report.attempts == 3
    assert 0 < report.latency < 5


async def test_a_hanging_attempt_of_a_read_is_given_up_for_another(faulty: FaultyServer, pool: aiohttp.ClientSession) -> None:
    client = ResilientClient(McpClient("faulty", faulty.url, session=pool), retry=_QUICK, attempt_seconds=0.2)
    first_then(faulty, "read", "stall")

    report = await client.call("read", b"{}", deadline=within(5), safe_to_repeat=True)

    assert isinstance(report.outcome, ToolSucceeded)
    assert report.attempts == 2


async def test_a_refusal_after_a_doubtful_attempt_does_not_hide_the_doubt(
    faulty: FaultyServer, pool: aiohttp.ClientSession
) -> None:
    client = ResilientClient(McpClient("faulty", faulty.url, session=pool), retry=_QUICK)
    first_then(faulty, "keyed_write", "drop", "401")

    report = await client.call("keyed_write", b"{}", deadline=within(5), safe_to_repeat=True)

    assert isinstance(report.outcome, Unknown)
    assert report.outcome.effect is Effect.POSSIBLE
    assert report.attempts == 2


@pytest.mark.parametrize(("retryable", "told"), [(True, Unknown), (False, ToolFailed)])
async def test_a_tool_that_cannot_work_just_now_does_not_speak_for_the_attempt_before(
    retryable: bool, told: type, faulty: FaultyServer, pool: aiohttp.ClientSession
) -> None:
    async def failed(peer: Peer, request: dict[str, Any]) -> None:
        error = {"code": "INTEGRATION_DOWN", "retryable": retryable, "effect": "none"}
        await answer(peer, request, {"content": [], "isError": True, "_meta": {"switchboard.dev/error": error}})

    client = ResilientClient(McpClient("faulty", faulty.url, session=pool), retry=_QUICK)
    faulty.behaviours["failed"] = failed
    first_then(faulty, "keyed_write", "drop", "failed")

    report = await client.call("keyed_write", b"{}", deadline=within(5), safe_to_repeat=True)

    assert isinstance(report.outcome, told)
    assert report.attempts == 2


async def test_a_server_that_keeps_failing_is_left_alone_until_a_probe_succeeds(
    faulty: FaultyServer, pool: aiohttp.ClientSession
) -> None:
    now = 0.0
    breaker = Breaker(failures=3, cool_down=10.0, clock=lambda: now)
    client = ResilientClient(McpClient("faulty", faulty.url, session=pool), breaker=breaker, retry=_QUICK)
    for _ in range(3):
        await client.call("500", b"{}", deadline=within(5))
    assert breaker.state.value == "open"

    refused = await client.call("echo", b"{}", deadline=within(5))

    assert isinstance(refused.outcome, Refused)
    assert (refused.outcome.code, refused.outcome.effect, refused.attempts) == ("BREAKER_OPEN", Effect.NONE, 0)
    assert refused.outcome.retry_after == 10.0
    assert faulty.calls["echo"] == 0
    now = 10.0
    assert breaker.state.value == "half_open"
    assert isinstance((await client.call("echo", b"{}", deadline=within(5))).outcome, ToolSucceeded)
    assert client.breaker_state is BreakerState.CLOSED


@pytest.mark.parametrize("tool", ["401", "404", "429", "unknown_tool"])
async def test_a_server_that_answers_is_not_blamed(tool: str, faulty: FaultyServer, pool: aiohttp.ClientSession) -> None:
    client = ResilientClient(
        McpClient("faulty", faulty.url, session=pool),
        breaker=Breaker(failures=1, clock=asyncio.get_running_loop().time),
        retry=_QUICK,
    )

    await client.call(tool, b"{}", deadline=within(2))

    assert client.breaker_state is BreakerState.CLOSED


async def test_a_caller_without_time_does_not_open_the_breaker_for_the_others(
    faulty: FaultyServer, pool: aiohttp.ClientSession
) -> None:
    client = ResilientClient(
        McpClient("faulty", faulty.url, session=pool),
        breaker=Breaker(failures=1, clock=asyncio.get_running_loop().time),
    )
    await client.call("echo", b"{}", deadline=within(5))

    hasty = await client.call("stall", b"{}", deadline=within(0.05))

    assert isinstance(hasty.outcome, TimedOut)
    assert client.breaker_state is BreakerState.CLOSED


async def test_a_server_that_is_down_is_tried_again_within_the_deadline(pool: aiohttp.ClientSession) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    client = ResilientClient(McpClient("down", f"http://127.0.0.1:{port}/mcp", session=pool), retry=_QUICK)

    report = await client.call("echo", b"{}", deadline=within(5))

    assert isinstance(report.outcome, Refused)
    assert report.attempts == 3


async def test_a_full_server_queues_then_refuses_and_a_waiter_keeps_its_deadline(
    faulty: FaultyServer, pool: aiohttp.ClientSession
) -> None:
    bulkhead = Bulkhead(max_concurrent=1, max_queued=1)
    client = ResilientClient(McpClient("faulty", faulty.url, session=pool), bulkhead=bulkhead)
    holder = asyncio.create_task(client.call("hold", b"{}", deadline=within(20)))
    await asyncio.wait_for(faulty.holding.wait(), 5)
    waiter = asyncio.create_task(client.call("echo", b"{}", deadline=within(20)))
    await until(lambda: bulkhead.queued == 1)

    crowded = await client.call("echo", b"{}", deadline=within(5))

    assert isinstance(crowded.outcome, Refused)
    assert (crowded.outcome.code, crowded.attempts) == ("QUEUE_FULL", 0)
    faulty.release.set()
    assert isinstance((await waiter).outcome, ToolSucceeded)
    assert isinstance((await holder).outcome, ToolSucceeded)
    assert (bulkhead.free, bulkhead.queued) == (1, 0)


async def test_waiting_in_the_queue_until_the_deadline_calls_nothing(faulty: FaultyServer, pool: aiohttp.ClientSession) -> None:
    client = ResilientClient(McpClient("faulty", faulty.url, session=pool), bulkhead=Bulkhead(max_concurrent=1, max_queued=5))
    holder = asyncio.create_task(client.call("hold", b"{}", deadline=within(20)))
    await asyncio.wait_for(faulty.holding.wait(), 5)

    late = await client.call("echo", b"{}", deadline=within(0.1))

    assert isinstance(late.outcome, Refused)
    assert (late.outcome.code, late.attempts, faulty.calls["echo"]) == ("QUEUE_TIMED_OUT", 0, 0)
    faulty.release.set()
    await holder


@pytest.mark.parametrize("where", ["in the queue", "in flight", "as the probe"])
async def test_a_cancelled_call_gives_back_what_it_held(where: str, faulty: FaultyServer, pool: aiohttp.ClientSession) -> None:
    now = 0.0
    bulkhead = Bulkhead(max_concurrent=1, max_queued=5)
    breaker = Breaker(failures=1, cool_down=1.0, clock=lambda: now)
    client = ResilientClient(McpClient("faulty", faulty.url, session=pool), bulkhead=bulkhead, breaker=breaker)
    holder = None
    if where == "in the queue":
        holder = asyncio.create_task(client.call("hold", b"{}", deadline=within(20)))
        await asyncio.wait_for(faulty.holding.wait(), 5)
    if where == "as the probe":
        await client.call("500", b"{}", deadline=within(5))
        now = 1.0
    doomed = asyncio.create_task(client.call("stall", b"{}", deadline=within(20)))
    await until(lambda: bulkhead.queued == 1 if holder else faulty.stalled.is_set())

    doomed.cancel()
    with pytest.raises(asyncio.CancelledError):
        await doomed
    faulty.release.set()

    assert isinstance((await client.call("echo", b"{}", deadline=within(5))).outcome, ToolSucceeded)
    if holder:
        assert isinstance((await holder).outcome, ToolSucceeded)
    assert (bulkhead.free, bulkhead.queued, client.breaker_state) == (1, 0, BreakerState.CLOSED)
