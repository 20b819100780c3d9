"""The vendor's REST API: one pooled HTTP client, one method per call that we make.

Above: `customers`, `availability`, `booking`, `estimate`, `previews`. Below: httpx.

Every call ends within its deadline. Reads are tried twice; writes once, and whoever writes finds out what became of a write
that got no reply. Nothing that the vendor says about a failure is kept or logged but its status and shape.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import date
from typing import Any, TypeVar

import httpx
import orjson
from pydantic import ValidationError

from service_kit.logging import log
from tool_servers.housecall_pro.faults import VendorProblem, refused, shape_of
from tool_servers.housecall_pro.wire import (
    AddressRecord,
    CompanyRecord,
    CustomerRecord,
    EstimateRecord,
    JobRecord,
    LeadRecord,
    Page,
    Record,
    WindowRecord,
    WindowsRecord,
)

RecordT = TypeVar("RecordT", bound=Record)

# What is left of a call's time when the vendor had its share: to record what became of it, and to answer.
_RESERVE = 0.3
_CONNECT = 3.0
_PAGE_SIZE = 100
_MAX_PAGES = 50
_NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)

_logger = logging.getLogger(__name__)


class Vendor:
    """The vendor as this company sees it. `timeout` (seconds) bounds one attempt. `deadline` is in the loop's time throughout."""

    def __init__(self, *, base_url: str, api_key: str, connections: int, timeout: float) -> None:
        self._timeout = timeout
        self._client = httpx.AsyncClient(
            base_url=base_url,
            headers={"Authorization": f"Token {api_key}", "Accept": "application/json", "User-Agent": "switchboard"},
            limits=httpx.Limits(max_connections=connections, max_keepalive_connections=connections),
            # Proxies from the environment would be a setting that no settings class names.
            trust_env=False,
        )

    async def close(self) -> None:
        """Close every connection."""
        await self._client.aclose()

    async def company(self, deadline: float) -> CompanyRecord:
        """The company: its zone and where it works."""
        return await self._read("/company", CompanyRecord, deadline)

    async def windows(
        self, deadline: float, *, start: date, days: int, service_id: str, duration_minutes: int
    ) -> Sequence[WindowRecord]:
        """The booking windows of `days` days from `start` on, free or not."""
        query: dict[str, str | int] = {"start_date": start.isoformat(), "show_for_days": days, "service_id": service_id}
        if duration_minutes:
            query["service_duration"] = duration_minutes
        path = "/company/schedule_availability/booking_windows"
        return (await self._read(path, WindowsRecord, deadline, query)).booking_windows

    def customers(self, deadline: float, search: str) -> AsyncIterator[CustomerRecord]:
        """Every customer in whose name, e-mail, mobile number or address `search` occurs."""
        return self._pages("/customers", "customers", CustomerRecord, deadline, {"q": search})

    def jobs(self, deadline: float, customer_id: str) -> AsyncIterator[JobRecord]:
        """Every job of a customer, newest first."""
        return self._pages("/jobs", "jobs", JobRecord, deadline, _newest_of(customer_id))

    async def count_jobs(self, deadline: float, customer_id: str) -> int | None:
        """How many jobs a customer has, or None where the vendor does not say."""
        query: dict[str, str | int] = {"customer_id": customer_id, "page": 1, "page_size": 1}
        return (await self._read("/jobs", Page, deadline, query)).total_items

    def estimates(self, deadline: float, customer_id: str) -> AsyncIterator[EstimateRecord]:
        """Every estimate of a customer, newest first."""
        return self._pages("/estimates", "estimates", EstimateRecord, deadline, _newest_of(customer_id))

    def leads(self, deadline: float, customer_id: str) -> AsyncIterator[LeadRecord]:
        """Every lead of a customer, newest first."""
        return self._pages("/leads", "leads", LeadRecord, deadline, _newest_of(customer_id))

    async def estimate(self, deadline: float, estimate_id: str) -> EstimateRecord:
        """One estimate with its options and what is attached to them."""
        return await self._read(f"/estimates/{estimate_id}", EstimateRecord, deadline)

    async def customer(self, deadline: float, customer_id: str) -> CustomerRecord:
        """One customer with all addresses."""
        return await self._read(f"/customers/{customer_id}", CustomerRecord, deadline)

    async def create_customer(self, deadline: float, body: Mapping[str, Any]) -> CustomerRecord:
        """Create a customer, with addresses where `body` has some."""
        return await self._post("/customers", CustomerRecord, deadline, body)

    async def add_address(self, deadline: float, customer_id: str, body: Mapping[str, Any]) -> AddressRecord:
        """Give a customer one more address."""
        return await self._post(f"/customers/{customer_id}/addresses", AddressRecord, deadline, body)

    async def create_job(self, deadline: float, body: Mapping[str, Any]) -> JobRecord:
        """Create a job."""
        return await self._post("/jobs", JobRecord, deadline, body)

    async def create_estimate(self, deadline: float, body: Mapping[str, Any]) -> EstimateRecord:
        """Create an estimate."""
        return await self._post("/estimates", EstimateRecord, deadline, body)

    async def create_lead(self, deadline: float, body: Mapping[str, Any]) -> LeadRecord:
        """Create a lead."""
        return await self._post("/leads", LeadRecord, deadline, body)

    async def attach(
        self, deadline: float, estimate_id: str, option_id: str, *, name: str, content: bytes, content_type: str
    ) -> None:
        """Attach one file to an option of an estimate."""
        path = f"/estimates/{estimate_id}/options/{option_id}/attachments"
        await self._send("POST", path, deadline, files={"file": (name, content, content_type)})

    async def _pages(
        self, path: str, plural: str, record: type[RecordT], deadline: float, query: Mapping[str, str | int]
    ) -> AsyncIterator[RecordT]:
        for number in range(1, _MAX_PAGES + 1):
            body = await self._read_body(path, deadline, {**query, "page": number, "page_size": _PAGE_SIZE})
            items = body.get(plural)
            if not isinstance(items, list):
                raise _unreadable(record)
            for item in items:
                yield _record(record, item)
            if number >= _record(Page, body).total_pages:
                return
        # What is not among so many is not thereby absent: the caller must not take it for that.
        raise VendorProblem(status=None, uncertain=True, retryable=False)

    async def _read(
        self, path: str, record: type[RecordT], deadline: float, query: Mapping[str, str | int] | None = None
    ) -> RecordT:
        return _record(record, await self._read_body(path, deadline, query))

    async def _read_body(self, path: str, deadline: float, query: Mapping[str, str | int] | None) -> dict[str, Any]:
        now = asyncio.get_running_loop().time()
        try:
            # Half of the time, so that there is some for a second try.
            return await self._send("GET", path, now + (deadline - _RESERVE - now) / 2 + _RESERVE, params=query)
        except VendorProblem as problem:
            if not problem.retryable or problem.status == httpx.codes.TOO_MANY_REQUESTS:
                raise
        await asyncio.sleep(random.uniform(0.05, 0.2))  # noqa: S311 - jitter, not a secret
        return await self._send("GET", path, deadline, params=query)

    async def _post(self, path: str, record: type[RecordT], deadline: float, body: Mapping[str, Any]) -> RecordT:
        return _record(record, await self._send("POST", path, deadline, json=body))

    async def _send(self, method: str, path: str, deadline: float, **content: Any) -> dict[str, Any]:
        budget = min(self._timeout, deadline - _RESERVE - asyncio.get_running_loop().time())
        if budget <= 0:
            raise VendorProblem(status=None, uncertain=False, retryable=True)
        try:
            # httpx bounds each phase of a call; this bounds the call.
            async with asyncio.timeout(budget):
                timeouts = httpx.Timeout(budget, connect=min(_CONNECT, budget))
                response = await self._client.request(method, path, timeout=timeouts, **content)
        except (httpx.RequestError, TimeoutError) as problem:
            _log(method, path, problem=type(problem).__name__)
            never_sent = isinstance(problem, _NEVER_SENT)
            raise VendorProblem(status=None, uncertain=not never_sent, retryable=True) from problem
        if not response.is_success:
            _log(method, path, status=response.status_code, shape=shape_of(response.content))
            raise refused(response.status_code)
        try:
            document = orjson.loads(response.content)
        except orjson.JSONDecodeError:
            document = None
        if not isinstance(document, dict):
            _log(method, path, status=response.status_code, shape="not_an_object")
            raise VendorProblem(status=response.status_code, uncertain=True, retryable=True)
        return document


def _record(record: type[RecordT], document: Any) -> RecordT:
    try:
        return record.model_validate(document)
    except ValidationError:
        # Without the cause: its text quotes the record.
        raise _unreadable(record) from None


def _unreadable(record: type[Record]) -> VendorProblem:
    log(_logger, logging.WARNING, "the vendor answered in a shape that is not its own", record=record.__name__)
    return VendorProblem(status=None, uncertain=True, retryable=True)


def _newest_of(customer_id: str) -> dict[str, str | int]:
    return {"customer_id": customer_id, "sort_by": "created_at", "sort_direction": "desc"}


def _log(method: str, path: str, **facts: Any) -> None:
    """Log a failed call. Ids in paths are the vendor's secrets."""
    endpoint = "/".join("*" if "_" in part and any(sign.isdigit() for sign in part) else part for part in path.split("/"))
    log(_logger, logging.WARNING, "a call to the vendor failed", method=method, endpoint=endpoint, **facts)
