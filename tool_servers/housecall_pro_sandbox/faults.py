"""Fault switches: rules that make chosen calls fail in the ways in which a vendor fails.

Above: `control` sets and clears rules; `application` puts `FaultMiddleware` in front of authentication and routing.
Below: `protocol`, which can break a connection. Rules live in memory: a restarted sandbox is a healthy one.

Modes:
    status       answers `status` and `body` and does nothing
    delay        waits `delay_seconds`, then does the work and answers, even if the client has gone by then
    drop_before  closes the connection and does nothing
    drop_after   does the work (committed), then closes the connection without a byte of reply
    garbage      does the work, then answers its status with bytes that are not JSON (`body` where it is text)
"""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Match, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tool_servers.housecall_pro_sandbox.bodies import Body
from tool_servers.housecall_pro_sandbox.protocol import break_connection

_GARBAGE = '{"id": "job_'
# Never disturbed: the switches themselves and the health check.
_EXEMPT = ("/_sandbox", "/healthz")


class FaultRule(Body):
    """One rule. `path` is a glob: `*` is one path segment, `**` any number of them."""

    method: Annotated[str, Field(pattern=r"^([A-Z]+|\*)$")] = "*"
    path: Annotated[str, Field(pattern=r"^/")]
    mode: Literal["status", "delay", "drop_before", "drop_after", "garbage"]
    status: Annotated[int, Field(ge=200, le=599)] | None = None
    body: Any = None
    delay_seconds: Annotated[float, Field(ge=0, le=600, allow_inf_nan=False)] | None = None
    times: Annotated[int, Field(ge=1)] | None = None

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.mode == "status" and self.status is None:
            raise ValueError("needs a status where mode is status")
        if self.mode == "delay" and self.delay_seconds is None:
            raise ValueError("needs delay_seconds where mode is delay")
        return self

    def covers(self, method: str, path: str) -> bool:
        """Say whether a call is one of those that this rule is about."""
        return self.method in ("*", method) and _glob(self.path).fullmatch(path) is not None


def _glob(pattern: str) -> re.Pattern[str]:
    wild = {"**": ".*", "*": "[^/]*"}
    return re.compile("".join(wild.get(part) or re.escape(part) for part in re.split(r"(\*\*|\*)", pattern)))


class FaultBoard:
    """The rules that are in force, oldest first, and how often each is still to strike (None: until cleared)."""

    def __init__(self) -> None:
        self._rules: list[tuple[FaultRule, int | None]] = []

    def add(self, rule: FaultRule) -> None:
        """Put a rule in force, after those that are."""
        self._rules.append((rule, rule.times))

    def clear(self) -> None:
        """Put all rules out of force."""
        self._rules.clear()

    def rules(self) -> list[dict[str, Any]]:
        """The rules as set, each with the number of times that is left."""
        return [rule.model_dump() | {"remaining": remaining} for rule, remaining in self._rules]

    def take(self, method: str, path: str) -> FaultRule | None:
        """The first rule for this call, counted as having struck."""
        for position, (rule, remaining) in enumerate(self._rules):
            if rule.covers(method, path):
                if remaining == 1:
                    del self._rules[position]
                elif remaining is not None:
                    self._rules[position] = (rule, remaining - 1)
                return rule
        return None


class CallLog:
    """How often each endpoint was called and what became of it. Paths are templates: no ids, no bodies."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[str, str, str]] = Counter()

    def record(self, method: str, template: str, outcome: str) -> None:
        """Count one call; `outcome` is a status or `dropped`."""
        self._counts[method, template, outcome] += 1

    def clear(self) -> None:
        """Start counting anew."""
        self._counts.clear()

    def entries(self) -> list[dict[str, Any]]:
        """One entry per method and path template, with counts by status."""
        found: dict[tuple[str, str], dict[str, int]] = {}
        for (method, template, outcome), count in sorted(self._counts.items()):
            found.setdefault((method, template), {})[outcome] = count
        return [
            {"method": method, "path": template, "count": sum(statuses.values()), "statuses": statuses}
            for (method, template), statuses in found.items()
        ]


def template_of(routes: list[BaseRoute], scope: Scope) -> str:
    """The path template that serves this call, or `(no such path)`."""
    for route in routes:
        if isinstance(route, Route) and route.matches(scope)[0] is Match.FULL:
            return route.path
    return "(no such path)"


class FaultMiddleware:
    """Counts every call and lets the rules strike."""

    def __init__(self, app: ASGIApp, *, board: FaultBoard, calls: CallLog, routes: list[BaseRoute]) -> None:
        self._app = app
        self._board = board
        self._calls = calls
        self._routes = routes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].startswith(_EXEMPT):
            await self._app(scope, receive, send)
            return
        outcome = "500"

        async def watched(message: Message) -> None:
            nonlocal outcome
            if message["type"] == "http.response.start":
                outcome = str(message["status"])
            await send(message)

        # The route is found first: routing writes into the scope.
        template = template_of(self._routes, scope)
        try:
            if await self._breaks(scope, receive, watched):
                outcome = "dropped"
        finally:
            self._calls.record(scope["method"], template, outcome)

    async def _breaks(self, scope: Scope, receive: Receive, send: Send) -> bool:
        """Serve the call as the rules have it, and say whether its connection was broken."""
        rule = self._board.take(scope["method"], scope["path"])
        match rule:
            case None:
                await self._app(scope, receive, send)
            case FaultRule(mode="status", status=int(status)):
                await _answer(status, rule.body)(scope, receive, send)
            case FaultRule(mode="delay", delay_seconds=float(delay)):
                # A server forgets a request's body when its client goes, so that is taken in first.
                request = await _arrived(receive)
                await asyncio.sleep(delay)
                await self._app(scope, request, send)
            case FaultRule(mode="drop_after"):
                await self._unheard(scope, receive)
                await break_connection(scope, receive)
                return True
            case FaultRule(mode="garbage"):
                status = await self._unheard(scope, receive)
                text = rule.body if isinstance(rule.body, str) else _GARBAGE
                await Response(text, status, media_type="application/json")(scope, receive, send)
            case _:
                await break_connection(scope, receive)
                return True
        return False

    async def _unheard(self, scope: Scope, receive: Receive) -> int:
        """Do the work and return its status; what it says goes nowhere."""
        status = 500

        async def discard(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]

        await self._app(scope, receive, discard)
        return status


async def _arrived(receive: Receive) -> Receive:
    """Wait for the whole request, and return a channel that gives it again."""
    messages: list[Message] = []
    while not messages or messages[-1].get("more_body"):
        messages.append(await receive())
    kept = iter(messages)

    async def again() -> Message:
        return next(kept, None) or await receive()

    return again


def _answer(status: int, body: Any) -> Response:
    """Text is sent as the HTML page of a proxy, anything else as JSON; nothing given is the vendor's plainest shape."""
    if isinstance(body, str):
        return Response(body, status, media_type="text/html")
    return JSONResponse({"message": "Fault switched on"} if body is None else body, status)
