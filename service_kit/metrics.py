"""Prometheus metrics of a process, on a listener of their own: they are for whoever runs it, not for its callers.

Above: a service's composition root. Below: prometheus-client's exposition and aiohttp's server.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from service_kit.grpc_server import CannotListen


@asynccontextmanager
async def serve_metrics(listen: str, registry: CollectorRegistry) -> AsyncIterator[None]:
    """Serve `registry` at `GET /metrics` on `listen` (`host:port` or `unix:/path`) until left.

    Raises:
        CannotListen: the address is taken or unusable.
    """

    async def metrics(_: web.Request) -> web.Response:
        return web.Response(body=generate_latest(registry), headers={"Content-Type": CONTENT_TYPE_LATEST})

    application = web.Application()
    application.router.add_get("/metrics", metrics)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    try:
        site: web.BaseSite
        if listen.startswith("unix:"):
            site = web.UnixSite(runner, listen.removeprefix("unix:"))
        else:
            host, _, port = listen.rpartition(":")
            site = web.TCPSite(runner, host, int(port))
        try:
            await site.start()
        except (OSError, ValueError) as problem:
            raise CannotListen(f"cannot listen on {listen}; set SWITCHBOARD_METRICS_LISTEN to a free address") from problem
        yield
    finally:
        await runner.cleanup()
