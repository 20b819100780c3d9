"""The MCP side: the SDK's low-level server with the contract's tools on it.

Above: `application` serves it over HTTP, with `direct_calls` in front. Below: `invocation`, `catalogue` and the MCP SDK, which
does the protocol: both revisions, headers, envelopes, discovery and every refusal of a malformed request.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

import mcp_types
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server

from tool_servers.runtime.catalogue import BoundTool
from tool_servers.runtime.invocation import Invoker


def build_server(name: str, tools: Mapping[str, BoundTool], invoker: Invoker) -> Server[dict[str, Any]]:
    """Return an MCP server called `name` with `tools` on it."""
    listing = mcp_types.ListToolsResult(tools=[tool.listing for tool in tools.values()])

    async def list_tools(
        context: ServerRequestContext[dict[str, Any]], params: mcp_types.PaginatedRequestParams | None
    ) -> mcp_types.ListToolsResult:
        return listing

    async def call_tool(context: ServerRequestContext[dict[str, Any]], params: mcp_types.CallToolRequestParams) -> Any:
        meta = (context.params or {}).get("_meta") or {}
        return await invoker.invoke(params.name, params.arguments or {}, meta)

    server: Server[dict[str, Any]] = Server(
        name,
        version=version("switchboard"),
        on_list_tools=list_tools,
        on_call_tool=call_tool,
        # No argument of ours travels as a header. Told so, the SDK neither lists the tools again on each call to see
        # nor walks through their schemas.
        get_tool_input_schema=lambda name: None,
    )
    # The SDK's tracing costs a span per call whether anybody listens or not.
    server.middleware.clear()
    return server
