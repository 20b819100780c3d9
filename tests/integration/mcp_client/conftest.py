"""What these tests share: a pool, servers, deadlines, and waiting within bounds."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

import aiohttp
import pytest_asyncio

from mcp_adapter_service.mcp_client import open_pool
from tests.integration.mcp_client.faulty_server import FaultyServer, faulty_server


@pytest_asyncio.fixture
async def pool() -> AsyncIterator[aiohttp.ClientSession]:
    """A pool as the service has it."""
    async with open_pool() as session:
        yield session


@pytest_asyncio.fixture
async def faulty() -> AsyncIterator[FaultyServer]:
    """A server that goes wrong on purpose."""
    async with faulty_server() as server:
        yield server


def within(seconds: float) -> float:
    """The deadline `seconds` from now, in the loop's time."""
    return asyncio.get_running_loop().time() + seconds


async def until(condition: Callable[[], bool], seconds: float = 5.0) -> None:
    """Let the loop run until `condition` holds, and fail if it does not within the bound."""
    async with asyncio.timeout(seconds):
        turn = asyncio.Event()
        while not condition():
            # A turn of the loop at a time, with a breath for other threads.
            asyncio.get_running_loop().call_later(0.002, turn.set)
            await turn.wait()
            turn.clear()
