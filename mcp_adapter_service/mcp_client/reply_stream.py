"""A reply that comes as server-sent events: progress first, perhaps, and the response at the end.

Above: `exchange` hands over the response it got. Below: `sse`, and `exchange` again through `Link` for the two things that a
2025-11-25 server may want in between: an answer to its ping, and a new GET for the rest of a stream that it closed early.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any, Final, Protocol, TypeAlias

import aiohttp
import orjson

from mcp_adapter_service.mcp_client import faults, wire
from mcp_adapter_service.mcp_client.faults import Code
from mcp_adapter_service.mcp_client.limits import ClientLimits
from mcp_adapter_service.mcp_client.outcomes import Fault
from mcp_adapter_service.mcp_client.replies import answers
from mcp_adapter_service.mcp_client.sse import Event, SseDecoder

ProgressCallback: TypeAlias = Callable[[Mapping[str, Any]], None]
"""Gets the params of each `notifications/progress` of a call."""

_RESUME_SECONDS: Final = 1.0


class Link(Protocol):
    """What a reply stream needs of the connection to its server."""

    server: str
    limits: ClientLimits

    async def post(self, body: bytes, headers: Mapping[str, str], deadline: float) -> Fault | None:
        """Send an answer to the server."""
        ...

    def resume(self, headers: Mapping[str, str], last_event_id: str) -> AbstractAsyncContextManager[aiohttp.ClientResponse]:
        """Open the rest of a stream."""
        ...


class ReplyStream:
    """ReplyStream finds the response to one request in the events of its reply."""

    def __init__(
        self,
        link: Link,
        headers: Mapping[str, str],
        request_id: int,
        deadline: float,
        on_progress: ProgressCallback | None,
    ) -> None:
        self._link = link
        self._headers = headers
        self._request_id = request_id
        self._deadline = deadline
        self._on_progress = on_progress
        self._decoder = SseDecoder()
        self._budget = link.limits.max_reply_bytes

    async def read(self, response: aiohttp.ClientResponse) -> Mapping[str, Any] | Fault:
        """Return the response, or the fault in its place. The caller holds the deadline over it."""
        # Only a session keeps what a stream still owes; without one its end is the end of the call.
        resumable = wire.SESSION_ID in self._headers
        try:
            found = await self._scan(response)
        except aiohttp.ClientError:
            if not resumable:
                raise
            found = None
        for _ in range(self._link.limits.max_stream_resumptions):
            if found is not None or not resumable or self._decoder.last_event_id is None:
                break
            found = await self._resumed(self._decoder.last_event_id)
        return found if found is not None else faults.unknown(self._link.server)

    async def _resumed(self, last_event_id: str) -> Mapping[str, Any] | Fault | None:
        retry = self._decoder.retry_seconds
        await asyncio.sleep(_RESUME_SECONDS if retry is None else retry)
        self._decoder = SseDecoder(last_event_id, retry)
        try:
            async with self._link.resume(self._headers, last_event_id) as response:
                return await self._scan(response) if response.status == 200 else None
        except aiohttp.ClientError:
            return None

    async def _scan(self, response: aiohttp.ClientResponse) -> Mapping[str, Any] | Fault | None:
        while chunk := await response.content.readany():
            self._budget -= len(chunk)
            if self._budget < 0:
                return faults.protocol(self._link.server, Code.REPLY_TOO_LARGE)
            for event in self._decoder.feed(chunk):
                if event.kind == "message" and event.data:
                    found = await self._message(event)
                    if found is not None:
                        return found
        return None

    async def _message(self, event: Event) -> Mapping[str, Any] | Fault | None:
        try:
            message = orjson.loads(event.data)
        except orjson.JSONDecodeError:
            return faults.protocol(self._link.server, Code.BAD_JSON)
        if not isinstance(message, dict):
            return faults.protocol(self._link.server, Code.BAD_REPLY)
        method = message.get("method")
        if isinstance(method, str):
            if "id" in message:
                body = wire.answer_body(message["id"], method)
                await self._link.post(body, self._headers, self._deadline)
            elif method == "notifications/progress" and self._on_progress is not None:
                params = message.get("params")
                if isinstance(params, dict) and params.get("progressToken", self._request_id) == self._request_id:
                    self._on_progress(params)
            return None
        # Replies to other requests have no place here; an error without an id can only be about this one.
        return message if answers(message, self._request_id) else None
