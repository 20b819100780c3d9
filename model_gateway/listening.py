"""Where the gateway listens, so that nobody but the front door can hand it a caller's payload.

Above: `process`. Below: a unix socket that only this user may open, or TCP with TLS on which both sides show certificates.
"""

from __future__ import annotations

import os
import socket
import ssl
import stat
from collections.abc import Collection
from pathlib import Path
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from service_kit.grpc_server import CannotListen
from service_kit.tls import TlsSettings, TlsUnusable, identity

_BACKLOG = 1024
_OWNER_ONLY = 0o177  # The umask that leaves read and write for the owner.


def listener(listen: str) -> socket.socket:
    """Return a socket that listens at `unix:/path` or `host:port`. Raises CannotListen."""
    try:
        if listen.startswith("unix:"):
            return _unix_socket(Path(listen.removeprefix("unix:")))
        host, _, port = listen.rpartition(":")
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host.strip("[]"), int(port)), family=family, backlog=_BACKLOG)
    except OSError as problem:
        raise CannotListen(f"cannot listen on {listen} ({problem.strerror}); set SWITCHBOARD_LISTEN") from problem


def _unix_socket(path: Path) -> socket.socket:
    # What a killed predecessor left. A file that is no socket is somebody else's.
    if path.exists() and stat.S_ISSOCK(path.stat().st_mode):
        path.unlink()
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(_OWNER_ONLY)
    try:
        made.bind(str(path))
    except OSError:
        made.close()
        raise
    finally:
        os.umask(before)
    made.listen(_BACKLOG)
    return made


def tls_options(settings: TlsSettings) -> dict[str, Any]:
    """Return what uvicorn needs for TLS on TCP; nothing for a unix socket, or where TLS is off. Raises TlsUnusable."""
    if settings.listen.startswith("unix:") or settings.tls == "off":
        return {"http": HttpToolsProtocol}
    if not settings.tls_peers:
        raise TlsUnusable('nobody may call this process: set SWITCHBOARD_TLS_PEERS, such as ["envoy"]')
    return {
        "http": _protocol_for({identity(name) for name in settings.tls_peers}),
        "ssl_certfile": settings.tls_certificate,
        "ssl_keyfile": settings.tls_key,
        "ssl_ca_certs": settings.tls_ca,
        "ssl_cert_reqs": ssl.CERT_REQUIRED,
    }


def _protocol_for(peers: Collection[str]) -> type[HttpToolsProtocol]:
    """HTTP that hears only the processes on the list, whatever authority vouches for others."""

    class PeerProtocol(HttpToolsProtocol):
        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            certificate = transport.get_extra_info("peercert") or {}
            names = {value for kind, value in certificate.get("subjectAltName", ()) if kind == "URI"}
            if not names.intersection(peers):
                transport.abort()

    return PeerProtocol
