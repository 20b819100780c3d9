"""Dates and parts of the day by the company's clocks, also on the days on which the clocks change."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from switchboard.booking.v1.booking_pb2 import AM, EVENING, PM, TIME_WINDOW_UNSPECIFIED, TimeWindow

from tool_servers.housecall_pro.appointments import Window, Wish, local_time, matching, part_of_day, read_instant, utc_text
from tool_servers.housecall_pro.settings import Hours, TimeWindows

# Northern and southern changes, a change by half an hour, one at midnight, a zone that skipped a day, one without changes.
ZONES = [
    ZoneInfo(name)
    for name in (
        "America/Chicago",
        "America/New_York",
        "Australia/Lord_Howe",
        "Australia/Sydney",
        "America/Santiago",
        "America/Havana",
        "Pacific/Apia",
        "America/Phoenix",
        "Europe/Dublin",
    )
]
HOURS = {AM: (8, 12), PM: (12, 17), EVENING: (17, 20)}
LONG_AGO = datetime(1999, 1, 1, tzinfo=UTC)

instants = st.datetimes(datetime(2000, 1, 1), datetime(2037, 12, 31), timezones=st.just(UTC)).map(
    lambda at: at.replace(second=0, microsecond=0)
)
zones = st.sampled_from(ZONES)
parts = st.sampled_from([TIME_WINDOW_UNSPECIFIED, AM, PM, EVENING])


def hour_long(start: datetime) -> Window:
    """An appointment of one hour."""
    return Window(start=start, end=start + timedelta(hours=1))


def bounds(day: date, hours: tuple[int, int], zone: ZoneInfo) -> list[tuple[datetime, datetime]]:
    """The same part of a day worked out the other way round: every span of instants at which clocks show it."""
    minute = datetime.combine(day, time(0), UTC) - timedelta(days=2)
    shown = [minute + timedelta(minutes=15 * step) for step in range(5 * 96)]
    return [
        (at, at + timedelta(minutes=15))
        for at in shown
        if at.astimezone(zone).date() == day and hours[0] <= at.astimezone(zone).hour < hours[1]
    ]


@given(instants, zones)
def test_local_times_lead_back_to_their_instants(instant: datetime, zone: ZoneInfo) -> None:
    assert local_time(instant, zone).astimezone(UTC) == instant


@given(instants, zones, st.sampled_from([AM, PM, EVENING]), st.integers(-2, 2))
def test_a_window_matches_exactly_where_the_clocks_show_its_day_and_part(
    instant: datetime, zone: ZoneInfo, part: TimeWindow.ValueType, offset: int
) -> None:
    day = instant.astimezone(zone).date() + timedelta(days=offset)
    expected = any(start <= instant < end for start, end in bounds(day, HOURS[part], zone))
    found = matching([hour_long(instant)], Wish(dates=(day,), part=part), zone, TimeWindows(), LONG_AGO)
    assert bool(found) == expected


@given(st.lists(instants, max_size=8, unique=True), zones, parts, st.lists(st.integers(0, 3), max_size=2, unique=True), instants)
def test_matches_are_in_order_of_dates_then_time_and_have_not_begun(
    starts: list[datetime], zone: ZoneInfo, part: TimeWindow.ValueType, picks: list[int], now: datetime
) -> None:
    days = tuple(dict.fromkeys(start.astimezone(zone).date() for start in starts))
    dates = tuple(days[pick] for pick in picks if pick < len(days))
    found = matching([hour_long(start) for start in starts], Wish(dates=dates, part=part), zone, TimeWindows(), now)
    keys = [(dates.index(local_time(window.start, zone).date()) if dates else 0, window.start) for window in found]
    assert keys == sorted(keys)
    assert all(window.start > now for window in found)


@given(instants, zones)
def test_every_instant_lies_in_one_part_of_the_day_at_most(instant: datetime, zone: ZoneInfo) -> None:
    hour = instant.astimezone(zone).hour
    expected = next((part for part, (first, last) in HOURS.items() if first <= hour < last), TIME_WINDOW_UNSPECIFIED)
    assert part_of_day(instant, zone, TimeWindows()) == expected


@pytest.mark.parametrize(
    ("local", "part"),
    [
        ("07:59", TIME_WINDOW_UNSPECIFIED),
        ("08:00", AM),
        ("11:59", AM),
        ("12:00", PM),
        ("16:59", PM),
        ("17:00", EVENING),
        ("19:59", EVENING),
        ("20:00", TIME_WINDOW_UNSPECIFIED),
    ],
)
def test_parts_of_the_day_begin_on_the_hour_and_end_before_it(local: str, part: int) -> None:
    zone = ZoneInfo("America/Chicago")
    at = datetime.combine(date(2027, 3, 15), time.fromisoformat(local), zone).astimezone(UTC)
    assert part_of_day(at, zone, TimeWindows()) == part


def test_on_the_day_of_the_change_the_morning_still_starts_at_eight_by_the_clock() -> None:
    zone = ZoneInfo("America/Chicago")
    for day, offset in ((date(2027, 3, 13), 6), (date(2027, 3, 14), 5), (date(2027, 11, 6), 5), (date(2027, 11, 7), 6)):
        eight = datetime.combine(day, time(8 + offset), UTC)
        assert part_of_day(eight, zone, TimeWindows()) == AM
        assert part_of_day(eight - timedelta(minutes=1), zone, TimeWindows()) == TIME_WINDOW_UNSPECIFIED


def test_hours_that_a_zone_skips_match_nothing_and_hours_that_it_repeats_match_twice() -> None:
    zone = ZoneInfo("America/Chicago")
    night = TimeWindows(am=Hours(start=time(1), end=time(3)))
    for day, starts in ((date(2027, 3, 14), ["07:00"]), (date(2027, 11, 7), ["06:00", "07:00", "08:00"])):
        windows = [hour_long(datetime.combine(day, time(hour), UTC)) for hour in range(24)]
        found = matching(windows, Wish(dates=(day,), part=AM), zone, night, LONG_AGO)
        assert [window.start.strftime("%H:%M") for window in found] == starts


@given(instants)
def test_an_instant_is_read_as_it_was_written(instant: datetime) -> None:
    assert read_instant(utc_text(instant)) == instant
