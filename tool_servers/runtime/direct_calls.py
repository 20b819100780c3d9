"""The short way for tool calls of the current revision: one parse of the body, one of the arguments, one rendering.

Above: `application`, behind its gate. Below: `invocation` for what is plainly a good call; the SDK's own HTTP entry for all else.

The SDK reads a call through several models before its handler sees it and its reply through three more, which costs more
than everything that this project does for it. Whether a request is in order is decided by the SDK here as well
(`classify_inbound_request` and its siblings); only the models are left out, since the contract checks arguments and renders
results. Whatever is not plainly in order (any other method, the older revision, a bad header, an unknown tool) is handed to
the SDK with its body as it came, so that every refusal is the SDK's.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
from mcp.shared.inbound import (
    MCP_METHOD_HEADER,
    MCP_NAME_HEADER,
    MCP_PROTOCOL_VERSION_HEADER,
    InboundModernRoute,
    classify_inbound_request,
)
from mcp_types import SERVER_INFO_META_KEY
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tool_servers.runtime.invocation import Invoker

_CALL = "tools/call"
_ROUTING = {name.encode(): name for name in (MCP_PROTOCOL_VERSION_HEADER, MCP_METHOD_HEADER, MCP_NAME_HEADER)}
_OTHERS = (b"content-type", b"content-length", b"accept")
_JSON = b"application/json"
_WILDCARD = b"*/*"


class DirectCalls:
    """An ASGI application in front of the SDK's. `max_body` is in bytes."""

    def __init__(self, sdk: ASGIApp, invoker: Invoker, *, server_info: Mapping[str, Any], max_body: int) -> None:
        self._sdk = sdk
        self._invoker = invoker
        self._meta = {SERVER_INFO_META_KEY: dict(server_info)}
        self._max_body = max_body

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        routing = self._routing_headers(scope)
        if routing is None:
            await self._sdk(scope, receive, send)
            return
        # As long as the content-length says, which has been checked.
        messages = [await receive()]
        while messages[-1].get("more_body"):
            messages.append(await receive())
        call = _read(messages, routing)
        if call is None or call["params"]["name"] not in self._invoker:
            await self._sdk(scope, _again(messages, receive), send)
            return
        params = call["params"]
        result = await self._invoker.invoke(params["name"], params.get("arguments", {}), params["_meta"])
        await _answer(call["id"], self._complete(result), send)

    def _routing_headers(self, scope: Scope) -> dict[str, str] | None:
        """Return the headers that say what a request is, or None where it is for the SDK to say what is wrong."""
        if scope["method"] != "POST":
            return None
        routing: dict[str, str] = {}
        others: dict[bytes, bytes] = {}
        for name, value in scope["headers"]:
            if name in _ROUTING:
                if _ROUTING[name] in routing:
                    return None
                routing[_ROUTING[name]] = value.decode("latin-1")
            elif name in _OTHERS:
                others[name] = value
        length, accepted = others.get(b"content-length", b""), others.get(b"accept", b"")
        plain = (
            routing.get(MCP_METHOD_HEADER) == _CALL
            and others.get(b"content-type", b"").lower().startswith(_JSON)
            and length.isdigit()
            and int(length) <= self._max_body
            and (_JSON in accepted or _WILDCARD in accepted)
        )
        return routing if plain else None

    def _complete(self, result: dict[str, Any]) -> dict[str, Any]:
        """Put around a result what this revision asks for."""
        own = result.get("_meta")
        result["_meta"] = self._meta if own is None else {**own, **self._meta}
        return result


def _read(messages: list[Message], routing: Mapping[str, str]) -> dict[str, Any] | None:
    """Return the JSON-RPC request where it is a call in order, else None."""
    if messages[-1]["type"] != "http.request":
        return None
    try:
        request = orjson.loads(b"".join(message["body"] for message in messages))
    except orjson.JSONDecodeError:
        return None
    if not isinstance(request, dict) or request.get("jsonrpc") != "2.0":
        return None
    if isinstance(request.get("id"), bool) or not isinstance(request.get("id"), (str, int)):
        return None
    route = classify_inbound_request(request, headers=routing)
    if not isinstance(route, InboundModernRoute) or not isinstance(route.client_capabilities, dict):
        return None
    params = request["params"]
    in_order = isinstance(params.get("name"), str) and isinstance(params.get("arguments", {}), dict)
    return request if in_order and _is_implementation(route.client_info) else None


def _is_implementation(info: Any) -> bool:
    return info is None or (isinstance(info, dict) and isinstance(info.get("name"), str) and isinstance(info.get("version"), str))


def _again(messages: list[Message], receive: Receive) -> Receive:
    """A channel that gives what was taken from it once more."""
    taken = iter(messages)

    async def again() -> Message:
        return next(taken, None) or await receive()

    return again


async def _answer(request_id: str | int, result: dict[str, Any], send: Send) -> None:
    body = orjson.dumps({"jsonrpc": "2.0", "id": request_id, "result": result})
    headers = [(b"content-type", _JSON), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})
