"""The gRPC server that every service process runs: one listener, one ordered chain of interceptors, health, reflection.

Above: a service's composition root (`app.py`) builds one, registers its servicers on `.server` and runs it until a signal.
Below: grpc.aio, grpcio-health-checking, grpcio-reflection, uvloop.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
import sys
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any, NamedTuple

import grpc
import uvloop
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from service_kit.errors import ErrorInterceptor
from service_kit.logging import log
from service_kit.tls import PeerInterceptor, TlsSettings, TlsUnusable, server_credentials

_logger = logging.getLogger(__name__)

MAX_MESSAGE_BYTES = 8 * 1024 * 1024  # Twice the largest tool reply; a peer's channel needs the same.
MAX_METADATA_BYTES = 80 * 1024
_OPTIONS: tuple[tuple[str, int], ...] = (
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    # More than the front door lets through, which is 60 KiB and what it adds: by default gRPC refuses what is over 8 KiB, some of
    # the time, with RESOURCE_EXHAUSTED, which callers read as a rate limit.
    ("grpc.max_metadata_size", MAX_METADATA_BYTES),
    ("grpc.absolute_max_metadata_size", 2 * MAX_METADATA_BYTES),
    # Clients that hold an idle channel may ask whether we are still there, without being sent away for it.
    ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 1),
)


class CannotListen(Exception):
    """The address is taken or unusable; the message says which and what to do."""


class NamedInterceptor(NamedTuple):
    """One link of the chain. Calls pass the links in order, so the first sees every other's errors."""

    name: str
    interceptor: grpc.aio.ServerInterceptor


def error_interceptor() -> NamedInterceptor:
    """The link that has to come first in every chain: it answers what any later one, or the servicer, raises."""
    return NamedInterceptor("errors", ErrorInterceptor())


class GrpcServer:
    """A server that is bound and not started. Register servicers on `server`; `health` says SERVING once started."""

    def __init__(self, server: grpc.aio.Server, chain: Sequence[NamedInterceptor], services: Sequence[str], listen: str) -> None:
        self.server = server
        self.chain = tuple(link.name for link in chain)
        self.health = health.aio.HealthServicer()
        self.listen = listen
        self._services = ("", *services)
        health_pb2_grpc.add_HealthServicer_to_server(self.health, server)
        reflection.enable_server_reflection((*services, health.SERVICE_NAME, reflection.SERVICE_NAME), server)

    async def start(self) -> None:
        """Accept calls and say SERVING for the process and for each of its services."""
        await self.server.start()
        for service in self._services:
            await self.health.set(service, health_pb2.HealthCheckResponse.SERVING)
        log(_logger, logging.INFO, "serving", listen=self.listen, interceptors=self.chain)

    async def stop(self, grace: float) -> None:
        """Say NOT_SERVING, take no new call and give those that run `grace` seconds to finish."""
        await self.health.enter_graceful_shutdown()
        await self.server.stop(grace)
        log(_logger, logging.INFO, "stopped", listen=self.listen)


def build_server(
    settings: TlsSettings,
    interceptors: Sequence[NamedInterceptor],
    *,
    services: Sequence[str],
    reuse_port: bool = False,
    options: Sequence[tuple[str, Any]] = (),
) -> GrpcServer:
    """Build a server bound to `settings.listen` (`unix:/path` or `host:port`) that passes every call through `interceptors`, in
    order, and then through a check of who calls.

    `services` are the full names of the services to be registered, for health and reflection. `reuse_port` lets several worker
    processes share one TCP port; without it a port in use is an error rather than a silent sharing. Has to be called inside
    the event loop that will serve.

    Raises:
        CannotListen: the address is taken or unusable.
        TlsUnusable: there is no certificate to listen with.
    """
    listen, credentials = settings.listen, server_credentials(settings)
    chain = tuple(interceptors)
    if credentials is not None:
        # Last, so that its refusals are answered and counted as any other.
        chain = (*chain, NamedInterceptor("peer", PeerInterceptor(settings.tls_peers)))
    server = grpc.aio.server(
        interceptors=[link.interceptor for link in chain],
        options=[*_OPTIONS, ("grpc.so_reuseport", int(reuse_port)), *options],
    )
    try:
        bound = server.add_insecure_port(listen) if credentials is None else server.add_secure_port(listen, credentials)
    except RuntimeError as problem:
        raise CannotListen(f"cannot listen on {listen}: it is in use or not allowed; set SWITCHBOARD_LISTEN") from problem
    host, colon, port = listen.rpartition(":")
    shown = f"{host}:{bound}" if colon and port == "0" else listen
    return GrpcServer(server, chain, services, shown)


async def run_until_signal(
    server: GrpcServer,
    *,
    grace: float = 10.0,
    stopping: Callable[[], Awaitable[None]] | None = None,
) -> None:
    """Serve until SIGTERM or SIGINT, then stop gracefully; a second signal ends the process at once.

    `stopping` runs after the signal and before calls are drained, for work that must not start any more.
    """
    loop = asyncio.get_running_loop()
    signalled = asyncio.Event()

    def on_signal(number: signal.Signals) -> None:
        loop.remove_signal_handler(number)
        signalled.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal, number)
    _spare_the_collector()
    await server.start()
    try:
        await signalled.wait()
        if stopping is not None:
            await stopping()
    finally:
        await server.stop(grace)


def _spare_the_collector() -> None:
    """Keep what was made at start-up (modules, descriptors, compiled validators) out of every later garbage collection, and
    collect less often: a call makes many short-lived objects and next to no cycles."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 20)


def run(main: Coroutine[Any, Any, None]) -> None:
    """Run a service's `main` on uvloop to its end; what it lacks is one line and exit status 2."""
    try:
        uvloop.run(main)
    except (CannotListen, TlsUnusable) as problem:
        print(problem, file=sys.stderr)
        raise SystemExit(2) from None
