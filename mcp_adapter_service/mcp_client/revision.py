"""Which revision of MCP a server speaks: found once, kept, found anew when the server turns out to be another.

Above: `client` asks for the binding of its server. Below: a `transport`.

`server/discover` is asked first. It runs no tool, so whatever comes of it nothing was done twice. An MCP server's refusal of
it, in whatever words, means the revision with sessions, and `initialize` follows; an outage, a refused token or a rate limit
says nothing about the revision and is the answer to whoever waits. One negotiation runs at a time, in a task of its own:
a caller that gives up leaves it to the others.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Mapping
from typing import Any

from mcp_adapter_service.mcp_client import faults, replies, wire
from mcp_adapter_service.mcp_client.exchange import Answer
from mcp_adapter_service.mcp_client.faults import Code
from mcp_adapter_service.mcp_client.outcomes import (
    Effect,
    Fault,
    HttpFault,
    InputRequired,
    ProtocolFault,
    Refused,
    TimedOut,
    Unknown,
)
from mcp_adapter_service.mcp_client.transport import Transport
from mcp_adapter_service.mcp_client.wire import Binding, CallContext
from service_kit.logging import log

_logger = logging.getLogger(__name__)

# What servers of another revision answer to a request whose revision they do not know; the last two are the TypeScript SDK's.
_FOREIGN_CODES = frozenset({None, replies.INVALID_REQUEST, -32000, -32001})
_FOREIGN_STATUSES = frozenset({400, 404, 405, 406})


class Revision:
    """Revision finds and keeps the binding to one server."""

    def __init__(self, exchange: Transport, base_headers: Mapping[str, str]) -> None:
        self._exchange = exchange
        self._base = base_headers
        self._current: Binding | None = None
        self._task: asyncio.Task[Binding | Fault] | None = None
        self._next_look = 0.0

    @property
    def current(self) -> Binding | None:
        """The binding found last; None before the first."""
        return self._current

    async def binding(self, deadline: float, stale: Binding | None = None) -> Binding | Fault:
        """Return the binding to use, negotiating it if there is none or only `stale`."""
        if self._current is not None and self._current is not stale:
            return self._current
        if self._task is None:
            self._task = asyncio.create_task(self._negotiate(), name=f"mcp-handshake-{self._exchange.server}")
        try:
            async with asyncio.timeout_at(deadline):
                # Shielded: a caller that is cancelled or out of time does not take the handshake from the others.
                return await asyncio.shield(self._task)
        except TimeoutError:
            return faults.refused(self._exchange.server, Code.HANDSHAKE_FAILED)

    def may_be_stale(self, fault: Fault, used: Binding) -> bool:
        """Whether `fault` may come of `used` no longer being how the server is spoken to. Never after an effect."""
        if fault.effect is not Effect.NONE or not isinstance(fault, HttpFault | ProtocolFault):
            return False
        rpc_code = fault.rpc_code if isinstance(fault, ProtocolFault) else None
        if rpc_code == replies.UNSUPPORTED_VERSION:
            return True
        if fault.status not in _FOREIGN_STATUSES or rpc_code not in _FOREIGN_CODES:
            return False
        # The session is lost, or another call met the same and looks already.
        if (used.session_id is not None and fault.status == 404) or self._task is not None or self._current is not used:
            return True
        # Else it may as well be a wrong URL: look, but do not double the traffic to it.
        now = asyncio.get_running_loop().time()
        due = now >= self._next_look
        if due:
            self._next_look = now + self._exchange.limits.redetect_seconds
        return due

    async def aclose(self, deadline: float) -> None:
        """Stop negotiating, and end the session where there is one."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})
        binding, self._current = self._current, None
        if binding is not None and binding.session_id is not None:
            await self._exchange.delete(binding.headers, deadline)

    async def _negotiate(self) -> Binding | Fault:
        server = self._exchange.server
        try:
            deadline = asyncio.get_running_loop().time() + self._exchange.limits.handshake_seconds
            found = await self._discover(deadline) or await self._initialize(deadline)
            if isinstance(found, Fault):
                log(_logger, logging.WARNING, "handshake with tool server failed", server=server, code=found.code)
                return faults.before_the_call(server, found)
            log(_logger, logging.INFO, "tool server revision found", server=server, revision=found.version)
            self._current = found
            return found
        finally:
            self._task = None

    async def _discover(self, deadline: float) -> Binding | Fault | None:
        """Return the binding of a modern server, a fault that ends the search, or None for a server to initialize."""
        binding = wire.modern_binding(self._base)
        answer = await self._ask(binding, "server/discover", {}, deadline)
        offered = _offered_versions(answer)
        if offered is not None and wire.MODERN in offered:
            # Turned away with what was asked for among what is offered: take the offer, once.
            answer = await self._ask(binding, "server/discover", {}, deadline)
        elif offered and not offered & wire.SESSION_VERSIONS:
            return faults.protocol(self._exchange.server, Code.VERSION_UNSUPPORTED)
        result = self._result(answer)
        if isinstance(result, Fault):
            return result if _no_verdict(result) else None
        versions = result.get("supportedVersions")
        return binding if isinstance(versions, list) and wire.MODERN in versions else None

    async def _initialize(self, deadline: float) -> Binding | Fault:
        server = self._exchange.server
        # The first request names no version in its headers: that is what it is there to settle.
        opening = Binding(wire.LEGACY, None, self._base)
        answer = await self._ask(opening, "initialize", wire.initialize_params(), deadline)
        result = self._result(answer)
        if isinstance(result, Fault):
            return result
        version = result.get("protocolVersion")
        if version not in wire.SESSION_VERSIONS:
            return faults.protocol(server, Code.VERSION_UNSUPPORTED)
        session_id = answer.session_id if isinstance(answer, Answer) else None
        binding = wire.session_binding(self._base, version, session_id)
        notification = wire.notification_body("notifications/initialized")
        return await self._exchange.post(notification, binding.headers, deadline) or binding

    async def _ask(self, binding: Binding, method: str, params: Mapping[str, Any], deadline: float) -> Answer | Fault:
        context = CallContext(correlation_id=uuid.uuid4().hex)
        body = wire.request_body(binding, 0, method, params, context)
        return await self._exchange.request(body, wire.request_headers(binding, method, context), 0, deadline)

    def _result(self, answer: Answer | Fault) -> Mapping[str, Any] | Fault:
        if isinstance(answer, Fault):
            return answer
        result = replies.result_of(self._exchange.server, answer.message, answer.status)
        if isinstance(result, InputRequired):
            return faults.protocol(self._exchange.server, Code.BAD_REPLY)
        return result


def _offered_versions(answer: Answer | Fault) -> frozenset[str] | None:
    """Return the versions that a server names in turning ours away; None where it does not."""
    error = None if isinstance(answer, Fault) else answer.message.get("error")
    if not isinstance(error, dict) or error.get("code") != replies.UNSUPPORTED_VERSION:
        return None
    data = error.get("data")
    supported = data.get("supported") if isinstance(data, dict) else None
    return frozenset(filter(lambda version: isinstance(version, str), supported)) if isinstance(supported, list) else None


def _no_verdict(fault: Fault) -> bool:
    if isinstance(fault, HttpFault):
        return fault.status not in faults.REFUSING_STATUSES or fault.status in {401, 403, 407, 429}
    return isinstance(fault, Refused | TimedOut | Unknown)
