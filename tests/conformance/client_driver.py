"""`python -m tests.conformance.client_driver URL`: the adapter's MCP client, doing what one scenario of the official conformance
runner asks for. The runner names the scenario in the environment.

Above: the runner, which judges what it sees on the wire. Below: `McpClient` as the adapter has it; `consent` stands for a person
who agrees at an authorization server.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

import aiohttp
import orjson

from mcp_adapter_service.mcp_client import ClientLimits, Fault, InputRequired, McpClient, ToolList, ToolReply, open_pool
from mcp_adapter_service.mcp_client.authorization import OAuthAuthorizer, client_credentials
from tests.conformance.consent import advertised_issuer, consenting

_SECONDS: Final = 60.0
# The runner plays all scenarios at once, and there is a person in the handshake of some.
_LIMITS: Final = ClientLimits(handshake_seconds=_SECONDS)
_PREFERRED_ARGUMENTS: Final[dict[str, Any]] = {"a": 2, "b": 3, "region": "eu"}

Scenario = Callable[[McpClient, Mapping[str, Any]], Awaitable[None]]


class Stopped(Exception):
    """The scenario's server stopped us, as some scenarios mean to."""


async def main(url: str) -> int:
    """Play the scenario. Exit status: 0 done, 1 stopped by the server."""
    scenario = os.environ["MCP_CONFORMANCE_SCENARIO"]
    context = json.loads(os.environ.get("MCP_CONFORMANCE_CONTEXT") or "{}")
    async with open_pool() as pool:
        authorizer = await _authorizer(scenario, url, context, pool)
        client = McpClient("conformance", url, session=pool, limits=_LIMITS, authorizer=authorizer)
        try:
            await _SCENARIOS.get(scenario, _call_every_tool)(client, context)
        except Stopped as stopped:
            print(stopped, file=sys.stderr)
            return 1
        finally:
            await client.aclose()
    return 0


async def _authorizer(scenario: str, url: str, context: Mapping[str, Any], pool: aiohttp.ClientSession) -> OAuthAuthorizer | None:
    if not scenario.startswith("auth/"):
        return None
    if scenario == "auth/client-credentials-basic":
        return client_credentials(
            "conformance",
            url,
            pool,
            client_id=context["client_id"],
            client_secret=context["client_secret"],
            issuer=await advertised_issuer(url, pool),
            scope=None,
        )
    return consenting(url, pool, context)


async def _list(client: McpClient) -> ToolList:
    listed = await client.list_tools(_deadline())
    if isinstance(listed, Fault):
        raise Stopped(listed.text)
    return listed


async def _call(client: McpClient, tool: str, arguments: Mapping[str, Any], **answers: Any) -> ToolReply:
    reply = await client.call_tool(tool, orjson.dumps(arguments), deadline=_deadline(), **answers)
    if isinstance(reply, Fault):
        raise Stopped(reply.text)
    return reply


async def _call_every_tool(client: McpClient, context: Mapping[str, Any]) -> None:
    """List the tools, and call each with what its schema wants."""
    for tool in (await _list(client)).tools:
        properties = tool["inputSchema"].get("properties", {})
        arguments = {name: _PREFERRED_ARGUMENTS[name] for name in properties if name in _PREFERRED_ARGUMENTS}
        await _call(client, tool["name"], arguments)


async def _list_only(client: McpClient, context: Mapping[str, Any]) -> None:
    await _list(client)


async def _calls_of_the_context(client: McpClient, context: Mapping[str, Any]) -> None:
    """Make the calls that the scenario hands over."""
    await _list(client)
    for call in context["toolCalls"]:
        await _call(client, call["name"], call["arguments"])


async def _answer_what_is_asked(client: McpClient, context: Mapping[str, Any]) -> None:
    """Call every tool, call another in between where one asks for input, and then answer it."""
    for tool in (await _list(client)).tools:
        reply = await _call(client, tool["name"], {})
        if isinstance(reply, InputRequired):
            await _call(client, "test_mrtr_unrelated", {})
            answers = {key: {"action": "accept", "content": {"confirmed": True}} for key in reply.requests}
            await _call(client, tool["name"], {}, answering=reply, answers=answers)


async def _echo_a_schema(client: McpClient, context: Mapping[str, Any]) -> None:
    """Send the schema of the first tool back as we have it."""
    focal = next(tool for tool in (await _list(client)).tools if tool["name"] != "json_schema_echo")
    await _call(client, "json_schema_echo", {"schema": focal["inputSchema"]})


def _deadline() -> float:
    return asyncio.get_running_loop().time() + _SECONDS


_SCENARIOS: Final[dict[str, Scenario]] = {
    "initialize": _list_only,
    "json-schema-ref-no-deref": _list_only,
    "elicitation-sep1034-client-defaults": _list_only,
    "http-custom-headers": _calls_of_the_context,
    "sep-2322-client-request-state": _answer_what_is_asked,
    "json-schema-2020-12-preservation": _echo_a_schema,
}


if __name__ == "__main__":
    sys.exit(asyncio.run(main(sys.argv[-1])))
