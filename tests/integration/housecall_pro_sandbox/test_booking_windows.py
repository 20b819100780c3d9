"""The rules of the booking windows, for any day around both changes of the clocks, and on the wire."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tool_servers.housecall_pro_sandbox.availability import BusyTime, Slot, is_free, slots_of

CHICAGO = ZoneInfo("America/Chicago")
# Zones whose clocks change on Sundays at 2, on Fridays, Saturdays and other working days at midnight, and by half an hour.
ZONES = [
    ZoneInfo(name)
    for name in (
        "America/Chicago",
        "Africa/Cairo",
        "Asia/Amman",
        "Asia/Gaza",
        "Asia/Tehran",
        "Australia/Lord_Howe",
        "Europe/London",
    )
]
LENGTHS = st.integers(min_value=15, max_value=1440).map(lambda minutes: timedelta(minutes=minutes))
HOUR = timedelta(hours=1)


def sunday_of(year: int, month: int, which: int) -> date:
    """The first, second … Sunday of a month, worked out without a time zone database."""
    first = date(year, month, 1)
    return first + timedelta(days=(6 - first.weekday()) % 7 + 7 * (which - 1))


def days_around_changes() -> st.SearchStrategy[date]:
    """Days within ten of a spring or autumn change in the United States."""
    changes = st.integers(2015, 2037).flatmap(lambda year: st.sampled_from([sunday_of(year, 3, 2), sunday_of(year, 11, 1)]))
    return st.builds(lambda change, offset: change + timedelta(days=offset), changes, st.integers(-10, 10))


def changes_of(zone: ZoneInfo) -> list[date]:
    """The days from 2015 to 2037 on which clocks in `zone` change: noon is not 24 hours after the noon before."""
    days = [date(2015, 1, 1) + timedelta(days=number) for number in range(23 * 365)]
    noons = [datetime.combine(day, time(12), zone).astimezone(UTC) for day in days]
    return [day for day, (before, after) in zip(days[1:], pairwise(noons), strict=True) if after - before != 24 * HOUR]


# Clocks change on a few days of thousands: without a list, few examples would meet one.
CHANGES = [(zone, day) for zone in ZONES for day in changes_of(zone)]


@given(days_around_changes())
def test_chicago_opens_at_eight_local_time_on_both_sides_of_each_change(day: date) -> None:
    slots = slots_of(day, CHICAGO, HOUR)
    if day.weekday() == 6:
        assert slots == []
        return
    summer = sunday_of(day.year, 3, 2) <= day < sunday_of(day.year, 11, 1)
    opening = datetime.combine(day, time(13 if summer else 14), UTC)
    assert [slot.start for slot in slots] == [opening + HOUR * hour for hour in range(12)]
    assert all(slot.end - slot.start == HOUR for slot in slots)


@given(st.sampled_from(CHANGES), st.integers(-3, 3), LENGTHS)
def test_slots_have_the_length_asked_for_and_keep_the_local_hours_around_every_change(
    change: tuple[ZoneInfo, date], offset: int, length: timedelta
) -> None:
    zone, day = change[0], change[1] + timedelta(days=offset)
    slots = slots_of(day, zone, length)
    parts = [(8, 12), (12, 17), (17, 20)] if length <= timedelta(hours=5) else [(8, 20)]
    for slot in slots:
        start, end = slot.start.astimezone(zone), slot.end.astimezone(zone)
        assert slot.end - slot.start == length
        assert start.date() == day
        assert any(time(opening) <= start.time() and end.time() <= time(closing) for opening, closing in parts)
    assert all(earlier.end <= later.start for earlier, later in pairwise(slots))
    fitting = sum(timedelta(hours=closing - opening) // length for opening, closing in parts)
    assert len(slots) == (0 if day.weekday() == 6 else fitting)


def test_a_day_that_a_zone_skipped_has_no_slots() -> None:
    # Samoa went from 29 to 31 December 2011.
    assert slots_of(date(2011, 12, 30), ZoneInfo("Pacific/Apia"), HOUR) == []


@given(
    day=days_around_changes().filter(lambda day: day.weekday() != 6),
    # Everything on the same grid of quarters, so that jobs and slots often meet end to end.
    length=st.sampled_from([timedelta(minutes=minutes) for minutes in (15, 30, 60, 90, 120, 300)]),
    begins=st.lists(st.integers(-20, 36), max_size=8),
    lasts=st.integers(1, 16),
    capacity=st.integers(0, 3),
    passed=st.integers(-48, 36),
)
def test_a_slot_is_free_exactly_while_it_is_ahead_and_fewer_jobs_than_technicians_touch_it(
    *, day: date, length: timedelta, begins: list[int], lasts: int, capacity: int, passed: int
) -> None:
    noon = datetime.combine(day, time(18), UTC)
    quarter = timedelta(minutes=15)
    busy = [BusyTime(start=noon + quarter * begin, end=noon + quarter * (begin + lasts)) for begin in begins]
    now = noon + quarter * passed
    for slot in slots_of(day, CHICAGO, length):
        touching = [job for job in busy if max(job.start, slot.start) < min(job.end, slot.end)]
        expected = slot.start > now and len(touching) < capacity
        assert is_free(slot, now=now, busy=busy, capacity=capacity) is expected


@pytest.mark.parametrize(("minutes_later", "free"), [(-60, True), (-59, False), (0, False), (59, False), (60, True)])
def test_jobs_that_end_or_begin_where_a_slot_does_leave_it_free(minutes_later: int, free: bool) -> None:
    start = datetime(2026, 3, 9, 14, tzinfo=UTC)
    job = start + timedelta(minutes=minutes_later)
    busy = [BusyTime(start=job, end=job + HOUR)]
    slot = Slot(start=start, end=start + HOUR)
    assert is_free(slot, now=start - HOUR, busy=busy, capacity=1) is free


def test_a_named_technician_must_be_free_too() -> None:
    start = datetime(2026, 3, 9, 14, tzinfo=UTC)
    slot = Slot(start=start, end=start + HOUR)
    busy = [BusyTime(start=start, end=start + HOUR, employee_ids=("pro_1",))]
    now = start - HOUR
    assert not is_free(slot, now=now, busy=busy, capacity=3, employee_ids=["pro_1"])
    assert is_free(slot, now=now, busy=busy, capacity=3, employee_ids=["pro_1", "pro_2"])


WINDOWS = "/company/schedule_availability/booking_windows"


def next_monday() -> date:
    today = datetime.now(CHICAGO).date()
    return today + timedelta(days=7 - today.weekday())


def windows(vendor: httpx.Client, **parameters: str | list[str]) -> list[dict[str, str | bool]]:
    response = vendor.get(WINDOWS, params=parameters)
    assert response.status_code == 200, response.text
    found: list[dict[str, str | bool]] = response.json()["booking_windows"]
    return found


def test_windows_are_utc_and_say_what_was_asked_for(vendor: httpx.Client) -> None:
    monday = next_monday()
    body = vendor.get(WINDOWS, params={"start_date": monday.isoformat(), "show_for_days": "1"}).json()
    opening = datetime.combine(monday, time(8), CHICAGO).astimezone(UTC)
    assert body["start_date"] == monday.isoformat()
    assert body["show_for_days"] == 1
    assert len(body["booking_windows"]) == 12
    assert body["booking_windows"][0] == {
        "start_time": opening.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "end_time": (opening + HOUR).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "available": True,
    }


def test_seven_days_from_the_first_with_a_free_window_are_shown_by_default(vendor: httpx.Client) -> None:
    body = vendor.get(WINDOWS).json()
    assert body["show_for_days"] == 7
    first = date.fromisoformat(body["start_date"])
    assert first >= datetime.now(CHICAGO).date()
    on_first = [
        window
        for window in body["booking_windows"]
        if datetime.fromisoformat(window["start_time"]).astimezone(CHICAGO).date() == first
    ]
    assert any(window["available"] for window in on_first)
    assert len(body["booking_windows"]) == 6 * 12


def test_past_days_have_windows_and_none_is_available(vendor: httpx.Client) -> None:
    monday = (next_monday() - timedelta(days=14)).isoformat()
    assert {window["available"] for window in windows(vendor, start_date=monday, show_for_days="1")} == {False}


@pytest.mark.parametrize(
    ("parameters", "minutes"),
    [
        ({"service_id": f"svc_{4:032x}"}, 180),
        ({"service_id": f"svc_{4:032x}", "service_duration": "45"}, 45),
        ({"service_duration": "360"}, 360),
        ({}, 60),
    ],
)
def test_the_duration_asked_for_goes_before_that_of_the_service(
    vendor: httpx.Client, parameters: dict[str, str], minutes: int
) -> None:
    first = windows(vendor, start_date=next_monday().isoformat(), **parameters)[0]
    start, end = (datetime.fromisoformat(str(first[name])) for name in ("start_time", "end_time"))
    assert end - start == timedelta(minutes=minutes)


def book(vendor: httpx.Client, start: str, end: str, employee_ids: tuple[str, ...] = ()) -> None:
    address = {"street": "1 Main St", "city": "Chicago", "state": "IL", "zip": "60601", "country": "US"}
    customer = vendor.post("/customers", json={"first_name": "Ada", "addresses": [address]}).json()
    job = {
        "customer_id": customer["id"],
        "address_id": customer["addresses"][0]["id"],
        "schedule": {"scheduled_start": start, "scheduled_end": end},
        "assigned_employee_ids": employee_ids,
    }
    assert vendor.post("/jobs", json=job).status_code == 201


def test_a_window_closes_when_as_many_jobs_as_technicians_take_it(vendor: httpx.Client) -> None:
    monday = next_monday().isoformat()
    first = windows(vendor, start_date=monday)[0]
    taken = []
    for _ in range(3):
        taken.append(windows(vendor, start_date=monday)[0]["available"])
        book(vendor, str(first["start_time"]), str(first["end_time"]))
    after = windows(vendor, start_date=monday)
    assert taken == [True, True, True]
    assert [window["available"] for window in after[:2]] == [False, True]
    assert vendor.patch("/_sandbox/company", json={"capacity": 4}).json()["capacity"] == 4
    assert windows(vendor, start_date=monday)[0]["available"] is True


def test_windows_for_a_technician_close_when_that_technician_is_sent_elsewhere(vendor: httpx.Client) -> None:
    ada, ben = f"pro_{1:032x}", f"pro_{2:032x}"
    monday = next_monday().isoformat()
    first = windows(vendor, start_date=monday)[0]
    book(vendor, str(first["start_time"]), str(first["end_time"]), (ada,))
    of = {"start_date": monday}
    assert windows(vendor, **of, **{"employee_ids[]": [ada]})[0]["available"] is False
    assert windows(vendor, **of, **{"employee_ids[]": [ada, ben]})[0]["available"] is True


def test_the_company_s_zone_moves_the_windows(vendor: httpx.Client) -> None:
    monday = next_monday()
    vendor.patch("/_sandbox/company", json={"time_zone": "America/Los_Angeles"}).raise_for_status()
    opening = datetime.combine(monday, time(8), ZoneInfo("America/Los_Angeles")).astimezone(UTC)
    first = windows(vendor, start_date=monday.isoformat())[0]
    assert first["start_time"] == opening.strftime("%Y-%m-%dT%H:%M:%SZ")


@pytest.mark.parametrize(
    ("parameters", "status"),
    [
        ({"start_date": "2026-02-30"}, 422),
        ({"start_date": "tomorrow"}, 422),
        ({"show_for_days": "0"}, 422),
        ({"show_for_days": "1e3"}, 422),
        ({"service_duration": "5"}, 422),
        ({"service_id": "svc_unknown"}, 404),
        ({"employee_ids[]": "pro_unknown"}, 404),
    ],
)
def test_what_cannot_be_shown_is_refused_with_an_error_object(
    vendor: httpx.Client, parameters: dict[str, str], status: int
) -> None:
    response = vendor.get(WINDOWS, params=parameters)
    assert response.status_code == status
    assert list(response.json()) == ["error"]
    assert isinstance(response.json()["error"]["message"], str)
