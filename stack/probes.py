"""Ways to ask a process whether it is ready. A probe answers None for yes, or a short reason for not yet.

Above: `stack.process` asks until the answer is None. Below: HTTP, gRPC's standard health service, and Postgres's pid file.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

import aiohttp
import grpc
import grpc.aio
from grpc_health.v1 import health_pb2, health_pb2_grpc

from service_kit.tls import expecting

Probe = Callable[[], Awaitable[str | None]]

_TIMEOUT = 2.0
# A channel of its own each time: shared ones share their back-off, and a server that came up would go unnoticed.
_OWN_CONNECTION = (("grpc.use_local_subchannel_pool", 1),)
_STATUS_LINE = 7


def http_answers(url: str, *, wanted: int | None = 200, socket: Path | None = None) -> Probe:
    """Ready when GET `url` answers with status `wanted`, or at all when `wanted` is None. Asked at the unix socket, where one is
    given."""

    async def probe() -> str | None:
        connector = aiohttp.UnixConnector(str(socket)) if socket is not None else None
        try:
            async with (
                aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=_TIMEOUT), connector=connector) as session,
                session.get(url) as reply,
            ):
                if wanted is None or reply.status == wanted:
                    return None
                return f"GET {url} answers {reply.status}"
        except (aiohttp.ClientError, TimeoutError, OSError):
            return f"GET {url} has no answer"

    return probe


def grpc_serving(target: str, name: str, credentials: grpc.ChannelCredentials) -> Probe:
    """Ready when grpc.health.v1 of the process `name` at `target` says SERVING for the whole server."""

    options = (*_OWN_CONNECTION, *expecting(name))

    async def probe() -> str | None:
        async with grpc.aio.secure_channel(target, credentials, options=options) as channel:
            stub = health_pb2_grpc.HealthStub(channel)
            try:
                reply = await stub.Check(health_pb2.HealthCheckRequest(), timeout=_TIMEOUT)
            except grpc.aio.AioRpcError as problem:
                return f"its health check answers {problem.code().name}"
        if reply.status == health_pb2.HealthCheckResponse.SERVING:
            return None
        return f"its health is {health_pb2.HealthCheckResponse.ServingStatus.Name(reply.status)}"

    return probe


def postmaster_ready(data: Path) -> Probe:
    """Ready when the server whose data directory is `data` says so in its postmaster.pid, as `pg_ctl -w` reads it."""

    async def probe() -> str | None:
        try:
            lines = (data / "postmaster.pid").read_text(encoding="utf-8").splitlines()
        except OSError:
            return "it is not up yet"
        return None if len(lines) > _STATUS_LINE and lines[_STATUS_LINE].strip() == "ready" else "it is still starting"

    return probe
