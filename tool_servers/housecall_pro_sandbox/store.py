"""The sandbox's state in Postgres: everything that survives a restart.

Above: endpoints, which hold a `Store` and render its rows with `wire`. Below: `service_kit.postgres` and the named SQL in
`sql/queries.sql`. Migrations are applied by whoever owns the database, for `OWNER`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import orjson

from service_kit.migrations import Owner
from service_kit.postgres import Connection, Database, load_queries
from tool_servers.housecall_pro_sandbox.availability import BusyTime
from tool_servers.housecall_pro_sandbox.parameters import Page
from tool_servers.housecall_pro_sandbox.settings import SandboxSettings
from tool_servers.housecall_pro_sandbox.wire import Json, Row, new_id

OWNER = Owner(
    package="tool_servers.housecall_pro_sandbox",
    schema="housecall_pro_sandbox",
    role="switchboard_housecall_pro_sandbox",
)
_SQL = load_queries("tool_servers.housecall_pro_sandbox")


class Store:
    """Reads and writes records. A method that returns None found nothing by the ids that it was given."""

    def __init__(self, database: Database, settings: SandboxSettings) -> None:
        self._database = database
        self._settings = settings

    async def company(self) -> Row:
        """The company, created from the settings the first time that it is asked for."""
        row = await self._database.fetch_one(_SQL["company"])
        if row is None:
            await self._database.fetch_all(
                _SQL["seed_company"],
                {
                    "id": new_id("com"),
                    "name": self._settings.sandbox_company_name,
                    "time_zone": self._settings.sandbox_time_zone,
                    "zip_codes": list(self._settings.sandbox_zip_codes),
                    "capacity": self._settings.sandbox_capacity,
                },
            )
            row = await self._database.fetch_one(_SQL["company"])
        if row is None:
            raise LookupError("the company that was just created is gone")
        return row

    async def change_company(self, *, time_zone: str | None, zip_codes: Sequence[str] | None, capacity: int | None) -> Row:
        """Change what is not None, and return the company."""
        await self.company()
        zips = None if zip_codes is None else list(zip_codes)
        await self._database.fetch_all(_SQL["change_company"], {"time_zone": time_zone, "zip_codes": zips, "capacity": capacity})
        return await self.company()

    async def reset(self) -> None:
        """Forget every customer and all that hangs on them; the company stays."""
        await self._database.fetch_all(_SQL["reset"])

    async def create_customer(self, content: Json, addresses: Sequence[Json]) -> Row:
        """Store a customer with its first addresses, in one transaction."""
        async with self._database.transaction() as connection:
            customer_id = await _add_customer(connection, content, addresses)
        return await self._existing("customer", customer_id)

    async def add_address(self, customer_id: str, content: Json) -> Row | None:
        """Store another address of a customer."""
        async with self._database.transaction() as connection:
            return await _add_address(connection, customer_id, content)

    async def customer(self, customer_id: str) -> Row | None:
        """One customer."""
        return await self._database.fetch_one(_SQL["customer"], {"id": customer_id})

    async def customers(self, terms: Sequence[str], page: Page) -> tuple[int, list[Row]]:
        """How many customers have all `terms`, and one page of them."""
        return await self._page("customers", page, {"terms": list(terms)})

    async def address(self, customer_id: str, address_id: str) -> Row | None:
        """One address, if it is that customer's."""
        return await self._database.fetch_one(_SQL["address"], {"customer_id": customer_id, "id": address_id})

    async def create_job(
        self,
        *,
        customer_id: str,
        address_id: str,
        start: datetime | None,
        end: datetime | None,
        employee_ids: Sequence[str],
        content: Json,
    ) -> Row:
        """Store a job for an existing customer and address."""
        job_id = new_id("job")
        await self._database.fetch_all(
            _SQL["add_job"],
            {
                "id": job_id,
                "customer_id": customer_id,
                "address_id": address_id,
                "scheduled_start": start,
                "scheduled_end": end,
                "employee_ids": list(employee_ids),
                "content": _json(content),
            },
        )
        return await self._existing("job", job_id)

    async def schedule_job(
        self, job_id: str, *, start: datetime, end: datetime, employee_ids: Sequence[str], content: Json
    ) -> bool:
        """Give a job a new time and replace that part of its content. False where there is no such job."""
        parameters = {
            "id": job_id,
            "scheduled_start": start,
            "scheduled_end": end,
            "employee_ids": list(employee_ids),
            "content": _json(content),
        }
        return await self._database.fetch_one(_SQL["schedule_job"], parameters) is not None

    async def busy_times(self, since: datetime, until: datetime) -> list[BusyTime]:
        """When jobs take place between two instants."""
        rows = await self._database.fetch_all(_SQL["busy_times"], {"since": since, "until": until})
        return [BusyTime(**row) for row in rows]

    async def create_estimate(
        self, *, customer_id: str, address_id: str | None, address: Json | None, content: Json, options: Sequence[Json]
    ) -> Row:
        """Store an estimate for an existing customer, with a new address where `address` is given, and its options."""
        estimate_id = new_id("csr")
        async with self._database.transaction() as connection:
            address_id = await _place(connection, customer_id, address_id, address)
            parameters = {"id": estimate_id, "customer_id": customer_id, "address_id": address_id}
            await _run(connection, "add_estimate", parameters | {"content": _json(content)})
            for option in options:
                await _run(
                    connection,
                    "add_option",
                    {"id": new_id("est"), "estimate_id": estimate_id, "content": _json(option)},
                )
        return await self._existing("estimate", estimate_id)

    async def add_attachment(self, estimate_id: str, option_id: str, file: Mapping[str, Any]) -> Row | None:
        """Store what arrived for an option; `file` has file_name, file_type, size and sha256."""
        parameters = {"id": new_id("att"), "estimate_id": estimate_id, "option_id": option_id, **file}
        return await self._database.fetch_one(_SQL["add_attachment"], parameters)

    async def create_lead(
        self,
        *,
        customer_id: str | None,
        customer: Json | None,
        address_id: str | None,
        address: Json | None,
        content: Json,
    ) -> Row:
        """Store a lead, with a new customer or address where these are given."""
        lead_id = new_id("lea")
        async with self._database.transaction() as connection:
            if customer_id is None:
                customer_id = await _add_customer(connection, customer or {}, [])
            address_id = await _place(connection, customer_id, address_id, address)
            parameters = {"id": lead_id, "customer_id": customer_id, "address_id": address_id}
            await _run(connection, "add_lead", parameters | {"content": _json(content)})
        return await self._existing("lead", lead_id)

    async def job(self, job_id: str) -> Row | None:
        """One job."""
        return await self._database.fetch_one(_SQL["job"], {"id": job_id})

    async def estimate(self, estimate_id: str) -> Row | None:
        """One estimate."""
        return await self._database.fetch_one(_SQL["estimate"], {"id": estimate_id})

    async def of_customer(self, plural: str, customer_id: str | None, page: Page) -> tuple[int, list[Row]]:
        """How many `jobs`, `estimates` or `leads` there are (of one customer where one is given), and one page."""
        return await self._page(plural, page, {"customer_id": customer_id})

    async def _page(self, plural: str, page: Page, filters: dict[str, Any]) -> tuple[int, list[Row]]:
        counted = await self._database.fetch_one(_SQL[f"count_{plural}"], filters)
        rows = await self._database.fetch_all(_SQL[plural], filters | {"limit": page.size, "offset": page.offset})
        return (counted["total"] if counted else 0), list(rows)

    async def _existing(self, noun: str, record_id: str) -> Row:
        row = await self._database.fetch_one(_SQL[noun], {"id": record_id})
        if row is None:
            raise LookupError(f"the {noun} that was just stored is gone")
        return row


async def _run(connection: Connection, name: str, parameters: Mapping[str, Any]) -> Row | None:
    cursor = await connection.execute(_SQL[name].encode(), parameters)
    return await cursor.fetchone() if cursor.description else None


async def _add_customer(connection: Connection, content: Json, addresses: Sequence[Json]) -> str:
    customer_id = new_id("cus")
    searched = ("first_name", "last_name", "email", "mobile_number")
    await _run(
        connection,
        "add_customer",
        {"id": customer_id, "content": _json(content), "search_text": _search_text(content, searched)},
    )
    for address in addresses:
        await _add_address(connection, customer_id, address)
    return customer_id


async def _add_address(connection: Connection, customer_id: str, content: Json) -> Row | None:
    searched = ("street", "street_line_2", "city", "state", "zip")
    parameters = {"id": new_id("adr"), "customer_id": customer_id, "content": _json(content)}
    return await _run(connection, "add_address", parameters | {"search_text": _search_text(content, searched)})


async def _place(connection: Connection, customer_id: str, address_id: str | None, address: Json | None) -> str | None:
    if address is None:
        return address_id
    row = await _add_address(connection, customer_id, address)
    return str(row["id"]) if row else None


def _search_text(content: Json, fields: Sequence[str]) -> str:
    return " ".join(str(content[field]) for field in fields if content.get(field)).lower()


def _json(content: Json) -> str:
    return orjson.dumps(content).decode()
