"""`/customers`: people and their addresses.

Above: `application`. Below: `store`. Posting the same customer twice makes two: the vendor compares nothing.
"""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tool_servers.housecall_pro_sandbox import wire
from tool_servers.housecall_pro_sandbox.bodies import AddressBody, CustomerBody, read_body
from tool_servers.housecall_pro_sandbox.errors import missing
from tool_servers.housecall_pro_sandbox.parameters import is_id, read_page, read_terms
from tool_servers.housecall_pro_sandbox.store import Store


class CustomerEndpoints:
    """Answers for customers."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def routes(self) -> list[Route]:
        """What this class serves."""
        return [
            Route("/customers", self.index, methods=["GET"]),
            Route("/customers", self.create, methods=["POST"]),
            Route("/customers/{customer_id}", self.show, methods=["GET"]),
            Route("/customers/{customer_id}/addresses", self.add_address, methods=["POST"]),
        ]

    async def index(self, request: Request) -> Response:
        """GET /customers, with `q` over name, e-mail, mobile number and addresses."""
        page = read_page(request)
        total, rows = await self._store.customers(read_terms(request), page)
        customers = [wire.customer(row) for row in rows]
        return JSONResponse(wire.page("customers", customers, number=page.number, size=page.size, total=total))

    async def create(self, request: Request) -> Response:
        """POST /customers."""
        body = await read_body(request, CustomerBody)
        content = body.model_dump(mode="json", exclude={"addresses"})
        row = await self._store.create_customer(content, [address.model_dump(mode="json") for address in body.addresses])
        return JSONResponse(wire.customer(row), 201)

    async def show(self, request: Request) -> Response:
        """GET /customers/{customer_id}."""
        customer_id = request.path_params["customer_id"]
        row = await self._store.customer(customer_id) if is_id(customer_id) else None
        if row is None:
            raise missing("Customer")
        return JSONResponse(wire.customer(row))

    async def add_address(self, request: Request) -> Response:
        """POST /customers/{customer_id}/addresses, which answers 200 at the vendor."""
        customer_id = request.path_params["customer_id"]
        body = await read_body(request, AddressBody)
        row = await self._store.add_address(customer_id, body.model_dump(mode="json")) if is_id(customer_id) else None
        if row is None:
            raise missing("Customer")
        return JSONResponse(wire.address(row["id"], row["content"]))
