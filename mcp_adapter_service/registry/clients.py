"""Opens the client of a third-party server, wherever that is.

Above: `registration`, for as long as it looks; `server_directory`, for as long as the server is registered. Below: `mcp_client`,
over HTTP or over a program's standard input and output.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import aiohttp

from mcp_adapter_service.mcp_client import McpClient
from mcp_adapter_service.registry.endpoint import Endpoint
from mcp_adapter_service.registry.records import Key
from mcp_adapter_service.stdio import StdioExchange

Noticed = Callable[[Key], None]
"""Told of a server that says that its tools are others now."""


def open_client(
    name: str, endpoint: Endpoint, session: aiohttp.ClientSession, noticed: Callable[[], None]
) -> tuple[McpClient, Callable[[], Awaitable[None]] | None]:
    """Return a client, and what closes what it speaks over where that is its own. Nothing is connected or started yet."""
    if endpoint.command:
        exchange = StdioExchange(name, endpoint.command, endpoint.environment, on_list_changed=noticed)
        return McpClient.over(exchange), exchange.aclose
    return McpClient(name, endpoint.url, endpoint.token, session=session), None
