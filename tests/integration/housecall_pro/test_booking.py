"""Bookings and availability on a healthy vendor."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tests.fix_sandbox import wait_until
from tests.fix_tool_server import ToolServerProcess
from tests.integration.housecall_pro.vendor_view import AVAILABILITY, BOOKING, VendorView, booking, new_key, reference

CHICAGO = ZoneInfo("America/Chicago")


def workday(after: int = 3) -> date:
    """A day on which the company works, at least `after` days ahead."""
    day = datetime.now(CHICAGO).date() + timedelta(days=after)
    return day + timedelta(days=1) if day.weekday() == 6 else day


def slots(server: ToolServerProcess, **changes: Any) -> list[dict[str, Any]]:
    """What is open."""
    arguments = {"serviceHcpId": booking()["serviceHcpId"], "zip": "60601", "service": booking()["service"]} | changes
    found: list[dict[str, Any]] = server.call(AVAILABILITY, arguments).value["slots"]
    return found


def fill(vendor: VendorView, day: date, first: time, last: time) -> None:
    """Leave nothing open on `day` from `first` to `last` by the company's clocks, which has room for one job."""
    customer = vendor.add_customer(
        first_name="Busy", addresses=[{"street": "1 A St", "city": "Chicago", "state": "IL", "zip": "60601", "country": "US"}]
    )
    start, end = (datetime.combine(day, at, CHICAGO).astimezone(UTC).isoformat() for at in (first, last))
    vendor.add_job(
        customer_id=customer["id"],
        address_id=customer["addresses"][0]["id"],
        schedule={"scheduled_start": start, "scheduled_end": end},
    )


def test_open_appointments_are_listed_by_time_for_the_next_seven_days(server: ToolServerProcess, vendor: VendorView) -> None:
    found = slots(server)
    assert found == sorted(found, key=lambda slot: slot["startTime"])
    today = datetime.now(CHICAGO).date()
    assert {date.fromisoformat(slot["date"]) for slot in found} <= {today + timedelta(days=offset) for offset in range(7)}
    for slot in found:
        local = datetime.fromisoformat(slot["startTime"]).astimezone(CHICAGO)
        assert slot["date"] == local.date().isoformat()
        expected = "AM" if local.hour < 12 else "PM" if local.hour < 17 else "EVENING"
        assert slot["timeWindow"] == expected


def test_appointments_are_kept_to_the_dates_and_the_part_of_the_day_that_are_preferred(
    server: ToolServerProcess, vendor: VendorView
) -> None:
    days = [workday(3), workday(8)]
    found = slots(server, preferredDates=[day.isoformat() for day in days], timeWindow="EVENING")
    assert {slot["date"] for slot in found} == {day.isoformat() for day in days}
    assert {slot["timeWindow"] for slot in found} == {"EVENING"}


def test_outside_the_service_area_nothing_is_offered_and_nothing_is_booked(server: ToolServerProcess, vendor: VendorView) -> None:
    vendor.change_company(zip_codes=["60614"])
    arguments = {"serviceHcpId": booking()["serviceHcpId"], "zip": "60601"}
    assert server.call(AVAILABILITY, arguments).value == {"slots": [], "timeZone": "America/Chicago", "served": False}
    refusal = server.call(BOOKING, booking(), key=new_key()).error
    assert (refusal["code"], refusal["field"], refusal["effect"]) == ("INVALID_ARGUMENT", "address.zip", "none")
    assert vendor.customers() == []


def test_a_booking_without_a_wish_makes_customer_address_and_job_that_needs_scheduling(
    server: ToolServerProcess, vendor: VendorView
) -> None:
    key = new_key()
    arguments = booking(notes="The gate is open.", marketing={"source": "google", "campaign": "spring"})
    value = server.call(BOOKING, arguments, key=key).value
    (job,), (customer,) = vendor.jobs(), vendor.customers()
    assert value == {
        "jobId": job["id"],
        "status": "BOOKING_STATUS_NEEDS_SCHEDULING",
        "startTime": None,
        "endTime": None,
        "timeZone": "America/Chicago",
        "preferredUnavailable": False,
    }
    assert (customer["first_name"], customer["mobile_number"], customer["email"]) == ("Grace", "3125550142", "grace@example.com")
    assert customer["addresses"][0]["street"] == "12 Main Street"
    assert job["customer"]["id"] == customer["id"]
    assert job["tags"] == [reference(key)]
    assert job["lead_source"] == "google"
    assert job["total_amount"] == 12900
    assert job["job_fields"]["job_type"]["name"] == "Drain cleaning"
    assert [note["content"] for note in job["notes"]] == ["The gate is open.\nCampaign: spring"]


def test_the_service_mapping_s_lead_source_goes_before_the_customer_s(server: ToolServerProcess, vendor: VendorView) -> None:
    service = booking()["service"] | {"leadSource": "Website"}
    server.call(BOOKING, booking(service=service, marketing={"source": "google"}), key=new_key())
    assert vendor.jobs()[0]["lead_source"] == "Website"


def test_a_phone_extension_goes_to_the_notes(server: ToolServerProcess, vendor: VendorView) -> None:
    customer = booking()["customer"] | {"phone": "(312) 555-0142 ext. 7"}
    server.call(BOOKING, booking(customer=customer), key=new_key())
    assert vendor.customers()[0]["mobile_number"] == "3125550142"
    assert vendor.jobs()[0]["notes"][0]["content"] == "Phone extension: 7"


def test_a_number_that_the_vendor_cannot_keep_is_refused(server: ToolServerProcess, vendor: VendorView) -> None:
    customer = booking()["customer"] | {"phone": "+442079460958"}
    refusal = server.call(BOOKING, booking(customer=customer), key=new_key()).error
    assert (refusal["code"], refusal["field"]) == ("INVALID_ARGUMENT", "customer.phone")
    assert vendor.customers() == []


def test_a_known_customer_at_a_known_address_is_used_again(server: ToolServerProcess, vendor: VendorView) -> None:
    server.call(BOOKING, booking(), key=new_key())
    customer = booking()["customer"] | {"firstName": "GRACE"}
    address = booking()["address"] | {"line1": "12 main st."}
    server.call(BOOKING, booking(customer=customer, address=address), key=new_key())
    (known,) = vendor.customers()
    assert len(known["addresses"]) == 1
    assert {job["customer"]["id"] for job in vendor.jobs()} == {known["id"]}
    assert len(vendor.jobs()) == 2


def test_a_known_customer_gets_a_second_address(server: ToolServerProcess, vendor: VendorView) -> None:
    server.call(BOOKING, booking(), key=new_key())
    address = booking()["address"] | {"line2": "Apt 4"}
    server.call(BOOKING, booking(address=address), key=new_key())
    (known,) = vendor.customers()
    assert [entry["street_line_2"] for entry in known["addresses"]] == [None, "Apt 4"]


def test_the_same_number_under_another_name_is_another_customer(server: ToolServerProcess, vendor: VendorView) -> None:
    server.call(BOOKING, booking(), key=new_key())
    server.call(BOOKING, booking(customer=booking()["customer"] | {"firstName": "Vincent"}), key=new_key())
    assert len(vendor.customers()) == 2


def test_the_exact_slot_is_booked(server: ToolServerProcess, vendor: VendorView) -> None:
    wanted = slots(server, preferredDates=[workday().isoformat()])[2]
    slot = {"startTime": wanted["startTime"], "endTime": wanted["endTime"]}
    value = server.call(BOOKING, booking(slot=slot), key=new_key()).value
    assert (value["status"], value["startTime"], value["endTime"]) == ("BOOKING_STATUS_SCHEDULED", *slot.values())
    schedule = vendor.jobs()[0]["schedule"]
    assert (schedule["scheduled_start"], schedule["scheduled_end"], schedule["arrival_window"]) == (*slot.values(), 60)


def test_a_slot_that_is_gone_is_a_conflict_and_leaves_nothing_behind(server: ToolServerProcess, vendor: VendorView) -> None:
    day = workday()
    wanted = slots(server, preferredDates=[day.isoformat()])[0]
    vendor.change_company(capacity=1)
    fill(vendor, day, time(8), time(12))
    slot = {"startTime": wanted["startTime"], "endTime": wanted["endTime"]}
    refusal = server.call(BOOKING, booking(slot=slot), key=new_key()).error
    assert (refusal["code"], refusal["field"], refusal["effect"], refusal["retryable"]) == ("CONFLICT", "slot", "none", False)
    assert [customer["first_name"] for customer in vendor.customers()] == ["Busy"]


@pytest.mark.parametrize("exact", [True, False])
def test_an_appointment_that_goes_while_the_customer_is_made_is_not_booked(
    server: ToolServerProcess, vendor: VendorView, exact: bool
) -> None:
    day = workday()
    wanted = slots(server, preferredDates=[day.isoformat()], timeWindow="AM")[0]
    slot = {"startTime": wanted["startTime"], "endTime": wanted["endTime"]}
    arguments = booking(slot=slot) if exact else booking(preferred={"date1": day.isoformat(), "timeWindow": "AM"})
    vendor.fail("POST", "/customers", "delay", delay_seconds=1, times=1)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(server.call, BOOKING, arguments, key=new_key())
        wait_until(lambda: not vendor.faults(), 10, "no customer was posted")
        vendor.change_company(capacity=1)
        fill(vendor, day, time(8), time(9))
        reply = first.result()
    if exact:
        assert (reply.error["code"], reply.error["field"], reply.error["effect"]) == ("CONFLICT", "slot", "none")
        assert len(vendor.jobs()) == 1
    else:
        assert datetime.fromisoformat(reply.value["startTime"]).astimezone(CHICAGO) == datetime.combine(day, time(9), CHICAGO)


@pytest.mark.parametrize(
    ("slot", "field"),
    [
        ({"startTime": "tomorrow", "endTime": "2030-01-01T10:00:00Z"}, "slot.startTime"),
        ({"startTime": "2030-01-01T10:00:00", "endTime": "2030-01-01T11:00:00Z"}, "slot.startTime"),
        ({"startTime": "2030-01-01T10:00:00Z", "endTime": "2030-01-01T10:00:00Z"}, "slot.endTime"),
    ],
)
def test_a_slot_that_is_no_time_is_refused(
    server: ToolServerProcess, vendor: VendorView, slot: dict[str, str], field: str
) -> None:
    refusal = server.call(BOOKING, booking(slot=slot), key=new_key()).error
    assert (refusal["code"], refusal["field"]) == ("INVALID_ARGUMENT", field)


def test_the_first_open_time_of_the_first_date_is_booked(server: ToolServerProcess, vendor: VendorView) -> None:
    day = workday()
    preferred = {"date1": day.isoformat(), "date2": workday(6).isoformat(), "timeWindow": "PM"}
    value = server.call(BOOKING, booking(preferred=preferred), key=new_key()).value
    assert datetime.fromisoformat(value["startTime"]).astimezone(CHICAGO) == datetime.combine(day, time(12), CHICAGO)


def test_the_second_date_is_booked_where_the_first_is_full(server: ToolServerProcess, vendor: VendorView) -> None:
    vendor.change_company(capacity=1)
    first, second = workday(3), workday(7)
    fill(vendor, first, time(8), time(20))
    preferred = {"date1": first.isoformat(), "date2": second.isoformat()}
    value = server.call(BOOKING, booking(preferred=preferred), key=new_key()).value
    assert datetime.fromisoformat(value["startTime"]).astimezone(CHICAGO) == datetime.combine(second, time(8), CHICAGO)


def test_a_second_date_alone_counts_as_the_first(server: ToolServerProcess, vendor: VendorView) -> None:
    value = server.call(BOOKING, booking(preferred={"date2": workday().isoformat()}), key=new_key()).value
    assert datetime.fromisoformat(value["startTime"]).astimezone(CHICAGO).date() == workday()


def test_a_part_of_the_day_alone_means_the_next_open_day(server: ToolServerProcess, vendor: VendorView) -> None:
    value = server.call(BOOKING, booking(preferred={"timeWindow": "EVENING"}), key=new_key()).value
    local = datetime.fromisoformat(value["startTime"]).astimezone(CHICAGO)
    assert local.hour == 17
    assert local.date() <= datetime.now(CHICAGO).date() + timedelta(days=2)


def test_where_nothing_wished_for_is_open_the_job_needs_scheduling_and_says_what_was_wished(
    server: ToolServerProcess, vendor: VendorView
) -> None:
    vendor.change_company(capacity=0)
    day = workday().isoformat()
    value = server.call(BOOKING, booking(preferred={"date1": day, "timeWindow": "AM"}), key=new_key()).value
    assert (value["status"], value["preferredUnavailable"]) == ("BOOKING_STATUS_NEEDS_SCHEDULING", True)
    assert value["startTime"] is None
    (note,) = vendor.jobs()[0]["notes"]
    assert note["content"].startswith(f"Asked for: {day} in the morning.")


@pytest.mark.parametrize("field", ["date1", "date2"])
def test_a_date_that_has_passed_is_refused_before_anything_is_made(
    server: ToolServerProcess, vendor: VendorView, field: str
) -> None:
    yesterday = (datetime.now(CHICAGO).date() - timedelta(days=1)).isoformat()
    refusal = server.call(BOOKING, booking(preferred={field: yesterday}), key=new_key()).error
    assert (refusal["code"], refusal["field"], refusal["effect"]) == ("INVALID_ARGUMENT", f"preferred.{field}", "none")
    assert vendor.customers() == []


def test_today_is_the_company_s_today(server: ToolServerProcess, vendor: VendorView) -> None:
    vendor.change_company(time_zone="Pacific/Kiritimati")
    ahead = datetime.now(ZoneInfo("Pacific/Kiritimati")).date()
    refusal = server.call(BOOKING, booking(preferred={"date1": (ahead - timedelta(days=1)).isoformat()}), key=new_key()).error
    assert refusal["field"] == "preferred.date1"
    assert server.call(BOOKING, booking(preferred={"date1": ahead.isoformat()}), key=new_key()).value


def test_a_repeated_call_returns_the_same_booking(server: ToolServerProcess, vendor: VendorView) -> None:
    key = new_key()
    arguments = booking(preferred={"timeWindow": "AM"})
    first = server.call(BOOKING, arguments, key=key).value
    vendor.fail("*", "/**", "status", status=503)
    assert server.call(BOOKING, arguments, key=key).value == first
    vendor.heal()
    assert len(vendor.jobs()) == 1


def test_the_same_key_with_other_arguments_is_a_conflict(server: ToolServerProcess, vendor: VendorView) -> None:
    key = new_key()
    server.call(BOOKING, booking(), key=key)
    refusal = server.call(BOOKING, booking(notes="Ring twice."), key=key).error
    assert (refusal["code"], refusal["retryable"], refusal["effect"]) == ("CONFLICT", False, "none")
    assert len(vendor.jobs()) == 1


def test_a_changed_service_mapping_is_no_other_argument(server: ToolServerProcess, vendor: VendorView) -> None:
    key = new_key()
    first = server.call(BOOKING, booking(), key=key).value
    dearer = booking()["service"] | {"unitPriceCents": 14900}
    assert server.call(BOOKING, booking(service=dearer), key=key).value == first


def test_a_refused_key_can_be_used_with_corrected_arguments(server: ToolServerProcess, vendor: VendorView) -> None:
    key = new_key()
    assert server.call(BOOKING, booking(preferred={"date1": "2020-01-01"}), key=key).error["code"] == "INVALID_ARGUMENT"
    assert server.call(BOOKING, booking(), key=key).value["jobId"] == vendor.jobs()[0]["id"]


def test_twenty_calls_with_one_key_at_the_same_time_make_one_job(server: ToolServerProcess, vendor: VendorView) -> None:
    key = new_key()
    vendor.fail("POST", "/jobs", "delay", delay_seconds=0.3)
    arguments = booking(preferred={"timeWindow": "PM"})
    with ThreadPoolExecutor(20) as pool:
        replies = list(pool.map(lambda _: server.call(BOOKING, arguments, key=key).value, range(20)))
    (job,) = vendor.jobs()
    assert all(reply == replies[0] for reply in replies)
    assert replies[0]["jobId"] == job["id"]
    assert len(vendor.customers()) == 1


def test_a_second_call_that_has_no_time_to_wait_is_told_to_come_back(server: ToolServerProcess, vendor: VendorView) -> None:
    key = new_key()
    vendor.fail("POST", "/jobs", "delay", delay_seconds=2)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(server.call, BOOKING, booking(), key=key)
        wait_until(lambda: bool(vendor.customers()), 10, "the first call has made no customer")
        refusal = server.call(BOOKING, booking(), key=key, deadline_ms=500).error
        assert (refusal["code"], refusal["retryable"], refusal["effect"]) == ("CONFLICT", True, "possible")
        assert first.result().value["jobId"]
    assert len(vendor.jobs()) == 1


def test_bookings_of_one_new_customer_at_the_same_time_make_one_customer(server: ToolServerProcess, vendor: VendorView) -> None:
    with ThreadPoolExecutor(5) as pool:
        list(pool.map(lambda _: server.call(BOOKING, booking(), key=new_key()).value, range(5)))
    assert len(vendor.customers()) == 1
    assert len(vendor.jobs()) == 5
