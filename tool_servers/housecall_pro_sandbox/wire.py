"""How records look on the vendor's wire: ids, times, pages and objects.

Above: endpoints. Below: rows as `store` returns them; nothing here reads or writes.
"""

from __future__ import annotations

import math
import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from tool_servers.housecall_pro_sandbox.settings import Employee, Service

Row = Mapping[str, Any]
Json = dict[str, Any]


def new_id(prefix: str) -> str:
    """A new id: `prefix`, an underscore and 32 hexadecimal digits."""
    return f"{prefix}_{uuid.uuid4().hex}"


def instant(at: datetime | str | None) -> str | None:
    """A time in UTC, to the second, ending in Z. Text is what Postgres puts into its JSON."""
    if at is None:
        return None
    if isinstance(at, str):
        at = datetime.fromisoformat(at)
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def page(plural: str, items: Sequence[Json], *, number: int, size: int, total: int) -> Json:
    """One page of a list."""
    return {
        "page": number,
        "page_size": size,
        "total_pages": math.ceil(total / size),
        "total_items": total,
        plural: list(items),
    }


def company(row: Row) -> Json:
    """The company."""
    return {
        "id": row["id"],
        "name": row["name"],
        "time_zone": row["time_zone"],
        "service_areas_data": {"zip_codes": row["zip_codes"]},
    }


def address(address_id: str, content: Row) -> Json:
    """An address."""
    return {"id": address_id, **content}


def person(row: Row) -> Json:
    """A customer as shown inside other objects: without addresses."""
    return {
        "id": row["id"],
        **row["content"],
        "created_at": instant(row["created_at"]),
        "updated_at": instant(row["updated_at"]),
    }


def customer(row: Row) -> Json:
    """A customer with all addresses."""
    return person(row) | {"addresses": [address(entry["id"], entry["content"]) for entry in row["addresses"]]}


def job(row: Row, services: Sequence[Service], employees: Sequence[Employee]) -> Json:
    """A job, in lists and alone: notes and tags in full, so that a client finds its own reference in them."""
    content = row["content"]
    assigned = set(row["employee_ids"])
    job_type = next((service for service in services if service.job_type_id == content["job_type_id"]), None)
    scheduled = row["scheduled_start"] is not None or content["anytime"]
    total = sum(item["amount"] for item in content["line_items"])
    return {
        "id": row["id"],
        "invoice_number": str(row["number"]),
        "description": content["description"],
        "customer": person(row["customer"]),
        "address": address(row["address_id"], row["address"]),
        "notes": content["notes"],
        "work_status": "scheduled" if scheduled else "needs scheduling",
        "work_timestamps": {"on_my_way_at": None, "started_at": None, "completed_at": None},
        "schedule": {
            "scheduled_start": instant(row["scheduled_start"]),
            "scheduled_end": instant(row["scheduled_end"]),
            "arrival_window": content["arrival_window"],
            "anytime": content["anytime"],
            "anytime_start_date": content["anytime_start_date"],
            "appointments": content["appointments"],
        },
        "total_amount": total,
        "outstanding_balance": total,
        "assigned_employees": [employee.model_dump() for employee in employees if employee.id in assigned],
        "tags": content["tags"],
        "original_estimate_id": None,
        "lead_source": content["lead_source"],
        "job_fields": {
            "job_type": {"id": job_type.job_type_id, "name": job_type.name} if job_type else None,
            "business_unit": None,
        },
        "created_at": instant(row["created_at"]),
        "updated_at": instant(row["updated_at"]),
    }


def attachment(row: Row) -> Json:
    """What is kept of an uploaded file."""
    return {
        "id": row["id"],
        "file_name": row["file_name"],
        "file_type": row["file_type"],
        "size": row["size"],
        "sha256": row["sha256"],
        "created_at": instant(row["created_at"]),
    }


def estimate(row: Row) -> Json:
    """An estimate with its options and their attachments."""
    content = row["content"]
    schedule = content["schedule"]
    return {
        "id": row["id"],
        "estimate_number": str(row["number"]),
        "work_status": "scheduled" if schedule["start_time"] else "needs scheduling",
        "work_timestamps": {"on_my_way_at": None, "started_at": None, "completed_at": None},
        "customer": person(row["customer"]),
        "address": address(row["address_id"], row["address"]),
        "schedule": {
            "scheduled_start": instant(schedule["start_time"]),
            "scheduled_end": instant(schedule["end_time"]),
            "arrival_window": schedule["arrival_window_in_minutes"],
        },
        "note": content["note"],
        "message": content["message"],
        "tags": content["tags"],
        "lead_source": content["lead_source"],
        "assigned_employees": [],
        "options": [_option(entry, number) for number, entry in enumerate(row["options"], start=1)],
        "created_at": instant(row["created_at"]),
        "updated_at": instant(row["updated_at"]),
    }


def _option(row: Row, number: int) -> Json:
    content = row["content"]
    return {
        "id": row["id"],
        "name": content["name"],
        "option_number": str(number),
        "total_amount": sum(item["amount"] for item in content["line_items"]),
        "approval_status": None,
        "status": "needs scheduling",
        "tags": content["tags"],
        "attachments": [attachment(entry) for entry in row["attachments"]],
    }


def lead(row: Row) -> Json:
    """A lead."""
    content = row["content"]
    return {
        "id": row["id"],
        "number": str(row["number"]),
        "status": "open",
        "customer": person(row["customer"]),
        "address": address(row["address_id"], row["address"]) if row["address_id"] else None,
        "note": content["note"],
        "tags": content["tags"],
        "lead_source": content["lead_source"],
        "total_amount": sum(item["amount"] for item in content["line_items"]),
        "created_at": instant(row["created_at"]),
        "updated_at": instant(row["updated_at"]),
    }
