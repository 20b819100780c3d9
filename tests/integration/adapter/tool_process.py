"""A real MCP server on the official SDK in a process of its own, that a test can watch, hold and kill.

`python -m tests.integration.adapter.tool_process PORT [--json]` serves every tool name and answers with what it was sent. What
the argument `behave` says, it does: `hold` answers never, `fail` and `refuse` are tool errors without and with our error `_meta`,
`list` is no object, `text` has no structured result, `preview` marks its answer as a dry run's, `swell` answers with numbers that
are longer when they are written again. `GET /healthz` and `GET /state` stand beside `/mcp`.
"""

from __future__ import annotations

import sys
from collections import Counter
from typing import Any

import anyio
import mcp_types as types
import uvicorn
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel.server import Server
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

_ERROR = {"code": "CONFLICT", "message": "That time is taken.", "field": "slot.startTime", "retryable": False, "effect": "none"}
_counts: Counter[str] = Counter()
_healthy = True


async def _list(ctx: ServerRequestContext[Any], params: types.PaginatedRequestParams | None) -> types.ListToolsResult:
    return types.ListToolsResult(tools=[types.Tool(name="echo", input_schema={"type": "object"})])


async def _call(ctx: ServerRequestContext[Any], params: types.CallToolRequestParams) -> types.CallToolResult:
    arguments = params.arguments or {}
    text = [types.TextContent(text="a customer's name")]
    _counts["begun"] += 1
    match arguments.get("behave"):
        case "hold":
            try:
                await anyio.Event().wait()
            finally:
                _counts["cancelled"] += 1
        case "fail":
            return types.CallToolResult(content=text, is_error=True)
        case "refuse":
            return types.CallToolResult(content=text, is_error=True, _meta={"switchboard.dev/error": _ERROR})
        case "list":
            return types.CallToolResult(content=text, structured_content=[1, 2])
        case "text":
            return types.CallToolResult(content=text)
        case "swell":
            return types.CallToolResult(content=[], structured_content={"numbers": [1e15] * 600_000})
    seen = {"tool": params.name, "arguments": arguments, "meta": dict(ctx.meta or {})}
    mark = {"switchboard.dev/dry-run": True} if arguments.get("behave") == "preview" else None
    return types.CallToolResult(content=[], structured_content=seen, _meta=mark)


async def _healthz(_: Request) -> JSONResponse:
    _counts["health"] += 1
    return JSONResponse({"ok": _healthy}, status_code=200 if _healthy else 503)


async def _state(request: Request) -> JSONResponse:
    global _healthy  # noqa: PLW0603
    _healthy = request.query_params.get("healthy", str(_healthy)).lower() == "true"
    return JSONResponse(_counts)


def main(port: int, *, json_response: bool) -> None:
    server: Server[Any] = Server(
        "tool-process",
        on_list_tools=_list,
        on_call_tool=_call,
        get_tool_input_schema=lambda _: {"type": "object"},
    )
    app = server.streamable_http_app(json_response=json_response, stateless_http=True)
    app.router.routes += [Route("/healthz", _healthz), Route("/state", _state)]
    uvicorn.run(app, port=port, http="httptools", loop="uvloop", log_level="critical")


if __name__ == "__main__":
    main(int(sys.argv[1]), json_response="--json" in sys.argv)
