"""A caller that gives up takes nothing from anybody else."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
import pytest

from mcp_adapter_service.mcp_client import McpClient, ToolSucceeded
from tests.integration.mcp_client.conftest import until, within
from tests.integration.mcp_client.faulty_server import FaultyServer
from tests.integration.mcp_client.raw_http import Peer


async def test_cancelling_one_call_frees_its_connection_and_leaves_the_neighbour_alone(
    faulty: FaultyServer, pool: aiohttp.ClientSession
) -> None:
    client = McpClient("faulty", faulty.url, session=pool)
    neighbour = asyncio.create_task(client.call_tool("hold", b"{}", deadline=within(20)))
    await asyncio.wait_for(faulty.holding.wait(), 5)
    doomed = asyncio.create_task(client.call_tool("stall", b"{}", deadline=within(20)))
    await asyncio.wait_for(faulty.stalled.wait(), 5)
    assert faulty.open_connections == 2

    doomed.cancel()

    with pytest.raises(asyncio.CancelledError):
        await doomed
    await until(lambda: faulty.open_connections == 1)
    faulty.release.set()
    assert isinstance(await neighbour, ToolSucceeded)


async def test_the_first_caller_giving_up_does_not_take_the_handshake_from_the_others(
    faulty: FaultyServer, pool: aiohttp.ClientSession
) -> None:
    asked, go = asyncio.Event(), asyncio.Event()
    discovered = faulty.discover

    async def discover(peer: Peer, request: dict[str, Any]) -> None:
        asked.set()
        await go.wait()
        await discovered(peer, request)

    faulty.discover = discover
    client = McpClient("faulty", faulty.url, session=pool)
    first = asyncio.create_task(client.call_tool("echo", b"{}", deadline=within(10)))
    await asyncio.wait_for(asked.wait(), 5)
    second = asyncio.create_task(client.call_tool("echo", b"{}", deadline=within(10)))
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    go.set()

    assert isinstance(await second, ToolSucceeded)
