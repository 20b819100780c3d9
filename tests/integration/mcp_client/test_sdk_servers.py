"""Against the official SDK's server: both revisions, replies as JSON and as event streams, with sessions and without."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from typing import Any

import aiohttp
import orjson
import pytest

from mcp_adapter_service.mcp_client import (
    Effect,
    InputRequired,
    McpClient,
    ProtocolFault,
    ServerAlive,
    ToolFailed,
    ToolList,
    ToolSucceeded,
)
from tests.integration.mcp_client.conftest import until, within
from tests.integration.mcp_client.sdk_server import SdkServer, sdk_server

_TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

_SERVERS: dict[str, dict[str, bool]] = {
    "modern-json": {"json_response": True},
    "modern-sse": {"json_response": False},
    "sessions-json": {"json_response": True, "legacy_only": True},
    "sessions-sse": {"json_response": False, "legacy_only": True},
    "sessionless-legacy-json": {"json_response": True, "legacy_only": True, "stateless": True},
}


@pytest.fixture(params=_SERVERS)
def sdk(request: pytest.FixtureRequest) -> Iterator[SdkServer]:
    """A server of each kind."""
    with sdk_server(**_SERVERS[request.param]) as server:
        server.kind = request.param
        yield server


@pytest.fixture
def modern() -> Iterator[SdkServer]:
    """A server of both revisions that streams."""
    with sdk_server(json_response=False) as server:
        yield server


def client_of(sdk: SdkServer, pool: aiohttp.ClientSession) -> McpClient:
    """A client with a token."""
    return McpClient("sdk", sdk.url, "token-1", session=pool)


async def test_a_tool_answers_with_its_structured_result_its_text_and_its_meta(
    sdk: SdkServer, pool: aiohttp.ClientSession
) -> None:
    client = client_of(sdk, pool)
    arguments = {"text": 'quotes " and ü and \u2028', "list": [1, 2.5, None, True], "nested": {"a": {}}}

    outcome = await client.call_tool("echo", orjson.dumps(arguments), deadline=within(5))

    assert isinstance(outcome, ToolSucceeded)
    assert outcome.effect is Effect.DONE
    assert outcome.structured == arguments
    assert outcome.text == "done"
    assert outcome.content[0]["type"] == "text"
    assert client.protocol_version == ("2026-07-28" if sdk.kind.startswith("modern") else "2025-11-25")
    await client.aclose()


async def test_a_call_carries_its_correlation_id_trace_meta_and_token(sdk: SdkServer, pool: aiohttp.ClientSession) -> None:
    client = client_of(sdk, pool)

    await client.call_tool(
        "echo",
        b"{}",
        deadline=within(5),
        correlation_id="corr-1",
        traceparent=_TRACEPARENT,
        meta={"switchboard/principal": "signed", "io.modelcontextprotocol/protocolVersion": "1999-01-01"},
    )

    [(_, meta, headers)] = sdk.calls
    assert headers["x-correlation-id"] == "corr-1"
    assert headers["traceparent"] == _TRACEPARENT
    assert headers["authorization"] == "Bearer token-1"
    assert meta["switchboard/correlationId"] == "corr-1"
    assert meta["switchboard/principal"] == "signed"
    assert meta["traceparent"] == _TRACEPARENT
    await client.aclose()


async def test_a_call_without_a_correlation_id_gets_one_and_a_malformed_trace_is_replaced(
    modern: SdkServer, pool: aiohttp.ClientSession
) -> None:
    client = client_of(modern, pool)

    await client.call_tool("echo", b"{}", deadline=within(5), traceparent="00-nonsense\r\nX-Evil: 1")

    [(_, meta, headers)] = modern.calls
    assert len(headers["x-correlation-id"]) == 32
    assert meta["switchboard/correlationId"] == headers["x-correlation-id"]
    assert headers["traceparent"] == meta["traceparent"]
    assert headers["traceparent"].startswith(f"00-{headers['x-correlation-id']}-")
    with pytest.raises(ValueError, match="correlation_id"):
        await client.call_tool("echo", b"{}", deadline=within(5), correlation_id="a\r\nX-Evil: 1")


async def test_a_tool_error_is_no_protocol_error(sdk: SdkServer, pool: aiohttp.ClientSession) -> None:
    client = client_of(sdk, pool)

    outcome = await client.call_tool("fail", b"{}", deadline=within(5))

    assert isinstance(outcome, ToolFailed)
    assert outcome.text == "no such customer"
    await client.aclose()


async def test_an_unknown_tool_had_no_effect(sdk: SdkServer, pool: aiohttp.ClientSession) -> None:
    client = client_of(sdk, pool)

    outcome = await client.call_tool("nowhere", b"{}", deadline=within(5))

    assert isinstance(outcome, ProtocolFault)
    assert (outcome.code, outcome.rpc_code, outcome.effect) == ("UNKNOWN_TOOL", -32602, Effect.NONE)
    assert len(sdk.calls) == 1
    await client.aclose()


async def test_a_tool_that_crashes_may_have_had_its_effect_and_its_text_stays_there(
    sdk: SdkServer, pool: aiohttp.ClientSession
) -> None:
    client = client_of(sdk, pool)

    outcome = await client.call_tool("crash", b"{}", deadline=within(5))

    assert isinstance(outcome, ProtocolFault)
    assert outcome.effect is Effect.POSSIBLE
    assert "secret" not in repr(outcome)
    assert len(sdk.calls) == 1
    await client.aclose()


async def test_all_pages_of_the_tool_list_are_read(sdk: SdkServer, pool: aiohttp.ClientSession) -> None:
    client = client_of(sdk, pool)

    listed = await client.list_tools(within(5))

    assert isinstance(listed, ToolList)
    assert [tool["name"] for tool in listed.tools] == ["echo", "fail", "crash", "hold", "progress", "ask", "routed"]
    assert listed.tools[0]["inputSchema"] == {"type": "object"}
    await client.aclose()


async def test_a_ping_says_which_revision_answers(sdk: SdkServer, pool: aiohttp.ClientSession) -> None:
    client = client_of(sdk, pool)

    alive = await client.ping(within(5))

    assert alive == ServerAlive(protocol_version="2026-07-28" if sdk.kind.startswith("modern") else "2025-11-25")
    await client.aclose()


async def test_progress_comes_before_the_result_where_the_server_streams(sdk: SdkServer, pool: aiohttp.ClientSession) -> None:
    client = client_of(sdk, pool)
    progress: list[Mapping[str, Any]] = []

    heard = await client.call_tool("progress", b"{}", deadline=within(5), on_progress=progress.append)
    unheard = await client.call_tool("progress", b"{}", deadline=within(5))

    assert isinstance(heard, ToolSucceeded)
    assert isinstance(unheard, ToolSucceeded)
    assert [note["message"] for note in progress] == (["half"] if sdk.kind.endswith("sse") else [])
    await client.aclose()


async def test_a_tool_that_asks_for_input_is_an_outcome_of_its_own(modern: SdkServer, pool: aiohttp.ClientSession) -> None:
    outcome = await client_of(modern, pool).call_tool("ask", b"{}", deadline=within(5))

    assert isinstance(outcome, InputRequired)
    assert (outcome.state, outcome.effect) == ("state-1", Effect.NONE)


async def test_a_tool_that_wants_arguments_as_headers_gets_them_without_being_listed_before(
    modern: SdkServer, pool: aiohttp.ClientSession
) -> None:
    client = client_of(modern, pool)

    first = await client.call_tool("routed", '{"region":"Zürich"}'.encode(), deadline=within(5))
    second = await client.call_tool("routed", b'{"region":"eu"}', deadline=within(5))

    assert isinstance(first, ToolSucceeded)
    assert isinstance(second, ToolSucceeded)
    # The first attempt of the first call was turned away before the tool: two calls, two runs.
    assert [headers["mcp-param-region"] for _, _, headers in modern.calls] == ["=?base64?WsO8cmljaA==?=", "eu"]


async def test_many_calls_share_the_pool_and_each_gets_its_own_answer(sdk: SdkServer, pool: aiohttp.ClientSession) -> None:
    client = client_of(sdk, pool)

    outcomes = await asyncio.gather(*(client.call_tool("echo", orjson.dumps({"n": n}), deadline=within(20)) for n in range(50)))

    assert [outcome.structured for outcome in outcomes if isinstance(outcome, ToolSucceeded)] == [{"n": n} for n in range(50)]
    await client.aclose()


async def test_calls_one_after_another_use_one_connection(sdk: SdkServer, pool: aiohttp.ClientSession) -> None:
    client = client_of(sdk, pool)
    await client.call_tool("echo", b"{}", deadline=within(5))
    begun = len(sdk.calls)

    for _ in range(10):
        await client.call_tool("echo", b"{}", deadline=within(5))

    assert len(sdk.calls) == begun + 10
    assert len(sdk.peers) <= 2  # A session's handshake may have left a second one behind.
    await client.aclose()


async def test_cancelling_one_call_leaves_another_of_the_same_session_alone(sdk: SdkServer, pool: aiohttp.ClientSession) -> None:
    client = client_of(sdk, pool)
    neighbour = asyncio.create_task(client.call_tool("hold", b'{"n":1}', deadline=within(20)))
    await until(sdk.holding.is_set)
    sdk.holding.clear()
    doomed = asyncio.create_task(client.call_tool("hold", b'{"n":2}', deadline=within(20)))
    await until(sdk.holding.is_set)

    doomed.cancel()
    with pytest.raises(asyncio.CancelledError):
        await doomed
    sdk.released.set()

    outcome = await neighbour
    assert isinstance(outcome, ToolSucceeded)
    assert outcome.structured == {"n": 1}
    await client.aclose()
