"""`/jobs`: work for a customer, with or without a time.

Above: `application`. Below: `store`. There is no idempotency at this vendor: posting twice makes two jobs. Nor does it
refuse a time that is taken: whoever books looks at the booking windows first.
"""

from __future__ import annotations

from collections.abc import Sequence

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tool_servers.housecall_pro_sandbox import wire
from tool_servers.housecall_pro_sandbox.bodies import AppointmentBody, JobBody, LineItem, read_body
from tool_servers.housecall_pro_sandbox.errors import invalid, missing
from tool_servers.housecall_pro_sandbox.parameters import is_id, read_customer_filter, read_page
from tool_servers.housecall_pro_sandbox.settings import Employee, Service
from tool_servers.housecall_pro_sandbox.store import Store


def priced(items: Sequence[LineItem]) -> list[wire.Json]:
    """Line items as they are stored: each with its amount in cents."""
    return [item.model_dump(mode="json") | {"id": wire.new_id("rli"), "amount": item.amount} for item in items]


class JobEndpoints:
    """Answers for jobs."""

    def __init__(self, store: Store, services: Sequence[Service], employees: Sequence[Employee]) -> None:
        self._store = store
        self._services = services
        self._employees = employees

    def routes(self) -> list[Route]:
        """What this class serves."""
        return [
            Route("/jobs", self.index, methods=["GET"]),
            Route("/jobs", self.create, methods=["POST"]),
            Route("/jobs/{job_id}", self.show, methods=["GET"]),
            Route("/jobs/{job_id}/appointments", self.reschedule, methods=["POST"]),
        ]

    async def index(self, request: Request) -> Response:
        """GET /jobs, newest first, of one customer with `customer_id`."""
        page = read_page(request)
        total, rows = await self._store.of_customer("jobs", read_customer_filter(request), page)
        return JSONResponse(
            wire.page("jobs", [self._shown(row) for row in rows], number=page.number, size=page.size, total=total)
        )

    async def create(self, request: Request) -> Response:
        """POST /jobs."""
        body = await read_body(request, JobBody)
        job_type_id = body.job_fields.job_type_id
        if job_type_id is not None and all(service.job_type_id != job_type_id for service in self._services):
            raise invalid("job_fields.job_type_id", "is not a job type of this company")
        self._check_employees(body.assigned_employee_ids, "assigned_employee_ids")
        if not is_id(body.customer_id) or await self._store.customer(body.customer_id) is None:
            raise missing("Customer", "customer_id")
        if not is_id(body.address_id) or await self._store.address(body.customer_id, body.address_id) is None:
            raise missing("Address", "address_id")
        schedule = body.schedule
        row = await self._store.create_job(
            customer_id=body.customer_id,
            address_id=body.address_id,
            start=schedule.scheduled_start,
            end=schedule.scheduled_end,
            employee_ids=body.assigned_employee_ids,
            content={
                "description": body.description,
                "notes": [{"id": wire.new_id("nte"), "content": body.notes}] if body.notes else [],
                "tags": body.tags,
                "lead_source": body.lead_source,
                "job_type_id": job_type_id,
                "line_items": priced(body.line_items),
                "arrival_window": schedule.arrival_window,
                "anytime": schedule.anytime,
                "anytime_start_date": schedule.anytime_start_date,
                "appointments": [],
            },
        )
        return JSONResponse(self._shown(row), 201)

    async def show(self, request: Request) -> Response:
        """GET /jobs/{job_id}."""
        return JSONResponse(self._shown(await self._job(request)))

    async def reschedule(self, request: Request) -> Response:
        """POST /jobs/{job_id}/appointments: the new time takes the place of the one that the job had."""
        body = await read_body(request, AppointmentBody)
        self._check_employees(body.dispatched_employees_ids, "dispatched_employees_ids")
        job = await self._job(request)
        appointment = {
            "id": wire.new_id("apt"),
            "start_time": wire.instant(body.start_time),
            "end_time": wire.instant(body.end_time),
            "arrival_window_minutes": body.arrival_window_minutes,
            "dispatched_employees_ids": body.dispatched_employees_ids,
        }
        await self._store.schedule_job(
            job["id"],
            start=body.start_time,
            end=body.end_time,
            employee_ids=body.dispatched_employees_ids,
            content={
                "appointments": [appointment],
                "arrival_window": body.arrival_window_minutes,
                "anytime": False,
                "anytime_start_date": None,
            },
        )
        return JSONResponse(appointment, 201)

    async def _job(self, request: Request) -> wire.Row:
        job_id = request.path_params["job_id"]
        row = await self._store.job(job_id) if is_id(job_id) else None
        if row is None:
            raise missing("Job")
        return row

    def _check_employees(self, employee_ids: Sequence[str], field: str) -> None:
        if not {employee.id for employee in self._employees}.issuperset(employee_ids):
            raise invalid(field, "names somebody who does not work here")

    def _shown(self, row: wire.Row) -> wire.Json:
        return wire.job(row, self._services, self._employees)
