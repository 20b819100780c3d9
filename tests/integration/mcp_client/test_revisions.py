"""The revision is found once, kept, and found anew when the server has become another; no tool runs twice over it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import aiohttp
import orjson
import pytest

from mcp_adapter_service.mcp_client import Effect, HttpFault, McpClient, ProtocolFault, ToolSucceeded
from tests.integration.mcp_client.conftest import within
from tests.integration.mcp_client.faulty_server import FaultyServer
from tests.integration.mcp_client.raw_http import Peer, answer, respond
from tests.integration.mcp_client.sdk_server import SdkServer, sdk_server


@pytest.fixture
def sdk() -> Iterator[SdkServer]:
    """A server of both revisions."""
    with sdk_server(json_response=True) as server:
        yield server


async def test_the_revision_is_asked_for_once(sdk: SdkServer, pool: aiohttp.ClientSession) -> None:
    client = McpClient("sdk", sdk.url, session=pool)

    await asyncio.gather(*(client.call_tool("echo", b"{}", deadline=within(5)) for _ in range(10)))
    await client.call_tool("echo", b"{}", deadline=within(5))

    assert sdk.methods.count("server/discover") == 1
    assert sdk.methods.count("initialize") == 0
    assert len(sdk.calls) == 11


async def test_a_session_is_opened_once_for_calls_that_come_together(sdk: SdkServer, pool: aiohttp.ClientSession) -> None:
    sdk.legacy_only = True
    client = McpClient("sdk", sdk.url, session=pool)

    await asyncio.gather(*(client.call_tool("echo", b"{}", deadline=within(5)) for _ in range(10)))

    assert sdk.methods.count("initialize") == 1
    assert sdk.methods.count("notifications/initialized") == 1
    assert len({headers["mcp-session-id"] for _, _, headers in sdk.calls}) == 1
    await client.aclose()


async def test_a_lost_session_is_opened_anew_and_the_call_made_once(sdk: SdkServer, pool: aiohttp.ClientSession) -> None:
    sdk.legacy_only = True
    client = McpClient("sdk", sdk.url, session=pool)
    await client.call_tool("echo", b"{}", deadline=within(5))
    sdk.forget_sessions()

    outcomes = await asyncio.gather(*(client.call_tool("echo", b"{}", deadline=within(5)) for _ in range(8)))

    assert all(isinstance(outcome, ToolSucceeded) for outcome in outcomes)
    assert sdk.methods.count("initialize") == 2
    assert len(sdk.calls) == 9
    await client.aclose()


async def test_closing_the_client_ends_its_session(sdk: SdkServer, pool: aiohttp.ClientSession) -> None:
    sdk.legacy_only = True
    client = McpClient("sdk", sdk.url, session=pool)
    await client.call_tool("echo", b"{}", deadline=within(5))

    await client.aclose()

    assert sdk.methods[-1] == "DELETE"
    assert client.protocol_version is None


async def test_a_server_that_falls_back_to_sessions_is_followed(sdk: SdkServer, pool: aiohttp.ClientSession) -> None:
    client = McpClient("sdk", sdk.url, session=pool)
    await client.call_tool("echo", b"{}", deadline=within(5))
    sdk.legacy_only = True

    outcome = await client.call_tool("echo", b"{}", deadline=within(5))

    assert isinstance(outcome, ToolSucceeded)
    assert client.protocol_version == "2025-11-25"
    assert len(sdk.calls) == 2
    await client.aclose()


async def test_a_server_that_gives_sessions_up_is_followed(sdk: SdkServer, pool: aiohttp.ClientSession) -> None:
    sdk.legacy_only = True
    client = McpClient("sdk", sdk.url, session=pool)
    await client.call_tool("echo", b"{}", deadline=within(5))
    sdk.legacy_only, sdk.modern_only = False, True

    outcome = await client.call_tool("echo", b"{}", deadline=within(5))

    assert isinstance(outcome, ToolSucceeded)
    assert client.protocol_version == "2026-07-28"
    assert len(sdk.calls) == 2


async def test_a_wrong_address_is_not_asked_twice_every_time(faulty: FaultyServer, pool: aiohttp.ClientSession) -> None:
    discoveries = 0
    discovered = faulty.discover

    async def discover(peer: Peer, request: dict[str, Any]) -> None:
        nonlocal discoveries
        discoveries += 1
        await discovered(peer, request)

    faulty.discover = discover
    client = McpClient("faulty", faulty.url, session=pool)

    outcomes = [await client.call_tool("404", b"{}", deadline=within(5)) for _ in range(10)]

    assert all(isinstance(outcome, HttpFault) for outcome in outcomes)
    assert faulty.calls["404"] == 10
    assert discoveries == 2


async def test_a_server_error_on_a_call_is_never_sent_again(faulty: FaultyServer, pool: aiohttp.ClientSession) -> None:
    client = McpClient("faulty", faulty.url, session=pool)

    for tool in ("500", "503", "drop", "bad_json", "html"):
        await client.call_tool(tool, b"{}", deadline=within(5))

    assert all(faulty.calls[tool] == 1 for tool in ("500", "503", "drop", "bad_json", "html"))


async def test_an_outage_in_discovery_is_no_verdict(faulty: FaultyServer, pool: aiohttp.ClientSession) -> None:
    discovered = faulty.discover
    methods: list[str] = []

    async def unavailable(peer: Peer, request: dict[str, Any]) -> None:
        methods.append(request["method"])
        await respond(peer, "503 Service Unavailable", b"", "text/html")

    faulty.discover = unavailable
    client = McpClient("faulty", faulty.url, session=pool)
    assert isinstance(await client.call_tool("echo", b"{}", deadline=within(5)), HttpFault)
    assert methods == ["server/discover"]

    faulty.discover = discovered
    assert isinstance(await client.call_tool("echo", b"{}", deadline=within(5)), ToolSucceeded)
    assert client.protocol_version == "2026-07-28"


async def test_a_server_that_discovers_only_older_revisions_is_initialized(
    faulty: FaultyServer, pool: aiohttp.ClientSession
) -> None:
    async def old(peer: Peer, request: dict[str, Any]) -> None:
        if request["method"] == "initialize":
            await answer(peer, request, {"protocolVersion": "2025-06-18", "capabilities": {}})
        elif "id" in request:
            await answer(peer, request, {"supportedVersions": ["2025-11-25"]})
        else:
            await respond(peer, "202 Accepted", b"")

    faulty.discover = old
    client = McpClient("faulty", faulty.url, session=pool)

    assert isinstance(await client.call_tool("echo", b"{}", deadline=within(5)), ToolSucceeded)
    assert client.protocol_version == "2025-06-18"


async def test_an_offer_of_our_own_revision_is_taken_up(faulty: FaultyServer, pool: aiohttp.ClientSession) -> None:
    discovered = faulty.discover
    refusals = 1

    async def refuse_once(peer: Peer, request: dict[str, Any]) -> None:
        nonlocal refusals
        if refusals:
            refusals -= 1
            await _unsupported(peer, request, ["2026-07-28"])
        else:
            await discovered(peer, request)

    faulty.discover = refuse_once
    client = McpClient("faulty", faulty.url, session=pool)

    assert isinstance(await client.call_tool("echo", b"{}", deadline=within(5)), ToolSucceeded)
    assert client.protocol_version == "2026-07-28"


async def test_a_server_of_revisions_that_we_do_not_have_is_told_apart(faulty: FaultyServer, pool: aiohttp.ClientSession) -> None:
    async def newer(peer: Peer, request: dict[str, Any]) -> None:
        await _unsupported(peer, request, ["2031-01-01"])

    faulty.discover = newer
    client = McpClient("faulty", faulty.url, session=pool)

    outcome = await client.call_tool("echo", b"{}", deadline=within(5))

    assert isinstance(outcome, ProtocolFault)
    assert (outcome.code, outcome.effect) == ("VERSION_UNSUPPORTED", Effect.NONE)


async def _unsupported(peer: Peer, request: dict[str, Any], supported: list[str]) -> None:
    error = {"code": -32022, "message": "Unsupported protocol version", "data": {"supported": supported}}
    body = orjson.dumps({"jsonrpc": "2.0", "id": request["id"], "error": error})
    await respond(peer, "400 Bad Request", body)
