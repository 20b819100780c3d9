"""A call that is given up: a server with sessions is told, one without sees the connection close."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
import orjson
import pytest

from mcp_adapter_service.mcp_client import McpClient, TimedOut, ToolSucceeded
from tests.integration.mcp_client.conftest import until, within
from tests.integration.mcp_client.faulty_server import FaultyServer
from tests.integration.mcp_client.raw_http import Peer, respond


class Notices:
    """Notices is what a server with sessions is told."""

    def __init__(self, server: FaultyServer) -> None:
        self.cancelled: list[dict[str, Any]] = []
        self.silent = False
        server.discover = self._other

    async def _other(self, peer: Peer, request: dict[str, Any]) -> None:
        method = request.get("method")
        if method == "initialize":
            result = {"protocolVersion": "2025-11-25", "capabilities": {}}
            body = orjson.dumps({"jsonrpc": "2.0", "id": request["id"], "result": result})
            await respond(peer, "200 OK", body, extra="Mcp-Session-Id: s-1\r\n")
        elif method == "server/discover":
            await respond(peer, "400 Bad Request", b"", "text/plain")
        elif method == "notifications/cancelled":
            self.cancelled.append(request["params"])
            if self.silent:
                await peer.leaves()
            else:
                await respond(peer, "202 Accepted", b"")
        else:
            await respond(peer, "202 Accepted", b"")


@pytest.fixture
def notices(faulty: FaultyServer) -> Notices:
    """The faulty server with sessions."""
    return Notices(faulty)


async def test_a_session_is_told_of_a_cancelled_call_and_of_no_other(
    notices: Notices, faulty: FaultyServer, pool: aiohttp.ClientSession
) -> None:
    client = McpClient("faulty", faulty.url, session=pool)
    asked: list[int] = []
    stall = faulty.behaviours["stall"]

    async def noting(peer: Peer, request: dict[str, Any]) -> None:
        asked.append(request["id"])
        await stall(peer, request)

    faulty.behaviours["stall"] = noting
    assert isinstance(await client.call_tool("echo", b"{}", deadline=within(5)), ToolSucceeded)
    doomed = asyncio.create_task(client.call_tool("stall", b"{}", deadline=within(20)))
    await asyncio.wait_for(faulty.stalled.wait(), 5)

    doomed.cancel()
    with pytest.raises(asyncio.CancelledError):
        await doomed

    await until(lambda: len(notices.cancelled) == 1)
    assert notices.cancelled[0]["requestId"] == asked[0]
    await client.aclose()
    assert len(notices.cancelled) == 1


async def test_a_session_is_told_of_a_call_whose_time_is_over(
    notices: Notices, faulty: FaultyServer, pool: aiohttp.ClientSession
) -> None:
    client = McpClient("faulty", faulty.url, session=pool)

    assert isinstance(await client.call_tool("stall", b"{}", deadline=within(0.3)), TimedOut)

    await until(lambda: len(notices.cancelled) == 1)
    await client.aclose()


async def test_a_session_that_does_not_take_notices_holds_nothing_up_and_leaves_nothing_behind(
    notices: Notices, faulty: FaultyServer, pool: aiohttp.ClientSession
) -> None:
    notices.silent = True
    client = McpClient("faulty", faulty.url, session=pool)
    begun, tasks = within(0), asyncio.all_tasks()

    outcomes = await asyncio.gather(*(client.call_tool("stall", b"{}", deadline=within(0.3)) for _ in range(40)))

    assert all(isinstance(outcome, TimedOut) for outcome in outcomes)
    await client.aclose()
    assert within(0) - begun < 10
    assert len(notices.cancelled) <= 32
    await until(lambda: {task for task in asyncio.all_tasks() if "mcp-" in task.get_name()} <= tasks)


async def test_a_server_without_sessions_is_not_told(faulty: FaultyServer, pool: aiohttp.ClientSession) -> None:
    methods: list[str] = []
    discovered = faulty.discover

    async def noting(peer: Peer, request: dict[str, Any]) -> None:
        methods.append(request["method"])
        await discovered(peer, request)

    faulty.discover = noting
    client = McpClient("faulty", faulty.url, session=pool)

    assert isinstance(await client.call_tool("stall", b"{}", deadline=within(0.3)), TimedOut)

    await until(lambda: faulty.open_connections == 0)
    await client.aclose()
    assert methods == ["server/discover"]
