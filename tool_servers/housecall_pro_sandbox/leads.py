"""`/leads`: people who asked for something, before there is a job or an estimate.

Above: `application`. Below: `store`.
"""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tool_servers.housecall_pro_sandbox import wire
from tool_servers.housecall_pro_sandbox.bodies import LeadBody, read_body
from tool_servers.housecall_pro_sandbox.errors import invalid, missing
from tool_servers.housecall_pro_sandbox.jobs import priced
from tool_servers.housecall_pro_sandbox.parameters import is_id, read_customer_filter, read_page
from tool_servers.housecall_pro_sandbox.store import Store


class LeadEndpoints:
    """Answers for leads."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def routes(self) -> list[Route]:
        """What this class serves."""
        return [
            Route("/leads", self.index, methods=["GET"]),
            Route("/leads", self.create, methods=["POST"]),
        ]

    async def index(self, request: Request) -> Response:
        """GET /leads, newest first, of one customer with `customer_id`."""
        page = read_page(request)
        total, rows = await self._store.of_customer("leads", read_customer_filter(request), page)
        leads = [wire.lead(row) for row in rows]
        return JSONResponse(wire.page("leads", leads, number=page.number, size=page.size, total=total))

    async def create(self, request: Request) -> Response:
        """POST /leads."""
        body = await read_body(request, LeadBody)
        if body.customer_id is None and body.address_id is not None:
            raise invalid("address_id", "needs the customer_id whose address it is")
        if body.customer is not None and body.customer.addresses:
            raise invalid("customer.addresses", "are not taken here; use address")
        if body.customer_id is not None:
            await self._check(body.customer_id, body.address_id)
        row = await self._store.create_lead(
            customer_id=body.customer_id,
            customer=body.customer.model_dump(mode="json", exclude={"addresses"}) if body.customer else None,
            address_id=body.address_id,
            address=body.address.model_dump(mode="json") if body.address else None,
            content=body.model_dump(mode="json", include={"note", "tags", "lead_source"})
            | {"line_items": priced(body.line_items)},
        )
        return JSONResponse(wire.lead(row), 201)

    async def _check(self, customer_id: str, address_id: str | None) -> None:
        if not is_id(customer_id) or await self._store.customer(customer_id) is None:
            raise missing("Customer", "customer_id")
        if address_id is not None and (not is_id(address_id) or await self._store.address(customer_id, address_id) is None):
            raise missing("Address", "address_id")
