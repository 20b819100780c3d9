"""Mutual TLS between our processes: who a process is, by whom it is called and whom it calls.

Above: `grpc_server` takes `server_credentials` and asks `PeerInterceptor` who calls; a client opens its channel with
`open_channel`. Below: gRPC's TLS, and certificate files that a stack or a mesh provides.

A certificate names its process twice: `spiffe://switchboard/NAME` is who it is as a caller, `NAME.switchboard.internal` as a
server. Without a certificate a process neither listens nor calls, unless SWITCHBOARD_TLS=off says that this is meant.
"""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import grpc
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from grpc_health.v1 import health
from pydantic import Field

from service_kit.errors import Behaviour, Continuation, Forbidden, Handler, wrap_handler
from service_kit.settings import ServiceSettings

TRUST_DOMAIN = "spiffe://switchboard/"
INTERNAL_DOMAIN = "switchboard.internal"
_PEER = "peer_spiffe_id"
_HEALTH = f"/{health.SERVICE_NAME}/"


class TlsUnusable(Exception):
    """A process cannot prove who it is; the message says what to do."""


class TlsSettings(ServiceSettings):
    """Settings of a process that speaks gRPC with others of ours."""

    tls: Literal["on", "off"] = Field(
        default="on", description="`off` lets this process listen and call without certificates: for tests on one machine only."
    )
    tls_certificate: Path | None = Field(default=None, description="PEM file with the certificate that says who this process is.")
    tls_key: Path | None = Field(default=None, description="PEM file with its private key.")
    tls_ca: Path | None = Field(
        default=None, description="PEM file of the authority that other processes' certificates are from."
    )
    tls_peers: tuple[str, ...] = Field(
        default=(),
        description="JSON list of the processes that may call this one, by the names in their certificates. Health may be asked "
        "by every holder of a certificate.",
    )


def server_credentials(settings: TlsSettings) -> grpc.ServerCredentials | None:
    """Return what a server listens with; None where TLS is off. Callers have to show a certificate. Raises TlsUnusable."""
    if settings.tls == "off":
        return None
    if not settings.tls_peers:
        raise TlsUnusable('nobody may call this process: set SWITCHBOARD_TLS_PEERS, such as ["envoy"]')
    certificate, key, authority = _files(settings)
    return grpc.ssl_server_credentials([(key, certificate)], root_certificates=authority, require_client_auth=True)


def channel_credentials(settings: TlsSettings) -> grpc.ChannelCredentials | None:
    """Return what a client calls other processes of ours with; None where TLS is off. Raises TlsUnusable."""
    if settings.tls == "off":
        return None
    certificate, key, authority = _files(settings)
    return grpc.ssl_channel_credentials(authority, key, certificate)


def open_channel(target: str, name: str, settings: TlsSettings, options: Sequence[tuple[str, Any]] = ()) -> grpc.aio.Channel:
    """Open a channel to the process called `name`, at `target`; any other that answers there is refused. Raises TlsUnusable."""
    credentials = channel_credentials(settings)
    if credentials is None:
        return grpc.aio.insecure_channel(target, options=options)
    return grpc.aio.secure_channel(target, credentials, options=[*options, *expecting(name)])


def expecting(name: str) -> tuple[tuple[str, str], ...]:
    """Channel options that accept only the process called `name` at the other end."""
    return (("grpc.ssl_target_name_override", server_name(name)),)


def server_name(name: str) -> str:
    """The name that a process's certificate has as a server."""
    return f"{name}.{INTERNAL_DOMAIN}"


def identity(name: str) -> str:
    """The name that a process's certificate has as a caller."""
    return f"{TRUST_DOMAIN}{name}"


class PeerInterceptor(grpc.aio.ServerInterceptor):
    """Refuses calls of processes that are not on the list, whatever authority vouches for them.

    gRPC checks certificates once per connection; Python is told of calls only, so the name is looked at on each.
    """

    def __init__(self, peers: Sequence[str]) -> None:
        self._peers = frozenset(identity(name).encode() for name in peers)
        self._wrapped: dict[str, tuple[Handler, Handler]] = {}

    async def intercept_service(
        self, continuation: Continuation, handler_call_details: grpc.HandlerCallDetails
    ) -> Handler | None:
        handler = await continuation(handler_call_details)
        method = handler_call_details.method
        if handler is None or method.startswith(_HEALTH):
            return handler
        known = self._wrapped.get(method)
        if known is not None and known[0] is handler:
            return known[1]
        wrapped = wrap_handler(handler, self._guarded)
        self._wrapped[method] = (handler, wrapped)
        return wrapped

    def _check(self, context: Any) -> None:
        if not self._peers.issuperset(context.auth_context().get(_PEER) or (b"",)):
            raise Forbidden("FORBIDDEN", "This process may not be called by that one.")

    def _guarded(self, behaviour: Behaviour) -> Behaviour:
        if inspect.isasyncgenfunction(behaviour):

            async def stream(request: Any, context: grpc.aio.ServicerContext[Any, Any]) -> AsyncIterator[Any]:
                self._check(context)
                async with aclosing(behaviour(request, context)) as replies:
                    async for reply in replies:
                        yield reply

            return stream

        async def unary(request: Any, context: grpc.aio.ServicerContext[Any, Any]) -> Any:
            self._check(context)
            return await behaviour(request, context)

        return unary


def _files(settings: TlsSettings) -> tuple[bytes, bytes, bytes]:
    """Read certificate, key and authority. gRPC would take anything and only refuse every handshake: say it here."""
    paths = (settings.tls_certificate, settings.tls_key, settings.tls_ca)
    if None in paths:
        raise TlsUnusable(
            "this process has no certificate: set SWITCHBOARD_TLS_CERTIFICATE, SWITCHBOARD_TLS_KEY and SWITCHBOARD_TLS_CA, "
            "or SWITCHBOARD_TLS=off to do without in a test"
        )
    try:
        certificate, key, authority = (path.read_bytes() for path in paths if path is not None)
    except OSError as problem:
        raise TlsUnusable(f"cannot read {problem.filename} ({problem.strerror}); see SWITCHBOARD_TLS_CERTIFICATE") from None
    try:
        own, public = x509.load_pem_x509_certificate(certificate), load_pem_private_key(key, None).public_key()
        x509.load_pem_x509_certificates(authority)
    except (ValueError, TypeError):
        raise TlsUnusable("SWITCHBOARD_TLS_CERTIFICATE, _KEY or _CA is not a PEM file with what its name says") from None
    if own.public_key() != public:
        raise TlsUnusable(f"{settings.tls_key} is not the key of {settings.tls_certificate}")
    if own.not_valid_after_utc <= datetime.now(UTC):
        raise TlsUnusable(f"{settings.tls_certificate} has expired; `make run` makes new ones when it starts")
    return certificate, key, authority
