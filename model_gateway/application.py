"""The HTTP side: who may come in, sessions of the older revision, and health.

Above: `process` serves it with uvicorn. Below: the SDK's Streamable HTTP, which keeps each session for who opened it.

Answers are JSON or, where there is progress to tell, a stream. A stream whose client goes away cancels the handler behind it.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from urllib.parse import urlsplit

from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from prometheus_client import REGISTRY
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from model_gateway.approvals import Approvals
from model_gateway.caller import PAYLOAD, user_of
from model_gateway.calls import Calls
from model_gateway.catalogue import Catalogue
from model_gateway.direct_lists import DirectLists
from model_gateway.dispatch import Dispatch
from model_gateway.listing import Listing
from model_gateway.mcp_server import build_server
from model_gateway.settings import GatewaySettings
from service_kit.logging import log
from service_kit.metrics import serve_metrics

_THIS_MACHINE = frozenset({"127.0.0.1", "localhost", "::1"})
_PAYLOAD = PAYLOAD.encode()

_logger = logging.getLogger(__name__)


class Gate:
    """Lets in who comes with a payload that the front door has checked, and tells the SDK who it is.

    The check of a page's origin is against pages that make a browser on this machine call the loopback address.
    """

    def __init__(self, app: ASGIApp, *, origins: Iterable[str]) -> None:
        self._app = app
        self._origins = frozenset(origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        payloads = [value.decode("latin-1") for name, value in scope["headers"] if name == _PAYLOAD]
        origin = next((value.decode("latin-1") for name, value in scope["headers"] if name == b"origin"), None)
        user = user_of(payloads[0]) if len(payloads) == 1 else None
        if user is None:
            await _refuse(401, "This call needs a valid access token.")(scope, receive, send)
        elif origin is not None and not self._knows(origin):
            await _refuse(403, "Pages of that origin may not call this server.")(scope, receive, send)
        else:
            scope["user"] = user
            await self._app(scope, receive, send)

    def _knows(self, origin: str) -> bool:
        try:
            return origin in self._origins or urlsplit(origin).hostname in _THIS_MACHINE
        except ValueError:
            return False


class GatewayApplication:
    """`/mcp` behind its gate, without a router in between; `/healthz` and the lifespan through Starlette."""

    def __init__(self, mcp: ASGIApp, rest: ASGIApp) -> None:
        self._mcp = mcp
        self._rest = rest

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] == "/mcp":
            await self._mcp(scope, receive, send)
        else:
            await self._rest(scope, receive, send)


def build(settings: GatewaySettings) -> ASGIApp:
    """Return the application; its parts are opened when it starts and closed when it stops."""
    serving: list[tuple[ASGIApp, Dispatch]] = []

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        dispatch = Dispatch(settings.dispatch_target, settings, call_seconds=settings.call_seconds)
        sessions, lists = _mcp(settings, dispatch)
        async with AsyncExitStack() as stack:
            stack.push_async_callback(dispatch.close)
            if settings.metrics_listen:
                await stack.enter_async_context(serve_metrics(settings.metrics_listen, REGISTRY))
            await stack.enter_async_context(sessions.run())
            serving.append((lists, dispatch))
            log(_logger, logging.INFO, "serving", listen=settings.listen)
            yield
            serving.clear()

    async def mcp(scope: Scope, receive: Receive, send: Send) -> None:
        await serving[0][0](scope, receive, send)

    async def health(request: Request) -> Response:
        if await serving[0][1].serving():
            return JSONResponse({"ok": True})
        return JSONResponse({"ok": False, "message": "dispatch_service does not answer."}, 503)

    rest = Starlette(routes=[Route("/healthz", health, methods=["GET"])], lifespan=lifespan)
    return GatewayApplication(Gate(mcp, origins=settings.allowed_origins), rest)


def _mcp(settings: GatewaySettings, dispatch: Dispatch) -> tuple[StreamableHTTPSessionManager, ASGIApp]:
    catalogue = Catalogue(dispatch)
    approvals = Approvals(
        dispatch,
        console_url=settings.console_url.rstrip("/"),
        decision_seconds=settings.decision_seconds,
        elicitation_seconds=settings.elicitation_seconds,
    )
    calls = Calls(dispatch=dispatch, catalogue=catalogue, approvals=approvals, console_url=settings.console_url.rstrip("/"))
    listing = Listing(catalogue, page_size=settings.page_size)
    server = build_server(listing, calls)
    sessions = StreamableHTTPSessionManager(
        server,
        session_idle_timeout=settings.session_idle_seconds,
        max_sessions=settings.max_sessions,
        max_request_body_size=settings.max_body_bytes,
    )
    lists = DirectLists(sessions.asgi_app, listing, server_info=server.server_info_stamp, max_body=settings.max_body_bytes)
    return sessions, lists


def _refuse(status: int, message: str) -> Response:
    headers = {"WWW-Authenticate": "Bearer"} if status == 401 else None
    return JSONResponse({"jsonrpc": "2.0", "id": None, "error": {"code": -32600, "message": message}}, status, headers=headers)
