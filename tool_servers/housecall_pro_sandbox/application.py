"""The composition root: settings in, ASGI application out.

Above: `__main__` serves it. Below: everything else in this package.

A call passes, in this order: faults (a broken network comes before everything), authentication, routing. Refusals become
responses at the routing's edge, so that a fault rule sees the same answer as a client would.
"""

from __future__ import annotations

import hmac
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from service_kit.logging import log
from service_kit.postgres import Database, DatabaseUnavailable
from tool_servers.housecall_pro_sandbox.company import CompanyEndpoints
from tool_servers.housecall_pro_sandbox.control import ControlEndpoints
from tool_servers.housecall_pro_sandbox.customers import CustomerEndpoints
from tool_servers.housecall_pro_sandbox.errors import Refusal, render
from tool_servers.housecall_pro_sandbox.estimates import EstimateEndpoints
from tool_servers.housecall_pro_sandbox.faults import CallLog, FaultBoard, FaultMiddleware
from tool_servers.housecall_pro_sandbox.jobs import JobEndpoints
from tool_servers.housecall_pro_sandbox.leads import LeadEndpoints
from tool_servers.housecall_pro_sandbox.settings import SandboxSettings
from tool_servers.housecall_pro_sandbox.store import Store

_logger = logging.getLogger(__name__)


class TokenMiddleware:
    """Lets through what carries the company's key in `Authorization: Token <key>`."""

    def __init__(self, app: ASGIApp, *, api_key: str) -> None:
        self._app = app
        self._expected = f"Token {api_key}".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] != "/healthz" and not self._allows(scope):
            await JSONResponse({"message": "Unauthorized"}, 401)(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _allows(self, scope: Scope) -> bool:
        given = [value for name, value in scope["headers"] if name == b"authorization"]
        return len(given) == 1 and hmac.compare_digest(given[0], self._expected)


async def _refused(request: Request, problem: Exception) -> Response:
    if not isinstance(problem, Refusal):
        raise problem
    return JSONResponse(render(problem, request.method, request.scope["route"].path), problem.status)


async def _http_error(request: Request, problem: Exception) -> Response:
    """An unknown path, a method that is not allowed."""
    if not isinstance(problem, HTTPException):
        raise problem
    return JSONResponse({"message": problem.detail}, problem.status_code, headers=problem.headers)


async def _unavailable(request: Request, problem: Exception) -> Response:
    log(_logger, logging.ERROR, "the database cannot be reached", path=request.scope["route"].path)
    return JSONResponse({"message": "Service Unavailable"}, 503)


async def _gone(request: Request, problem: Exception) -> Response:
    """The client left before it had sent its request. Nobody reads this; nothing was done."""
    return Response(status_code=400)


async def _failed(request: Request, problem: Exception) -> Response:
    return JSONResponse({"message": "Internal Server Error"}, 500)


def build(settings: SandboxSettings) -> Starlette:
    """The application. It connects to Postgres when it starts, and waits for it call by call."""
    database = Database(settings.database_url.get_secret_value())
    store = Store(database, settings)
    board, calls = FaultBoard(), CallLog()
    services, employees = settings.sandbox_services, settings.sandbox_employees
    routes: list[BaseRoute] = [
        *CompanyEndpoints(store, services, employees, lambda: datetime.now(UTC)).routes(),
        *CustomerEndpoints(store).routes(),
        *JobEndpoints(store, services, employees).routes(),
        *EstimateEndpoints(store).routes(),
        *LeadEndpoints(store).routes(),
        *ControlEndpoints(store, board, calls).routes(),
    ]

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        await database.open()
        try:
            yield
        finally:
            await database.close()

    application = Starlette(
        routes=routes,
        lifespan=lifespan,
        middleware=[
            Middleware(FaultMiddleware, board=board, calls=calls, routes=routes),
            Middleware(TokenMiddleware, api_key=settings.sandbox_api_key.get_secret_value()),
        ],
        exception_handlers={
            Refusal: _refused,
            HTTPException: _http_error,
            DatabaseUnavailable: _unavailable,
            ClientDisconnect: _gone,
            Exception: _failed,
        },
    )
    # A path with a slash too many is an unknown path, not a redirect.
    application.router.redirect_slashes = False
    return application
