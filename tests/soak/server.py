"""`python -m tests.soak.server`: servers that go wrong on purpose, in a process of their own. It prints where they are, as one
line of JSON, and ends with its standard input.

Above: `run`. Below: the faulty server of tests/integration/mcp_client, and what is added here: calls that are held until they are
released, more ways to go wrong, a server of 2025-11-25, and servers whose tool lists are the fault.
"""

from __future__ import annotations

import asyncio
import gzip
import sys
from collections import defaultdict
from contextlib import AsyncExitStack
from typing import Any, Final

import orjson

from tests.integration.mcp_client.faulty_server import Behaviour, FaultyServer, faulty_server
from tests.integration.mcp_client.raw_http import Peer, answer, chunk, respond, stream_head

_DRIP_SECONDS: Final = 0.02
_FIFTY_MEGABYTES: Final = 50 * 1024 * 1024
_PIECE: Final = b" " * 65_536
_BOMB: Final = gzip.compress(b" " * 20 * 1024 * 1024)
_SESSION: Final = "Mcp-Session-Id: s-1\r\n"


class SoakServer(FaultyServer):
    """SoakServer is the faulty server with more ways to go wrong, and calls that are held by a key until they are released."""

    def __init__(self) -> None:
        super().__init__()
        self._releases: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)
        self._holding: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)
        self.behaviours |= _MORE | {
            "held": self._held,
            "await_held": self._await_held,
            "release": self._release,
            "connections": self._connections,
        }

    async def _held(self, peer: Peer, request: dict[str, Any]) -> None:
        key = request["params"]["arguments"]["key"]
        self._holding[key].set()
        await self._releases[key].wait()
        del self._holding[key], self._releases[key]
        await answer(peer, request, {"content": [], "structuredContent": {"held": key}})

    async def _await_held(self, peer: Peer, request: dict[str, Any]) -> None:
        await self._holding[request["params"]["arguments"]["key"]].wait()
        await answer(peer, request, {"content": []})

    async def _release(self, peer: Peer, request: dict[str, Any]) -> None:
        self._releases[request["params"]["arguments"]["key"]].set()
        await answer(peer, request, {"content": []})

    async def _connections(self, peer: Peer, request: dict[str, Any]) -> None:
        await answer(peer, request, {"content": [], "structuredContent": {"open": self.open_connections}})


class SessionServer(SoakServer):
    """SessionServer speaks 2025-11-25: it has a session, forgets it, and is told when a call is given up."""

    def __init__(self) -> None:
        super().__init__()
        self.discover = self._other
        self.behaviours |= {"lose_session": self._lose_session, "resumed": self._early_end, "cancelled": self._cancelled}
        self._lost = False
        self._notices = 0
        self._pending: dict[str, dict[str, Any]] = {}

    async def _other(self, peer: Peer, request: dict[str, Any]) -> None:
        method = request.get("method")
        if method == "initialize":
            result = {"protocolVersion": "2025-11-25", "capabilities": {}}
            body = orjson.dumps({"jsonrpc": "2.0", "id": request["id"], "result": result})
            await respond(peer, "200 OK", body, extra=_SESSION)
        elif method == "server/discover":
            error = {"code": -32601, "message": "Method not found"}
            await respond(peer, "200 OK", orjson.dumps({"jsonrpc": "2.0", "id": request["id"], "error": error}))
        elif method == "GET":
            await self._resume(peer, request["lastEventId"])
        else:
            self._notices += method == "notifications/cancelled"
            await respond(peer, "202 Accepted", b"")

    async def _lose_session(self, peer: Peer, request: dict[str, Any]) -> None:
        """Every other call finds its session gone."""
        self._lost = not self._lost
        if self._lost:
            await respond(peer, "404 Not Found", b"", "text/plain")
        else:
            await answer(peer, request, {"content": []})

    async def _early_end(self, peer: Peer, request: dict[str, Any]) -> None:
        """End the reply stream before the reply, which a GET then gets."""
        event = f"e-{request['id']}"
        self._pending[event] = request
        await stream_head(peer)
        await chunk(peer, f"id: {event}\nretry: 5\ndata:\n\n".encode())
        await chunk(peer, b"")

    async def _resume(self, peer: Peer, event: str) -> None:
        await stream_head(peer)
        await chunk(peer, _event(_reply(self._pending.pop(event))))
        await chunk(peer, b"")

    async def _cancelled(self, peer: Peer, request: dict[str, Any]) -> None:
        await answer(peer, request, {"content": [], "structuredContent": {"notices": self._notices}})


class ListServer(FaultyServer):
    """ListServer goes wrong when it is asked for its tools."""

    def __init__(self, page: Any) -> None:
        super().__init__()
        discovered = self.discover
        pages = 0

        async def listed(peer: Peer, request: dict[str, Any]) -> None:
            nonlocal pages
            if request.get("method") != "tools/list":
                await discovered(peer, request)
                return
            pages += 1
            body = page(request, pages)
            await (respond(peer, "200 OK", body) if isinstance(body, bytes) else answer(peer, request, body))

        self.discover = listed


async def _dripping_head(peer: Peer, request: dict[str, Any]) -> None:
    """A head that comes a byte at a time and never ends."""
    peer.writer.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    while not await _leaves_within(peer, _DRIP_SECONDS):
        peer.writer.write(b"x")


async def _dripping_stream(peer: Peer, request: dict[str, Any]) -> None:
    """A stream that says something all the time, and never anything of use."""
    await stream_head(peer)
    while not await _leaves_within(peer, _DRIP_SECONDS):
        await chunk(peer, b": still here\n\n")


async def _endless_head(peer: Peer, request: dict[str, Any]) -> None:
    """Header after header."""
    peer.writer.write(b"HTTP/1.1 200 OK\r\n")
    while not peer.writer.is_closing():
        peer.writer.write(b"X-More: more\r\n" * 1000)
        await peer.writer.drain()


async def _fifty_megabytes(peer: Peer, request: dict[str, Any]) -> None:
    """A reply of 50 MB that says so."""
    peer.writer.write(f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {_FIFTY_MEGABYTES}\r\n\r\n".encode())
    for _ in range(_FIFTY_MEGABYTES // len(_PIECE)):
        if peer.writer.is_closing():
            return
        peer.writer.write(_PIECE)
        await peer.writer.drain()


async def _fifty_megabytes_unannounced(peer: Peer, request: dict[str, Any]) -> None:
    """A reply of 50 MB that does not say how long it is."""
    peer.writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n")
    for _ in range(_FIFTY_MEGABYTES // len(_PIECE)):
        if peer.writer.is_closing():
            return
        await chunk(peer, _PIECE)
    await chunk(peer, b"")


async def _gzip_bomb(peer: Peer, request: dict[str, Any]) -> None:
    await respond(peer, "200 OK", _BOMB, extra="Content-Encoding: gzip\r\n")


async def _duplicate_replies(peer: Peer, request: dict[str, Any]) -> None:
    """Two different replies to one request: the first counts."""
    await stream_head(peer)
    await chunk(peer, _event(_reply(request, {"n": 1})) + _event(_reply(request, {"n": 2})))
    await chunk(peer, b"")


async def _other_requests_reply(peer: Peer, request: dict[str, Any]) -> None:
    """A stream with the reply to another request and none to this one."""
    await stream_head(peer)
    await chunk(peer, _event(_reply({"id": request["id"] + 1})))
    await chunk(peer, b"")


async def _id_as_text(peer: Peer, request: dict[str, Any]) -> None:
    await answer(peer, {"id": str(request["id"])}, {"content": []})


async def _no_id(peer: Peer, request: dict[str, Any]) -> None:
    await respond(peer, "200 OK", orjson.dumps({"jsonrpc": "2.0", "result": {"content": []}}))


async def _deep_json(peer: Peer, request: dict[str, Any]) -> None:
    await respond(peer, "200 OK", b"[" * 100_000)


async def _two_responses(peer: Peer, request: dict[str, Any]) -> None:
    """A whole response, and another behind it that nobody asked for."""
    await answer(peer, request, {"content": [], "structuredContent": {"n": 1}})
    await respond(peer, "200 OK", orjson.dumps(_reply({"id": 1}, {"smuggled": True})))


async def _leaves_within(peer: Peer, seconds: float) -> bool:
    try:
        async with asyncio.timeout(seconds):
            await peer.leaves()
    except TimeoutError:
        return peer.writer.is_closing()
    return True


def _reply(request: dict[str, Any], structured: Any = None) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": request["id"], "result": {"content": [], "structuredContent": structured}}


def _event(message: dict[str, Any]) -> bytes:
    return b"data: " + orjson.dumps(message) + b"\n\n"


def _redirect(status: str) -> Behaviour:
    async def behaviour(peer: Peer, request: dict[str, Any]) -> None:
        await respond(peer, status, b"", "text/html", "Location: http://127.0.0.1:1/elsewhere\r\n")

    return behaviour


_MORE: Final[dict[str, Behaviour]] = {
    "dripping_head": _dripping_head,
    "dripping_stream": _dripping_stream,
    "endless_head": _endless_head,
    "fifty_megabytes": _fifty_megabytes,
    "fifty_megabytes_unannounced": _fifty_megabytes_unannounced,
    "gzip_bomb": _gzip_bomb,
    "duplicate_replies": _duplicate_replies,
    "other_requests_reply": _other_requests_reply,
    "id_as_text": _id_as_text,
    "no_id": _no_id,
    "deep_json": _deep_json,
    "two_responses": _two_responses,
    "see_other": _redirect("303 See Other"),
}


def _tool(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "inputSchema": {"type": "object", **schema}}


def _reference_bomb(request: dict[str, Any], page: int) -> Any:
    """Beside a good tool one whose thirty small definitions come to a thousand million when they are followed, and one whose
    references go in a circle."""
    definitions: dict[str, Any] = {f"d{n}": {"allOf": [{"$ref": f"#/$defs/d{n + 1}"}] * 2} for n in range(30)}
    definitions["d30"] = {"type": "string"}
    circle = {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}
    bomb = _tool("bomb", {"properties": {"x": {"$ref": "#/$defs/d0"}}, "$defs": definitions})
    return {"tools": [_tool("good", {}), bomb, _tool("circle", {"properties": {"x": {"$ref": "#/$defs/a"}}, "$defs": circle})]}


def _deep_schema(request: dict[str, Any], page: int) -> Any:
    schema: dict[str, Any] = {}
    for _ in range(100):
        schema = {"type": "object", "properties": {"x": schema}}
    return {"tools": [_tool("good", {}), _tool("deep", schema)]}


def _too_deep_for_json(request: dict[str, Any], page: int) -> Any:
    return b'{"jsonrpc":"2.0","id":%d,"result":{"tools":[' % request["id"] + b'{"a":' * 200_000


def _endless_pages(request: dict[str, Any], page: int) -> Any:
    return {"tools": [_tool(f"t{page}", {})], "nextCursor": f"c{page}"}


def _same_cursor(request: dict[str, Any], page: int) -> Any:
    return {"tools": [], "nextCursor": "again"}


def _large_pages(request: dict[str, Any], page: int) -> Any:
    return {"tools": [{**_tool(f"t{page}", {}), "description": "x" * 200_000}], "nextCursor": f"c{page}"}


LISTS: Final = {
    "reference_bomb": _reference_bomb,
    "deep_schema": _deep_schema,
    "too_deep_for_json": _too_deep_for_json,
    "endless_pages": _endless_pages,
    "same_cursor": _same_cursor,
    "large_pages": _large_pages,
}
"""What each faulty tool list is, by the name of its mode."""


async def serve() -> None:
    """Serve until standard input ends."""
    servers: dict[str, FaultyServer] = {
        "faulty": SoakServer(),
        "smuggling": SoakServer(),
        "healthy": SoakServer(),
        "sessions": SessionServer(),
    }
    servers |= {name: ListServer(page) for name, page in LISTS.items()}
    async with AsyncExitStack() as opened:
        for server in servers.values():
            await opened.enter_async_context(faulty_server(server))
        print(orjson.dumps({name: server.url for name, server in servers.items()}).decode(), flush=True)
        await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(serve())
