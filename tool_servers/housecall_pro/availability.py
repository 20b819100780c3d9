"""Open appointments: asking the vendor for its booking windows and choosing among them.

Above: `servicer` (the availability tool) and `booking`. Below: `vendor`, `appointments`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from switchboard.booking.v1.booking_pb2 import TIME_WINDOW_UNSPECIFIED, PreferredTimes, TimeWindow
from switchboard.tools.housecall_pro.v1.housecall_pro_service_pb2 import RequestedSlot, VendorService

from tool_servers.housecall_pro.appointments import Window, Wish, matching, read_instant
from tool_servers.housecall_pro.company import Company
from tool_servers.housecall_pro.settings import TimeWindows
from tool_servers.housecall_pro.vendor import Vendor
from tool_servers.runtime import Conflict, InvalidArgument

# Without wishes the next week is shown.
_SHOWN_DAYS = 7

Clock = Callable[[], datetime]


@dataclass(frozen=True, kw_only=True, slots=True)
class Visit:
    """What a visit is for and how long it takes (0: as long as the vendor's service says)."""

    service_id: str
    duration_minutes: int


def visit(service_id: str, service: VendorService) -> Visit:
    """Return what the vendor has to know to offer appointments."""
    return Visit(service_id=service_id, duration_minutes=service.duration_minutes)


class Calendar:
    """The company's open appointments. `clock` gives the present instant in UTC."""

    def __init__(self, vendor: Vendor, *, windows: TimeWindows, search_days: int, max_days_ahead: int, clock: Clock) -> None:
        self._vendor = vendor
        self._windows = windows
        self._search_days = search_days
        self._max_days_ahead = max_days_ahead
        self._clock = clock

    def wish(self, company: Company, dates: Sequence[tuple[str, str]], part: TimeWindow.ValueType) -> Wish:
        """Return the wish for `dates`, which are (YYYY-MM-DD, path of the argument). Raises InvalidArgument."""
        today = self._clock().astimezone(company.zone).date()
        wanted: list[date] = []
        for text, path in dates:
            day = date.fromisoformat(text)
            if day < today:
                raise InvalidArgument("This date has passed.", field=path)
            if day > today + timedelta(days=self._max_days_ahead):
                raise InvalidArgument(f"Dates can be at most {self._max_days_ahead} days ahead.", field=path)
            if day not in wanted:
                wanted.append(day)
        return Wish(dates=tuple(wanted), part=part)

    def preferred(self, company: Company, preferred: PreferredTimes) -> Wish:
        """Return a booking's wish. A second date alone counts as the first."""
        given = ((preferred.date1, "preferred.date1"), (preferred.date2, "preferred.date2"))
        return self.wish(company, [(text, path) for text, path in given if text], preferred.time_window)

    async def next_week(self, deadline: float, company: Company, what: Visit, part: TimeWindow.ValueType) -> list[Window]:
        """Return what is open today and in the six days after, by time. Raises VendorProblem."""
        return await self._open(deadline, company, what, Wish(dates=(), part=part), days=_SHOWN_DAYS)

    async def open(self, deadline: float, company: Company, what: Visit, wish: Wish) -> list[Window]:
        """Return what is open and fulfils `wish`, best first. Raises VendorProblem."""
        return await self._open(deadline, company, what, wish, days=self._search_days)

    async def exact(self, deadline: float, company: Company, what: Visit, slot: RequestedSlot) -> Window:
        """Return exactly that appointment. Raises Conflict where it is not open, InvalidArgument and VendorProblem."""
        wanted = Window(start=_instant(slot.start_time, "slot.startTime"), end=_instant(slot.end_time, "slot.endTime"))
        if wanted.end <= wanted.start:
            raise InvalidArgument("This must lie after the slot's start.", field="slot.endTime")
        await self.check(deadline, company, what, wanted)
        return wanted

    async def check(self, deadline: float, company: Company, what: Visit, window: Window) -> None:
        """Raise Conflict where `window` is not open any more. Raises VendorProblem."""
        now = self._clock()
        if now < window.start <= now + timedelta(days=self._max_days_ahead + 1):
            day = window.start.astimezone(company.zone).date()
            wish = Wish(dates=(day,), part=TIME_WINDOW_UNSPECIFIED)
            if window in await self.open(deadline, company, what, wish):
                return
        raise Conflict("This appointment is not open any more.", field="slot")

    async def _open(self, deadline: float, company: Company, what: Visit, wish: Wish, *, days: int) -> list[Window]:
        now = self._clock()
        today = now.astimezone(company.zone).date()
        # One day more than is wanted: a vendor that counts days by UTC puts an evening into the next one.
        asked = [(day, 2) for day in wish.dates] or [(today, days + 1)]
        answers = await asyncio.gather(
            *(
                self._vendor.windows(
                    deadline, start=start, days=length, service_id=what.service_id, duration_minutes=what.duration_minutes
                )
                for start, length in asked
            )
        )
        found = {
            Window(start=record.start_time, end=record.end_time)
            for records in answers
            for record in records
            if record.available and record.end_time > record.start_time
        }
        fitting = matching(found, wish, company.zone, self._windows, now)
        last = today + timedelta(days=days)
        return [window for window in fitting if wish.dates or window.start.astimezone(company.zone).date() < last]


def _instant(text: str, path: str) -> datetime:
    try:
        return read_instant(text)
    except (ValueError, OverflowError):
        raise InvalidArgument("This is not a time such as 2026-01-31T09:00:00Z.", field=path) from None
