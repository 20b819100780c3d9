"""The HTTP side of a tool server: who may come in, and what is there beside MCP.

Above: `process` serves it with uvicorn. Below: the SDK's Streamable HTTP, `metrics`, the servicer's health check.

`/mcp` is reached without a router in between: a call passes the checks here and is the SDK's from there on.
"""

from __future__ import annotations

import asyncio
import hmac
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from service_kit.logging import log
from tool_servers.runtime.call import CallReader
from tool_servers.runtime.catalogue import bind
from tool_servers.runtime.direct_calls import DirectCalls
from tool_servers.runtime.invocation import Invoker
from tool_servers.runtime.mcp_server import build_server
from tool_servers.runtime.metrics import CONTENT_TYPE, Metrics
from tool_servers.runtime.settings import ToolServerSettings

HealthCheck = Callable[[], Awaitable[str | None]]

_HEALTH_SECONDS = 5.0
_LOOPBACK = ("127.0.0.1", "localhost", "[::1]")

_logger = logging.getLogger(__name__)


class Gate:
    """Lets through what was meant for this server and carries its token. Everything else never reaches MCP.

    The Host check is against pages that make a browser on this machine call the loopback address under a name of theirs.
    """

    def __init__(self, app: ASGIApp, *, token: str, hosts: Iterable[str]) -> None:
        self._app = app
        self._authorization = f"Bearer {token}".encode()
        self._hosts = frozenset(host.lower().encode() for host in hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        host = authorization = origin = None
        for name, value in scope["headers"]:
            if name == b"host":
                host = value
            elif name == b"authorization":
                authorization = value
            elif name == b"origin":
                origin = value
        if host is None or not self._knows(host):
            await _refuse(421, "This server is not called by that host name.")(scope, receive, send)
        elif origin is not None and not self._knows(origin.partition(b"://")[2]):
            await _refuse(403, "Pages of that origin may not call this server.")(scope, receive, send)
        elif authorization is None or not hmac.compare_digest(authorization, self._authorization):
            await _refuse(401, "Send the server's token as Authorization: Bearer <token>.")(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    def _knows(self, authority: bytes) -> bool:
        """Say whether host and port name a host of ours; any port will do, as proxies and tunnels change it."""
        host, _, port = authority.rpartition(b":")
        return (host if host and port.isdigit() else authority).lower() in self._hosts


class ToolServerApplication:
    """`/mcp` behind its gate; `/healthz`, `/metrics` and the lifespan through Starlette."""

    def __init__(self, mcp: ASGIApp, rest: ASGIApp) -> None:
        self._mcp = mcp
        self._rest = rest

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] == "/mcp":
            await self._mcp(scope, receive, send)
        else:
            await self._rest(scope, receive, send)


def build(name: str, settings: ToolServerSettings, servicer: AbstractAsyncContextManager[object]) -> ASGIApp:
    """Return the application. `servicer` is entered when it starts and left when it stops."""
    token = settings.tool_token.get_secret_value()
    metrics = Metrics()
    reader = CallReader(
        token=token,
        default_timeout=settings.default_timeout,
        max_timeout=settings.max_timeout,
        hand_use_tenant=settings.hand_use_tenant,
    )
    serving: list[tuple[ASGIApp, HealthCheck | None]] = []

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with servicer as entered:
            tools = bind(name, entered)
            invoker = Invoker(tools, reader, metrics)
            server = build_server(name, tools, invoker)
            # One answer per POST, as JSON: a client that goes away then does not cancel what it asked for.
            sessions = StreamableHTTPSessionManager(
                server, json_response=True, stateless=True, max_request_body_size=settings.max_body_bytes
            )
            async with sessions.run():
                direct = DirectCalls(
                    sessions.asgi_app,
                    invoker,
                    server_info=server.server_info_stamp,
                    max_body=settings.max_body_bytes,
                )
                serving.append((direct, getattr(entered, "check_health", None)))
                yield
                serving.clear()

    async def mcp(scope: Scope, receive: Receive, send: Send) -> None:
        await serving[0][0](scope, receive, send)

    async def health(request: Request) -> Response:
        return await _health(serving[0][1])

    async def expose(request: Request) -> Response:
        return Response(metrics.text(), media_type=CONTENT_TYPE)

    rest = Starlette(
        routes=[Route("/healthz", health, methods=["GET"]), Route("/metrics", expose, methods=["GET"])], lifespan=lifespan
    )
    hosts = (*_LOOPBACK, settings.listen.rpartition(":")[0], *settings.allowed_hosts)
    return ToolServerApplication(Gate(mcp, token=token, hosts=hosts), rest)


async def _health(check: HealthCheck | None) -> Response:
    try:
        async with asyncio.timeout(_HEALTH_SECONDS):
            message = await check() if check is not None else None
    except Exception:
        log(_logger, logging.WARNING, "the health check failed", exc_info=True)
        message = "The health check failed; the log says where."
    return JSONResponse({"ok": True}) if message is None else JSONResponse({"ok": False, "message": message}, 503)


def _refuse(status: int, message: str) -> Response:
    headers = {"WWW-Authenticate": "Bearer"} if status == 401 else None
    body = {"jsonrpc": "2.0", "id": None, "error": {"code": -32600, "message": message}}
    return JSONResponse(body, status, headers=headers)
