"""The service mapping: shown, changed, audited, seen by every replica, and served while Postgres is away."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import grpc
import orjson
import psycopg
import pytest
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from psycopg import conninfo
from switchboard.adapter.v1 import adapter_service_pb2_grpc as pb_grpc
from switchboard.adapter.v1 import service_mapping_service_pb2 as pb

from mcp_adapter_service.service_mapping import OWNER
from tests.fix_postgres import MigratedDatabase
from tests.integration.adapter.calls import BOOK, Mappings, Stub, call
from tests.integration.adapter.conftest import Adapters
from tests.integration.adapter.processes import AdapterProcess, eventually


def gutters(**changes: object) -> pb.ServiceMapping:
    """A mapping that the seed file does not have."""
    fields: dict[str, object] = {
        "service_id": "gutter-cleaning",
        "name": "Gutter cleaning",
        "duration_minutes": 45,
        "price_from_cents": 9900,
        "currency": "USD",
        "server": "housecall_pro",
        "active": True,
        "position": 60,
        "vendor": {"service_id": "svc_gutters", "service": {"name": "Gutters", "durationMinutes": 45}},
    }
    return pb.ServiceMapping(**(fields | changes))  # type: ignore[arg-type]


async def put(mappings: Mappings, mapping: pb.ServiceMapping, **fields: object) -> pb.ServiceMapping:
    """Put a mapping of the tenant that the seed file is for."""
    request = pb.PutServiceMappingRequest(tenant="demo", mapping=mapping, actor="operator-1", **fields)  # type: ignore[arg-type]
    return (await mappings.PutServiceMapping(request)).mapping


async def vendor_id(stub: Stub, service_id: str) -> str:
    """The vendor's id that a booking of `service_id` reaches the tool with, or the error code."""
    response = await stub.InvokeTool(call("housecall_pro", BOOK, orjson.dumps({"serviceHcpId": service_id})))
    if response.error_code:
        return response.error_code
    return str(orjson.loads(response.result_json)["arguments"]["serviceHcpId"])


def violations(error: grpc.aio.AioRpcError) -> list[str]:
    """The fields that an INVALID_ARGUMENT status names."""
    status = rpc_status.from_call(error)
    bad = error_details_pb2.BadRequest()
    assert any(detail.Unpack(bad) for detail in status.details)
    return [violation.field for violation in bad.field_violations]


async def test_a_new_tenant_starts_with_the_seed_file_and_an_audit_record_of_it(mappings: Mappings) -> None:
    listed = await mappings.ListServiceMappings(pb.ListServiceMappingsRequest(tenant="demo"))
    names = [mapping.service_id for mapping in listed.mappings]
    assert names[:5] == ["drain-cleaning", "water-heater-repair", "ac-tune-up", "leak-detection", "furnace-repair"]
    assert not any(mapping.vendor.fields for mapping in listed.mappings)
    request = pb.ListServiceMappingChangesRequest(tenant="demo", service_id="drain-cleaning")
    (change,) = (await mappings.ListServiceMappingChanges(request)).changes
    assert (change.actor, change.version) == ("seed", 1)
    assert {"name", "vendor", "active"} <= set(change.changed_fields)


@pytest.mark.requirement("S0.43", "S0.82")
async def test_another_replica_sees_a_change_within_a_second(
    mappings: Mappings, adapters: Adapters, adapter: AdapterProcess
) -> None:
    replica = adapters()
    await put(mappings, gutters())
    async with grpc.aio.insecure_channel(replica.target) as channel:
        other = pb_grpc.AdapterServiceStub(channel)

        async def seen() -> bool:
            return await vendor_id(other, "gutter-cleaning") == "svc_gutters-2"

        await put(mappings, gutters(vendor={"service_id": "svc_gutters-2"}))
        assert await eventually(seen, 5) < 1.0


async def test_a_change_made_by_hand_in_the_database_is_seen_within_a_second(
    stub: Stub, mappings: Mappings, database: MigratedDatabase
) -> None:
    await put(mappings, gutters())
    with psycopg.connect(database.owner_url, autocommit=True) as connection:
        connection.execute(
            """update adapter.service_mapping set vendor = '{"service_id": "by-hand"}', version = version + 1
               where service_id = 'gutter-cleaning'"""
        )

    async def seen() -> bool:
        return await vendor_id(stub, "gutter-cleaning") == "by-hand"

    assert await eventually(seen, 5) < 1.0


async def test_whoever_changes_a_mapping_sees_it_at_once_and_the_history_says_who_and_what(
    stub: Stub, mappings: Mappings
) -> None:
    first = await put(mappings, gutters(name="Gutters", vendor={"service_id": "svc_gutters"}))
    second = await put(mappings, gutters(name="Eaves", active=False), correlation_id="corr-7")
    assert second.version == first.version + 1
    assert await vendor_id(stub, "gutter-cleaning") == "NOT_FOUND"
    request = pb.ListServiceMappingChangesRequest(tenant="demo", service_id="gutter-cleaning", page_size=1)
    (change,) = (await mappings.ListServiceMappingChanges(request)).changes
    assert (change.actor, change.version, change.correlation_id) == ("operator-1", second.version, "corr-7")
    assert sorted(change.changed_fields) == ["active", "name", "vendor"]
    assert change.at.seconds > 0


async def test_a_put_that_changes_nothing_makes_no_new_version(mappings: Mappings) -> None:
    first = await put(mappings, gutters(position=61))
    assert (await put(mappings, gutters(position=61))).version == first.version


async def test_an_inactive_mapping_is_listed_only_where_asked_for_and_vendor_values_too(mappings: Mappings) -> None:
    await put(mappings, gutters(active=False))
    shown = await mappings.ListServiceMappings(pb.ListServiceMappingsRequest(tenant="demo"))
    assert "gutter-cleaning" not in [mapping.service_id for mapping in shown.mappings]
    request = pb.ListServiceMappingsRequest(tenant="demo", include_inactive=True, include_vendor=True)
    everything = {mapping.service_id: mapping for mapping in (await mappings.ListServiceMappings(request)).mappings}
    assert everything["gutter-cleaning"].vendor["service_id"] == "svc_gutters"


async def test_of_two_changes_from_the_same_version_one_is_aborted(mappings: Mappings) -> None:
    version = (await put(mappings, gutters(position=62))).version
    outcomes = await asyncio.gather(
        put(mappings, gutters(position=63), expected_version=version),
        put(mappings, gutters(position=64), expected_version=version),
        return_exceptions=True,
    )
    (refused,) = [outcome for outcome in outcomes if isinstance(outcome, grpc.aio.AioRpcError)]
    assert refused.code() == grpc.StatusCode.ABORTED


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"service_id": "Gutter Cleaning"}, "mapping.serviceId"),
        ({"duration_minutes": 5}, "mapping.durationMinutes"),
        ({"currency": "usd"}, "mapping.currency"),
        ({"server": "nobody"}, "mapping.server"),
        ({"vendor": {}}, "mapping.vendor.service_id"),
        ({"vendor": {"service_id": 7}}, "mapping.vendor.service_id"),
        ({"vendor": {"service_id": "s", "service": "Gutters"}}, "mapping.vendor.service"),
        ({"vendor": {"service_id": "s", "service": {"durationMinutes": 5}}}, "mapping.vendor.service.durationMinutes"),
        ({"vendor": {"service_id": "s", "service": {"colour": "red"}}}, "mapping.vendor.service.colour"),
    ],
)
async def test_a_mapping_that_no_booking_could_use_is_refused_and_names_the_field(
    mappings: Mappings, changes: dict[str, object], field: str
) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await put(mappings, gutters(**changes))
    assert refused.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert violations(refused.value) == [field]


@pytest.mark.parametrize(
    "statement",
    [
        "update adapter.service_mapping_history set actor = 'nobody'",
        "delete from adapter.service_mapping_history",
        "truncate adapter.service_mapping_history",
        "delete from adapter.service_mapping",
    ],
)
def test_the_services_own_role_cannot_rewrite_history(database: MigratedDatabase, statement: str) -> None:
    with (
        psycopg.connect(database.url(OWNER.role)) as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        connection.execute(statement.encode())


class Barrier:
    """Keeps everybody out of one database, as a server that is away does."""

    def __init__(self, url: str) -> None:
        self._name = str(conninfo.conninfo_to_dict(url)["dbname"])
        self._url = conninfo.make_conninfo(url, dbname="postgres")

    def close(self) -> None:
        """Let nobody in and throw everybody out."""
        with psycopg.connect(self._url, autocommit=True) as connection:
            connection.execute(f'alter database "{self._name}" allow_connections false'.encode())
            connection.execute("select pg_terminate_backend(pid) from pg_stat_activity where datname = %s", (self._name,))

    def open(self) -> None:
        """Let everybody in again."""
        with psycopg.connect(self._url, autocommit=True) as connection:
            connection.execute(f'alter database "{self._name}" allow_connections true'.encode())


@pytest.fixture
def barrier(database: MigratedDatabase) -> Iterator[Barrier]:
    """A barrier that is open again after the test."""
    made = Barrier(database.owner_url)
    yield made
    made.open()


async def test_while_postgres_is_away_bookings_go_on_changes_are_refused_and_afterwards_both_work(
    stub: Stub, mappings: Mappings, barrier: Barrier, adapters: Adapters
) -> None:
    await put(mappings, gutters())
    barrier.close()
    assert await vendor_id(stub, "gutter-cleaning") == "svc_gutters"
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await put(mappings, gutters(vendor={"service_id": "later"}))
    assert refused.value.code() == grpc.StatusCode.UNAVAILABLE
    assert dict(refused.value.trailing_metadata())["x-switchboard-error-code"] == "INTEGRATION_DOWN"

    newcomer = adapters()
    async with grpc.aio.insecure_channel(newcomer.target) as channel:
        fresh = pb_grpc.AdapterServiceStub(channel)
        with pytest.raises(grpc.aio.AioRpcError) as unread:
            await vendor_id(fresh, "gutter-cleaning")
        assert unread.value.code() == grpc.StatusCode.UNAVAILABLE
        assert not (await fresh.InvokeTool(call("foreign", "echo"))).error_code

        barrier.open()

        async def back() -> bool:
            try:
                await put(mappings, gutters(vendor={"service_id": "later"}))
                return await vendor_id(fresh, "gutter-cleaning") == "later"
            except grpc.aio.AioRpcError:
                return False

        await eventually(back, 15)
