"""MCP and HTTP: both revisions, the listing, and who may come in."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
from typing import Any

import httpx
import httpx2
import pytest
from google.protobuf.descriptor import Descriptor
from mcp.client import Client
from mcp.client.streamable_http import streamable_http_client
from mcp_types import RequestParamsMeta

from service_kit.contract.schema import input_schema, output_schema
from service_kit.contract.tools import tools_of
from tests.fix_sandbox import free_port
from tests.fix_tool_server import TOKEN, ToolServerProcess, modern, modern_call
from tests.integration.housecall_pro.vendor_view import BOOKING, booking

LEGACY = "2025-11-25"
KEY = {"switchboard.dev/idempotency-key": "k"}


def legacy(method: str, params: dict[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """Body and headers of a request of the older revision."""
    return {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}, {"MCP-Protocol-Version": LEGACY}


def test_the_listing_is_what_the_contract_says(echo: ToolServerProcess) -> None:
    body, headers = modern("tools/list", {})
    listed = {tool["name"]: tool for tool in echo.post(body, headers=headers).json()["result"]["tools"]}
    specs = tools_of("housecall_pro")
    assert list(listed) == [spec.name for spec in specs]
    for spec in specs:
        tool = listed[spec.name]
        assert isinstance(spec.input.DESCRIPTOR, Descriptor)
        assert isinstance(spec.output.DESCRIPTOR, Descriptor)
        assert tool["title"] == spec.title
        assert tool["inputSchema"] == input_schema(spec.input.DESCRIPTOR)
        assert tool["outputSchema"] == output_schema(spec.output.DESCRIPTOR)
        assert tool["annotations"] == {
            "title": spec.title,
            "readOnlyHint": spec.reads_only,
            "destructiveHint": spec.destructive,
            "idempotentHint": spec.idempotent,
            "openWorldHint": True,
        }
    assert listed[BOOKING]["description"].startswith("Books a visit: it finds or creates the customer")


def test_the_server_can_be_discovered(echo: ToolServerProcess) -> None:
    body, headers = modern("server/discover", {})
    result = echo.post(body, headers=headers).json()["result"]
    assert "2026-07-28" in result["supportedVersions"]
    assert "tools" in result["capabilities"]


def test_the_older_revision_is_served_too(echo: ToolServerProcess) -> None:
    hello = {"protocolVersion": LEGACY, "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}
    body, headers = legacy("initialize", hello)
    assert echo.post(body, headers=headers).json()["result"]["protocolVersion"] == LEGACY
    body, headers = legacy("tools/call", {"name": BOOKING, "arguments": booking(), "_meta": KEY})
    result = echo.post(body, headers=headers).json()["result"]
    assert result["structuredContent"]["status"] == "BOOKING_STATUS_SCHEDULED"
    body, headers = legacy("tools/call", {"name": BOOKING, "arguments": {}, "_meta": KEY})
    result = echo.post(body, headers=headers).json()["result"]
    assert result["isError"]
    assert result["_meta"]["switchboard.dev/error"]["code"] == "INVALID_ARGUMENT"


async def test_the_sdk_s_own_client_lists_and_calls_the_tools(echo: ToolServerProcess) -> None:
    async with httpx2.AsyncClient(headers={"Authorization": f"Bearer {TOKEN}"}) as http:
        transport = streamable_http_client(f"{echo.base_url}/mcp", http_client=http)
        async with Client(transport) as client:
            assert BOOKING in [tool.name for tool in (await client.list_tools()).tools]
            result = await client.call_tool(BOOKING, booking(), meta=RequestParamsMeta(**KEY))  # type: ignore[typeddict-item]
    assert result.structured_content is not None
    assert result.structured_content["status"] == "BOOKING_STATUS_SCHEDULED"


def test_the_short_way_answers_as_the_sdk_would(echo: ToolServerProcess) -> None:
    """A body without a length goes the SDK's way."""
    for arguments in (booking(), {}, {"nonsense": 1}):
        body, headers = modern_call(BOOKING, arguments, KEY)
        short = echo.post(body, headers=headers)
        sent = headers | {"Authorization": f"Bearer {TOKEN}", "Accept": "application/json", "Content-Type": "application/json"}
        long = httpx.post(f"{echo.base_url}/mcp", content=iter([json.dumps(body).encode()]), headers=sent)
        assert (short.status_code, short.json()) == (long.status_code, long.json())
        assert short.headers["content-type"] == long.headers["content-type"]


@pytest.mark.parametrize(
    ("headers", "body", "status", "code"),
    [
        ({"Mcp-Name": "something.else"}, {}, 400, -32020),
        ({"Mcp-Method": "tools/list"}, {}, 400, -32020),
        ({"MCP-Protocol-Version": "2099-01-01"}, {}, 400, -32020),
        ({}, {"jsonrpc": "1.0"}, 400, -32600),
        ({}, {"id": True}, 400, -32600),
        ({}, {"method": 5}, 400, -32600),
        ({}, {"params": []}, 400, -32600),
        ({}, {"params": {"name": BOOKING, "arguments": {}}}, 400, -32602),
    ],
)
def test_a_request_that_is_not_in_order_is_refused(
    echo: ToolServerProcess, headers: dict[str, str], body: dict[str, Any], status: int, code: int
) -> None:
    good_body, good_headers = modern_call(BOOKING, booking(), KEY)
    response = echo.post(good_body | body, headers=good_headers | headers)
    assert (response.status_code, response.json()["error"]["code"]) == (status, code)


@pytest.mark.parametrize("arguments", [[], "text", 5])
def test_arguments_that_are_no_object_are_refused(echo: ToolServerProcess, arguments: Any) -> None:
    body, headers = modern_call(BOOKING, {}, KEY)
    body["params"]["arguments"] = arguments
    assert echo.post(body, headers=headers).json()["error"]["code"] == -32602


def test_a_body_that_is_not_json_is_refused(echo: ToolServerProcess) -> None:
    _, headers = modern_call(BOOKING, {}, KEY)
    response = echo.post(b'{"jsonrpc": ', headers=headers | {"Content-Type": "application/json"})
    assert (response.status_code, response.json()["error"]["code"]) == (400, -32700)


def test_a_body_that_is_too_large_is_refused(echo: ToolServerProcess) -> None:
    body, headers = modern_call(BOOKING, booking(notes="x" * (1 << 20)), KEY)
    assert echo.post(body, headers=headers).status_code == 413


@pytest.mark.parametrize("authorization", ["", "Bearer wrong", f"Basic {TOKEN}", f"Bearer {TOKEN} "[:-2]])
def test_without_the_token_nobody_comes_in(echo: ToolServerProcess, authorization: str) -> None:
    body, headers = modern_call(BOOKING, booking(), KEY)
    response = echo.post(body, headers=headers | {"Authorization": authorization})
    assert response.status_code == 401
    assert response.headers["www-authenticate"] == "Bearer"
    assert response.json()["error"]["message"]


@pytest.mark.parametrize(
    ("header", "value", "status"),
    [
        ("Host", "evil.example", 421),
        ("Host", "evil.example:80", 421),
        ("Host", "127.0.0.1.evil.example", 421),
        ("Origin", "https://evil.example", 403),
        ("Origin", "null", 403),
        ("Host", "localhost:1234", 200),
        ("Host", "[::1]:1234", 200),
        ("Origin", "http://127.0.0.1:5000", 200),
    ],
)
def test_only_our_own_host_names_and_pages_are_answered(echo: ToolServerProcess, header: str, value: str, status: int) -> None:
    body, headers = modern_call(BOOKING, booking(), KEY)
    assert echo.post(body, headers=headers | {header: value}).status_code == status


def test_other_ways_in_are_closed(echo: ToolServerProcess) -> None:
    authorization = {"Authorization": f"Bearer {TOKEN}"}
    for method in ("GET", "PUT", "DELETE"):
        headers = authorization | {"MCP-Protocol-Version": "2026-07-28"}
        assert httpx.request(method, f"{echo.base_url}/mcp", headers=headers).status_code == 405
    assert httpx.post(f"{echo.base_url}/healthz").status_code == 405
    assert httpx.get(f"{echo.base_url}/nonsense").status_code == 404


def test_health_is_what_the_servicer_says(echo: ToolServerProcess) -> None:
    assert httpx.get(f"{echo.base_url}/healthz").json() == {"ok": True}
    process = ToolServerProcess("tests.integration.tool_runtime.unruly_server", {})
    process.start()
    try:
        assert httpx.get(f"{process.base_url}/healthz").status_code == 200
        process.call("housecall_pro.create_estimate_request", booking(problemSummary="ill"), key="k")
        response = httpx.get(f"{process.base_url}/healthz")
        assert (response.status_code, response.json()) == (503, {"ok": False, "message": "The servicer is ill."})
    finally:
        process.stop()


def test_a_server_that_is_told_to_stop_ends_in_order() -> None:
    process = ToolServerProcess("tests.bench.echo_server", {})
    process.start()
    with httpx.Client() as idle:
        idle.get(f"{process.base_url}/healthz")
        assert process.stop() in (0, -signal.SIGTERM)


def test_a_port_in_use_is_one_clear_line() -> None:
    with socket.create_server(("127.0.0.1", free_port())) as taken:
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        ended = subprocess.run(
            [sys.executable, "-m", "tests.bench.echo_server"],
            env={"SWITCHBOARD_LISTEN": listen, "SWITCHBOARD_TOOL_TOKEN": TOKEN},
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
    assert ended.returncode == 1
    assert ended.stderr.splitlines() == [
        f"cannot listen on {listen}: Address already in use; set SWITCHBOARD_LISTEN to a free host:port"
    ]


@pytest.mark.parametrize(
    ("setting", "value"),
    [("SWITCHBOARD_TOOL_TOKEN", "short"), ("SWITCHBOARD_LISTEN", "unix:/tmp/x"), ("SWITCHBOARD_LISTEN", "80")],
)
def test_a_bad_setting_is_one_line_that_does_not_show_its_value(setting: str, value: str) -> None:
    good = {"SWITCHBOARD_LISTEN": "127.0.0.1:0", "SWITCHBOARD_TOOL_TOKEN": TOKEN}
    ended = subprocess.run(
        [sys.executable, "-m", "tests.bench.echo_server"],
        env=good | {setting: value},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert ended.returncode == 2
    (line,) = ended.stderr.splitlines()
    assert line.startswith(f"setting {setting}: ")
    assert value not in line.removeprefix(f"setting {setting}: ") or value == "80"


def test_a_body_that_arrives_in_pieces_is_one_call(echo: ToolServerProcess) -> None:
    body, headers = modern_call(BOOKING, booking(), KEY)
    content = json.dumps(body).encode()
    sent = headers | {
        "Authorization": f"Bearer {TOKEN}",
        "Accept": "application/json",
        "Content-Type": "application/json",
        "Content-Length": str(len(content)),
    }
    pieces = [content[at : at + 100] for at in range(0, len(content), 100)]
    response = httpx.post(f"{echo.base_url}/mcp", content=iter(pieces), headers=sent)
    assert response.json()["result"]["isError"] is False


def test_a_caller_that_goes_away_leaves_the_server_in_order(echo: ToolServerProcess) -> None:
    host, port = echo.base_url.removeprefix("http://").split(":")
    body, headers = modern_call(BOOKING, booking(), KEY)
    lines = [
        "POST /mcp HTTP/1.1",
        f"Host: {host}:{port}",
        f"Authorization: Bearer {TOKEN}",
        "Content-Type: application/json",
        "Accept: application/json",
        "Content-Length: 5000",
        *(f"{name}: {value}" for name, value in headers.items()),
    ]
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(("\r\n".join(lines) + "\r\n\r\n" + json.dumps(body)).encode())
    assert echo.call(BOOKING, booking(), key="k").value


def test_an_answer_arrives_in_one_piece_and_the_connection_is_kept(echo: ToolServerProcess) -> None:
    host, port = echo.base_url.removeprefix("http://").split(":")
    body, headers = modern_call(BOOKING, booking(), KEY)
    content = json.dumps(body).encode()
    lines = [
        "POST /mcp HTTP/1.1",
        f"Host: {host}:{port}",
        f"Authorization: Bearer {TOKEN}",
        "Content-Type: application/json",
        "Accept: application/json",
        f"Content-Length: {len(content)}",
        *(f"{name}: {value}" for name, value in headers.items()),
    ]
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        for _ in range(2):
            connection.sendall(("\r\n".join(lines) + "\r\n\r\n").encode() + content)
            head, _, document = connection.recv(1 << 16).partition(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200 OK")
            assert json.loads(document)["result"]["isError"] is False


def test_an_answer_that_ends_its_connection_is_whole(echo: ToolServerProcess) -> None:
    response = httpx.get(f"{echo.base_url}/healthz", headers={"Connection": "close"})
    assert (response.json(), response.headers["connection"]) == ({"ok": True}, "close")
