"""Request bodies: what the vendor requires and accepts, as strict models.

Above: endpoints call `read_body(request, Model)`. Below: pydantic; `errors` for the refusals.

Unknown fields are ignored, as the vendor ignores them. Nothing is converted: a number where text belongs is refused.
"""

from __future__ import annotations

import re
from contextlib import suppress
from datetime import UTC, date, datetime
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    model_validator,
)
from starlette.requests import Request

from tool_servers.housecall_pro_sandbox.errors import Problem, Refusal, invalid

BodyT = TypeVar("BodyT", bound="Body")

_MAX_JSON = 1_000_000
_INSTANT = re.compile(r"(19|20)\d\d-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,6})?)?(Z|[+-]\d\d:\d\d)")


def _without_nul(text: str) -> str:
    if "\0" in text:
        raise ValueError("contains a NUL character")
    return text


def _read_instant(value: object) -> datetime:
    """Read here and not by pydantic, which also takes numbers and texts without a zone."""
    if isinstance(value, str) and _INSTANT.fullmatch(value):
        with suppress(ValueError):
            return datetime.fromisoformat(value).astimezone(UTC)
    raise ValueError("must be an ISO 8601 time with a zone, such as 2026-03-09T14:00:00Z")


Text = Annotated[str, StringConstraints(max_length=10_000), AfterValidator(_without_nul)]
Line = Annotated[str, StringConstraints(max_length=255), AfterValidator(_without_nul)]
Filled = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=255), AfterValidator(_without_nul)]
Phone = Annotated[str, StringConstraints(pattern=r"^[0-9]{10}$")]
Email = Annotated[str, StringConstraints(pattern=r"^[^@\s\x00]+@[^@\s\x00]+\.[^@\s\x00]+$", max_length=255)]
Instant = Annotated[datetime, BeforeValidator(_read_instant)]


class Body(BaseModel):
    """The base of all request bodies."""

    model_config = ConfigDict(strict=True, extra="ignore", frozen=True)


class AddressBody(Body):
    """An address; the vendor requires all of it but the second line."""

    type: Literal["service", "billing"] = "service"
    street: Filled
    street_line_2: Line | None = None
    city: Filled
    state: Filled
    zip: Annotated[str, StringConstraints(pattern=r"^[0-9]{5}(-[0-9]{4})?$")]
    country: Filled


class CustomerBody(Body):
    """A customer; something to call or write to, or a name, is required."""

    first_name: Line | None = None
    last_name: Line | None = None
    email: Email | None = None
    mobile_number: Phone | None = None
    home_number: Phone | None = None
    work_number: Phone | None = None
    company: Line | None = None
    notifications_enabled: bool = False
    lead_source: Line | None = None
    notes: Text | None = None
    tags: tuple[Line, ...] = ()
    addresses: tuple[AddressBody, ...] = ()

    @model_validator(mode="after")
    def _someone(self) -> Self:
        named = (
            self.first_name,
            self.last_name,
            self.email,
            self.mobile_number,
            self.home_number,
            self.work_number,
        )
        if not any(value and value.strip() for value in named):
            raise ValueError("needs a first_name, last_name, email, mobile_number, home_number or work_number")
        return self


class LineItem(Body):
    """One line of a job, an estimate option or a lead. `unit_price` and `unit_cost` are cents."""

    name: Filled
    description: Text | None = None
    unit_price: Annotated[int, Field(ge=0, le=1_000_000_000)] = 0
    unit_cost: Annotated[int, Field(ge=0, le=1_000_000_000)] = 0
    quantity: Annotated[float, Field(gt=0, le=1_000_000, allow_inf_nan=False)] = 1.0
    kind: Literal["labor", "materials", "fixed discount", "percent discount"] = "labor"
    taxable: bool = False

    @property
    def amount(self) -> int:
        """The line's price in cents, rounded to a whole one."""
        return round(self.unit_price * self.quantity)


class JobSchedule(Body):
    """When a job takes place: from and to, or some time on a day, or (all empty) not known yet."""

    scheduled_start: Instant | None = None
    scheduled_end: Instant | None = None
    arrival_window: Annotated[int, Field(ge=0, le=1440)] = 0
    anytime: bool = False
    anytime_start_date: date | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.anytime and self.anytime_start_date is None:
            raise ValueError("needs anytime_start_date where anytime is true")
        if (self.scheduled_start is None) != (self.scheduled_end is None):
            raise ValueError("needs both scheduled_start and scheduled_end")
        if self.scheduled_start and self.scheduled_end and self.scheduled_end <= self.scheduled_start:
            raise ValueError("needs a scheduled_end after scheduled_start")
        return self


class JobFields(Body):
    """The company's own fields of a job."""

    job_type_id: Line | None = None


class JobBody(Body):
    """A job for a customer at one of the customer's addresses."""

    customer_id: Filled
    address_id: Filled
    schedule: JobSchedule = JobSchedule()
    line_items: tuple[LineItem, ...] = ()
    job_fields: JobFields = JobFields()
    assigned_employee_ids: tuple[Line, ...] = ()
    description: Text | None = None
    notes: Text | None = None
    tags: tuple[Line, ...] = ()
    lead_source: Line | None = None


class AppointmentBody(Body):
    """A new time for a job."""

    start_time: Instant
    end_time: Instant
    arrival_window_minutes: Annotated[int, Field(ge=0, le=1440)] = 0
    dispatched_employees_ids: tuple[Line, ...]

    @model_validator(mode="after")
    def _forward(self) -> Self:
        if self.end_time <= self.start_time:
            raise ValueError("needs an end_time after start_time")
        return self


class EstimateOptionBody(Body):
    """One option of an estimate."""

    name: Filled
    line_items: tuple[LineItem, ...] = ()
    tags: tuple[Line, ...] = ()


class EstimateSchedule(Body):
    """When somebody comes to look."""

    start_time: Instant | None = None
    end_time: Instant | None = None
    arrival_window_in_minutes: Annotated[int, Field(ge=0, le=1440)] = 0


class EstimateBody(Body):
    """An estimate for a customer, at one of the customer's addresses or at a new one."""

    customer_id: Filled
    address_id: Filled | None = None
    address: AddressBody | None = None
    note: Text | None = None
    message: Text | None = None
    options: tuple[EstimateOptionBody, ...] = ()
    schedule: EstimateSchedule = EstimateSchedule()
    tags: tuple[Line, ...] = ()
    lead_source: Line | None = None

    @model_validator(mode="after")
    def _one_address(self) -> Self:
        if (self.address_id is None) == (self.address is None):
            raise ValueError("needs either address_id or address")
        return self


class LeadBody(Body):
    """A lead from a customer, known or new."""

    customer_id: Filled | None = None
    customer: CustomerBody | None = None
    address_id: Filled | None = None
    address: AddressBody | None = None
    note: Text | None = None
    tags: tuple[Line, ...] = ()
    line_items: tuple[LineItem, ...] = ()
    lead_source: Line | None = None

    @model_validator(mode="after")
    def _one_of_each(self) -> Self:
        if (self.customer_id is None) == (self.customer is None):
            raise ValueError("needs either customer_id or customer")
        if self.address_id is not None and self.address is not None:
            raise ValueError("takes address_id or address, not both")
        return self


async def read_body(request: Request, model: type[BodyT]) -> BodyT:
    """The request's JSON as `model`. Raises Refusal: 400 where it is no JSON object, 413, or 422 with every problem."""
    raw = bytearray()
    async for chunk in request.stream():
        raw += chunk
        if len(raw) > _MAX_JSON:
            raise invalid(None, "Request body is too large", status=413)
    try:
        return model.model_validate_json(bytes(raw))
    except ValidationError as problem:
        errors = problem.errors(include_url=False, include_input=False)
        if any(error["type"] in {"json_invalid", "model_type"} and not error["loc"] for error in errors):
            raise invalid(None, "Request body must be a JSON object", status=400) from None
        raise Refusal(422, [Problem(field=_path(error["loc"]), text=_text(dict(error))) for error in errors]) from None


def _path(location: tuple[int | str, ...]) -> str | None:
    return ".".join(str(part) for part in location) or None


def _text(error: dict[str, Any]) -> str:
    if error["type"] == "missing" or (error["type"] == "string_too_short" and error["ctx"].get("min_length") == 1):
        return "can't be blank"
    return str(error["msg"]).removeprefix("Value error, ")
