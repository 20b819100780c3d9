"""Models on the whole stack: the official SDK's client, through Envoy, the gateway, dispatch, the adapter and the tool server."""

from __future__ import annotations

import asyncio
import re
import time
from typing import Any

import httpx
import pytest
from mcp.client import Client
from mcp_types import CallToolResult

from service_kit.contract.tools import tools
from tests.callers import caller
from tests.e2e.clicks import Operator, Vendor, Visitor
from tests.fix_stack import RunningStack
from tests.integration.model_gateway.conftest import LEGACY, MODERN, through_the_door

STATUS_TOOL = "switchboard_authorization_status"
ALIAS = re.compile(r"[a-zA-Z0-9_-]{1,64}")
TOOL_META = "switchboard.dev/tool"
HELLO = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {}}


async def names(client: Client) -> dict[str, str]:
    """What the client is shown: the system's own name of each tool to its name for models."""
    listed = [tool for tool in (await client.list_tools()).tools if tool.name != STATUS_TOOL]
    return {(tool.meta or {})[TOOL_META]["name"]: tool.name for tool in listed}


def booking(stack: RunningStack) -> tuple[dict[str, Any], str]:
    """Arguments of a booking, and the customer's last name."""
    payload = Visitor(stack).booking()
    arguments = {name: payload[name] for name in ("customer", "address", "preferred")} | {"serviceHcpId": payload["serviceId"]}
    return arguments | {"reasoning": "The caller on the phone wants it."}, payload["customer"]["lastName"]


async def settled(client: Client, queue_id: str, seconds: float = 20.0) -> CallToolResult:
    """Poll as a model does until something came of a queued call."""
    until = time.monotonic() + seconds
    while True:
        answer = await client.call_tool(STATUS_TOOL, {"queue_id": queue_id})
        assert answer.structured_content is not None
        if answer.structured_content["status"] not in {"PENDING", "AUTHORIZED"} or time.monotonic() > until:
            return answer


@pytest.mark.requirement("S1.10", "S3.4", "S3.5")
@pytest.mark.parametrize("mode", [MODERN, LEGACY])
async def test_a_model_lists_calls_asks_a_person_and_hears_what_came_of_it(stack: RunningStack, mode: str) -> None:
    arguments, last_name = await asyncio.to_thread(booking, stack)
    vendor = Vendor(stack)
    async with through_the_door(stack, mode=mode) as client:
        shown = await names(client)
        free = await client.call_tool(shown["housecall_pro.get_availability"], {"serviceHcpId": "drain-cleaning", "zip": "53703"})
        assert not free.is_error
        assert free.structured_content is not None
        assert "slots" in free.structured_content

        asked = await client.call_tool(shown["housecall_pro.create_booking"], arguments)
        assert asked.is_error
        assert asked.meta is not None
        queue_id = asked.meta["switchboard.dev/error"]["queueId"]
        assert queue_id in str(asked.content[0])
        waits = await client.call_tool(STATUS_TOOL, {"queue_id": queue_id})
        assert waits.structured_content is not None
        assert waits.structured_content["status"] == "PENDING"
        assert vendor.jobs_of(last_name) == []

        operator = Operator(stack).http
        seen = operator.get(f"/api/authorizations/{queue_id}").json()
        assert seen["reasoning"] == arguments["reasoning"]
        decided = operator.post(f"/api/authorizations/{queue_id}", json={"decision": "authorized", "notes": "Fine."})
        assert decided.status_code == 200, decided.text

        done = await settled(client, queue_id)
        assert done.structured_content is not None
        assert done.structured_content["status"] == "EXECUTED"
        assert done.structured_content["notes"] == "Fine."
        assert done.structured_content["result"]["status"].startswith("BOOKING_STATUS_")
    assert len(vendor.jobs_of(last_name)) == 1
    correlation_id = asked.meta["switchboard.dev/error"]["correlationId"]
    [entry] = Operator(stack).log(correlation_id=correlation_id)
    assert (entry["origin"], entry["status"]) == ("MODEL", "SUCCEEDED")


@pytest.mark.requirement("S1.11")
async def test_everybody_is_shown_exactly_what_they_may_call_and_every_name_leads_back(stack: RunningStack) -> None:
    for role in ("agent", "operator", "service"):
        async with through_the_door(stack, role) as client:
            shown = await client.list_tools()
        own = [tool for tool in shown.tools if tool.name != STATUS_TOOL]
        assert all(ALIAS.fullmatch(tool.name) for tool in shown.tools)
        back = {tool.name: ((tool.meta or {})[TOOL_META]["server"], (tool.meta or {})[TOOL_META]["name"]) for tool in own}
        assert len(back) == len(own)
        # Whoever's token it is, what comes this way is a model's call: listed is what a model may do.
        allowed = Operator(stack, "agent").http.get("/api/tools").json()["tools"]
        assert sorted(back.values()) == sorted((tool["server"], tool["name"]) for tool in allowed)
        assert set(back.values()) <= set(tools())
        assert {tool.title for tool in own} == {tools()[pair].title for pair in back.values()}
    async with through_the_door(stack, "customer") as client:
        assert (await client.list_tools()).tools == []


async def test_an_operator_s_token_makes_no_operator_of_a_model(stack: RunningStack) -> None:
    arguments, last_name = await asyncio.to_thread(booking, stack)
    async with through_the_door(stack, "operator") as client:
        asked = await client.call_tool((await names(client))["housecall_pro.create_booking"], arguments)
    assert asked.is_error
    assert asked.meta is not None
    assert asked.meta["switchboard.dev/error"]["code"] == "AUTHORIZATION_REQUIRED"
    assert Vendor(stack).jobs_of(last_name) == []


async def test_what_a_client_says_of_itself_has_no_effect(stack: RunningStack) -> None:
    forged = {"x-jwt-payload": dict(caller("operator"))["x-jwt-payload"], "x-switchboard-door": "console"}
    async with through_the_door(stack, "customer", headers=forged) as client:
        assert (await client.list_tools()).tools == []
    operator = Operator(stack).http
    operator.headers["x-switchboard-door"] = "model"
    permissions = {tool["permission"] for tool in operator.get("/api/tools").json()["tools"]}
    assert permissions == {"unrestricted"}, "the mark of the door for models is the gateway's to set"


def test_nobody_comes_in_without_a_token_and_a_client_is_told_where_to_get_one(stack: RunningStack) -> None:
    for headers in ({}, {"authorization": "Bearer a.b.c"}, {"x-jwt-payload": dict(caller("agent"))["x-jwt-payload"]}):
        for method in ("POST", "GET", "DELETE"):
            reply = httpx.request(method, f"{stack.front_door}/mcp", json=HELLO, headers=headers)
            assert (reply.status_code, reply.json()["error"]["code"]) == (401, "UNAUTHENTICATED")
            metadata = f"{stack.front_door}/.well-known/oauth-protected-resource/mcp"
            assert reply.headers["www-authenticate"] == f'Bearer resource_metadata="{metadata}"'
    for path in ("/mcp", ""):
        said = httpx.get(f"{stack.front_door}/.well-known/oauth-protected-resource{path}")
        assert said.headers["content-type"] == "application/json"
        assert said.json() == {
            "resource": f"{stack.front_door}/mcp",
            "authorization_servers": ["https://switchboard.local/people", "https://switchboard.local/services"],
            "bearer_methods_supported": ["header"],
        }
    bearer = {"authorization": f"Bearer {stack.token(role='agent')}"}
    wrong = httpx.put(f"{stack.front_door}/mcp", json=HELLO, headers=bearer)
    assert (wrong.status_code, wrong.headers["allow"]) == (405, "DELETE, GET, POST")
    large = httpx.post(f"{stack.front_door}/mcp", content=b" " * 300_000, headers=bearer)
    assert large.status_code == 413
    assert "www-authenticate" not in httpx.get(f"{stack.front_door}/api/tools").headers


async def test_a_model_that_leaves_something_out_is_told_what(stack: RunningStack) -> None:
    async with through_the_door(stack) as client:
        result = await client.call_tool((await names(client))["housecall_pro.create_booking"], {"reasoning": "r", "customer": {}})
    assert result.is_error
    assert result.meta is not None
    missing = result.meta["switchboard.dev/error"]["missingFields"]
    assert {"serviceHcpId", "customer.firstName", "address.city"} <= set(missing)
    assert "customer.firstName" in str(result.content[0])


async def test_a_restarted_dispatch_is_found_again(stack: RunningStack) -> None:
    async with through_the_door(stack) as client:
        before = await names(client)
        killed = stack.kill("dispatch_service")
        await asyncio.to_thread(stack.wait_until_running, "dispatch_service", other_than=killed)
        until = time.monotonic() + 20
        while True:
            result = await client.call_tool(
                before["housecall_pro.get_availability"], {"serviceHcpId": "drain-cleaning", "zip": "53703"}
            )
            if not result.is_error or time.monotonic() > until:
                break
    assert not result.is_error


async def test_calls_of_models_are_counted(stack: RunningStack) -> None:
    async with through_the_door(stack) as client:
        await names(client)
        await client.call_tool(STATUS_TOOL, {"queue_id": "auth_none"})
    text = (await asyncio.to_thread(httpx.get, stack.process("model_gateway").metrics)).text
    assert f'switchboard_model_calls_total{{code="NOT_FOUND",tool="{STATUS_TOOL}"}}' in text
