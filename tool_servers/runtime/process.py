"""One tool server as a process: listen, serve, and end in order.

Above: each server's `__main__`. Below: `application`, served by uvicorn with uvloop and httptools.
"""

from __future__ import annotations

import logging
import os
import socket
import sys
from contextlib import AbstractAsyncContextManager

import uvicorn

from service_kit.logging import configure_logging, log
from tool_servers.runtime.application import build
from tool_servers.runtime.http_protocol import OneWriteProtocol
from tool_servers.runtime.settings import ToolServerSettings

# Longer than clients keep idle connections: the side that sends must be the side that closes, or a call meets a closed door.
_KEEP_ALIVE_SECONDS = 120

_logger = logging.getLogger(__name__)


def run(name: str, settings: ToolServerSettings, servicer: AbstractAsyncContextManager[object]) -> None:
    """Serve the tools of the contract's server `name` until told to stop.

    `servicer` is entered in the event loop that serves (open pools there) and left when calls in flight have ended. Listens
    first, so that a port in use is one clear line and not a stack trace.
    """
    configure_logging(name, settings.log_level)
    host, port = settings.address
    try:
        listener = socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as problem:
        print(
            f"cannot listen on {settings.listen}: {os.strerror(problem.errno or 0)}; set SWITCHBOARD_LISTEN to a free host:port",
            file=sys.stderr,
        )
        raise SystemExit(1) from None
    log(_logger, logging.INFO, "listening", host=host, port=listener.getsockname()[1])
    config = uvicorn.Config(
        build(name, settings, servicer),
        loop="uvloop",
        http=OneWriteProtocol,
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        # Nothing here asks who called over which proxy.
        proxy_headers=False,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=settings.shutdown_grace,
    )
    uvicorn.Server(config).run(sockets=[listener])
