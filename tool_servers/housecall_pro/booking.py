"""A booking: customer, address, appointment, job; in steps that can be taken up again.

Above: `servicer`; `previews` reads and chooses by the same functions. Below: `work` (what has been done), `customers`,
`availability`, `vendor`.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from switchboard.booking.v1.booking_pb2 import AM, EVENING, PM, TIME_WINDOW_UNSPECIFIED
from switchboard.tools.housecall_pro.v1 import housecall_pro_service_pb2 as pb

from tool_servers.housecall_pro.appointments import Window, Wish, utc_text
from tool_servers.housecall_pro.availability import Calendar, Visit, visit
from tool_servers.housecall_pro.company import Company, CompanyDirectory
from tool_servers.housecall_pro.customers import Client, CustomerFile, Place, read_client
from tool_servers.housecall_pro.vendor import Vendor
from tool_servers.housecall_pro.wire import JobRecord, schedule_body
from tool_servers.housecall_pro.work import Work, WorkLedger, identify
from tool_servers.runtime import ToolCall

_PARTS = {AM: "in the morning", PM: "in the afternoon", EVENING: "in the evening"}
_NO_WISH = Wish(dates=(), part=TIME_WINDOW_UNSPECIFIED)


@dataclass(frozen=True, kw_only=True, slots=True)
class Appointment:
    """What was found for a wish: `window` is None where nothing is wished for or nothing of it is open."""

    window: Window | None
    wish: Wish

    @property
    def unavailable(self) -> bool:
        """Whether a time was wished for and none of it is open."""
        return self.window is None and not self.wish.empty


class Bookings:
    """Books visits."""

    def __init__(
        self, *, vendor: Vendor, ledger: WorkLedger, directory: CompanyDirectory, calendar: Calendar, customers: CustomerFile
    ) -> None:
        self._vendor = vendor
        self._ledger = ledger
        self._directory = directory
        self._calendar = calendar
        self._customers = customers

    async def book(self, request: pb.CreateBookingRequest, call: ToolCall) -> pb.CreateBookingResponse:
        """Return the booking of this call, whether this attempt made it or one before."""
        deadline = call.deadline
        async with self._ledger.claim(identify(call, "create_booking", _asked(request)), deadline) as work:
            if work.done is not None:
                return pb.CreateBookingResponse.FromString(work.done)
            company = await self._directory.get(deadline)
            job = await work.left_over("job", lambda: self._find(work, deadline))
            if job is None:
                job = await self._create(work, company, request, deadline)
            response = _response(work, company, job)
            await work.finish(response, job.id)
            return response

    async def _create(self, work: Work, company: Company, request: pb.CreateBookingRequest, deadline: float) -> JobRecord:
        client, what = read_booking(company, request)
        # Before anything is made: an appointment that is gone, or a date that has passed, then leaves nothing behind.
        appointment, known = await asyncio.gather(
            choose(self._calendar, company, what, request, deadline), self._customers.known(work, deadline, client)
        )
        place = await self._customers.place(work, deadline, client, known)
        if appointment.window is not None:
            appointment = await choose(self._calendar, company, what, request, deadline)
        body = _job_body(request, client, place, appointment, work.identity.reference)
        return await work.post_once(
            "job",
            find=lambda: self._find(work, deadline),
            post=lambda: self._vendor.create_job(deadline, body),
            customer_id=place.customer_id,
            address_id=place.address_id,
            slot_start=appointment.window.start if appointment.window else None,
            slot_end=appointment.window.end if appointment.window else None,
            preferred_unavailable=appointment.unavailable,
        )

    async def _find(self, work: Work, deadline: float) -> JobRecord | None:
        """The job that carries our reference."""
        customer_id = work.progress.customer_id
        if customer_id is None:
            return None
        async for job in self._vendor.jobs(deadline, customer_id):
            if work.identity.reference in job.tags:
                return job
        return None


def read_booking(company: Company, request: pb.CreateBookingRequest) -> tuple[Client, Visit]:
    """Return who asks for what. Raises InvalidArgument for what the company or the vendor cannot serve."""
    company.check_serves(request.address.zip)
    client = read_client(request.customer, request.address, request.service.lead_source or request.marketing.source)
    return client, visit(request.service_hcp_id, request.service)


async def choose(
    calendar: Calendar, company: Company, what: Visit, request: pb.CreateBookingRequest, deadline: float
) -> Appointment:
    """Return the exact slot where one is named, else the first open window that is wished for.

    Raises Conflict where the slot is not open, InvalidArgument for a date that cannot be booked, and VendorProblem.
    """
    if request.HasField("slot"):
        window = await calendar.exact(deadline, company, what, request.slot)
        return Appointment(window=window, wish=_NO_WISH)
    wish = calendar.preferred(company, request.preferred)
    if wish.empty:
        return Appointment(window=None, wish=wish)
    found = await calendar.open(deadline, company, what, wish)
    return Appointment(window=found[0] if found else None, wish=wish)


def _asked(request: pb.CreateBookingRequest) -> pb.CreateBookingRequest:
    """What has to be the same in a repeated call: not what the adapter fills in, which follows the service mapping."""
    asked = pb.CreateBookingRequest()
    asked.CopyFrom(request)
    asked.ClearField("service")
    return asked


def _job_body(
    request: pb.CreateBookingRequest, client: Client, place: Place, appointment: Appointment, reference: str
) -> dict[str, object]:
    service = request.service
    body: dict[str, object] = {"customer_id": place.customer_id, "address_id": place.address_id, "tags": [reference]}
    if appointment.window is not None:
        body["schedule"] = schedule_body(appointment.window.start, appointment.window.end)
    if service.name:
        body["line_items"] = [{"name": service.name, "unit_price": service.unit_price_cents, "quantity": 1}]
    if service.job_type_id:
        body["job_fields"] = {"job_type_id": service.job_type_id}
    if client.lead_source:
        body["lead_source"] = client.lead_source
    notes = "\n".join(_notes(request, client, appointment))
    if notes:
        body["notes"] = notes
    return body


def _notes(request: pb.CreateBookingRequest, client: Client, appointment: Appointment) -> list[str]:
    """What the customer wrote, and what the vendor has no field for."""
    lines = [request.notes] if request.notes else []
    if client.phone.extension:
        lines.append(f"Phone extension: {client.phone.extension}")
    if appointment.unavailable:
        dates = " or ".join(day.isoformat() for day in appointment.wish.dates) or "as soon as possible"
        part = _PARTS.get(appointment.wish.part, "")
        lines.append(f"Asked for: {dates} {part}".rstrip() + ". Nothing of it was open; please call to schedule.")
    if request.marketing.campaign:
        lines.append(f"Campaign: {request.marketing.campaign}")
    return lines


def _response(work: Work, company: Company, job: JobRecord) -> pb.CreateBookingResponse:
    progress = work.progress
    response = pb.CreateBookingResponse(
        job_id=job.id,
        status=pb.BOOKING_STATUS_NEEDS_SCHEDULING,
        time_zone=company.zone.key,
        preferred_unavailable=progress.preferred_unavailable,
    )
    if progress.slot_start is not None and progress.slot_end is not None:
        response.status = pb.BOOKING_STATUS_SCHEDULED
        response.start_time = utc_text(progress.slot_start)
        response.end_time = utc_text(progress.slot_end)
    return response
