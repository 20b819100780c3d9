"""`/estimates`: offers for work, each with options, to which photos can be attached.

Above: `application`. Below: `store`.
"""

from __future__ import annotations

import hashlib

from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tool_servers.housecall_pro_sandbox import wire
from tool_servers.housecall_pro_sandbox.bodies import EstimateBody, EstimateOptionBody, read_body
from tool_servers.housecall_pro_sandbox.errors import invalid, missing
from tool_servers.housecall_pro_sandbox.jobs import priced
from tool_servers.housecall_pro_sandbox.parameters import is_id, read_customer_filter, read_page
from tool_servers.housecall_pro_sandbox.store import Store

_MAX_UPLOAD = 25_000_000
# An estimate without options has one all the same: there is nothing else to attach a photo to.
_FIRST_OPTION = EstimateOptionBody(name="Option #1")


class EstimateEndpoints:
    """Answers for estimates."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def routes(self) -> list[Route]:
        """What this class serves."""
        return [
            Route("/estimates", self.index, methods=["GET"]),
            Route("/estimates", self.create, methods=["POST"]),
            Route("/estimates/{estimate_id}", self.show, methods=["GET"]),
            Route("/estimates/{estimate_id}/options/{option_id}/attachments", self.attach, methods=["POST"]),
        ]

    async def index(self, request: Request) -> Response:
        """GET /estimates, newest first, of one customer with `customer_id`."""
        page = read_page(request)
        total, rows = await self._store.of_customer("estimates", read_customer_filter(request), page)
        estimates = [wire.estimate(row) for row in rows]
        return JSONResponse(wire.page("estimates", estimates, number=page.number, size=page.size, total=total))

    async def create(self, request: Request) -> Response:
        """POST /estimates, which answers 200 at the vendor."""
        body = await read_body(request, EstimateBody)
        if not is_id(body.customer_id) or await self._store.customer(body.customer_id) is None:
            raise missing("Customer", "customer_id")
        if body.address_id is not None and (
            not is_id(body.address_id) or await self._store.address(body.customer_id, body.address_id) is None
        ):
            raise missing("Address", "address_id")
        row = await self._store.create_estimate(
            customer_id=body.customer_id,
            address_id=body.address_id,
            address=body.address.model_dump(mode="json") if body.address else None,
            content=body.model_dump(mode="json", include={"note", "message", "schedule", "tags", "lead_source"}),
            options=[
                {"name": option.name, "tags": option.tags, "line_items": priced(option.line_items)}
                for option in body.options or (_FIRST_OPTION,)
            ],
        )
        return JSONResponse(wire.estimate(row))

    async def show(self, request: Request) -> Response:
        """GET /estimates/{estimate_id}."""
        estimate_id = request.path_params["estimate_id"]
        row = await self._store.estimate(estimate_id) if is_id(estimate_id) else None
        if row is None:
            raise missing("Estimate")
        return JSONResponse(wire.estimate(row))

    async def attach(self, request: Request) -> Response:
        """POST …/attachments: one file in the multipart field `file`."""
        file = await _read_file(request)
        estimate_id, option_id = request.path_params["estimate_id"], request.path_params["option_id"]
        known = is_id(estimate_id) and is_id(option_id)
        row = await self._store.add_attachment(estimate_id, option_id, file) if known else None
        if row is None:
            raise missing("Option")
        return JSONResponse(wire.attachment(row), 201)


async def _read_file(request: Request) -> wire.Json:
    """Name, type, size and digest of the uploaded file."""
    length = request.headers.get("content-length", "")
    if not length.isdigit() or int(length) > _MAX_UPLOAD:
        raise invalid("file", f"must be sent with its length, at most {_MAX_UPLOAD} bytes", status=413)
    if not request.headers.get("content-type", "").startswith("multipart/form-data"):
        raise invalid("file", "must be sent as multipart/form-data", status=400)
    try:
        form = await request.form(max_files=1, max_fields=10)
    except HTTPException:
        raise invalid(None, "Request body must be well-formed multipart/form-data with one file", status=400) from None
    # Leaving the block deletes the temporary file.
    async with request.form():
        file = form.get("file")
        if not isinstance(file, UploadFile):
            raise invalid("file", "can't be blank")
        digest, size = hashlib.sha256(), 0
        while chunk := await file.read(1 << 16):
            digest.update(chunk)
            size += len(chunk)
    if size == 0:
        raise invalid("file", "can't be empty")
    return {
        "file_name": (file.filename or "file")[:255].replace("\0", ""),
        "file_type": (file.content_type or "application/octet-stream")[:255],
        "size": size,
        "sha256": digest.hexdigest(),
    }
