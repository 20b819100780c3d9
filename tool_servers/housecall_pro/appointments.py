"""Which of the vendor's booking windows a customer wants: dates and parts of the day by the company's clocks.

Above: `availability` and `booking`. Below: the standard library's time zones; nothing here reads a clock or calls anybody.

Windows are instants in UTC, wishes are dates and hours on the wall. Wishes are never turned into instants: each window is shown
on the company's clocks and compared there. So an hour that a zone skips matches no window, and of an hour that it repeats
both do. `local_time` checks the way there and back, since `zoneinfo` resolves what does not exist without a word.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

from switchboard.booking.v1.booking_pb2 import AM, EVENING, PM, TIME_WINDOW_UNSPECIFIED, TimeWindow

from tool_servers.housecall_pro.settings import TimeWindows


@dataclass(frozen=True, kw_only=True, slots=True, order=True)
class Window:
    """One appointment that can be booked: two instants in UTC."""

    start: datetime
    end: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class Wish:
    """When a customer would like to be visited. No dates: any day. `part` may be TIME_WINDOW_UNSPECIFIED: any time of the day."""

    dates: tuple[date, ...]
    part: TimeWindow.ValueType

    @property
    def empty(self) -> bool:
        """Whether nothing is wished for."""
        return not self.dates and self.part == TIME_WINDOW_UNSPECIFIED


def local_time(instant: datetime, zone: ZoneInfo) -> datetime:
    """Return `instant` as clocks in `zone` show it. Raises ValueError where they would not lead back to it."""
    local = instant.astimezone(zone)
    if local.astimezone(UTC) != instant:
        raise ValueError("the zone's clocks do not lead back to this instant")
    return local


def part_of_day(instant: datetime, zone: ZoneInfo, windows: TimeWindows) -> TimeWindow.ValueType:
    """Return the part of the day that `instant` lies in by the clocks of `zone`."""
    moment = local_time(instant, zone).time()
    for part, hours in ((AM, windows.am), (PM, windows.pm), (EVENING, windows.evening)):
        if hours.holds(moment):
            return part
    return TIME_WINDOW_UNSPECIFIED


def matching(open_windows: Iterable[Window], wish: Wish, zone: ZoneInfo, windows: TimeWindows, now: datetime) -> list[Window]:
    """Return the windows that fulfil `wish` and have not begun: by order of the wished dates, then by time."""
    ranks = {day: rank for rank, day in enumerate(wish.dates)}
    found = []
    for window in open_windows:
        day = local_time(window.start, zone).date()
        if window.start <= now or (ranks and day not in ranks):
            continue
        if wish.part != TIME_WINDOW_UNSPECIFIED and part_of_day(window.start, zone, windows) != wish.part:
            continue
        found.append((ranks.get(day, 0), window))
    return [window for _, window in sorted(found)]


def utc_text(instant: datetime) -> str:
    """Return `instant` as RFC 3339 in UTC, to the second."""
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def read_instant(text: str) -> datetime:
    """Return the instant that RFC 3339 `text` names. Raises ValueError, also where it names no zone."""
    instant = datetime.fromisoformat(text)
    if instant.tzinfo is None:
        raise ValueError("a time needs a zone")
    return instant.astimezone(UTC)
