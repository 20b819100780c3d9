"""The vendor's JSON as typed records, and request bodies as the vendor wants them.

Above: `vendor` and whoever posts. Below: pydantic, which keeps what is not the vendor's shape out.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field
from switchboard.booking.v1.booking_pb2 import Address

VendorId = Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[A-Za-z0-9_-]+$")]
Text = Annotated[str, BeforeValidator(lambda value: "" if value is None else value)]
Instant = Annotated[AwareDatetime, AfterValidator(lambda value: value.astimezone(UTC))]


def _zone(name: Any) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (OSError, TypeError, ZoneInfoNotFoundError) as problem:
        raise ValueError("is not an IANA time zone") from problem


class Record(BaseModel):
    """The base of what the vendor answers: unknown fields are ignored."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class ServiceAreas(Record):
    """Where the company works."""

    zip_codes: tuple[str, ...] = ()


class CompanyRecord(Record):
    """`GET /company`."""

    time_zone: Annotated[ZoneInfo, BeforeValidator(_zone)]
    service_areas_data: ServiceAreas | None = None

    model_config = ConfigDict(extra="ignore", frozen=True, arbitrary_types_allowed=True)


class WindowRecord(Record):
    """One booking window."""

    start_time: Instant
    end_time: Instant
    available: bool


class WindowsRecord(Record):
    """`GET /company/schedule_availability/booking_windows`."""

    booking_windows: tuple[WindowRecord, ...]


class AddressRecord(Record):
    """A customer's address."""

    id: VendorId
    street: Text = ""
    street_line_2: Text = ""
    zip: Text = ""


class CustomerRecord(Record):
    """A customer with the addresses that are known."""

    id: VendorId
    first_name: Text = ""
    last_name: Text = ""
    mobile_number: Text = ""
    addresses: tuple[AddressRecord, ...] = ()


class ScheduleRecord(Record):
    """When a job takes place."""

    scheduled_start: Instant | None = None
    scheduled_end: Instant | None = None


class JobRecord(Record):
    """A job, as far as it matters here."""

    id: VendorId
    tags: tuple[str, ...] = ()
    schedule: ScheduleRecord | None = None


class AttachmentRecord(Record):
    """A file at an option."""

    file_name: Text = ""


class OptionRecord(Record):
    """An option of an estimate."""

    id: VendorId
    attachments: tuple[AttachmentRecord, ...] = ()


class EstimateRecord(Record):
    """An estimate."""

    id: VendorId
    note: Text = ""
    options: tuple[OptionRecord, ...] = ()


class LeadRecord(Record):
    """A lead."""

    id: VendorId
    note: Text = ""


class Page(Record):
    """What every list has beside its items."""

    page: int = 1
    total_pages: int = 1
    total_items: int | None = None


def address_body(address: Address) -> dict[str, Any]:
    """Return an address as the vendor takes it."""
    body = {"street": address.line1, "city": address.city, "state": address.state, "zip": address.zip, "country": "US"}
    return body | ({"street_line_2": address.line2} if address.line2 else {})


def schedule_body(start: datetime, end: datetime) -> dict[str, Any]:
    """Return a job's schedule: the technician arrives within the window that was offered."""
    return {
        "scheduled_start": start.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "scheduled_end": end.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "arrival_window": int((end - start).total_seconds() // 60),
    }
