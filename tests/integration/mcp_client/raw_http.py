"""HTTP by hand on asyncio streams, as little of it as the servers of these tests need. Above: `faulty_server`."""

from __future__ import annotations

import asyncio
from typing import Any, NamedTuple

import orjson


class Peer(NamedTuple):
    """Peer is the client on one connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def leaves(self) -> None:
        """Wait for the client to close the connection: while it waits for an answer it sends nothing."""
        await self.reader.read(1)
        self.writer.close()


async def answer(peer: Peer, request: dict[str, Any], result: dict[str, Any]) -> None:
    """Answer as MCP has it."""
    message = {"jsonrpc": "2.0", "id": request["id"], "result": {"resultType": "complete", **result}}
    await respond(peer, "200 OK", orjson.dumps(message))


async def respond(peer: Peer, status: str, body: bytes, kind: str = "application/json", extra: str = "") -> None:
    """Write one whole HTTP response."""
    head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n{extra}\r\n"
    peer.writer.write(head.encode() + body)
    await peer.writer.drain()


async def read_request(reader: asyncio.StreamReader) -> dict[str, Any] | None:
    """Read one request's JSON-RPC message; a GET as one of that method; None at the connection's end."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
    if head.startswith(b"GET "):
        lines = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:] if line)
        return {"method": "GET", "lastEventId": lines.get(b"last-event-id", b"").decode()}
    length = next(int(line.split(b":")[1]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
    message: dict[str, Any] = orjson.loads(await reader.readexactly(length))
    return message


async def stream_head(peer: Peer) -> None:
    """Begin a stream of events."""
    peer.writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
    await peer.writer.drain()


async def chunk(peer: Peer, data: bytes) -> None:
    """Write a piece of a stream; the empty one ends it."""
    peer.writer.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
    await peer.writer.drain()
