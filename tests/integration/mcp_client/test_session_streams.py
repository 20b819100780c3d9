"""What only servers with sessions do: end a reply stream early and give the rest later, and ask something in between."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
import orjson
import pytest

from mcp_adapter_service.mcp_client import Effect, McpClient, ToolSucceeded, Unknown
from tests.integration.mcp_client.conftest import within
from tests.integration.mcp_client.faulty_server import FaultyServer
from tests.integration.mcp_client.raw_http import Peer, chunk, respond, stream_head


class Sessions:
    """Sessions is the session side of a server: initialize, and whatever else comes in."""

    def __init__(self, server: FaultyServer) -> None:
        self.resumed: list[str] = []
        self.answers: list[dict[str, Any]] = []
        self.answered = asyncio.Event()
        self.pending: dict[str, Any] = {}
        server.discover = self.other
        server.behaviours["early_end"] = self.early_end
        server.behaviours["asking"] = self.asking

    async def other(self, peer: Peer, request: dict[str, Any]) -> None:
        """Everything but tool calls."""
        method = request.get("method")
        if method == "initialize":
            result = {"protocolVersion": "2025-11-25", "capabilities": {}}
            body = orjson.dumps({"jsonrpc": "2.0", "id": request["id"], "result": result})
            await respond(peer, "200 OK", body, extra="Mcp-Session-Id: s-1\r\n")
        elif method == "server/discover":
            error = {"code": -32601, "message": "Method not found"}
            await respond(peer, "200 OK", orjson.dumps({"jsonrpc": "2.0", "id": request["id"], "error": error}))
        elif method == "GET":
            await self.resume(peer, request["lastEventId"])
        else:
            if method is None:
                self.answers.append(request)
                self.answered.set()
            await respond(peer, "202 Accepted", b"")

    async def early_end(self, peer: Peer, request: dict[str, Any]) -> None:
        """Prime the client with an event id, and end the stream."""
        self.pending = request
        await stream_head(peer)
        await chunk(peer, b"id: e-1\nretry: 5\ndata:\n\n")
        await chunk(peer, b"")

    async def resume(self, peer: Peer, last_event_id: str) -> None:
        """The first time end it again; then give the response."""
        self.resumed.append(last_event_id)
        await stream_head(peer)
        if len(self.resumed) == 1:
            await chunk(peer, b"id: e-2\ndata:\n\n")
        else:
            result = {"content": [], "structuredContent": {"late": True}}
            reply = orjson.dumps({"jsonrpc": "2.0", "id": self.pending["id"], "result": result})
            await chunk(peer, b"data: " + reply + b"\n\n")
        await chunk(peer, b"")

    async def asking(self, peer: Peer, request: dict[str, Any]) -> None:
        """Ping the client, ask it for something that it does not offer, and go on when it has answered both."""
        await stream_head(peer)
        for number, method in enumerate(("ping", "elicitation/create")):
            self.answered.clear()
            await chunk(peer, b"data: " + orjson.dumps({"jsonrpc": "2.0", "id": number, "method": method}) + b"\n\n")
            await self.answered.wait()
        reply = orjson.dumps({"jsonrpc": "2.0", "id": request["id"], "result": {"content": []}})
        await chunk(peer, b"data: " + reply + b"\n\n")
        await chunk(peer, b"")


@pytest.fixture
def sessions(faulty: FaultyServer) -> Sessions:
    """The faulty server with sessions."""
    return Sessions(faulty)


async def test_a_stream_that_ends_early_is_taken_up_again_and_the_tool_runs_once(
    sessions: Sessions, faulty: FaultyServer, pool: aiohttp.ClientSession
) -> None:
    client = McpClient("faulty", faulty.url, session=pool)

    outcome = await client.call_tool("early_end", b"{}", deadline=within(5))

    assert isinstance(outcome, ToolSucceeded)
    assert outcome.structured == {"late": True}
    assert sessions.resumed == ["e-1", "e-2"]
    assert faulty.calls["early_end"] == 1


async def test_a_stream_that_ends_without_an_event_id_leaves_the_outcome_unknown(
    sessions: Sessions, faulty: FaultyServer, pool: aiohttp.ClientSession
) -> None:
    client = McpClient("faulty", faulty.url, session=pool)

    outcome = await client.call_tool("drop_stream", b"{}", deadline=within(5))

    assert isinstance(outcome, Unknown)
    assert outcome.effect is Effect.POSSIBLE
    assert (sessions.resumed, faulty.calls["drop_stream"]) == ([], 1)


async def test_a_ping_within_a_call_is_answered_and_anything_else_declined(
    sessions: Sessions, faulty: FaultyServer, pool: aiohttp.ClientSession
) -> None:
    client = McpClient("faulty", faulty.url, session=pool)

    outcome = await client.call_tool("asking", b"{}", deadline=within(5))

    assert isinstance(outcome, ToolSucceeded)
    assert sessions.answers[0]["result"] == {}
    assert sessions.answers[1]["error"]["code"] == -32601
