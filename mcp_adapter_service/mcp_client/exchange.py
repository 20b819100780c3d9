"""One POST to an MCP server: send a body, return the response that belongs to it, say what went wrong otherwise.

Above: `revision` and `client` say what to send. Below: a shared aiohttp session, and `reply_stream` for replies that come as
events. Every request has its own connection out of the pool for as long as it lasts and shares nothing else, so what happens
to one touches no other.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import aiohttp
import orjson
from aiohttp.abc import AbstractStreamWriter
from aiohttp.payload import BytesPayload
from yarl import URL

from mcp_adapter_service.mcp_client import faults, wire
from mcp_adapter_service.mcp_client.authorization import Authorizer
from mcp_adapter_service.mcp_client.faults import Code
from mcp_adapter_service.mcp_client.limits import ClientLimits
from mcp_adapter_service.mcp_client.outcomes import Fault, HttpFault
from mcp_adapter_service.mcp_client.replies import answers, retry_after_seconds
from mcp_adapter_service.mcp_client.reply_stream import ProgressCallback, ReplyStream

_ERROR_BODY_LIMIT: Final = 64 * 1024

# How long a server may take to end a reply stream after the response, and how many in a row may fail to.
_STREAM_END_SECONDS: Final = 0.02
_STREAMS_LEFT_OPEN: Final = 3

# How often one request is sent again with another token: the first, and one with more scope.
_RENEWALS: Final = 2

# Nothing in the body of these says more than the status does, and only MCP servers, not what stands before them, say
# anything in the body of the others.
_STATUS_IS_ALL: Final = frozenset({401, 403, 407, 429})


@dataclass(slots=True)  # Not frozen: one is made for every call, and freezing triples what that costs.
class Answer:
    """Answer is the JSON-RPC response to a request, not yet read for its meaning."""

    message: Mapping[str, Any]
    status: int
    session_id: str | None


class _Body(BytesPayload):
    """A request body that knows whether any of the request reached the transport: aiohttp sends head and body in one."""

    sent = False

    async def write_with_length(self, writer: AbstractStreamWriter, content_length: int | None) -> None:
        transport = getattr(writer, "transport", None)
        # A transport that is closing takes nothing: the write below raises, and nothing has happened at the server.
        self.sent = transport is not None and not transport.is_closing()
        await super().write_with_length(writer, content_length)


class Exchange:
    """Exchange speaks HTTP with one server over a pool that it shares."""

    def __init__(
        self,
        server: str,
        url: str,
        session: aiohttp.ClientSession,
        limits: ClientLimits,
        authorizer: Authorizer | None = None,
    ) -> None:
        self.server = server
        self.limits = limits
        self._url = URL(url)
        if self._url.scheme not in {"http", "https"} or not self._url.host or self._url.user:
            raise ValueError(f"The URL of tool server '{server}' must be http(s)://host… without credentials in it.")
        self._session = session
        self._authorizer = authorizer
        self._left_open = 0
        # The call's deadline bounds everything; aiohttp's own timers would only cost time.
        self._timeout = aiohttp.ClientTimeout(total=None, sock_connect=limits.connect_seconds)

    async def request(
        self,
        body: bytes,
        headers: Mapping[str, str],
        request_id: int,
        deadline: float,
        on_progress: ProgressCallback | None = None,
    ) -> Answer | Fault:
        """Send a request and return its response. `deadline` is in the loop's time."""
        authorizer = self._authorizer
        if authorizer is None:
            return await self._request(body, headers, request_id, deadline, on_progress)
        for _ in range(_RENEWALS):
            used = authorizer.token
            answer = await self._request(body, self._authorized(headers), request_id, deadline, on_progress)
            if not isinstance(answer, HttpFault) or answer.challenge is None:
                return answer
            version = headers.get(wire.VERSION, wire.LEGACY)
            if not await authorizer.renew(answer.status, answer.challenge, used, version, deadline):
                return answer
        return await self._request(body, self._authorized(headers), request_id, deadline, on_progress)

    async def _request(
        self,
        body: bytes,
        headers: Mapping[str, str],
        request_id: int,
        deadline: float,
        on_progress: ProgressCallback | None = None,
        *,
        on_fresh_connection: bool = False,
    ) -> Answer | Fault:
        """Send a request once.

        A pooled connection that turns out to be closed before anything was written is replaced once, by
        `on_fresh_connection`: nobody but us has noticed the first try.
        """
        if deadline <= asyncio.get_running_loop().time():
            return faults.refused(self.server, Code.DEADLINE_PASSED)
        payload = _Body(body)
        try:
            async with asyncio.timeout_at(deadline), self._open("POST", headers, payload) as response:
                if response.status == 200 and media_type(response) == "text/event-stream" and not _compressed(response):
                    stream = ReplyStream(self, headers, request_id, deadline, on_progress)
                    found = await stream.read(response)
                    await self._let_it_end(response, deadline)
                    return found if isinstance(found, Fault) else Answer(found, 200, _session_id(response))
                return await self._whole(response, request_id)
        except (aiohttp.ClientError, OSError) as error:  # TimeoutError is an OSError
            fault = self._network_fault(error, payload.sent)
        if fault.code == Code.NOT_SENT and not on_fresh_connection:
            return await self._request(body, headers, request_id, deadline, on_progress, on_fresh_connection=True)
        return fault

    async def post(self, body: bytes, headers: Mapping[str, str], deadline: float) -> Fault | None:
        """Send a notification, or an answer to the server; None once it is taken."""
        payload = _Body(body)
        try:
            async with asyncio.timeout_at(deadline), self._open("POST", self._authorized(headers), payload) as response:
                return None if response.status < 300 else faults.http(self.server, response.status)
        except (aiohttp.ClientError, OSError) as error:
            return self._network_fault(error, payload.sent)

    async def delete(self, headers: Mapping[str, str], deadline: float) -> None:
        """End a session at the server. Best effort: left alone it ends by itself later."""
        try:
            async with asyncio.timeout_at(deadline), self._open("DELETE", self._authorized(headers)):
                return
        except (aiohttp.ClientError, OSError):
            return

    def resume(self, headers: Mapping[str, str], last_event_id: str) -> aiohttp.client._RequestContextManager:
        """Open the rest of a reply stream that ended early."""
        return self._open("GET", {**self._authorized(headers), wire.LAST_EVENT_ID: last_event_id})

    def _authorized(self, headers: Mapping[str, str]) -> Mapping[str, str]:
        token = self._authorizer.token if self._authorizer is not None else None
        return {**headers, wire.AUTHORIZATION: f"Bearer {token}"} if token is not None else headers

    def _open(
        self, method: str, headers: Mapping[str, str], payload: _Body | None = None
    ) -> aiohttp.client._RequestContextManager:
        # A redirect is not followed: it would carry our credentials and the call's data to an address nobody configured.
        return self._session.request(
            method, self._url, data=payload, headers=headers, allow_redirects=False, timeout=self._timeout
        )

    async def _whole(self, response: aiohttp.ClientResponse, request_id: int) -> Answer | Fault:
        """Read a reply that is no stream."""
        kind = media_type(response)
        if _compressed(response):
            return self._compressed_reply(response)
        if response.status == 200 and kind == "application/json":
            return await self._json(response, request_id, self.limits.max_reply_bytes)
        return await self._without_result(response, kind, request_id)

    async def _json(self, response: aiohttp.ClientResponse, request_id: int, limit: int) -> Answer | Fault:
        body = await read_body(response, limit)
        if body is None:
            return faults.protocol(self.server, Code.REPLY_TOO_LARGE, status=response.status)
        try:
            message = orjson.loads(body)
        except orjson.JSONDecodeError:
            return faults.protocol(self.server, Code.BAD_JSON, status=response.status)
        if not isinstance(message, dict) or not answers(message, request_id):
            return faults.protocol(self.server, Code.BAD_REPLY, status=response.status)
        return Answer(message, response.status, _session_id(response))

    def _compressed_reply(self, response: aiohttp.ClientResponse) -> Fault:
        """What an error status says stands; nothing else of the reply can be read."""
        if 200 <= response.status < 300:
            return faults.protocol(self.server, Code.COMPRESSED, status=response.status)
        return faults.http(self.server, response.status, retry_after_seconds(response.headers.get("Retry-After")))

    async def _let_it_end(self, response: aiohttp.ClientResponse, deadline: float) -> None:
        """Wait a moment for the end of a reply stream: only then can its connection be used again."""
        ample = deadline - asyncio.get_running_loop().time() > 2 * _STREAM_END_SECONDS
        if self._left_open >= _STREAMS_LEFT_OPEN or not ample:
            return
        try:
            async with asyncio.timeout(_STREAM_END_SECONDS):
                while await response.content.readany():
                    pass
            self._left_open = 0
        except TimeoutError:
            self._left_open += 1
        except aiohttp.ClientError:
            return

    async def _without_result(self, response: aiohttp.ClientResponse, kind: str, request_id: int) -> Answer | Fault:
        status = response.status
        if 200 <= status < 300:
            code = Code.NO_REPLY if status in {202, 204} else Code.BAD_CONTENT_TYPE
            return faults.protocol(self.server, code, status=status)
        said = response.headers
        fault = faults.http(self.server, status, retry_after_seconds(said.get("Retry-After")), said.get("WWW-Authenticate"))
        if status in _STATUS_IS_ALL or not 400 <= status < 500 or kind != "application/json":
            return fault
        try:
            answer = await self._json(response, request_id, _ERROR_BODY_LIMIT)
        except (aiohttp.ClientError, OSError):
            return fault
        return answer if isinstance(answer, Answer) and "error" in answer.message else fault

    def _network_fault(self, error: BaseException, sent: bool) -> Fault:
        if not sent:
            return faults.refused(self.server, _unsent_code(error))
        if isinstance(error, TimeoutError):
            return faults.timed_out(self.server)
        if isinstance(error, aiohttp.ClientResponseError):
            return faults.protocol(self.server, Code.BAD_HTTP)
        return faults.unknown(self.server)


def media_type(response: aiohttp.ClientResponse) -> str:
    """Return a response's media type without its parameters."""
    return response.headers.get("Content-Type", "").partition(";")[0].strip().lower()


async def read_body(response: aiohttp.ClientResponse, limit: int) -> bytes | None:
    """Read a body while it is at most `limit` bytes; None as soon as it is more."""
    if (response.content_length or 0) > limit:
        return None
    content = response.content
    chunk = await content.readany()
    if content.at_eof() and len(chunk) <= limit:
        return chunk
    chunks, size = [chunk], len(chunk)
    while size <= limit:
        chunk = await content.readany()
        if not chunk:
            return b"".join(chunks)
        chunks.append(chunk)
        size += len(chunk)
    return None


def _compressed(response: aiohttp.ClientResponse) -> bool:
    return response.headers.get("Content-Encoding", "").strip().lower() not in {"", "identity"}


def _session_id(response: aiohttp.ClientResponse) -> str | None:
    return response.headers.get(wire.SESSION_ID)


def _unsent_code(error: BaseException) -> Code:
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return Code.HOST_NOT_FOUND
    if isinstance(error, aiohttp.ClientSSLError | aiohttp.ClientConnectorCertificateError):
        return Code.TLS_FAILED
    if isinstance(error, aiohttp.ClientConnectorError):
        return Code.CONNECTION_REFUSED
    if isinstance(error, aiohttp.ServerTimeoutError):
        return Code.CONNECT_TIMED_OUT
    return Code.DEADLINE_PASSED if isinstance(error, TimeoutError) else Code.NOT_SENT
