"""A proxy that does what a configured client does and the runner does not: it sends the access token, and knows tools by the
names that the gateway gives them, in lists and in calls.

Above: `test_server`. Below: aiohttp, and the server under test. Everything else goes through as it comes, headers and event
streams with it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Final

import aiohttp
import orjson
from aiohttp import web

_HOP_BY_HOP: Final = frozenset({"connection", "keep-alive", "transfer-encoding", "content-length", "authorization"})


@asynccontextmanager
async def front(target: str, token: str, names: Mapping[str, str] | None = None) -> AsyncIterator[str]:
    """Serve at the returned URL what is at `target`. `names` are the server's names of tools by those that the runner uses."""
    async with aiohttp.ClientSession(auto_decompress=False) as session:
        proxy = _Front(session, target, token, names or {})
        application = web.Application()
        application.router.add_route("*", "/mcp", proxy.handle)
        runner = web.AppRunner(application)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        try:
            host, port = runner.addresses[0][:2]
            yield f"http://{host}:{port}/mcp"
        finally:
            await runner.cleanup()


class _Front:
    def __init__(self, session: aiohttp.ClientSession, target: str, token: str, names: Mapping[str, str]) -> None:
        self._session = session
        self._target = target
        self._token = token
        self._names = names

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Hand one request on, and its reply back as it comes."""
        headers = {name: value for name, value in request.headers.items() if name.lower() not in _HOP_BY_HOP}
        headers["Authorization"] = f"Bearer {self._token}"
        body, lists_tools = self._renamed(await request.read(), headers)
        async with self._session.request(
            request.method, self._target, data=body, headers=headers, allow_redirects=False
        ) as reply:
            response = web.StreamResponse(status=reply.status)
            for name, value in reply.headers.items():
                if name.lower() not in _HOP_BY_HOP:
                    response.headers.add(name, value)
            await response.prepare(request)
            if lists_tools:
                await response.write(self._as_the_runner_knows_them(await reply.read()))
            else:
                async for chunk in reply.content.iter_any():
                    await response.write(chunk)
            await response.write_eof()
            return response

    def _renamed(self, body: bytes, headers: dict[str, str]) -> tuple[bytes, bool]:
        """Return a request with the server's name of the tool in it, and whether it asks for the tools."""
        try:
            message = orjson.loads(body)
        except orjson.JSONDecodeError:
            return body, False
        method = message.get("method") if isinstance(message, dict) else None
        params = message.get("params") if method == "tools/call" else None
        known = params.get("name") if isinstance(params, dict) else None
        name = self._names.get(known) if isinstance(known, str) else None
        if name is None or not isinstance(params, dict):
            return body, method == "tools/list"
        # A header that says something else than the call does goes through as it is: the runner tries that too.
        headers |= {header: name for header, value in headers.items() if header.lower() == "mcp-name" and value == known}
        return orjson.dumps({**message, "params": {**params, "name": name}}), False

    def _as_the_runner_knows_them(self, reply: bytes) -> bytes:
        for known, name in self._names.items():
            reply = reply.replace(f'"{name}"'.encode(), f'"{known}"'.encode())
        return reply
