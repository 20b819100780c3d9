"""The adapter's composition root: everything that the process holds is opened here, in order, and closed in reverse.

Above: `__main__`. Below: every other module of the package.
"""

from __future__ import annotations

import sys
from contextlib import AsyncExitStack

from prometheus_client import CollectorRegistry
from switchboard.adapter.v1 import adapter_service_pb2, adapter_service_pb2_grpc
from switchboard.adapter.v1 import service_mapping_service_pb2 as mapping_pb2
from switchboard.adapter.v1 import service_mapping_service_pb2_grpc as mapping_pb2_grpc
from switchboard.registry.v1 import server_registry_service_pb2 as registry_pb2
from switchboard.registry.v1 import server_registry_service_pb2_grpc as registry_pb2_grpc

from mcp_adapter_service.adapter_servicer import AdapterServicer
from mcp_adapter_service.invocation import Invocations
from mcp_adapter_service.mcp_client import open_pool
from mcp_adapter_service.metrics import Metrics
from mcp_adapter_service.registry.cache import RegistryCache
from mcp_adapter_service.registry.check_store import CheckStore
from mcp_adapter_service.registry.endpoint import Endpoints
from mcp_adapter_service.registry.records import Key
from mcp_adapter_service.registry.registration import Registrar
from mcp_adapter_service.registry.servicer import RegistryServicer
from mcp_adapter_service.registry.store import RegistryStore
from mcp_adapter_service.registry.watch import Watch
from mcp_adapter_service.server_directory import ServerDirectory
from mcp_adapter_service.server_health import ServerHealth
from mcp_adapter_service.servers import configured_server
from mcp_adapter_service.service_mapping import MappingCache, MappingStore, ServiceMappingServicer
from mcp_adapter_service.service_mapping.seed import SeedUnusable, read_seed
from mcp_adapter_service.service_mapping.store import Author
from mcp_adapter_service.settings import AdapterSettings
from service_kit.grpc_server import NamedInterceptor, build_server, error_interceptor, run_until_signal
from service_kit.keys import Keyring, KeysUnusable
from service_kit.logging import configure_logging
from service_kit.metrics import serve_metrics
from service_kit.postgres import Database
from service_kit.settings import load_settings

SERVICE = "mcp_adapter_service"
# How long a start waits for Postgres; without it the adapter serves what needs no mapping.
_FIRST_LOAD_SECONDS = 5.0


def interceptors() -> tuple[NamedInterceptor, ...]:
    """The chain that every call passes, in order."""
    return (error_interceptor(),)


async def serve() -> None:
    """Run the adapter until a signal."""
    settings = load_settings(AdapterSettings)
    configure_logging(SERVICE, settings.log_level)
    try:
        seed = read_seed(settings.services_file)
        keys = Keyring.from_file(settings.keys_file) if settings.keys_file else None
    except (SeedUnusable, KeysUnusable) as problem:
        print(problem, file=sys.stderr)
        raise SystemExit(2) from None

    server = build_server(
        settings,
        interceptors(),
        services=(
            adapter_service_pb2.DESCRIPTOR.services_by_name["AdapterService"].full_name,
            mapping_pb2.DESCRIPTOR.services_by_name["ServiceMappingService"].full_name,
            registry_pb2.DESCRIPTOR.services_by_name["ServerRegistryService"].full_name,
        ),
    )
    async with AsyncExitStack() as opened:
        database = Database(settings.database_url.get_secret_value(), max_size=4)
        await database.open()
        opened.push_async_callback(database.close)

        session = open_pool()
        opened.push_async_callback(session.close)
        servers = {name: configured_server(name, of_server, session) for name, of_server in settings.mcp.items()}
        endpoints = Endpoints(settings, keys)

        def noticed(key: Key) -> None:
            watch.notice(key)

        directory = ServerDirectory(servers, endpoints, session, noticed)
        opened.push_async_callback(directory.close)
        health = ServerHealth(session)
        opened.push_async_callback(health.close)

        store = MappingStore(database)

        async def plant() -> None:
            await store.seed(settings.tenant, seed, Author(actor="seed"))

        mappings = MappingCache(store, before_first_load=plant)
        opened.push_async_callback(mappings.close)
        await mappings.open(wait_seconds=_FIRST_LOAD_SECONDS)

        registry_store = RegistryStore(database)
        cache = RegistryCache(registry_store, directory.follow)
        opened.push_async_callback(cache.close)
        await cache.open(wait_seconds=_FIRST_LOAD_SECONDS)

        collectors = CollectorRegistry()
        metrics = Metrics(collectors, directory)
        if settings.metrics_listen is not None:
            await opened.enter_async_context(serve_metrics(settings.metrics_listen, collectors))

        watch = Watch(CheckStore(database), registry_store, cache, directory, metrics, every_seconds=settings.mcp_check_seconds)
        opened.push_async_callback(watch.close)
        watch.open()
        registrar = Registrar(registry_store, endpoints, session, next_check_seconds=settings.mcp_check_seconds)

        adapter = AdapterServicer(servers, Invocations(directory, mappings, metrics), health)
        adapter_service_pb2_grpc.add_AdapterServiceServicer_to_server(adapter, server.server)
        mapping_pb2_grpc.add_ServiceMappingServiceServicer_to_server(
            ServiceMappingServicer(store, mappings, frozenset(servers)), server.server
        )
        registry_pb2_grpc.add_ServerRegistryServiceServicer_to_server(
            RegistryServicer(registry_store, cache, directory, registrar, watch), server.server
        )
        await run_until_signal(server, grace=settings.stop_grace_seconds, stopping=adapter.close_streams)
