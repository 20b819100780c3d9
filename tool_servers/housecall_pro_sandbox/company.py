"""`/company`: the company and its open appointments.

Above: `application`. Below: `store`, `availability`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tool_servers.housecall_pro_sandbox import availability, wire
from tool_servers.housecall_pro_sandbox.errors import invalid, missing
from tool_servers.housecall_pro_sandbox.parameters import read_integer
from tool_servers.housecall_pro_sandbox.settings import Employee, Service
from tool_servers.housecall_pro_sandbox.store import Store

# How far ahead the first day with a free appointment is looked for when no start date is given.
_LOOKAHEAD = 60
_MAX_DAYS = 60


class CompanyEndpoints:
    """Answers for the company. `clock` gives the present instant."""

    def __init__(
        self, store: Store, services: Sequence[Service], employees: Sequence[Employee], clock: Callable[[], datetime]
    ) -> None:
        self._store = store
        self._services = {service.id: service for service in services}
        self._employees = {employee.id for employee in employees}
        self._clock = clock

    def routes(self) -> list[Route]:
        """What this class serves."""
        return [
            Route("/company", self.show, methods=["GET"]),
            Route("/company/schedule_availability/booking_windows", self.booking_windows, methods=["GET"]),
        ]

    async def show(self, request: Request) -> Response:
        """GET /company."""
        return JSONResponse(wire.company(await self._store.company()))

    async def booking_windows(self, request: Request) -> Response:
        """GET /company/schedule_availability/booking_windows."""
        days = read_integer(request, "show_for_days", default=7, least=1, most=_MAX_DAYS)
        length = self._length(request)
        wanted = self._wanted(request)
        given = _read_date(request)
        company = await self._store.company()
        zone = ZoneInfo(company["time_zone"])
        now = self._clock()
        first = given or now.astimezone(zone).date()
        last = first + timedelta(days=days if given else days + _LOOKAHEAD)
        midnight = datetime.combine(first, datetime.min.time(), UTC)
        # A day more on either side covers every zone's offset.
        busy = await self._store.busy_times(midnight - timedelta(days=1), midnight + (last - first) + timedelta(days=1))

        def windows_of(day: date) -> list[wire.Json]:
            return [
                {
                    "start_time": wire.instant(slot.start),
                    "end_time": wire.instant(slot.end),
                    "available": availability.is_free(
                        slot, now=now, busy=busy, capacity=company["capacity"], employee_ids=wanted
                    ),
                }
                for slot in availability.slots_of(day, zone, length)
            ]

        if given is None:
            ahead = (first + timedelta(days=offset) for offset in range(_LOOKAHEAD))
            first = next((day for day in ahead if any(window["available"] for window in windows_of(day))), first)
        windows = [window for offset in range(days) for window in windows_of(first + timedelta(days=offset))]
        return JSONResponse({"booking_windows": windows, "show_for_days": days, "start_date": first.isoformat()})

    def _length(self, request: Request) -> timedelta:
        """A duration in the request goes before that of the service, as at the vendor."""
        service_id = request.query_params.get("service_id")
        service = self._services.get(service_id) if service_id else None
        if service_id and service is None:
            raise missing("Service", "service_id")
        minutes = read_integer(request, "service_duration", default=0, least=15, most=1440)
        if minutes:
            return timedelta(minutes=minutes)
        return timedelta(minutes=service.duration_minutes) if service else availability.DEFAULT_SLOT

    def _wanted(self, request: Request) -> list[str]:
        wanted = request.query_params.getlist("employee_ids[]")
        if not self._employees.issuperset(wanted):
            raise missing("Employee", "employee_ids")
        return wanted


def _read_date(request: Request) -> date | None:
    text = request.query_params.get("start_date")
    if not text:
        return None
    try:
        day = datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC).date()
    except ValueError:
        raise invalid("start_date", "must be a date YYYY-MM-DD") from None
    if not 1970 <= day.year <= 2100:
        raise invalid("start_date", "must lie between 1970 and 2100")
    return day
