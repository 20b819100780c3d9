"""The composition root: everything that the dispatch service is made of, put together once.

Above: `__main__`. Below: every module of the service.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from dataclasses import dataclass
from datetime import UTC, datetime

import grpc
from prometheus_client import REGISTRY
from switchboard.asset.v1 import asset_service_pb2_grpc
from switchboard.audit.v1 import action_log_service_pb2_grpc
from switchboard.catalog.v1 import catalog_service_pb2_grpc
from switchboard.dispatch.v1 import dispatch_service_pb2_grpc
from switchboard.health.v1 import health_service_pb2_grpc
from switchboard.tool.v1 import tool_service_pb2_grpc

from dispatch_service.actions import (
    ActionRegistry,
    ActionWithAnswer,
    availability,
    booking,
    estimate,
    flow,
    payload_types,
    tool_of,
)
from dispatch_service.actions.wishes import Wishes
from dispatch_service.adapter import AdapterClient
from dispatch_service.assets import AssetStore
from dispatch_service.call import CARD, TOOL
from dispatch_service.doors import Door
from dispatch_service.doors.cards import CardDoor
from dispatch_service.doors.tools import ToolDoor
from dispatch_service.execution import Execution
from dispatch_service.flows import FlowStore
from dispatch_service.journal.action_log import ActionLog
from dispatch_service.journal.claims import ClaimReader
from dispatch_service.journal.recovery import Recovery
from dispatch_service.journal.writer import JournalWriter
from dispatch_service.journey import Journey
from dispatch_service.keying import Keying
from dispatch_service.listing import Listing
from dispatch_service.permission import Permission
from dispatch_service.policy import GrantRef, Policies, PoliciesUnusable
from dispatch_service.principal import Realm
from dispatch_service.servicers.action_log import ActionLogServicer
from dispatch_service.servicers.assets import AssetServicer
from dispatch_service.servicers.catalog import CatalogServicer
from dispatch_service.servicers.dispatch import DispatchServicer
from dispatch_service.servicers.health import HealthServicer
from dispatch_service.servicers.tools import ToolCalls, ToolServicer
from dispatch_service.servicers.typed_tools import typed_tool_handlers
from dispatch_service.settings import DispatchSettings
from dispatch_service.slots import SlotIds
from dispatch_service.tenant import Tenant, TenantUnusable, read_tenant
from service_kit.contract.tools import services
from service_kit.grpc_server import build_server, error_interceptor, run_until_signal
from service_kit.keys import Keyring, KeysUnusable
from service_kit.metrics import serve_metrics
from service_kit.postgres import Database
from service_kit.tls import TlsUnusable

_PACKAGES = ("asset", "audit", "authorization", "catalog", "dispatch", "health", "tool", "tools")


def action_registry(
    tenant: Tenant, adapter: AdapterClient, keys: Keyring, assets: AssetStore, flows: FlowStore
) -> ActionRegistry:
    """Put together what each action means."""
    slots = SlotIds(keys)
    wishes = Wishes(tenant=tenant, catalogue=adapter, slots=slots, clock=lambda: datetime.now(UTC))
    booking_action = booking.BookingAction(wishes)
    estimate_action = estimate.EstimateAction(wishes, assets)
    availability_action = availability.AvailabilityAction(wishes, slots)
    flow_action = flow.FlowAction(wishes, flows, booking_action, availability_action)
    by_name: dict[str, ActionWithAnswer] = {
        booking.NAME: booking_action,
        estimate.NAME: estimate_action,
        availability.NAME: availability_action,
        flow.NAME: flow_action,
    }
    return ActionRegistry(by_name, by_name, {flow.NAME: flow_action})


class NoGrants:
    async def live(self, tenant: str, subject: str, kind: str, server: str, tool: str) -> list[GrantRef]:
        return []


@dataclass(frozen=True, kw_only=True, slots=True)
class Parts:
    """What a running dispatch service is made of."""

    tenant: Tenant
    realm: Realm
    keys: Keyring
    database: Database
    adapter: AdapterClient
    writer: JournalWriter
    recovery: Recovery
    assets: AssetStore
    actions: ActionRegistry
    policies: Policies
    journey: Journey


def assemble(settings: DispatchSettings) -> Parts:
    """Make the parts; nothing is opened yet. Raises TenantUnusable, KeysUnusable or PoliciesUnusable."""
    tenant, keys = read_tenant(settings.tenant_file), Keyring.from_file(settings.keys_file)
    database, adapter, keying = (
        Database(settings.database_url),
        AdapterClient(settings.adapter_target, tenant.tenant_id, settings),
        Keying(keys),
    )
    writer = JournalWriter(
        settings.database_url,
        batch=settings.journal_batch,
        timeout=settings.journal_timeout_seconds,
        lease=settings.journal_lease_seconds,
        derived_window=settings.derived_window_seconds,
    )
    assets = AssetStore(database, settings.asset_bytes)
    actions = action_registry(tenant, adapter, keys, assets, FlowStore(database, keying))
    doors: dict[str, Door] = {CARD: CardDoor(tenant, actions), TOOL: ToolDoor()}
    claims = ClaimReader(database)
    policies = Policies(settings.policy_directory, tenant=tenant.tenant_id)
    permission = Permission(policies=policies, grants=NoGrants(), adapter=adapter, seconds=settings.tool_seconds)
    execution = Execution(
        doors=doors, adapter=adapter, writer=writer, claims=claims, keying=keying, seconds=settings.tool_seconds
    )
    journey = Journey(
        doors=doors,
        permission=permission,
        execution=execution,
        writer=writer,
        claims=claims,
        keying=keying,
        call_seconds=settings.call_seconds,
        authorization_hours=settings.authorization_hours,
    )
    recovery = Recovery(
        database=database,
        writer=writer,
        adapter=adapter,
        keying=keying,
        doors=doors,
        lease=settings.journal_lease_seconds,
        tool_seconds=settings.tool_seconds,
    )
    return Parts(
        tenant=tenant,
        realm=Realm(tenant=tenant.tenant_id, people_issuer=settings.people_issuer, services_issuer=settings.services_issuer),
        keys=keys,
        database=database,
        adapter=adapter,
        writer=writer,
        recovery=recovery,
        assets=assets,
        actions=actions,
        policies=policies,
        journey=journey,
    )


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
    background = [asyncio.create_task(work) for work in (parts.recovery.run(), parts.policies.watch())]
    measured = serve_metrics(settings.metrics_listen, REGISTRY) if settings.metrics_listen else contextlib.nullcontext()
    try:
        async with measured:
            await run_until_signal(server)
    finally:
        for task in background:
            task.cancel()
        await parts.journey.finish()
        parts.writer.stop()
        await writing
        await asyncio.gather(*background, return_exceptions=True)
        await parts.adapter.close()
        await parts.database.close()


def _register(server: grpc.aio.Server, parts: Parts) -> None:
    """Every service that this process answers for."""
    realm = parts.realm
    needed = frozenset(tool_of(action).server for action in payload_types() if action != flow.NAME)
    dispatch_service_pb2_grpc.add_DispatchServiceServicer_to_server(
        DispatchServicer(realm=realm, actions=parts.actions, journey=parts.journey, keys=parts.keys), server
    )
    calls = ToolCalls(realm=realm, journey=parts.journey, keys=parts.keys)
    listing = Listing(parts.policies, parts.adapter)
    tool_service_pb2_grpc.add_ToolServiceServicer_to_server(ToolServicer(realm=realm, calls=calls, listing=listing), server)
    server.add_generic_rpc_handlers(typed_tool_handlers(calls))
    log = ActionLog(parts.database, parts.keys)
    action_log_service_pb2_grpc.add_ActionLogServiceServicer_to_server(ActionLogServicer(log, realm), server)
    catalog_service_pb2_grpc.add_CatalogServiceServicer_to_server(CatalogServicer(parts.adapter, parts.tenant), server)
    asset_service_pb2_grpc.add_AssetServiceServicer_to_server(AssetServicer(parts.assets, realm), server)
    health_service_pb2_grpc.add_HealthServiceServicer_to_server(HealthServicer(parts.database, parts.adapter, needed), server)
