"""The gateway as a process: listen, serve, and end in order.

Above: `__main__`. Below: `application`, served by uvicorn with uvloop and httptools.
"""

from __future__ import annotations

import sys

import uvicorn

from model_gateway.application import build
from model_gateway.listening import listener, tls_options
from model_gateway.settings import GatewaySettings
from service_kit.grpc_server import CannotListen
from service_kit.tls import TlsUnusable, channel_credentials

# Longer than the front door keeps idle connections: the side that sends must be the side that closes.
_KEEP_ALIVE_SECONDS = 120


def serve(settings: GatewaySettings) -> None:
    """Serve until told to stop. What is missing is one line and exit status 2."""
    try:
        channel_credentials(settings)
        options = tls_options(settings)
        socket = listener(settings.listen)
    except (CannotListen, TlsUnusable) as problem:
        print(problem, file=sys.stderr)
        raise SystemExit(2) from None
    config = uvicorn.Config(
        build(settings),
        loop="uvloop",
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        # Nothing here asks who called over which proxy.
        proxy_headers=False,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=settings.shutdown_grace,
        **options,
    )
    uvicorn.Server(config).run(sockets=[socket])
