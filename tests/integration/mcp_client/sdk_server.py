"""A real MCP server on the official SDK, over real HTTP, in a thread of its own.

`holding` and `released` let a test keep a call in flight for as long as it likes. The door puts the revision before
2026-07-28 in front: the SDK serves both, so a server of the older one is one that turns the newer one away.
"""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from typing import Any

import anyio.to_thread
import mcp_types as types
import uvicorn
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel.server import Server
from mcp.shared.exceptions import MCPError
from starlette.applications import Starlette

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

_OBJECT: dict[str, Any] = {"type": "object"}
_ROUTED: dict[str, Any] = {
    "type": "object",
    "properties": {"region": {"type": "string", "x-mcp-header": "Region"}},
}
_SCHEMAS = {
    "echo": _OBJECT,
    "fail": _OBJECT,
    "crash": _OBJECT,
    "hold": _OBJECT,
    "progress": _OBJECT,
    "ask": _OBJECT,
    "routed": _ROUTED,
}


class SdkServer:
    """SdkServer is one running server.

    `calls` are the tool calls that reached a handler, with their `_meta` and headers; `methods` are all JSON-RPC methods that
    came in, refused ones too; `peers` are the client's ends of all connections.
    """

    def __init__(self) -> None:
        self.calls: list[tuple[str, dict[str, Any], dict[str, str]]] = []
        self.methods: list[str] = []
        self.peers: set[tuple[str, int]] = set()
        self.kind = ""
        self.holding = threading.Event()
        self.released = threading.Event()
        self.legacy_only = False
        self.modern_only = False
        self.url = ""
        self.app: Starlette | None = None

    def forget_sessions(self) -> None:
        """Lose every session, as a restarted server does."""
        assert self.app is not None
        server: Any = self.app.state.server
        server._session_manager._server_instances.clear()

    async def list_tools(
        self, ctx: ServerRequestContext[Any], params: types.PaginatedRequestParams | None
    ) -> types.ListToolsResult:
        """Two tools a page."""
        names = list(_SCHEMAS)
        start = int(params.cursor) if params and params.cursor else 0
        page = [types.Tool(name=name, input_schema=_SCHEMAS[name]) for name in names[start : start + 2]]
        more = start + 2 < len(names)
        return types.ListToolsResult(tools=page, next_cursor=str(start + 2) if more else None)

    async def call_tool(
        self, ctx: ServerRequestContext[Any], params: types.CallToolRequestParams
    ) -> types.CallToolResult | types.InputRequiredResult:
        """One branch a tool."""
        request: Any = ctx.request
        meta = dict(ctx.meta or {})
        self.calls.append((params.name, meta, dict(request.headers)))
        arguments = params.arguments or {}
        match params.name:
            case "echo" | "routed":
                return _result(arguments)
            case "fail":
                return types.CallToolResult(content=[types.TextContent(text="no such customer")], is_error=True)
            case "crash":
                raise RuntimeError("secret detail")
            case "hold":
                self.holding.set()
                await anyio.to_thread.run_sync(self.released.wait, 30, abandon_on_cancel=True)
                return _result(arguments)
            case "progress":
                await ctx.session.report_progress(0.5, total=1.0, message="half")
                return _result(arguments)
            case "ask":
                return types.InputRequiredResult(request_state="state-1")
            case _:
                raise MCPError(code=types.INVALID_PARAMS, message=f"Unknown tool: {params.name}")


def _result(arguments: dict[str, Any]) -> types.CallToolResult:
    return types.CallToolResult(content=[types.TextContent(text="done")], structured_content=arguments)


class _Door:
    """Notes what comes in, and turns one of the two revisions away as a server does that does not have it."""

    def __init__(self, app: Starlette, state: SdkServer) -> None:
        self._app = app
        self._state = state

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        self._state.peers.add(tuple(scope["client"]))
        body = b""
        more = True
        while more:
            part = await receive()
            body += part.get("body", b"")
            more = part.get("more_body", False)
        self._state.methods.append(json.loads(body)["method"] if body else scope["method"])
        given = False

        async def again() -> Message:
            nonlocal given
            if given:
                return await receive()
            given = True
            return {"type": "http.request", "body": body, "more_body": False}

        modern = dict(scope["headers"]).get(b"mcp-protocol-version") == b"2026-07-28"
        if (modern and self._state.legacy_only) or (not modern and self._state.modern_only):
            await send({"type": "http.response.start", "status": 400, "headers": [(b"content-type", b"application/json")]})
            await send({"type": "http.response.body", "body": _UNSUPPORTED})
        else:
            await self._app(scope, again, send)


_UNSUPPORTED = b'{"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"Bad Request: Unsupported protocol version"}}'


@contextlib.contextmanager
def sdk_server(*, json_response: bool, stateless: bool = False, legacy_only: bool = False) -> Iterator[SdkServer]:
    """Run a server until the block ends."""
    state = SdkServer()
    state.legacy_only = legacy_only
    server: Server[Any] = Server(
        "test",
        on_list_tools=state.list_tools,
        on_call_tool=state.call_tool,
        get_tool_input_schema=_SCHEMAS.get,
    )
    state.app = server.streamable_http_app(json_response=json_response, stateless_http=stateless)
    state.app.state.server = server
    with socket.create_server(("127.0.0.1", 0)) as listener:
        state.url = f"http://127.0.0.1:{listener.getsockname()[1]}/mcp"
        config = uvicorn.Config(_Door(state.app, state), http="httptools", loop="asyncio", log_level="critical", lifespan="on")
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
