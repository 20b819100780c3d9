"""The servicer of HousecallProService, and everything that it stands on put together.

Above: `__main__`. Below: every other module of this package; this is its composition root.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

from switchboard.tool.v1.preview_pb2 import Preview
from switchboard.tools.housecall_pro.v1 import housecall_pro_service_pb2 as pb

from service_kit.postgres import Database, DatabaseError
from tool_servers.housecall_pro.appointments import Window, local_time, part_of_day, utc_text
from tool_servers.housecall_pro.assets import PostgresAssetReader
from tool_servers.housecall_pro.availability import Calendar, visit
from tool_servers.housecall_pro.booking import Bookings
from tool_servers.housecall_pro.company import Company, CompanyDirectory
from tool_servers.housecall_pro.customers import CustomerFile
from tool_servers.housecall_pro.estimate import EstimateRequests
from tool_servers.housecall_pro.faults import VendorProblem, as_tool_error
from tool_servers.housecall_pro.photos import Photographs
from tool_servers.housecall_pro.previews import Previews
from tool_servers.housecall_pro.settings import HousecallProSettings, TimeWindows
from tool_servers.housecall_pro.vendor import Vendor
from tool_servers.housecall_pro.work import WorkLedger
from tool_servers.runtime import ToolCall

_MAX_SLOTS = 100
_HEALTH_SECONDS = 4.0
# A health check every second must not become a call to the vendor every second.
_HEALTH_AGE = 15.0


class HousecallProServicer:
    """Implements HousecallProService."""

    def __init__(
        self,
        *,
        ledger: WorkLedger,
        directory: CompanyDirectory,
        calendar: Calendar,
        windows: TimeWindows,
        bookings: Bookings,
        estimates: EstimateRequests,
        previews: Previews,
    ) -> None:
        self._ledger = ledger
        self._directory = directory
        self._calendar = calendar
        self._windows = windows
        self._bookings = bookings
        self._estimates = estimates
        self._previews = previews

    async def get_availability(self, request: pb.GetAvailabilityRequest, call: ToolCall) -> pb.GetAvailabilityResponse:
        """List open appointments."""
        try:
            return await self._availability(request, call.deadline)
        except VendorProblem as problem:
            raise as_tool_error(problem) from problem

    async def create_booking(self, request: pb.CreateBookingRequest, call: ToolCall) -> pb.CreateBookingResponse:
        """Book a visit."""
        return await self._bookings.book(request, call)

    async def create_estimate_request(
        self, request: pb.CreateEstimateRequestRequest, call: ToolCall
    ) -> pb.CreateEstimateRequestResponse:
        """Ask the office for an estimate."""
        return await self._estimates.request(request, call)

    async def preview_create_booking(self, request: pb.CreateBookingRequest, call: ToolCall) -> Preview:
        """Say what booking the visit would do."""
        return await self._previews.booking(request, call)

    async def preview_create_estimate_request(self, request: pb.CreateEstimateRequestRequest, call: ToolCall) -> Preview:
        """Say what asking for the estimate would do."""
        return await self._previews.estimate_request(request, call)

    async def check_health(self) -> str | None:
        """Say what keeps a booking from working now, or None."""
        try:
            await self._ledger.ping()
        except DatabaseError:
            return "The database cannot be used; check SWITCHBOARD_DATABASE_URL and the migrations."
        try:
            await self._directory.get(asyncio.get_running_loop().time() + _HEALTH_SECONDS, max_age=_HEALTH_AGE)
        except VendorProblem as problem:
            if problem.status in (401, 403):
                return "The scheduling system does not accept our access; check HOUSECALL_PRO_API_KEY."
            return "The scheduling system does not answer as it should; check HOUSECALL_PRO_BASE_URL."
        return None

    async def _availability(self, request: pb.GetAvailabilityRequest, deadline: float) -> pb.GetAvailabilityResponse:
        company = await self._directory.get(deadline)
        dates = [(text, f"preferredDates[{index}]") for index, text in enumerate(request.preferred_dates)]
        wish = self._calendar.wish(company, dates, request.time_window)
        response = pb.GetAvailabilityResponse(time_zone=company.zone.key, served=company.serves(request.zip))
        if not response.served:
            return response
        what = visit(request.service_hcp_id, request.service)
        if wish.dates:
            found = await self._calendar.open(deadline, company, what, wish)
        else:
            found = await self._calendar.next_week(deadline, company, what, wish.part)
        response.slots.extend(self._slot(company, window) for window in sorted(found)[:_MAX_SLOTS])
        return response

    def _slot(self, company: Company, window: Window) -> pb.Slot:
        return pb.Slot(
            start_time=utc_text(window.start),
            end_time=utc_text(window.end),
            date=local_time(window.start, company.zone).date().isoformat(),
            time_window=part_of_day(window.start, company.zone, self._windows),
        )


@asynccontextmanager
async def connected(settings: HousecallProSettings) -> AsyncIterator[HousecallProServicer]:
    """A servicer with its connections to Postgres and the vendor, which are closed in the end."""
    database = Database(settings.database_url.get_secret_value())
    vendor = Vendor(
        base_url=settings.housecall_pro_base_url,
        api_key=settings.housecall_pro_api_key.get_secret_value(),
        connections=settings.vendor_connections,
        timeout=settings.vendor_timeout,
    )
    await database.open()
    try:
        yield _servicer(settings, database, vendor)
    finally:
        await vendor.close()
        await database.close()


def _servicer(settings: HousecallProSettings, database: Database, vendor: Vendor) -> HousecallProServicer:
    ledger = WorkLedger(database, lease=settings.lease_seconds, settle=settings.settle_seconds)
    directory = CompanyDirectory(vendor, seconds=settings.company_cache_seconds)
    customers = CustomerFile(vendor)
    calendar = Calendar(
        vendor,
        windows=settings.time_windows,
        search_days=settings.search_days,
        max_days_ahead=settings.max_days_ahead,
        clock=lambda: datetime.now(UTC),
    )
    bookings = Bookings(vendor=vendor, ledger=ledger, directory=directory, calendar=calendar, customers=customers)
    photos = Photographs(vendor, PostgresAssetReader(database))
    estimates = EstimateRequests(vendor=vendor, ledger=ledger, directory=directory, customers=customers, photos=photos)
    return HousecallProServicer(
        ledger=ledger,
        directory=directory,
        calendar=calendar,
        windows=settings.time_windows,
        bookings=bookings,
        estimates=estimates,
        previews=Previews(vendor=vendor, directory=directory, calendar=calendar, customers=customers),
    )
