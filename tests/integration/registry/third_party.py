"""A third-party MCP server on the official SDK, over real HTTP in a thread of its own, whose tools a test can change.

Above: the tests of the registry. Below: the SDK and uvicorn. `seen` are the tool calls with their `_meta` and headers.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from typing import Any

import anyio.to_thread
import mcp_types as types
import uvicorn
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel.server import Server
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

_PAGE = 2


def tool(name: str, **fields: Any) -> types.Tool:
    """A tool that takes an object; `fields` are those of MCP, in snake case."""
    return types.Tool(**{"name": name, "description": f"Does {name}.", "input_schema": {"type": "object"}, **fields})


class ThirdParty:
    """A running server. `tools` are what it lists; `answers` what a tool answers as its structured result, by name."""

    def __init__(self) -> None:
        self.tools: list[types.Tool] = [tool("create_ticket"), tool("find_ticket"), tool("close_ticket")]
        self.answers: dict[str, Any] = {}
        self.seen: list[tuple[str, dict[str, Any], dict[str, str]]] = []
        self.listings = 0
        self.ttl_ms = 0
        self.token: str | None = None
        self.redirect: str | None = None
        self.holding = threading.Event()
        self.released = threading.Event()
        self.url = ""

    def change(self, name: str, **fields: Any) -> None:
        """Have a tool listed otherwise than before."""
        self.tools = [found.model_copy(update=fields) if found.name == name else found for found in self.tools]

    async def on_list(self, ctx: ServerRequestContext[Any], params: types.PaginatedRequestParams | None) -> types.ListToolsResult:
        start = int(params.cursor) if params and params.cursor else 0
        self.listings += start == 0
        page, more = self.tools[start : start + _PAGE], start + _PAGE < len(self.tools)
        return types.ListToolsResult(tools=page, next_cursor=str(start + _PAGE) if more else None, ttl_ms=self.ttl_ms)

    async def on_call(self, ctx: ServerRequestContext[Any], params: types.CallToolRequestParams) -> types.CallToolResult:
        request: Any = ctx.request
        self.seen.append((params.name, dict(ctx.meta or {}), dict(request.headers)))
        if (params.arguments or {}).get("hold"):
            self.holding.set()
            await anyio.to_thread.run_sync(self.released.wait, 30, abandon_on_cancel=True)
        answer = self.answers.get(params.name, {"done": params.name})
        return types.CallToolResult(content=[types.TextContent(text="done")], structured_content=answer)


class _Door:
    """Turns away what does not have the server's token, and sends away where that is wanted."""

    def __init__(self, app: ASGIApp, state: ThirdParty) -> None:
        self._app = app
        self._state = state

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and self._state.redirect:
            await RedirectResponse(self._state.redirect)(scope, receive, send)
            return
        wanted = self._state.token
        if scope["type"] == "http" and wanted and Request(scope).headers.get("authorization") != f"Bearer {wanted}":
            refused: Response = JSONResponse({"error": "unauthorized"}, status_code=401)
            await refused(scope, receive, send)
            return
        await self._app(scope, receive, send)


@contextlib.contextmanager
def third_party() -> Iterator[ThirdParty]:
    """Run a server until the block ends."""
    state = ThirdParty()
    server: Server[Any] = Server(
        "third-party", on_list_tools=state.on_list, on_call_tool=state.on_call, get_tool_input_schema=lambda _: {"type": "object"}
    )
    app = server.streamable_http_app(json_response=True, stateless_http=True)
    app.user_middleware.append(Middleware(_Door, state=state))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        state.url = f"http://127.0.0.1:{listener.getsockname()[1]}/mcp"
        config = uvicorn.Config(app, http="httptools", loop="asyncio", log_level="critical", lifespan="on")
        runner = uvicorn.Server(config)
        thread = threading.Thread(target=runner.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield state
        finally:
            state.released.set()
            runner.should_exit = True
            runner.force_exit = True
            thread.join(20)
