"""The MCP client of one server: call a tool, list the tools, ping.

Above: `resilience.ResilientClient` decides how often and when. Below: `revision` knows how the server is spoken to,
`exchange` sends one request, `replies` reads what came back.

A request goes out once. It goes out a second time only where the server turned the first away before any tool could run:
its session was lost, or it now speaks the other revision, or it wants arguments as headers that were not known.
"""

from __future__ import annotations

import asyncio
import itertools
import re
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Final

import aiohttp
import orjson
from mcp.shared.inbound import encode_header_value

from mcp_adapter_service.mcp_client import faults, replies, wire
from mcp_adapter_service.mcp_client.authorization import Authorizer
from mcp_adapter_service.mcp_client.exchange import Exchange
from mcp_adapter_service.mcp_client.faults import Code
from mcp_adapter_service.mcp_client.limits import ClientLimits
from mcp_adapter_service.mcp_client.listing import Listing
from mcp_adapter_service.mcp_client.outcomes import (
    Fault,
    InputRequired,
    ProtocolFault,
    ServerAlive,
    TimedOut,
    ToolList,
    ToolReply,
)
from mcp_adapter_service.mcp_client.param_headers import ParamHeaders
from mcp_adapter_service.mcp_client.reply_stream import ProgressCallback
from mcp_adapter_service.mcp_client.revision import Revision
from mcp_adapter_service.mcp_client.transport import Transport
from mcp_adapter_service.mcp_client.wire import Binding, CallContext
from mcp_adapter_service.mcp_client.withdrawals import Withdrawals

_TRACEPARENT: Final = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")
_VISIBLE: Final = re.compile(r"[\x21-\x7e]+")
_CORRELATION_ID: Final = re.compile(r"[\x21-\x7e]{1,200}")
_name_header = lru_cache(maxsize=4096)(encode_header_value)


class McpClient:
    """McpClient speaks MCP with one server, in whichever revision it has, over a pool that all clients share."""

    def __init__(
        self,
        server_name: str,
        url: str,
        token: str | None = None,
        *,
        session: aiohttp.ClientSession,
        limits: ClientLimits | None = None,
        authorizer: Authorizer | None = None,
    ) -> None:
        if token is not None and not _VISIBLE.fullmatch(token):
            raise ValueError(f"The token of tool server '{server_name}' must be visible ASCII characters only.")
        limits = limits or ClientLimits()
        self._begin(Exchange(server_name, url, session, limits, authorizer), token)

    @classmethod
    def over(cls, transport: Transport) -> McpClient:
        """Return a client of the server at the other end of `transport`."""
        client = cls.__new__(cls)
        client._begin(transport, None)
        return client

    def _begin(self, transport: Transport, token: str | None) -> None:
        self.server_name = transport.server
        self._limits = transport.limits
        self._exchange = transport
        self._revision = Revision(self._exchange, wire.base_headers(token))
        self._param_headers = ParamHeaders()
        self._withdrawals = Withdrawals(self._exchange)
        self._ids = itertools.count(1)

    @property
    def protocol_version(self) -> str | None:
        """The revision in use; None before the first request."""
        binding = self._revision.current
        return binding.version if binding else None

    async def call_tool(
        self,
        name: str,
        arguments_json: bytes,
        *,
        deadline: float,
        correlation_id: str | None = None,
        traceparent: str | None = None,
        meta: Mapping[str, Any] | None = None,
        on_progress: ProgressCallback | None = None,
        answering: InputRequired | None = None,
        answers: Mapping[str, Any] | None = None,
    ) -> ToolReply:
        """Call a tool once and say what is known of it.

        `arguments_json` is one JSON object and is copied into the request unread; `deadline` is in the loop's time; `meta`
        joins the request's `_meta`; without a `traceparent` a trace begins here, under the correlation id. A tool that asked for
        input is called again with its `InputRequired` as `answering`, and `answers` by its keys. Faults are returned, not raised.
        Cancelling closes the call's connection and tells a server with sessions, and does nothing else.

        Raises:
            ValueError: `arguments_json` is no JSON object, or `correlation_id` does not fit a header.
        """
        if arguments_json[:1] != b"{" or arguments_json[-1:] != b"}":
            raise ValueError("arguments_json must be one JSON object without white space around it")
        context = _context(correlation_id, traceparent, meta)
        # The arguments come first: should they ever hold more than they ought to, what follows wins.
        params: dict[str, Any] = {"arguments": orjson.Fragment(arguments_json), "name": name}
        if answering is not None:
            params["inputResponses"] = answers or {}
            if answering.state is not None:
                params["requestState"] = answering.state
        headers = self._param_headers.of(name, arguments_json)
        call = _Request("tools/call", params, context, name, headers, on_progress)
        result = await self._ask(call, deadline)
        if isinstance(result, ProtocolFault) and result.rpc_code == replies.HEADER_MISMATCH:
            listed = await self.list_tools(deadline, correlation_id=context.correlation_id)
            wanted = self._param_headers.of(name, arguments_json)
            if isinstance(listed, ToolList) and wanted != headers:
                result = await self._ask(replace(call, param_headers=wanted), deadline)
        if isinstance(result, (Fault, InputRequired)):
            return result
        return replies.tool_reply(self.server_name, result)

    async def list_tools(
        self, deadline: float, *, correlation_id: str | None = None, on_page: Callable[[int], None] | None = None
    ) -> ToolList | Fault:
        """Return every tool that the server lists and that can be used, page by page, each as the server wrote it.

        `on_page` gets how many there were after each page.
        """
        context = _context(correlation_id, None, None)
        listing = Listing(self._limits)
        cursor: str | None = None
        for _ in range(self._limits.max_tool_pages):
            result = await self._ask(_Request("tools/list", {"cursor": cursor} if cursor else {}, context), deadline)
            if isinstance(result, Fault):
                return result
            refused = Code.BAD_REPLY if isinstance(result, InputRequired) else listing.add(result)
            if refused is not None:
                return faults.protocol(self.server_name, refused)
            if on_page is not None:
                on_page(listing.count)
            cursor = listing.next_cursor
            if cursor is None:
                listed = listing.tool_list()
                self._param_headers.learn(listed.tools)
                return listed
        return faults.protocol(self.server_name, Code.REPLY_TOO_LARGE)

    async def ping(self, deadline: float) -> ServerAlive | Fault:
        """Ask the server for a sign of life: `server/discover`, or `ping` where there is a session."""
        binding = await self._revision.binding(deadline)
        if isinstance(binding, Fault):
            return binding
        method = "server/discover" if binding.modern else "ping"
        result = await self._ask(_Request(method, {}, _context(None, None, None)), deadline)
        if isinstance(result, InputRequired):
            return faults.protocol(self.server_name, Code.BAD_REPLY)
        return result if isinstance(result, Fault) else ServerAlive(protocol_version=self.protocol_version or "")

    async def aclose(self) -> None:
        """End the session with the server, where there is one. The pool stays open; it is not ours."""
        deadline = asyncio.get_running_loop().time() + 1.0
        await self._withdrawals.aclose(deadline)
        await self._revision.aclose(deadline)

    async def _ask(self, request: _Request, deadline: float) -> Mapping[str, Any] | InputRequired | Fault:
        binding = self._revision.current or await self._revision.binding(deadline)
        if isinstance(binding, Fault):
            return binding
        result = await self._send(request, binding, deadline)
        if not isinstance(result, Fault) or not self._revision.may_be_stale(result, binding):
            return result
        renewed = await self._revision.binding(deadline, stale=binding)
        if binding.modern and (isinstance(renewed, Fault) or renewed.modern):
            return result  # No other server than before: it meant what it said.
        if isinstance(renewed, Fault):
            return renewed
        return await self._send(request, renewed, deadline)

    async def _send(self, request: _Request, binding: Binding, deadline: float) -> Mapping[str, Any] | InputRequired | Fault:
        request_id = next(self._ids)
        headers = wire.request_headers(binding, request.method, request.context)
        if binding.modern and request.tool is not None:
            headers[wire.NAME] = _name_header(request.tool)
            if request.param_headers:
                headers |= request.param_headers
        body = wire.request_body(
            binding,
            request_id,
            request.method,
            request.params,
            request.context,
            progress=request.on_progress is not None,
        )
        try:
            answer = await self._exchange.request(body, headers, request_id, deadline, request.on_progress)
        except asyncio.CancelledError:
            self._withdrawals.withdraw(binding, request_id)
            raise
        if isinstance(answer, Fault):
            if isinstance(answer, TimedOut):
                self._withdrawals.withdraw(binding, request_id)
            return answer
        return replies.result_of(self.server_name, answer.message, answer.status)


@dataclass(slots=True)  # Not frozen: one is made for every call, and freezing triples what that costs.
class _Request:
    method: str
    params: Mapping[str, Any]
    context: CallContext
    tool: str | None = None
    param_headers: Mapping[str, str] | None = None
    on_progress: ProgressCallback | None = None


def _context(correlation_id: str | None, traceparent: str | None, meta: Mapping[str, Any] | None) -> CallContext:
    if correlation_id is None:
        correlation_id = uuid.uuid4().hex
    elif not _CORRELATION_ID.fullmatch(correlation_id):
        raise ValueError("correlation_id must be 1 to 200 visible ASCII characters")
    if traceparent is None or not _TRACEPARENT.fullmatch(traceparent):
        # W3C: what does not parse is not passed on; a trace begins here.
        traceparent = wire.new_traceparent(correlation_id)
    return CallContext(correlation_id=correlation_id, traceparent=traceparent, meta=meta or {})
