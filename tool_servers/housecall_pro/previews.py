"""What a booking or an estimate request would do at the vendor, found out with nothing but reads.

Above: `servicer`. Below: what `booking` and `estimate` go by themselves: the same company, customer search and calendar, so that
a preview refuses what the call would refuse and tells what the call would then do.

No vendor's id is in a preview: people read it. Names and addresses are in `detail`, which the contract marks as personal.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from switchboard.tool.v1 import preview_pb2
from switchboard.tools.housecall_pro.v1 import housecall_pro_service_pb2 as pb

from tool_servers.housecall_pro.appointments import Window, local_time
from tool_servers.housecall_pro.availability import Calendar
from tool_servers.housecall_pro.booking import Appointment, choose, read_booking
from tool_servers.housecall_pro.company import Company, CompanyDirectory
from tool_servers.housecall_pro.customers import Client, CustomerFile, address_of, read_client
from tool_servers.housecall_pro.faults import VendorProblem, as_tool_error
from tool_servers.housecall_pro.vendor import Vendor
from tool_servers.housecall_pro.wire import CustomerRecord
from tool_servers.runtime import ToolCall

# The vendor has companies in the United States only, and no field for a currency.
_CURRENCY = "USD"
_VISIT = "a visit"


@dataclass(frozen=True, kw_only=True, slots=True)
class _Known:
    """The vendor's customer, if there is one, and how many jobs the customer has; None where nobody knows."""

    customer: CustomerRecord | None
    jobs: int | None


class Previews:
    """Tells what calls would do. A call's idempotency key is no part of it: it is about the state of things now."""

    def __init__(self, *, vendor: Vendor, directory: CompanyDirectory, calendar: Calendar, customers: CustomerFile) -> None:
        self._vendor = vendor
        self._directory = directory
        self._calendar = calendar
        self._customers = customers

    async def booking(self, request: pb.CreateBookingRequest, call: ToolCall) -> preview_pb2.Preview:
        """Return what `book` would do. Raises the tool errors that it would raise."""
        try:
            return await self._booking(request, call)
        except VendorProblem as problem:
            raise as_tool_error(problem) from problem

    async def estimate_request(self, request: pb.CreateEstimateRequestRequest, call: ToolCall) -> preview_pb2.Preview:
        """Return what `request` would do. Raises the tool errors that it would raise."""
        try:
            return await self._estimate_request(request, call)
        except VendorProblem as problem:
            raise as_tool_error(problem) from problem

    async def _booking(self, request: pb.CreateBookingRequest, call: ToolCall) -> preview_pb2.Preview:
        company = await self._company(call)
        client, what = read_booking(company, request)
        appointment, known = await asyncio.gather(
            choose(self._calendar, company, what, request, call.deadline), self._known(call.deadline, client)
        )
        service = request.service
        when = _when(appointment, company)
        price = f" for {_money(service.unit_price_cents)}" if service.name else ""
        preview = preview_pb2.Preview(summary=f"Books {service.name or _VISIT} {when}{price}, for {_whom(known)}.")
        _add_client(preview, client, known)
        _add(preview, "job", f"{service.name or 'Visit'}, {when}{price}")
        # Without a price in the service mapping the job has no line item, and nobody knows yet what it will cost.
        _set_facts(preview, known, service.unit_price_cents if service.name else None)
        return preview

    async def _estimate_request(self, request: pb.CreateEstimateRequestRequest, call: ToolCall) -> preview_pb2.Preview:
        company = await self._company(call)
        company.check_serves(request.address.zip)
        client = read_client(request.customer, request.address, request.service.lead_source)
        known = await self._known(call.deadline, client)
        subject = f"an estimate for {request.service.name}" if request.service.name else "an estimate"
        photos = len(request.photos_asset_ids)
        attached = f" with {photos} photo{'s' if photos > 1 else ''}" if photos else ""
        preview = preview_pb2.Preview(summary=f"Asks the office for {subject}{attached}, for {_whom(known)}.")
        _add_client(preview, client, known)
        _add(preview, "estimate", f"{request.service.name or 'Estimate'}{attached}; a lead where the company has no estimates")
        _set_facts(preview, known, 0)
        return preview

    async def _company(self, call: ToolCall) -> Company:
        # A call that names no tenant is refused, as the call itself would be.
        _ = call.tenant
        return await self._directory.get(call.deadline)

    async def _known(self, deadline: float, client: Client) -> _Known:
        customer = await self._customers.find(deadline, client)
        jobs = 0 if customer is None else await self._vendor.count_jobs(deadline, customer.id)
        return _Known(customer=customer, jobs=jobs)


def _add_client(preview: preview_pb2.Preview, client: Client, known: _Known) -> None:
    """Add the customer and the address where they would be made."""
    if known.customer is None:
        _add(preview, "customer", f"{client.customer.first_name} {client.customer.last_name}".strip())
    if known.customer is None or address_of(known.customer, client.address) is None:
        street = f"{client.address.line1} {client.address.line2}".strip()
        _add(preview, "address", f"{street}, {client.address.city}, {client.address.state} {client.address.zip}")


def _add(preview: preview_pb2.Preview, what: str, detail: str) -> None:
    preview.changes.add(kind=preview_pb2.CHANGE_KIND_CREATE, what=what, detail=detail)


def _set_facts(preview: preview_pb2.Preview, known: _Known, amount_cents: int | None) -> None:
    preview.facts.items = 1
    if known.jobs is not None:
        preview.facts.related_records = known.jobs
    if amount_cents is not None:
        preview.facts.amount_cents, preview.facts.currency = amount_cents, _CURRENCY


def _whom(known: _Known) -> str:
    if known.customer is None:
        return "a new customer"
    return "a known customer" if known.jobs is None else f"a known customer with {known.jobs} job{'' if known.jobs == 1 else 's'}"


def _when(appointment: Appointment, company: Company) -> str:
    if appointment.window is not None:
        return f"on {_span(appointment.window, company)}"
    return "without a time, as nothing asked for is open" if appointment.unavailable else "without a time yet"


def _span(window: Window, company: Company) -> str:
    start, end = (local_time(instant, company.zone) for instant in (window.start, window.end))
    return f"{start:%Y-%m-%d} from {start:%H:%M} to {end:%H:%M} ({company.zone.key})"


def _money(cents: int) -> str:
    return f"${cents / 100:,.2f}"
