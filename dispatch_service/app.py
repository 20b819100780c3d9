"""The composition root: opens the parts, registers what they answer for, serves, and closes them.

Above: `__main__`. Below: `parts`, the servicers.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import Coroutine
from typing import Any

import grpc
from prometheus_client import REGISTRY
from switchboard.asset.v1 import asset_service_pb2_grpc
from switchboard.audit.v1 import action_log_service_pb2_grpc
from switchboard.authorization.v1 import authorization_service_pb2_grpc
from switchboard.catalog.v1 import catalog_service_pb2_grpc
from switchboard.dispatch.v1 import dispatch_service_pb2_grpc
from switchboard.health.v1 import health_service_pb2_grpc
from switchboard.registry.v1 import server_registry_service_pb2_grpc
from switchboard.tool.v1 import tool_service_pb2_grpc

from dispatch_service.actions import flow, payload_types, tool_of
from dispatch_service.journal.action_log import ActionLog
from dispatch_service.keying import Keying
from dispatch_service.listing import Listing
from dispatch_service.parts import Parts, assemble
from dispatch_service.policy import PoliciesUnusable
from dispatch_service.servicers.action_log import ActionLogServicer
from dispatch_service.servicers.assets import AssetServicer
from dispatch_service.servicers.authorization_messages import Messages
from dispatch_service.servicers.authorizations import AuthorizationServicer
from dispatch_service.servicers.catalog import CatalogServicer
from dispatch_service.servicers.dispatch import DispatchServicer
from dispatch_service.servicers.health import HealthServicer
from dispatch_service.servicers.registry import ServerRegistryServicer
from dispatch_service.servicers.tools import ToolCalls, ToolServicer
from dispatch_service.servicers.typed_tools import typed_tool_handlers
from dispatch_service.settings import DispatchSettings
from dispatch_service.tenant import TenantUnusable
from service_kit.contract.tools import services
from service_kit.grpc_server import build_server, error_interceptor, run_until_signal
from service_kit.keys import KeysUnusable
from service_kit.metrics import serve_metrics

_PACKAGES = ("asset", "audit", "authorization", "catalog", "dispatch", "health", "registry", "tool", "tools")


async def serve(settings: DispatchSettings) -> None:
    """Serve until a signal comes, then finish what is under way and leave nothing unwritten."""
    try:
        parts = assemble(settings)
    except (TenantUnusable, KeysUnusable, PoliciesUnusable) as problem:
        print(problem, file=sys.stderr)
        raise SystemExit(2) from None
    server = build_server(
        settings,
        (error_interceptor(),),
        services=[service.full_name for service in services() if service.full_name.split(".")[1] in _PACKAGES],
    )
    _register(server.server, parts)
    await parts.database.open()
    writing = asyncio.create_task(parts.writer.run())
    background = [asyncio.create_task(work) for work in _background(parts)]
    measured = serve_metrics(settings.metrics_listen, REGISTRY) if settings.metrics_listen else contextlib.nullcontext()
    try:
        async with measured:
            await run_until_signal(server)
    finally:
        for task in background:
            task.cancel()
        # Whatever is being carried out has an outcome to write: the writer ends last.
        await asyncio.gather(parts.journey.finish(), parts.changes.finish(), *background, return_exceptions=True)
        parts.writer.stop()
        await writing
        await parts.adapter.close()
        await parts.database.close()


def _background(parts: Parts) -> list[Coroutine[Any, Any, None]]:
    """What goes on beside the server, until it stops."""
    return [parts.recovery.run(), parts.policies.watch(), parts.authorizations.work.run(), parts.catalogue.run()]


def _register(server: grpc.aio.Server, parts: Parts) -> None:
    """Every service that this process answers for."""
    realm = parts.realm
    needed = frozenset(tool_of(action).server for action in payload_types() if action != flow.NAME)
    dispatch_service_pb2_grpc.add_DispatchServiceServicer_to_server(
        DispatchServicer(realm=realm, limit=parts.limit, actions=parts.actions, journey=parts.journey, keys=parts.keys), server
    )
    calls = ToolCalls(realm=realm, journey=parts.journey, keys=parts.keys, catalogue=parts.catalogue)
    listing = Listing(parts.policies, parts.catalogue)
    tool_service_pb2_grpc.add_ToolServiceServicer_to_server(
        ToolServicer(realm=realm, calls=calls, listing=listing, keys=parts.keys), server
    )
    server.add_generic_rpc_handlers(typed_tool_handlers(calls))
    authorizations = parts.authorizations
    authorization_service_pb2_grpc.add_AuthorizationServiceServicer_to_server(
        AuthorizationServicer(
            realm=realm,
            store=authorizations.store,
            decisions=authorizations.decisions,
            grants=authorizations.grants,
            messages=Messages(Keying(parts.keys)),
        ),
        server,
    )
    log = ActionLog(parts.database, parts.keys)
    action_log_service_pb2_grpc.add_ActionLogServiceServicer_to_server(ActionLogServicer(log, parts.settler, realm), server)
    server_registry_service_pb2_grpc.add_ServerRegistryServiceServicer_to_server(
        ServerRegistryServicer(realm=realm, registry=parts.adapter.registry, changes=parts.changes, keys=parts.keys), server
    )
    catalog_service_pb2_grpc.add_CatalogServiceServicer_to_server(CatalogServicer(parts.adapter, parts.tenant), server)
    asset_service_pb2_grpc.add_AssetServiceServicer_to_server(AssetServicer(parts.assets, realm, parts.limit), server)
    health_service_pb2_grpc.add_HealthServiceServicer_to_server(HealthServicer(parts.database, parts.adapter, needed), server)
