"""A raw HTTP server that goes wrong on purpose, one way per tool name, and otherwise speaks 2026-07-28.

On bare asyncio streams, because a framework would not let it: the tool called decides what goes over the wire. `hold` is the
neighbour: it is answered when the test says so, whatever happens around it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import orjson

from tests.integration.mcp_client.raw_http import Peer, answer, chunk, read_request, respond, stream_head

Behaviour = Callable[[Peer, dict[str, Any]], Awaitable[None]]


class FaultyServer:
    """FaultyServer is one running server. `calls` counts the tool calls it read whole, by tool."""

    def __init__(self) -> None:
        self.url = ""
        self.calls: Counter[str] = Counter()
        self.open_connections = 0
        self.connections = 0
        self._hanging_up = False
        self._writers: set[asyncio.StreamWriter] = set()
        self.holding = asyncio.Event()
        self.release = asyncio.Event()
        self.stalled = asyncio.Event()
        self.discover: Behaviour = _discovered  # Whatever is not a tool call.
        self.behaviours: dict[str, Behaviour] = {"hold": self._hold, "stall": self._stall, **_BEHAVIOURS}

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        if self._hanging_up:
            writer.transport.abort()
            return
        self.open_connections += 1
        self.connections += 1
        self._writers.add(writer)
        try:
            while request := await read_request(reader):
                if request.get("method") != "tools/call":
                    await self.discover(Peer(reader, writer), request)
                    continue
                tool = request["params"]["name"]
                self.calls[tool] += 1
                await self.behaviours[tool](Peer(reader, writer), request)
                if writer.is_closing():
                    break
        except ConnectionError:
            pass
        finally:
            self.open_connections -= 1
            self._writers.discard(writer)
            writer.close()

    def hang_up(self) -> None:
        """Reset every connection, now and as they come."""
        self._hanging_up = True
        for writer in self._writers:
            writer.transport.abort()

    async def _hold(self, peer: Peer, request: dict[str, Any]) -> None:
        self.holding.set()
        await self.release.wait()
        await answer(peer, request, {"content": [], "structuredContent": {"held": True}})

    async def _stall(self, peer: Peer, request: dict[str, Any]) -> None:
        """Send nothing at all, until the client goes."""
        self.stalled.set()
        await peer.leaves()


@contextlib.asynccontextmanager
async def faulty_server(state: FaultyServer | None = None) -> AsyncIterator[FaultyServer]:
    """Run a server until the block ends, a plain one unless `state` is another."""
    state = state or FaultyServer()
    connections: set[asyncio.Task[None]] = set()

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.add(asyncio.ensure_future(state.serve(reader, writer)))

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    state.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/mcp"
    try:
        yield state
    finally:
        server.close()
        for task in connections:
            task.cancel()
        await asyncio.gather(*connections, return_exceptions=True)


async def _discovered(peer: Peer, request: dict[str, Any]) -> None:
    await answer(peer, request, {"supportedVersions": ["2026-07-28"], "capabilities": {}})


async def _drop(peer: Peer, request: dict[str, Any]) -> None:
    """The request is read, and the connection reset instead of answered."""
    peer.writer.transport.abort()


async def _drop_within(peer: Peer, request: dict[str, Any]) -> None:
    """Half an answer, then the end."""
    peer.writer.write(b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n{"jsonrpc":')
    await peer.writer.drain()
    peer.writer.close()


async def _drop_stream(peer: Peer, request: dict[str, Any]) -> None:
    """A stream that ends before the response."""
    await stream_head(peer)
    await chunk(peer, b": hello\n\n")
    await chunk(peer, b"")


async def _endless_stream(peer: Peer, request: dict[str, Any]) -> None:
    """Progress for ever."""
    note = {"jsonrpc": "2.0", "method": "notifications/progress", "params": {"progress": 1, "message": "x" * 60_000}}
    await stream_head(peer)
    while not peer.writer.is_closing():
        await chunk(peer, b"data: " + orjson.dumps(note) + b"\n\n")


async def _silent_stream(peer: Peer, request: dict[str, Any]) -> None:
    """A stream that stays open and says nothing."""
    await stream_head(peer)
    await chunk(peer, b": ping\n\n")
    await peer.leaves()


async def _odd_stream(peer: Peer, request: dict[str, Any]) -> None:
    """All that a stream may do: comments, other events, other ids, CRLF, data over several lines, split anywhere."""
    reply = orjson.dumps({"jsonrpc": "2.0", "id": request["id"], "result": {"content": [], "structuredContent": {"n": 1}}})
    text = (
        b"\xef\xbb\xbf: comment\r\n\r\nid: 1\r\ndata:\r\n\r\n"
        b'event: ping\r\ndata: {"id": 0}\r\n\r\n'
        b'data: {"jsonrpc":"2.0","id":"someone else","result":{"content":[]}}\r\n\r\n'
        b'data: {"jsonrpc":"2.0","method":"notifications/progress",\r\ndata: "params":{"progress":1}}\r\n\r\n'
        b"data: " + reply + b"\r\n\r\n"
    )
    await stream_head(peer)
    for start in range(0, len(text), 7):
        await chunk(peer, text[start : start + 7])
    await chunk(peer, b"")


async def _late_end(peer: Peer, request: dict[str, Any]) -> None:
    """A stream whose end comes a moment after its response."""
    await _response_event(peer, request)
    moment = asyncio.Event()
    asyncio.get_running_loop().call_later(0.003, moment.set)
    await moment.wait()
    await chunk(peer, b"")


async def _no_end(peer: Peer, request: dict[str, Any]) -> None:
    """A stream that stays open after its response."""
    await _response_event(peer, request)
    await peer.leaves()


async def _response_event(peer: Peer, request: dict[str, Any]) -> None:
    await stream_head(peer)
    reply = {"jsonrpc": "2.0", "id": request["id"], "result": {"content": []}}
    await chunk(peer, b"data: " + orjson.dumps(reply) + b"\n\n")


async def _oversized(peer: Peer, request: dict[str, Any]) -> None:
    """More than any limit, without saying so beforehand."""
    peer.writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n")
    while not peer.writer.is_closing():
        await chunk(peer, b" " * 65_536)


async def _slow_head(peer: Peer, request: dict[str, Any]) -> None:
    """Half a head, and no more."""
    peer.writer.write(b"HTTP/1.1 200 OK\r\nContent-Ty")
    await peer.writer.drain()
    await peer.leaves()


async def _garbage(peer: Peer, request: dict[str, Any]) -> None:
    """Not HTTP."""
    peer.writer.write(b"220 mail.example.com ESMTP ready\r\n\r\n")
    await peer.writer.drain()
    peer.writer.close()


async def _foreign_id(peer: Peer, request: dict[str, Any]) -> None:
    await answer(peer, {"id": 999_999}, {"content": []})


async def _task(peer: Peer, request: dict[str, Any]) -> None:
    await answer(peer, request, {"resultType": "task", "taskId": "t"})


async def _unknown_tool(peer: Peer, request: dict[str, Any]) -> None:
    error = {"code": -32602, "message": "Unknown tool: unknown_tool"}
    await respond(peer, "400 Bad Request", orjson.dumps({"jsonrpc": "2.0", "id": request["id"], "error": error}))


async def _echo(peer: Peer, request: dict[str, Any]) -> None:
    await answer(peer, request, {"content": [], "structuredContent": request["params"]["arguments"]})


async def _echo_and_close(peer: Peer, request: dict[str, Any]) -> None:
    """Answer, promise to keep the connection, and close it."""
    await _echo(peer, request)
    peer.writer.close()
    await peer.writer.wait_closed()


def _fixed(status: str, body: bytes = b"", kind: str = "text/html", extra: str = "") -> Behaviour:
    async def behaviour(peer: Peer, request: dict[str, Any]) -> None:
        await respond(peer, status, body, kind, extra)

    return behaviour


_PAGE = b"<html>stack trace with a secret</html>"

_BEHAVIOURS: dict[str, Behaviour] = {
    "echo": _echo,
    "echo_and_close": _echo_and_close,
    "drop": _drop,
    "drop_within": _drop_within,
    "drop_stream": _drop_stream,
    "endless_stream": _endless_stream,
    "silent_stream": _silent_stream,
    "late_end": _late_end,
    "no_end": _no_end,
    "odd_stream": _odd_stream,
    "oversized": _oversized,
    "announced_oversized": _fixed("200 OK", b" " * 70_000, "application/json"),
    "slow_head": _slow_head,
    "garbage": _garbage,
    "foreign_id": _foreign_id,
    "task": _task,
    "unknown_tool": _unknown_tool,
    "bad_json": _fixed("200 OK", b'{"jsonrpc": "2.0", ', "application/json"),
    "not_an_object": _fixed("200 OK", b"[]", "application/json"),
    "html": _fixed("200 OK", _PAGE),
    "accepted": _fixed("202 Accepted"),
    "redirect": _fixed("307 Temporary Redirect", extra="Location: http://127.0.0.1:1/elsewhere\r\n"),
    "401": _fixed("401 Unauthorized", _PAGE),
    "403": _fixed("403 Forbidden", _PAGE),
    "404": _fixed("404 Not Found", _PAGE),
    "429": _fixed("429 Too Many Requests", _PAGE, extra="Retry-After: 7\r\n"),
    "500": _fixed("500 Internal Server Error", _PAGE),
    "502": _fixed("502 Bad Gateway", _PAGE),
    "503": _fixed("503 Service Unavailable", _PAGE, extra="Retry-After: 3\r\n"),
    "504": _fixed("504 Gateway Timeout", _PAGE),
}
