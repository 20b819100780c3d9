"""Each way in which a server goes wrong has its own outcome, and none of them touches the call beside it."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Mapping
from typing import Any

import aiohttp
import pytest

from mcp_adapter_service.mcp_client import (
    ClientLimits,
    Effect,
    Fault,
    HttpFault,
    McpClient,
    ProtocolFault,
    Refused,
    TimedOut,
    ToolSucceeded,
    Unknown,
)
from tests.integration.mcp_client.conftest import until, within
from tests.integration.mcp_client.faulty_server import FaultyServer
from tests.integration.mcp_client.raw_http import Peer, answer, respond

_SMALL = ClientLimits(max_reply_bytes=65_536, handshake_seconds=2.0, connect_seconds=0.5)

_NONE, _POSSIBLE = Effect.NONE, Effect.POSSIBLE

_FAULTS: dict[str, tuple[type[Fault], str, Effect]] = {
    "drop": (Unknown, "CONNECTION_LOST", _POSSIBLE),
    "drop_within": (Unknown, "CONNECTION_LOST", _POSSIBLE),
    "drop_stream": (Unknown, "CONNECTION_LOST", _POSSIBLE),
    "endless_stream": (ProtocolFault, "REPLY_TOO_LARGE", _POSSIBLE),
    "oversized": (ProtocolFault, "REPLY_TOO_LARGE", _POSSIBLE),
    "announced_oversized": (ProtocolFault, "REPLY_TOO_LARGE", _POSSIBLE),
    "garbage": (ProtocolFault, "BAD_HTTP", _POSSIBLE),
    "foreign_id": (ProtocolFault, "BAD_REPLY", _POSSIBLE),
    "task": (ProtocolFault, "BAD_REPLY", _POSSIBLE),
    "bad_json": (ProtocolFault, "BAD_JSON", _POSSIBLE),
    "not_an_object": (ProtocolFault, "BAD_REPLY", _POSSIBLE),
    "html": (ProtocolFault, "BAD_CONTENT_TYPE", _POSSIBLE),
    "accepted": (ProtocolFault, "NO_REPLY", _POSSIBLE),
    "unknown_tool": (ProtocolFault, "UNKNOWN_TOOL", _NONE),
    "redirect": (HttpFault, "REDIRECTED", _NONE),
    "401": (HttpFault, "UNAUTHORIZED", _NONE),
    "403": (HttpFault, "FORBIDDEN", _NONE),
    "404": (HttpFault, "ENDPOINT_NOT_FOUND", _NONE),
    "429": (HttpFault, "RATE_LIMITED", _NONE),
    "500": (HttpFault, "SERVER_ERROR", _POSSIBLE),
    "502": (HttpFault, "UNAVAILABLE", _POSSIBLE),
    "503": (HttpFault, "UNAVAILABLE", _POSSIBLE),
    "504": (HttpFault, "UNAVAILABLE", _POSSIBLE),
}


@pytest.mark.parametrize("tool", _FAULTS)
async def test_a_fault_has_its_outcome_and_leaves_the_neighbour_alone(
    tool: str, faulty: FaultyServer, pool: aiohttp.ClientSession
) -> None:
    client = McpClient("faulty", faulty.url, "token", session=pool, limits=_SMALL)
    neighbour = asyncio.create_task(client.call_tool("hold", b"{}", deadline=within(20)))
    await asyncio.wait_for(faulty.holding.wait(), 5)

    outcome = await client.call_tool(tool, b"{}", deadline=within(10))

    kind, code, effect = _FAULTS[tool]
    assert type(outcome) is kind
    assert (outcome.code, outcome.effect) == (code, effect)
    assert outcome.text.startswith("The tool server 'faulty' ")
    assert "secret" not in repr(outcome)
    assert faulty.calls[tool] == 1
    assert not neighbour.done()
    faulty.release.set()
    held = await neighbour
    assert isinstance(held, ToolSucceeded)
    assert held.structured == {"held": True}


@pytest.mark.parametrize("tool", ["stall", "slow_head", "silent_stream"])
async def test_a_server_that_does_not_answer_times_out_at_the_deadline_and_its_connection_is_closed(
    tool: str, faulty: FaultyServer, pool: aiohttp.ClientSession
) -> None:
    client = McpClient("faulty", faulty.url, session=pool)
    neighbour = asyncio.create_task(client.call_tool("hold", b"{}", deadline=within(20)))
    await asyncio.wait_for(faulty.holding.wait(), 5)
    begun = within(0)

    outcome = await client.call_tool(tool, b"{}", deadline=begun + 0.3)

    assert isinstance(outcome, TimedOut)
    assert (outcome.code, outcome.effect) == ("NO_ANSWER", Effect.POSSIBLE)
    assert 0.25 < within(0) - begun < 2
    await until(lambda: faulty.open_connections == 1)
    faulty.release.set()
    assert isinstance(await neighbour, ToolSucceeded)


async def test_a_stream_may_hold_comments_other_events_and_split_lines(faulty: FaultyServer, pool: aiohttp.ClientSession) -> None:
    client = McpClient("faulty", faulty.url, session=pool)
    progress: list[Mapping[str, Any]] = []

    outcome = await client.call_tool("odd_stream", b"{}", deadline=within(5), on_progress=progress.append)

    assert isinstance(outcome, ToolSucceeded)
    assert outcome.structured == {"n": 1}
    assert progress == [{"progress": 1}]


async def test_a_stream_that_ends_a_moment_after_its_response_gives_its_connection_back(
    faulty: FaultyServer, pool: aiohttp.ClientSession
) -> None:
    client = McpClient("faulty", faulty.url, session=pool)

    outcomes = [await client.call_tool("late_end", b"{}", deadline=within(5)) for _ in range(10)]

    assert all(isinstance(outcome, ToolSucceeded) for outcome in outcomes)
    assert faulty.connections < 5  # One, unless the machine was slow for a moment.


async def test_a_stream_that_stays_open_after_its_response_is_not_waited_for(
    faulty: FaultyServer, pool: aiohttp.ClientSession
) -> None:
    client = McpClient("faulty", faulty.url, session=pool)
    begun = within(0)

    outcomes = [await client.call_tool("no_end", b"{}", deadline=within(5)) for _ in range(10)]

    assert all(isinstance(outcome, ToolSucceeded) for outcome in outcomes)
    assert within(0) - begun < 2
    await until(lambda: faulty.open_connections == 0)


async def test_a_server_that_hangs_up_on_every_connection_is_told_apart_by_whether_anything_was_sent(
    faulty: FaultyServer, pool: aiohttp.ClientSession
) -> None:
    client = McpClient("faulty", faulty.url, session=pool)
    await client.call_tool("echo", b"{}", deadline=within(5))
    faulty.hang_up()
    await until(lambda: faulty.open_connections == 0)

    outcome = await client.call_tool("echo", b"{}", deadline=within(5))

    assert isinstance(outcome, Unknown | Refused)
    assert outcome.effect is (Effect.POSSIBLE if isinstance(outcome, Unknown) else Effect.NONE)
    assert faulty.calls["echo"] == 1


async def test_a_connection_that_the_server_closed_while_idle_is_not_used_again(
    faulty: FaultyServer, pool: aiohttp.ClientSession
) -> None:
    client = McpClient("faulty", faulty.url, session=pool)
    for _ in range(5):
        assert isinstance(await client.call_tool("echo_and_close", b"{}", deadline=within(5)), ToolSucceeded)
        await until(lambda: faulty.open_connections == 0)

    assert faulty.calls["echo_and_close"] == 5


async def test_a_connection_on_which_something_came_unasked_is_not_used_again(
    faulty: FaultyServer, pool: aiohttp.ClientSession
) -> None:
    smuggle, smuggled = asyncio.Event(), asyncio.Event()

    async def twice(peer: Peer, request: dict[str, Any]) -> None:
        await answer(peer, request, {"content": [], "structuredContent": {"n": 1}})
        await smuggle.wait()
        # What the next call would be answered with, were it sent on this connection.
        await answer(peer, {"id": request["id"] + 1}, {"content": [], "structuredContent": {"smuggled": True}})
        smuggled.set()

    faulty.behaviours["twice"] = twice
    client = McpClient("faulty", faulty.url, session=pool)
    first = await client.call_tool("twice", b"{}", deadline=within(5))
    smuggle.set()
    await asyncio.wait_for(smuggled.wait(), 5)
    turn = asyncio.Event()
    asyncio.get_running_loop().call_later(0.05, turn.set)
    await turn.wait()

    second = await client.call_tool("echo", b'{"n":2}', deadline=within(5))

    assert isinstance(first, ToolSucceeded)
    assert isinstance(second, ToolSucceeded)
    assert second.structured == {"n": 2}


async def test_retry_after_is_read(faulty: FaultyServer, pool: aiohttp.ClientSession) -> None:
    client = McpClient("faulty", faulty.url, session=pool)

    limited = await client.call_tool("429", b"{}", deadline=within(5))
    unavailable = await client.call_tool("503", b"{}", deadline=within(5))

    assert isinstance(limited, HttpFault)
    assert isinstance(unavailable, HttpFault)
    assert (limited.retry_after, unavailable.retry_after) == (7.0, 3.0)


async def test_a_port_where_nobody_listens_refuses(pool: aiohttp.ClientSession) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    client = McpClient("gone", f"http://127.0.0.1:{port}/mcp", session=pool)

    outcome = await client.call_tool("echo", b"{}", deadline=within(5))

    assert isinstance(outcome, Refused)
    assert (outcome.code, outcome.effect) == ("CONNECTION_REFUSED", Effect.NONE)


async def test_a_host_that_does_not_resolve_refuses(pool: aiohttp.ClientSession) -> None:
    client = McpClient("nowhere", "http://tool-server.invalid/mcp", session=pool)

    outcome = await client.call_tool("echo", b"{}", deadline=within(20))

    assert isinstance(outcome, Refused)
    assert outcome.effect is Effect.NONE
    assert outcome.code in {"HOST_NOT_FOUND", "HANDSHAKE_FAILED"}  # The second where the resolver itself is slow.


async def test_a_server_without_tls_refuses_a_tls_call(faulty: FaultyServer) -> None:
    connector = aiohttp.TCPConnector(ssl=ssl.create_default_context())
    async with aiohttp.ClientSession(connector=connector) as pool:
        client = McpClient("plain", faulty.url.replace("http://", "https://"), session=pool, limits=_SMALL)

        outcome = await client.call_tool("echo", b"{}", deadline=within(5))

    assert isinstance(outcome, Refused)
    assert outcome.effect is Effect.NONE


async def test_a_deadline_in_the_past_sends_nothing(faulty: FaultyServer, pool: aiohttp.ClientSession) -> None:
    client = McpClient("faulty", faulty.url, session=pool)
    await client.call_tool("echo", b"{}", deadline=within(5))

    outcome = await client.call_tool("echo", b"{}", deadline=within(-1))

    assert isinstance(outcome, Refused)
    assert outcome.code == "DEADLINE_PASSED"
    assert faulty.calls["echo"] == 1


async def test_waiting_for_a_connection_until_the_deadline_sends_nothing(faulty: FaultyServer) -> None:
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=1)) as narrow:
        client = McpClient("faulty", faulty.url, session=narrow)
        holder = asyncio.create_task(client.call_tool("hold", b"{}", deadline=within(20)))
        await asyncio.wait_for(faulty.holding.wait(), 5)

        outcome = await client.call_tool("echo", b"{}", deadline=within(0.2))

        assert isinstance(outcome, Refused)
        assert outcome.effect is Effect.NONE
        assert faulty.calls["echo"] == 0
        faulty.release.set()
        assert isinstance(await holder, ToolSucceeded)


@pytest.mark.parametrize(
    ("status", "kind", "code"),
    [("500 Oops", HttpFault, "SERVER_ERROR"), ("401 No", HttpFault, "UNAUTHORIZED"), ("", Refused, "HANDSHAKE_FAILED")],
)
async def test_whatever_goes_wrong_in_the_handshake_had_no_effect(
    status: str, kind: type[Fault], code: str, faulty: FaultyServer, pool: aiohttp.ClientSession
) -> None:
    async def discover(peer: Peer, request: dict[str, Any]) -> None:
        if status:
            await respond(peer, status, b"", "text/html")
        else:
            peer.writer.transport.abort()

    faulty.discover = discover
    client = McpClient("faulty", faulty.url, session=pool)

    outcome = await client.call_tool("echo", b"{}", deadline=within(5))

    assert type(outcome) is kind
    assert (outcome.code, outcome.effect) == (code, Effect.NONE)
    assert faulty.calls["echo"] == 0


@pytest.mark.parametrize("arguments", [b"", b"[]", b'"text"', b"null"])
async def test_arguments_that_are_no_object_are_a_programming_error(
    arguments: bytes, faulty: FaultyServer, pool: aiohttp.ClientSession
) -> None:
    client = McpClient("faulty", faulty.url, session=pool)

    with pytest.raises(ValueError, match="one JSON object"):
        await client.call_tool("echo", arguments, deadline=within(5))


@pytest.mark.parametrize("url", ["ftp://host/mcp", "http:///mcp", "http://user:pw@host/mcp", "host/mcp"])
async def test_a_url_that_is_not_plain_http_is_refused_at_once(url: str, pool: aiohttp.ClientSession) -> None:
    with pytest.raises(ValueError, match="must be http"):
        McpClient("odd", url, session=pool)
