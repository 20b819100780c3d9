"""The HTTP protocol of the sandbox's server: uvicorn's, with a way to break the connection under a request.

Above: `faults`, which calls `break_connection` for a request. Below: uvicorn's httptools protocol and its transport.

ASGI has no message for "the connection is gone": an application that answers nothing makes the server answer 500, and
that is exactly what a client with a lost reply does not get.
"""

from __future__ import annotations

from typing import Any

from starlette.types import Receive, Scope
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

_ABORT = "switchboard.connection.abort"


class BreakableHttpProtocol(HttpToolsProtocol):
    """Gives each request's scope a way to abort the connection that it came on."""

    def on_message_begin(self) -> None:
        super().on_message_begin()
        extensions: dict[str, Any] = {_ABORT: self.transport.abort}
        self.scope["extensions"] = extensions


async def break_connection(scope: Scope, receive: Receive) -> None:
    """Close the TCP connection without another byte, and return when the server has noticed."""
    scope["extensions"][_ABORT]()
    while (await receive())["type"] != "http.disconnect":
        # What is left of the request's body comes first.
        continue
