"""What models are shown: exactly what dispatch lists for the caller, described once for each revision."""

from __future__ import annotations

import asyncio
import json

import httpx
import pytest
from mcp.shared.exceptions import MCPError

from tests.callers import caller
from tests.integration.model_gateway.conftest import LEGACY, MODERN, Gateway
from tests.integration.model_gateway.scripted_dispatch import tool

pytestmark = pytest.mark.asyncio(loop_scope="session")

STATUS_TOOL = "switchboard_authorization_status"


@pytest.mark.parametrize("mode", [MODERN, LEGACY])
async def test_a_tool_is_shown_as_it_is_described_and_its_own_name_stays_visible(gateway: Gateway, mode: str) -> None:
    gateway.dispatch.tools = [tool(7, effect="read")]
    async with gateway.client(mode) as client:
        shown, status = (await client.list_tools()).tools
    assert (shown.name, shown.title) == ("server7__things_do_007", "Do thing 7")
    assert shown.description == "Does thing 7, and says what came of it."
    assert shown.meta is not None
    assert shown.meta["switchboard.dev/tool"] == {"server": "server7", "name": "things.do_007"}
    assert shown.input_schema["properties"]["customer"]["maxLength"] == 200
    assert list(shown.input_schema["properties"]) == ["address", "customer", "note", "window"]
    assert shown.output_schema is not None
    assert shown.output_schema["required"] == ["id", "state"]
    assert shown.annotations is not None
    assert shown.annotations.read_only_hint is True
    assert shown.annotations.destructive_hint is False
    assert shown.annotations.idempotent_hint is True
    assert status.name == STATUS_TOOL


async def test_a_tool_that_asks_for_reasoning_or_for_a_person_has_an_argument_for_it(gateway: Gateway) -> None:
    own = {"type": "string", "description": "The tool's own."}
    gateway.dispatch.tools = [
        tool(1),
        tool(2, permission="soft_limit"),
        tool(3, permission="requires_authorization"),
        tool(4, permission="requires_authorization", reasoning=own),
    ]
    async with gateway.client() as client:
        free, soft, asks, has_one, _ = (await client.list_tools()).tools
    assert "reasoning" not in free.input_schema["properties"]
    for listed in (soft, asks):
        assert listed.input_schema["properties"]["reasoning"]["type"] == "string"
        assert "reasoning" not in listed.input_schema["required"]
        assert "`reasoning`" in (listed.description or "")
    assert STATUS_TOOL in (asks.description or "")
    assert has_one.input_schema["properties"]["reasoning"] == own


async def test_who_may_call_nothing_is_shown_nothing(gateway: Gateway) -> None:
    gateway.dispatch.tools = []
    async with gateway.client() as client:
        assert (await client.list_tools()).tools == []


@pytest.mark.parametrize("count", [5, 500])
async def test_a_list_asks_for_names_and_a_call_is_one_call_however_many_tools_there_are(gateway: Gateway, count: int) -> None:
    gateway.dispatch.tools = [tool(number) for number in range(count)]
    gateway.dispatch.tools.sort(key=lambda one: (one.server, one.name))
    alias = gateway.dispatch.tools[-1].alias
    async with gateway.client() as client:
        first = await client.list_tools()
        assert len(first.tools) == count + 1 or first.next_cursor is not None
        assert gateway.dispatch.asked == ["names", "tools"] or count == 5
        gateway.dispatch.asked.clear()
        await client.list_tools()
        assert gateway.dispatch.asked == ["names"], "definitions travel once"
        gateway.dispatch.asked.clear()
        for _ in range(3):
            await client.call_tool(alias, {"customer": "c"})
        assert gateway.dispatch.asked == ["call"] * 3
        gateway.dispatch.tools[0].revision = f"another-{count}"
        gateway.dispatch.asked.clear()
        await client.list_tools()
        assert gateway.dispatch.asked == ["names", "tools"], "what has changed is asked for again"


async def test_a_call_of_a_client_that_never_listed_finds_its_tool(gateway: Gateway) -> None:
    async with gateway.client() as client:
        result = await client.call_tool("server1__things_do_001", {"customer": "c"})
    assert result.structured_content == {"id": "1", "state": None}
    assert gateway.dispatch.asked[:2] == ["names", "call"], "the SDK's client asks for the list by itself after that"


async def test_a_big_catalogue_comes_in_pages_that_leave_nothing_out(gateway: Gateway) -> None:
    gateway.dispatch.tools = sorted((tool(number) for number in range(1201)), key=lambda one: (one.server, one.name))
    names, cursor, pages = [], None, 0
    async with gateway.client() as client:
        while pages == 0 or cursor is not None:
            page = await client.list_tools(cursor=cursor)
            names += [listed.name for listed in page.tools]
            cursor, pages = page.next_cursor, pages + 1
            # A tool that goes between pages moves no other one out of sight.
            gateway.dispatch.tools = [one for one in gateway.dispatch.tools if one.name != "things.do_000"]
        with pytest.raises(MCPError):
            await client.list_tools(cursor="bm9uc2Vuc2U=")
    assert pages == 3
    assert names[-1] == STATUS_TOOL
    assert len(set(names)) == len(names) == 1202


async def test_a_name_that_is_not_the_caller_s_is_an_error_of_the_protocol(gateway: Gateway) -> None:
    async with gateway.client() as client:
        await client.list_tools()
        with pytest.raises(MCPError, match="Unknown tool"):
            await client.call_tool("server9__things_do_999", {})
    assert gateway.dispatch.calls == []


async def test_what_one_caller_was_shown_is_no_other_s(gateway: Gateway) -> None:
    async with gateway.client() as client:
        await client.list_tools()
    gateway.dispatch.tools = []
    async with gateway.client(headers=dict(caller("agent", subject="another"))) as other:
        with pytest.raises(MCPError, match="Unknown tool"):
            await other.call_tool("server1__things_do_001", {"customer": "c"})


async def test_nobody_is_let_in_without_a_payload_and_no_page_from_elsewhere(gateway: Gateway) -> None:
    request = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
    twice = [*gateway.headers.items(), *gateway.headers.items()]

    def knock() -> None:
        with gateway.http() as http:
            for headers in ({}, {"x-jwt-payload": "nonsense"}, {"x-jwt-payload": "e30"}, httpx.Headers(twice)):
                assert http.post("/mcp", json=request, headers=headers).status_code == 401
            evil = http.post("/mcp", json=request, headers={**gateway.headers, "origin": "https://evil.example"})
            assert evil.status_code == 403
            assert http.get("/healthz").json() == {"ok": True}

    await asyncio.to_thread(knock)
    assert gateway.dispatch.asked == []


async def test_only_its_user_may_open_the_socket(gateway: Gateway) -> None:
    assert gateway.socket.stat().st_mode & 0o777 == 0o600


async def test_the_short_way_answers_as_the_sdk_would(gateway: Gateway) -> None:
    """A body without a length goes the SDK's way."""
    known = {"io.modelcontextprotocol/protocolVersion": MODERN, "io.modelcontextprotocol/clientCapabilities": {}}
    body = {"jsonrpc": "2.0", "id": "one", "method": "tools/list", "params": {"_meta": known}}
    headers = {
        "MCP-Protocol-Version": MODERN,
        "Mcp-Method": "tools/list",
        "content-type": "application/json",
        "accept": "application/json, text/event-stream",
    }
    bodies = [
        body,
        {**body, "params": {"_meta": known, "cursor": "bm9uc2Vuc2U="}},
        {**body, "params": {"_meta": known, "cursor": 5}},
        {**body, "params": {}},
        {**body, "id": True},
        {**body, "jsonrpc": "1.0"},
        {**body, "method": "tools/call"},
        {**body, "method": "prompts/list"},
        [body],
    ]

    def ask() -> None:
        with gateway.http() as http:
            for each in bodies:
                text = json.dumps(each)
                for changed in (
                    {},
                    {"Mcp-Method": "tools/call"},
                    {"MCP-Protocol-Version": "2099-01-01"},
                    {"accept": "text/html"},
                ):
                    sent = {**gateway.headers, **headers, **changed}
                    short = http.post("/mcp", content=text, headers=sent)
                    whole = http.post("/mcp", content=iter([text.encode()]), headers=sent)
                    assert (short.status_code, short.content and short.json()) == (
                        whole.status_code,
                        whole.content and whole.json(),
                    )
                    assert short.headers.get("content-type") == whole.headers.get("content-type")

    await asyncio.to_thread(ask)
