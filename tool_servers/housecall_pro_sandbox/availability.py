"""Booking windows: which appointments the company offers, and which of them are still free.

Above: `company`, which answers the vendor's booking-windows endpoint with them. Below: the standard library's time zones;
nothing here reads a clock or a database.

Hours are local wall-clock hours in the company's zone and instants are UTC, so that a change to or from daylight saving
time moves the UTC times of the windows and not the hours at which a technician rings the bell.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

# Morning, afternoon and evening as local hours, half-open. Appointments do not run from one into the next.
PERIODS = ((8, 12), (12, 17), (17, 20))
# For a service that fits into none of them, the day as a whole.
WHOLE_DAY = ((8, 20),)
DEFAULT_SLOT = timedelta(hours=1)
_SUNDAY = 6


@dataclass(frozen=True, kw_only=True)
class Slot:
    """One appointment that the calendar offers: two instants in UTC."""

    start: datetime
    end: datetime


@dataclass(frozen=True, kw_only=True)
class BusyTime:
    """`jobs` jobs that take place from `start` to `end`, each with the same technicians assigned (or none yet)."""

    start: datetime
    end: datetime
    employee_ids: Sequence[str] = ()
    jobs: int = 1


def slots_of(day: date, zone: ZoneInfo, length: timedelta) -> list[Slot]:
    """The appointments of `length` on the local date `day`, in order. Empty on Sundays, when the company is closed."""
    if day.weekday() == _SUNDAY:
        return []
    longest = max(closing - opening for opening, closing in PERIODS)
    periods = PERIODS if length <= timedelta(hours=longest) else WHOLE_DAY
    return [slot for opening, closing in periods for slot in _split(day, zone, opening, closing, length)]


def _split(day: date, zone: ZoneInfo, opening: int, closing: int, length: timedelta) -> Iterator[Slot]:
    start = datetime.combine(day, time(opening))
    closes = datetime.combine(day, time(closing))
    while start + length <= closes:
        first, last = _instant(start, zone), _instant(start + length, zone)
        # A zone may skip hours or whole days: what its clocks never show, or show for less time, is not offered.
        if first is not None and last is not None and last - first == length:
            yield Slot(start=first, end=last)
        start += length


def _instant(local: datetime, zone: ZoneInfo) -> datetime | None:
    """The instant at which clocks in `zone` first show `local`, or None where they never do."""
    instant = local.replace(tzinfo=zone).astimezone(UTC)
    return instant if instant.astimezone(zone).replace(tzinfo=None) == local else None


def is_free(slot: Slot, *, now: datetime, busy: Iterable[BusyTime], capacity: int, employee_ids: Sequence[str] = ()) -> bool:
    """Say whether `slot` can still be booked: it has not begun, and fewer than `capacity` jobs touch it.

    With `employee_ids`, one of these technicians must also be assigned to none of the jobs that touch it.
    """
    if slot.start <= now:
        return False
    touching = [other for other in busy if other.start < slot.end and other.end > slot.start]
    if sum(other.jobs for other in touching) >= capacity:
        return False
    taken = {employee for other in touching for employee in other.employee_ids}
    return not employee_ids or any(employee not in taken for employee in employee_ids)
