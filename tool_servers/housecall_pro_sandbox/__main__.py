"""`python -m tool_servers.housecall_pro_sandbox`: serve the sandbox until told to stop.

Above: `stack` or a person. Below: `application`, served by uvicorn with uvloop and httptools.
"""

from __future__ import annotations

import logging
import socket
import sys

import uvicorn

from service_kit.logging import configure_logging, log
from service_kit.settings import load_settings
from tool_servers.housecall_pro_sandbox.application import build
from tool_servers.housecall_pro_sandbox.protocol import BreakableHttpProtocol
from tool_servers.housecall_pro_sandbox.settings import SandboxSettings

_logger = logging.getLogger("housecall_pro_sandbox")


def main() -> None:
    """Listen first, so that a port in use is one clear line and not a stack trace."""
    settings = load_settings(SandboxSettings)
    configure_logging("housecall_pro_sandbox", settings.log_level)
    host, port = settings.address
    try:
        listener = socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError:
        print(
            f"cannot listen on {settings.listen}: it is in use, or no address of this machine; "
            "set SWITCHBOARD_LISTEN to a free host:port",
            file=sys.stderr,
        )
        raise SystemExit(1) from None
    log(_logger, logging.INFO, "listening", host=host, port=listener.getsockname()[1])
    config = uvicorn.Config(
        build(settings),
        loop="uvloop",
        http=BreakableHttpProtocol,
        ws="none",
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=3,
    )
    uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    main()
