"""The short way for lists of the current revision: a definition is put into words once, and not on each list.

Above: `application`, behind its gate. Below: `listing`; the SDK's own HTTP entry for all else.

The SDK reads a list of tools through its models and writes it out again, which costs more than finding out what belongs on it.
Whether a request is in order is decided by the SDK here as well (`classify_inbound_request`). What is not plainly in order, and
every list that cannot be made, is handed to the SDK with its body as it came, so that every refusal is the SDK's.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
from mcp.shared.exceptions import MCPError
from mcp.shared.inbound import (
    MCP_METHOD_HEADER,
    MCP_PROTOCOL_VERSION_HEADER,
    InboundModernRoute,
    classify_inbound_request,
)
from mcp_types import SERVER_INFO_META_KEY, methods
from mcp_types.version import MODERN_PROTOCOL_VERSIONS
from pydantic import ValidationError
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from model_gateway import metrics
from model_gateway.caller import caller_of
from model_gateway.dispatch import DispatchFault
from model_gateway.listing import Listing

_LIST = "tools/list"
_JSON = "application/json"


class DirectLists:
    """An ASGI application in front of the SDK's. `max_body` is in bytes."""

    def __init__(self, sdk: ASGIApp, listing: Listing, *, server_info: Mapping[str, Any], max_body: int) -> None:
        self._sdk = sdk
        self._listing = listing
        self._meta = {SERVER_INFO_META_KEY: dict(server_info)}
        self._max_body = max_body

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope)
        if not self._is_plain(request):
            await self._sdk(scope, receive, send)
            return
        # As long as the content-length says, which has been checked.
        messages = [await receive()]
        while messages[-1].get("more_body"):
            messages.append(await receive())
        question = _read(messages, request)
        page = await self._page(request, question) if question is not None else None
        if question is None or page is None:
            await self._sdk(scope, _again(messages, receive), send)
            return
        metrics.LISTS.inc()
        body = orjson.dumps({"jsonrpc": "2.0", "id": question["id"], "result": {**page, "_meta": self._meta}})
        headers = [(b"content-type", _JSON.encode()), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    def _is_plain(self, request: Request) -> bool:
        headers = request.headers
        length = headers.get("content-length", "")
        return (
            request.method == "POST"
            and headers.getlist(MCP_METHOD_HEADER) == [_LIST]
            and headers.get(MCP_PROTOCOL_VERSION_HEADER) in MODERN_PROTOCOL_VERSIONS
            and len(headers.getlist(MCP_PROTOCOL_VERSION_HEADER)) == 1
            and headers.get("content-type", "").lower().startswith(_JSON)
            and all(form in headers.get("accept", "") for form in (_JSON, "text/event-stream"))
            and length.isdigit()
            and int(length) <= self._max_body
        )

    async def _page(self, request: Request, question: dict[str, Any]) -> dict[str, Any] | None:
        params = question["params"]
        try:
            return await self._listing.page(caller_of(request, params["_meta"]), params.get("cursor"), in_words=True)
        except (DispatchFault, MCPError):
            return None


def _read(messages: list[Message], request: Request) -> dict[str, Any] | None:
    """Return the JSON-RPC request where it asks for a list in order, else None."""
    if messages[-1]["type"] != "http.request":
        return None
    try:
        question: dict[str, Any] = orjson.loads(b"".join(message["body"] for message in messages))
    except orjson.JSONDecodeError:
        return None
    if not _is_list_request(question):
        return None
    route = classify_inbound_request(question, headers=dict(request.headers))
    if not isinstance(route, InboundModernRoute):
        return None
    try:
        methods.validate_client_request(_LIST, route.protocol_version, question["params"])
    except ValidationError:
        return None
    return question


def _is_list_request(question: Any) -> bool:
    return (
        isinstance(question, dict)
        and question.get("jsonrpc") == "2.0"
        and question.get("method") == _LIST
        and isinstance(question.get("id"), (str, int))
        and not isinstance(question["id"], bool)
    )


def _again(messages: list[Message], receive: Receive) -> Receive:
    """A channel that gives what was taken from it once more."""
    taken = iter(messages)

    async def again() -> Message:
        return next(taken, None) or await receive()

    return again
