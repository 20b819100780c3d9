"""How a request looks on the wire in both revisions: names, headers, `_meta` and bodies. No I/O.

Above: `revision`, `exchange` and `client`. Below: orjson.

Revision 2026-07-28 has no session: every request says in `_meta` and in headers what it is. Revision 2025-11-25 says it once
in `initialize` and then names its session in a header. A `Binding` is what one server was found to want.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from secrets import token_hex
from typing import Any, Final

import orjson
from multidict import istr

MODERN: Final = "2026-07-28"
LEGACY: Final = "2025-11-25"
SESSION_VERSIONS: Final = frozenset({"2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"})
"""The revisions with `initialize` that a server may settle on."""

CORRELATION_ID_META: Final = "switchboard/correlationId"
"""Our `_meta` key for the correlation id. W3C trace context travels under its own unprefixed names, as MCP has it."""

_TRACE_ID: Final = re.compile(r"[0-9a-f]{32}")

_VERSION_META: Final = "io.modelcontextprotocol/protocolVersion"
_CAPABILITIES_META: Final = "io.modelcontextprotocol/clientCapabilities"
_CLIENT_META: Final = "io.modelcontextprotocol/clientInfo"
_CLIENT_INFO: Final = {"name": "switchboard", "version": "1"}

# `istr` keys spare aiohttp lower-casing them on every call.
AUTHORIZATION: Final = istr("Authorization")
CORRELATION_ID: Final = istr("X-Correlation-Id")
LAST_EVENT_ID: Final = istr("Last-Event-ID")
METHOD: Final = istr("Mcp-Method")
NAME: Final = istr("Mcp-Name")
SESSION_ID: Final = istr("Mcp-Session-Id")
TRACEPARENT: Final = istr("traceparent")
VERSION: Final = istr("MCP-Protocol-Version")

_BASE_HEADERS: Final[dict[str, str]] = {
    istr("Accept"): "application/json, text/event-stream",
    # A compressed reply would be inflated on the event loop, and could be a bomb.
    istr("Accept-Encoding"): "identity",
    istr("Content-Type"): "application/json",
    istr("User-Agent"): "switchboard",
}


@dataclass(frozen=True, slots=True)
class Binding:
    """Binding is how one server is spoken to: the revision, and the session where that has one."""

    version: str
    session_id: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    meta: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @property
    def modern(self) -> bool:
        """Whether every request describes itself."""
        return self.version == MODERN


@dataclass(slots=True, kw_only=True)  # Not frozen: one is made for every call, and freezing triples what that costs.
class CallContext:
    """CallContext is what travels with a request besides its arguments."""

    correlation_id: str
    traceparent: str | None = None
    meta: Mapping[str, Any] = field(default_factory=dict, repr=False)


def base_headers(token: str | None) -> dict[str, str]:
    """Return the headers that every request to a server has."""
    return _BASE_HEADERS | ({AUTHORIZATION: f"Bearer {token}"} if token else {})


def modern_binding(base: Mapping[str, str]) -> Binding:
    """Return the binding to a server of revision 2026-07-28."""
    meta = {_VERSION_META: MODERN, _CAPABILITIES_META: {}, _CLIENT_META: _CLIENT_INFO}
    return Binding(MODERN, None, {**base, VERSION: MODERN}, meta)


def session_binding(base: Mapping[str, str], version: str, session_id: str | None) -> Binding:
    """Return the binding to a server that was initialized; some servers give no session id."""
    session: dict[str, str] = {SESSION_ID: session_id} if session_id else {}
    return Binding(version, session_id, {**base, VERSION: version, **session})


def initialize_params() -> dict[str, Any]:
    """Return the params of `initialize`. We offer no capability, so that a server asks nothing back."""
    return {"protocolVersion": LEGACY, "capabilities": {}, "clientInfo": _CLIENT_INFO}


def request_headers(binding: Binding, method: str, context: CallContext) -> dict[str, str]:
    """Return one request's headers, but for those that name the tool."""
    headers = {**binding.headers, CORRELATION_ID: context.correlation_id}
    if binding.modern:
        headers[METHOD] = method
    if context.traceparent is not None:
        headers[TRACEPARENT] = context.traceparent
    return headers


def request_body(
    binding: Binding,
    request_id: int,
    method: str,
    params: Mapping[str, Any],
    context: CallContext,
    *,
    progress: bool = False,
) -> bytes:
    """Return one request's body. `params` may hold `orjson.Fragment`s, which are copied in without being read."""
    meta: dict[str, Any] = {**context.meta, CORRELATION_ID_META: context.correlation_id}
    if context.traceparent is not None:
        meta["traceparent"] = context.traceparent
    if progress:
        meta["progressToken"] = request_id
    # The binding's keys come last: nothing that a caller passes along may stand in their place.
    meta |= binding.meta
    return orjson.dumps({"jsonrpc": "2.0", "id": request_id, "method": method, "params": {**params, "_meta": meta}})


def notification_body(method: str) -> bytes:
    """Return the body of a notification without params."""
    return orjson.dumps({"jsonrpc": "2.0", "method": method})


def new_traceparent(correlation_id: str) -> str:
    """Return the beginning of a W3C trace whose id can be told from the correlation id: it is the same, where that can be one."""
    trace_id = correlation_id.replace("-", "")  # As UUIDs are written.
    if not _TRACE_ID.fullmatch(trace_id) or trace_id == "0" * 32:
        trace_id = sha256(correlation_id.encode()).hexdigest()[:32]
    return f"00-{trace_id}-{token_hex(8)}-01"


def cancelled_body(request_id: int) -> bytes:
    """Return the body of the notification that a request is given up."""
    params = {"requestId": request_id, "reason": "the caller gave up"}
    return orjson.dumps({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": params})


def answer_body(request_id: Any, method: str) -> bytes:
    """Return the body that answers a request of the server's: a ping is answered, nothing else is offered."""
    if method == "ping":
        return orjson.dumps({"jsonrpc": "2.0", "id": request_id, "result": {}})
    error = {"code": -32601, "message": "Method not found"}
    return orjson.dumps({"jsonrpc": "2.0", "id": request_id, "error": error})
