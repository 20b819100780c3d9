"""Tool lists of servers that nobody vouches for: what cannot be used is left out by itself, with the reason."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import aiohttp
import pytest

from mcp_adapter_service.mcp_client import ClientLimits, McpClient, ProtocolFault, ToolList
from tests.integration.mcp_client.conftest import within
from tests.integration.mcp_client.faulty_server import FaultyServer
from tests.integration.mcp_client.raw_http import Peer, respond

_GOOD = {"name": "good", "inputSchema": {"type": "object"}}


def listing(server: FaultyServer, page: Callable[[str | None], dict[str, Any]]) -> None:
    """Let `server` answer tools/list with `page` of the cursor."""
    discovered = server.discover

    async def behaviour(peer: Peer, request: dict[str, Any]) -> None:
        if request.get("method") == "tools/list":
            message = {"jsonrpc": "2.0", "id": request["id"], "result": page(request["params"].get("cursor"))}
            # Not by the project's own writer, which would not write everything that it has to read.
            await respond(peer, "200 OK", json.dumps(message).encode())
        else:
            await discovered(peer, request)

    server.discover = behaviour


def nested(levels: int) -> dict[str, Any]:
    """A schema that deep."""
    schema: dict[str, Any] = {}
    for _ in range(levels):
        schema = {"items": schema}
    return schema


def doubling(steps: int) -> dict[str, Any]:
    """A schema whose references come to two to the power of `steps`."""
    definitions: dict[str, Any] = {f"d{n}": {"allOf": [{"$ref": f"#/$defs/d{n + 1}"}] * 2} for n in range(steps)}
    return {"properties": {"x": {"$ref": "#/$defs/d0"}}, "$defs": definitions | {f"d{steps}": {"type": "string"}}}


_UNUSABLE: dict[str, tuple[dict[str, Any], str]] = {
    "no name": ({"inputSchema": {}}, "name"),
    "an empty name": ({"name": "", "inputSchema": {}}, "name"),
    "a long name": ({"name": "n" * 129, "inputSchema": {}}, "name"),
    "no schema": ({"name": "bad"}, "schema"),
    "a schema that is a list": ({"name": "bad", "inputSchema": []}, "schema"),
    "an output schema that is a text": ({"name": "bad", "inputSchema": {}, "outputSchema": "x"}, "schema"),
    "depth": ({"name": "bad", "inputSchema": nested(70)}, "deep"),
    "depth beyond the writer's": ({"name": "bad", "inputSchema": nested(500)}, "deep"),
    "size": ({"name": "bad", "inputSchema": {}, "description": "x" * 300_000}, "larger"),
    "references without end": ({"name": "bad", "inputSchema": doubling(30)}, "references"),
    "references without end in the output": ({"name": "bad", "inputSchema": {}, "outputSchema": doubling(30)}, "references"),
    "a circle": ({"name": "bad", "inputSchema": {"allOf": [{"$ref": "#"}]}}, "references"),
    "a circle of two": (
        {"name": "bad", "inputSchema": {"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}}},
        "references",
    ),
    "headers that are none": (
        {"name": "bad", "inputSchema": {"properties": {"a": {"type": "object", "x-mcp-header": "A"}}}},
        "headers",
    ),
}

_USABLE: dict[str, dict[str, Any]] = {
    "a tree": {"$ref": "#/$defs/node", "$defs": {"node": {"properties": {"children": {"items": {"$ref": "#/$defs/node"}}}}}},
    "itself deeper down": {"properties": {"inner": {"$ref": "#"}}},
    "a definition used often": {"properties": {f"p{n}": {"$ref": "#/$defs/d"} for n in range(200)}, "$defs": {"d": {}}},
    "a reference to elsewhere": {"properties": {"a": {"$ref": "https://example.com/schema.json"}}},
    "a reference to nothing": {"properties": {"a": {"$ref": "#/$defs/missing"}}},
    "a property called $ref": {"properties": {"$ref": {"type": "string"}}},
    "sixty levels": nested(60),
}


@pytest.mark.parametrize("case", _UNUSABLE)
async def test_a_tool_that_cannot_be_used_is_left_out_with_the_reason_and_the_others_stay(
    case: str, faulty: FaultyServer, pool: aiohttp.ClientSession
) -> None:
    tool, reason = _UNUSABLE[case]
    listing(faulty, lambda cursor: {"tools": [tool, _GOOD]})

    listed = await McpClient("faulty", faulty.url, session=pool).list_tools(within(5))

    assert isinstance(listed, ToolList)
    assert [kept["name"] for kept in listed.tools] == ["good"]
    [left] = listed.left_out
    assert reason in left.reason
    assert len(left.name) <= 128


@pytest.mark.parametrize("case", _USABLE)
async def test_a_schema_may_refer_to_itself_and_to_elsewhere(
    case: str, faulty: FaultyServer, pool: aiohttp.ClientSession
) -> None:
    tool = {"name": "fine", "inputSchema": _USABLE[case]}
    listing(faulty, lambda cursor: {"tools": [tool]})

    listed = await McpClient("faulty", faulty.url, session=pool).list_tools(within(5))

    assert isinstance(listed, ToolList)
    assert (listed.tools, listed.left_out) == ((tool,), ())


async def test_of_two_tools_of_one_name_neither_is_used(faulty: FaultyServer, pool: aiohttp.ClientSession) -> None:
    pages = {None: [_GOOD, {**_GOOD, "name": "twice"}], "2": [{**_GOOD, "name": "twice"}, {**_GOOD, "name": "twice"}]}
    listing(faulty, lambda cursor: {"tools": pages[cursor], **({} if cursor else {"nextCursor": "2"})})

    listed = await McpClient("faulty", faulty.url, session=pool).list_tools(within(5))

    assert isinstance(listed, ToolList)
    assert [tool["name"] for tool in listed.tools] == ["good"]
    assert {left.name for left in listed.left_out} == {"twice"}


@pytest.mark.parametrize(
    ("ttls", "seconds"), [((60_000, 5_000), 5.0), ((None, None), None), ((-1, True), None), ((10**12, None), 86_400.0)]
)
async def test_a_list_may_be_kept_as_long_as_its_shortest_page_says(
    ttls: tuple[Any, Any], seconds: float | None, faulty: FaultyServer, pool: aiohttp.ClientSession
) -> None:
    first, second = ({"tools": [], "ttlMs": ttl} if ttl is not None else {"tools": []} for ttl in ttls)
    listing(faulty, lambda cursor: second if cursor else {**first, "nextCursor": "2"})

    listed = await McpClient("faulty", faulty.url, session=pool).list_tools(within(5))

    assert isinstance(listed, ToolList)
    assert listed.ttl_seconds == seconds


@pytest.mark.parametrize(
    "limits", [ClientLimits(max_tool_pages=3), ClientLimits(max_tools=3), ClientLimits(max_listing_bytes=300)]
)
async def test_a_list_that_has_no_end_is_given_up(
    limits: ClientLimits, faulty: FaultyServer, pool: aiohttp.ClientSession
) -> None:
    def page(cursor: str | None) -> dict[str, Any]:
        number = int(cursor or 0)
        return {"tools": [{**_GOOD, "name": f"t{number}", "description": "x" * 50}], "nextCursor": str(number + 1)}

    listing(faulty, page)

    listed = await McpClient("faulty", faulty.url, session=pool, limits=limits).list_tools(within(5))

    assert isinstance(listed, ProtocolFault)
    assert listed.code == "REPLY_TOO_LARGE"
