"""Dry runs: what a booking or an estimate request would do, told without doing it, and then done."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, time
from typing import Any
from zoneinfo import ZoneInfo

import psycopg
import pytest

from tests.fix_postgres import MigratedDatabase
from tests.fix_tool_server import ToolReply, ToolServerProcess
from tests.integration.housecall_pro.test_booking import fill, slots, workday
from tests.integration.housecall_pro.vendor_view import BOOKING, ESTIMATE, VendorView, booking, estimate, new_key

DRY_RUN = "switchboard.dev/dry-run"


def dry(server: ToolServerProcess, tool: str, arguments: dict[str, Any]) -> ToolReply:
    """Ask what a call would do; without an idempotency key."""
    return server.call(tool, arguments, meta={DRY_RUN: True})


def changes(preview: dict[str, Any]) -> list[str]:
    """What would be made."""
    assert {change["kind"] for change in preview["changes"]} == {"CHANGE_KIND_CREATE"}
    return [change["what"] for change in preview["changes"]]


@pytest.fixture
def everything(database: MigratedDatabase, vendor: VendorView) -> Callable[[], dict[str, Any]]:
    """A function that returns how many rows each table has, at the vendor and in the tool server, and how many writes came in."""

    def count() -> dict[str, Any]:
        with psycopg.connect(database.owner_url) as connection:
            tables = connection.execute(
                "select format('%I.%I', schemaname, tablename) from pg_tables"
                " where schemaname in ('housecall_pro', 'housecall_pro_sandbox')"
            ).fetchall()
            rows = {name: connection.execute(f"select count(*) from {name}".encode()).fetchone() for (name,) in tables}
        assert "housecall_pro.work" in rows
        assert any(name.startswith("housecall_pro_sandbox.") for name in rows)
        return rows | {"writes": [entry for entry in vendor.all_calls() if entry["method"] != "GET"]}

    return count


def test_a_booking_s_preview_tells_what_then_happens_and_changes_nothing(
    server: ToolServerProcess, vendor: VendorView, everything: Callable[[], dict[str, Any]]
) -> None:
    arguments = booking(preferred={"date1": workday().isoformat(), "timeWindow": "PM"})
    before = everything()
    reply = dry(server, BOOKING, arguments)
    assert everything() == before
    assert reply.result["_meta"][DRY_RUN] is True
    assert changes(reply.value) == ["customer", "address", "job"]
    assert reply.value["facts"] == {"items": 1, "relatedRecords": 0, "amountCents": 12900, "currency": "USD"}
    assert reply.value["summary"] == (
        f"Books Drain cleaning on {workday()} from 12:00 to 13:00 (America/Chicago) for $129.00, for a new customer."
    )
    value = server.call(BOOKING, arguments, key=new_key()).value
    expected = datetime.combine(workday(), time(12), ZoneInfo("America/Chicago")).astimezone(UTC)
    assert datetime.fromisoformat(value["startTime"]) == expected
    assert (len(vendor.customers()), len(vendor.jobs())) == (1, 1)
    assert vendor.jobs()[0]["total_amount"] == reply.value["facts"]["amountCents"]


def test_the_same_state_has_the_same_preview_and_another_one_another(server: ToolServerProcess, vendor: VendorView) -> None:
    first, second = (dry(server, BOOKING, booking()).value for _ in range(2))
    assert first == second
    server.call(BOOKING, booking(), key=new_key())
    third = dry(server, BOOKING, booking()).value
    assert changes(third) == ["job"]
    assert third["facts"]["relatedRecords"] == 1
    assert third["summary"] == "Books Drain cleaning without a time yet for $129.00, for a known customer with 1 job."


def test_a_known_customer_at_a_new_address_would_get_an_address(server: ToolServerProcess, vendor: VendorView) -> None:
    server.call(BOOKING, booking(), key=new_key())
    moved = booking(address=booking()["address"] | {"line2": "Apt 4"})
    assert changes(dry(server, BOOKING, moved).value) == ["address", "job"]
    server.call(BOOKING, moved, key=new_key())
    assert changes(dry(server, BOOKING, moved).value) == ["job"]


def test_a_time_that_is_not_open_is_told_and_then_not_booked(server: ToolServerProcess, vendor: VendorView) -> None:
    vendor.change_company(capacity=0)
    arguments = booking(preferred={"date1": workday().isoformat()})
    assert "without a time, as nothing asked for is open" in dry(server, BOOKING, arguments).value["summary"]
    assert server.call(BOOKING, arguments, key=new_key()).value["preferredUnavailable"]


def test_a_service_without_a_price_has_no_amount(server: ToolServerProcess, vendor: VendorView) -> None:
    preview = dry(server, BOOKING, booking(service={})).value
    assert preview["facts"] == {"items": 1, "relatedRecords": 0}
    server.call(BOOKING, booking(service={}), key=new_key())
    assert vendor.jobs()[0]["total_amount"] == 0


def test_no_vendor_s_id_is_in_a_preview(server: ToolServerProcess, vendor: VendorView) -> None:
    server.call(BOOKING, booking(), key=new_key())
    text = str([dry(server, BOOKING, booking()).value, dry(server, ESTIMATE, estimate()).value])
    for secret in ("cus_", "adr_", "job_", "svc_", "jbt_"):
        assert secret not in text


def test_an_estimate_s_preview_tells_what_then_happens_and_changes_nothing(
    server: ToolServerProcess,
    vendor: VendorView,
    upload: Callable[[str, bytes], str],
    everything: Callable[[], dict[str, Any]],
) -> None:
    arguments = estimate(photosAssetIds=[upload("image/jpeg", b"sink"), upload("image/jpeg", b"drain")])
    before = everything()
    preview = dry(server, ESTIMATE, arguments).value
    assert everything() == before
    assert changes(preview) == ["customer", "address", "estimate"]
    assert preview["summary"] == "Asks the office for an estimate for Drain cleaning with 2 photos, for a new customer."
    assert preview["facts"] == {"items": 1, "relatedRecords": 0, "amountCents": 0, "currency": "USD"}
    server.call(ESTIMATE, arguments, key=new_key())
    assert (len(vendor.customers()), len(vendor.estimates())) == (1, 1)


@pytest.mark.parametrize("tool", [BOOKING, ESTIMATE])
@pytest.mark.parametrize(
    "change",
    [
        {"address": {"line1": "12 Main Street", "city": "Chicago", "state": "IL", "zip": "60699"}},
        {"customer": {"firstName": "Grace", "lastName": "Hopper", "phone": "+442079460958"}},
        {"customer": {"firstName": "Grace", "lastName": "Hopper", "phone": "call me"}},
        {"nonsense": 1},
    ],
)
def test_a_preview_is_refused_as_the_call_is(
    server: ToolServerProcess, vendor: VendorView, tool: str, change: dict[str, Any]
) -> None:
    vendor.change_company(zip_codes=["60601"])
    arguments = (booking if tool == BOOKING else estimate)(**change)
    assert dry(server, tool, arguments).error == server.call(tool, arguments, key=new_key()).error
    assert vendor.customers() == []


@pytest.mark.parametrize("preferred", [{"date1": "2020-01-01"}, {"date2": "2020-01-01"}, {"date1": "2099-01-01"}])
def test_a_date_that_cannot_be_booked_is_refused_in_a_preview_too(
    server: ToolServerProcess, vendor: VendorView, preferred: dict[str, str]
) -> None:
    arguments = booking(preferred=preferred)
    error = dry(server, BOOKING, arguments).error
    assert error == server.call(BOOKING, arguments, key=new_key()).error
    assert error["code"] == "INVALID_ARGUMENT"


def test_a_slot_that_is_gone_is_a_conflict_in_a_preview_too(server: ToolServerProcess, vendor: VendorView) -> None:
    day = workday()
    wanted = slots(server, preferredDates=[day.isoformat()])[0]
    slot = {"startTime": wanted["startTime"], "endTime": wanted["endTime"]}
    assert changes(dry(server, BOOKING, booking(slot=slot)).value)
    vendor.change_company(capacity=1)
    fill(vendor, day, time(8), time(12))
    error = dry(server, BOOKING, booking(slot=slot)).error
    assert (error["code"], error["field"]) == ("CONFLICT", "slot")
    assert error == server.call(BOOKING, booking(slot=slot), key=new_key()).error


@pytest.mark.parametrize("tool", [BOOKING, ESTIMATE])
@pytest.mark.parametrize("status", [401, 429, 503])
def test_where_the_vendor_does_not_answer_there_is_no_preview(
    server: ToolServerProcess, vendor: VendorView, tool: str, status: int
) -> None:
    vendor.fail("GET", "/customers", "status", status=status)
    arguments = (booking if tool == BOOKING else estimate)()
    error = dry(server, tool, arguments).error
    assert (error["code"], error["effect"]) == ("INTEGRATION_DOWN", "none")
    assert error == server.call(tool, arguments, key=new_key()).error


@pytest.mark.parametrize("path", ["/jobs", "/company/schedule_availability/booking_windows"])
def test_a_preview_that_lacks_a_fact_is_none(server: ToolServerProcess, vendor: VendorView, path: str) -> None:
    server.call(BOOKING, booking(), key=new_key())
    vendor.fail("GET", path, "status", status=503)
    assert dry(server, BOOKING, booking(preferred={"timeWindow": "AM"})).error["code"] == "INTEGRATION_DOWN"
