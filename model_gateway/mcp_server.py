"""The MCP side: the SDK's low-level server with the two things that models do here, listing tools and calling them.

Above: `application` serves it over HTTP. Below: `listing` and `calls`; the SDK does the protocol, in both revisions.
"""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

import grpc
import mcp_types
from mcp.server.lowlevel import Server
from mcp.shared.exceptions import MCPError
from mcp_types import INTERNAL_ERROR, INVALID_REQUEST

from model_gateway import metrics
from model_gateway.approvals import Context
from model_gateway.caller import caller_of
from model_gateway.calls import Calls
from model_gateway.definitions import REASONING, STATUS_TOOL
from model_gateway.dispatch import DispatchFault
from model_gateway.listing import Listing

_INSTRUCTIONS = (
    "Every tool acts on a company's real systems, and every call is checked, decided by policy and recorded. "
    f"Where a tool has an argument `{REASONING}`, say in it why the call is made. "
    f"A call may be queued until a person allows it: {STATUS_TOOL} then says what became of it. "
    "A refusal says what to do next; one that says that the outcome is unknown may be called again with the same arguments, "
    "and is not done twice."
)


def build_server(listing: Listing, calls: Calls) -> Server[dict[str, Any]]:
    """Return the MCP server."""

    async def list_tools(context: Context, params: mcp_types.PaginatedRequestParams | None) -> Any:
        metrics.LISTS.inc()
        caller = caller_of(context.request, (context.params or {}).get("_meta") or {})
        try:
            return await listing.page(caller, params.cursor if params is not None else None)
        except DispatchFault as fault:
            if fault.code is grpc.StatusCode.UNAUTHENTICATED:
                raise MCPError(INVALID_REQUEST, "The access token is not valid any more: get another one.") from None
            raise MCPError(INTERNAL_ERROR, "The tools cannot be listed just now. Try again later.") from None

    async def call_tool(context: Context, params: mcp_types.CallToolRequestParams) -> Any:
        return await calls.call(context, params)

    server: Server[dict[str, Any]] = Server(
        "switchboard",
        version=version("switchboard"),
        title="Switchboard",
        instructions=_INSTRUCTIONS,
        on_list_tools=list_tools,
        on_call_tool=call_tool,
        # No argument travels as a header. Told so, the SDK does not list the tools again on each call to see.
        get_tool_input_schema=lambda name: None,
    )
    # The SDK's tracing costs a span per call whether anybody listens or not.
    server.middleware.clear()
    return server
