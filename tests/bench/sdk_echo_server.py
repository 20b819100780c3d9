"""The same echo on the bare MCP SDK, as anybody would write it: what a direct call costs where none of our runtime is in its way.

Above: the bench starts it beside the echo stack with `python -m tests.bench.sdk_echo_server` (SWITCHBOARD_LISTEN). Below: the
SDK, uvicorn with uvloop and httptools. The prototype that figures are compared with was measured against a tool like this one.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import mcp_types
import uvicorn
from mcp.server.lowlevel import Server
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Mount, Route

from service_kit.contract.schema import input_schema, output_schema
from service_kit.contract.tools import tools
from tests.bench.echo_server import BOOKED

_TOOL = tools()["housecall_pro", "housecall_pro.create_booking"]
_LISTING = mcp_types.Tool(
    name=_TOOL.name,
    title=_TOOL.title,
    input_schema=input_schema(_TOOL.input.DESCRIPTOR),
    output_schema=output_schema(_TOOL.output.DESCRIPTOR),
)


async def _list_tools(context: Any, params: Any) -> mcp_types.ListToolsResult:
    return mcp_types.ListToolsResult(tools=[_LISTING])


async def _call_tool(context: Any, params: mcp_types.CallToolRequestParams) -> mcp_types.CallToolResult:
    return mcp_types.CallToolResult(
        content=[mcp_types.TextContent(type="text", text="Booked.")], structured_content=BOOKED, is_error=False
    )


def application() -> Starlette:
    """The SDK's server on a Starlette application, stateless, with JSON replies."""
    server: Server[dict[str, Any]] = Server(
        "sdk-echo", on_list_tools=_list_tools, on_call_tool=_call_tool, get_tool_input_schema=lambda name: None
    )
    sessions = StreamableHTTPSessionManager(server, json_response=True, stateless=True)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with sessions.run():
            yield

    async def health(request: Request) -> JSONResponse:
        return JSONResponse({"ok": True})

    return Starlette(routes=[Route("/healthz", health), Mount("/", app=sessions.asgi_app)], lifespan=lifespan)


def main() -> None:
    """Serve until told to stop."""
    host, _, port = os.environ["SWITCHBOARD_LISTEN"].rpartition(":")
    uvicorn.run(application(), host=host, port=int(port), loop="uvloop", http="httptools", log_level="warning", access_log=False)


if __name__ == "__main__":
    main()
