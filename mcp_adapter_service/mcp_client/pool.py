"""The connection pool that every MCP client of a process shares. Above: the composition root. Below: aiohttp."""

from __future__ import annotations

from typing import Any

import aiohttp

KEEP_ALIVE_SECONDS = 4.0
"""Below uvicorn's 5 seconds: whoever closes an idle connection should be us, because a call written into a connection that
the server is just closing is a call of which nobody knows whether it was done."""


def open_pool(*, keep_alive_seconds: float = KEEP_ALIVE_SECONDS) -> aiohttp.ClientSession:
    """Open the pool. Call it inside the running loop, and close it after the last client.

    The number of connections is not bounded here: a bulkhead per server bounds the calls, so that one server's queue is never
    another's. Certificates are checked against the system's, with one `ssl` context for all.
    """
    return aiohttp.ClientSession(
        connector=_Connector(limit=0, keepalive_timeout=keep_alive_seconds, ttl_dns_cache=30),
        cookie_jar=aiohttp.DummyCookieJar(),
        # Proxy settings from the environment would send credentials where nobody configured them to go.
        trust_env=False,
        # Nothing compressed is asked for, and what comes so all the same is not inflated: it may be a bomb.
        auto_decompress=False,
    )


class _Connector(aiohttp.TCPConnector):
    """A connector that never reuses a connection on which something came that nobody asked for: a second response, say, which
    would be taken for the answer to the next call."""

    async def _get(self, key: Any, traces: Any) -> Any:
        # aiohttp looks at this when a connection comes back, and not again when it goes out.
        while (connection := await super()._get(key, traces)) is not None:
            if connection.protocol is not None and not connection.protocol.should_close:
                return connection
            connection.close()
        return None
