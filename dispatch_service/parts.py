"""What the dispatch service is made of, put together once: the first half of the composition root.

Above: `app`, which opens, serves and closes it. Below: every module of the service.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

from dispatch_service.actions import ActionRegistry, ActionWithAnswer, availability, booking, estimate, flow
from dispatch_service.actions.wishes import Wishes
from dispatch_service.adapter import AdapterClient
from dispatch_service.assets import AssetStore
from dispatch_service.authorizations.decisions import Decisions
from dispatch_service.authorizations.execution import Executor
from dispatch_service.authorizations.grants import Grants
from dispatch_service.authorizations.history import History
from dispatch_service.authorizations.store import AuthorizationStore
from dispatch_service.authorizations.upkeep import Upkeep
from dispatch_service.authorizations.verdicts import Verdicts
from dispatch_service.authorizations.work import JobQueue, Work
from dispatch_service.call import CARD, TOOL
from dispatch_service.carrying import Carrying
from dispatch_service.doors import Door
from dispatch_service.doors.cards import CardDoor
from dispatch_service.doors.tools import ToolDoor
from dispatch_service.execution import Execution
from dispatch_service.flows import FlowStore
from dispatch_service.foreign import ToolCatalogue
from dispatch_service.foreign.arguments import ForeignArguments
from dispatch_service.foreign.changes import Changes
from dispatch_service.journal.claims import ClaimReader
from dispatch_service.journal.recovery import Recovery
from dispatch_service.journal.retention import maintain
from dispatch_service.journal.writer import JournalWriter
from dispatch_service.journey import Journey
from dispatch_service.keying import Keying
from dispatch_service.permission import Permission
from dispatch_service.policy import Policies
from dispatch_service.principal import Realm
from dispatch_service.rate_limit import VisitorLimit
from dispatch_service.settings import DispatchSettings
from dispatch_service.settling import Settler
from dispatch_service.slots import SlotIds
from dispatch_service.tenant import Tenant, read_tenant
from service_kit.keys import Keyring
from service_kit.postgres import Database


@dataclass(frozen=True, kw_only=True, slots=True)
class AuthorizationParts:
    """What decides and carries out calls that wait for a person."""

    store: AuthorizationStore
    grants: Grants
    decisions: Decisions
    work: Work


@dataclass(frozen=True, kw_only=True, slots=True)
class Parts:
    """What a running dispatch service is made of."""

    tenant: Tenant
    realm: Realm
    limit: VisitorLimit
    keys: Keyring
    database: Database
    adapter: AdapterClient
    writer: JournalWriter
    recovery: Recovery
    assets: AssetStore
    actions: ActionRegistry
    policies: Policies
    catalogue: ToolCatalogue
    changes: Changes
    journey: Journey
    settler: Settler
    authorizations: AuthorizationParts


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
    history = History(writer)
    grants, store = Grants(database, history), AuthorizationStore(database, keys)
    policies = Policies(settings.policy_directory, tenant=tenant.tenant_id)
    catalogue = ToolCatalogue(servers=adapter, registry=adapter.registry, changed=policies.know)
    doors: dict[str, Door] = {CARD: CardDoor(tenant, actions), TOOL: ToolDoor(catalogue)}
    claims = ClaimReader(database)
    permission = Permission(policies=policies, grants=grants, adapter=adapter, seconds=settings.tool_seconds)
    execution = Execution(
        doors=doors, adapter=adapter, writer=writer, claims=claims, keying=keying, seconds=settings.tool_seconds
    )
    journey = Journey(
        doors=doors,
        permission=permission,
        execution=execution,
        writer=writer,
        claims=claims,
        verdicts=Verdicts(store, keying),
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
        limit=VisitorLimit(per_second=settings.visitor_rate_per_second, burst=settings.visitor_burst),
        keys=keys,
        database=database,
        adapter=adapter,
        writer=writer,
        recovery=recovery,
        assets=assets,
        actions=actions,
        policies=policies,
        catalogue=catalogue,
        changes=Changes(writer, keying),
        journey=journey,
        settler=Settler(database=database, writer=writer, claims=claims, execution=execution, doors=doors, keying=keying),
        authorizations=_authorizations(
            settings,
            database=database,
            keys=keys,
            store=store,
            history=history,
            grants=grants,
            carrying=Carrying(permission, execution, catalogue),
            foreign=ForeignArguments(catalogue),
        ),
    )


def _authorizations(
    settings: DispatchSettings,
    *,
    database: Database,
    keys: Keyring,
    store: AuthorizationStore,
    history: History,
    grants: Grants,
    carrying: Carrying,
    foreign: ForeignArguments,
) -> AuthorizationParts:
    queue, keying = JobQueue(settings.database_url), Keying(keys)
    decisions = Decisions(
        database=database,
        store=store,
        grants=grants,
        history=history,
        queue=queue,
        redecide=carrying,
        keying=keying,
        foreign=foreign,
    )
    executor = Executor(database=database, store=store, history=history, redecide=carrying, carrier=carrying, keying=keying)
    upkeep = Upkeep(store=store, decisions=decisions, kept_days=settings.authorization_kept_days)
    work = Work(queue, executor=executor, upkeep=upkeep, hourly=[partial(maintain, database, settings)])
    return AuthorizationParts(store=store, grants=grants, decisions=decisions, work=work)


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
