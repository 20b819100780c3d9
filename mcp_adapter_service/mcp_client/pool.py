"""The connection pool that every MCP client of a process shares. Above: the composition root. Below: aiohttp."""

from __future__ import annotations

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
        connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=keep_alive_seconds, ttl_dns_cache=30),
        cookie_jar=aiohttp.DummyCookieJar(),
        # Proxy settings from the environment would send credentials where nobody configured them to go.
        trust_env=False,
        # Nothing compressed is asked for, and what comes so all the same is not inflated: it may be a bomb.
        auto_decompress=False,
    )
