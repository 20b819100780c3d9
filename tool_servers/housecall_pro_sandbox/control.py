"""`/_sandbox`: what tests and demonstrations set, and the vendor does not have. And `/healthz`.

Above: `application`. Below: `faults` and `store`.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tool_servers.housecall_pro_sandbox import wire
from tool_servers.housecall_pro_sandbox.bodies import Body, read_body
from tool_servers.housecall_pro_sandbox.faults import CallLog, FaultBoard, FaultRule
from tool_servers.housecall_pro_sandbox.settings import TimeZoneName
from tool_servers.housecall_pro_sandbox.store import Store


class CompanyChange(Body):
    """What of the company is to change; what is not given stays."""

    time_zone: TimeZoneName | None = None
    zip_codes: tuple[Annotated[str, Field(pattern=r"^[0-9]{5}$")], ...] | None = None
    capacity: Annotated[int, Field(ge=0, le=1000)] | None = None


class ControlEndpoints:
    """Answers for the sandbox itself."""

    def __init__(self, store: Store, board: FaultBoard, calls: CallLog) -> None:
        self._store = store
        self._board = board
        self._calls = calls

    def routes(self) -> list[Route]:
        """What this class serves."""
        return [
            Route("/_sandbox/faults", self.faults, methods=["GET"]),
            Route("/_sandbox/faults", self.add_fault, methods=["POST"]),
            Route("/_sandbox/faults", self.clear_faults, methods=["DELETE"]),
            Route("/_sandbox/reset", self.reset, methods=["POST"]),
            Route("/_sandbox/calls", self.calls, methods=["GET"]),
            Route("/_sandbox/company", self.change_company, methods=["PATCH"]),
            Route("/healthz", self.health, methods=["GET"]),
        ]

    async def faults(self, request: Request) -> Response:
        """GET /_sandbox/faults: the rules in force."""
        return JSONResponse({"faults": self._board.rules()})

    async def add_fault(self, request: Request) -> Response:
        """POST /_sandbox/faults: put one rule in force."""
        rule = await read_body(request, FaultRule)
        self._board.add(rule)
        return JSONResponse(rule.model_dump(), 201)

    async def clear_faults(self, request: Request) -> Response:
        """DELETE /_sandbox/faults: put all rules out of force."""
        self._board.clear()
        return JSONResponse({"faults": []})

    async def reset(self, request: Request) -> Response:
        """POST /_sandbox/reset: no records, no faults, no counts; the company stays as it is."""
        await self._store.reset()
        self._board.clear()
        self._calls.clear()
        return JSONResponse({"ok": True})

    async def calls(self, request: Request) -> Response:
        """GET /_sandbox/calls: what was called how often since the start or the last reset."""
        return JSONResponse({"calls": self._calls.entries()})

    async def change_company(self, request: Request) -> Response:
        """PATCH /_sandbox/company."""
        change = await read_body(request, CompanyChange)
        row = await self._store.change_company(time_zone=change.time_zone, zip_codes=change.zip_codes, capacity=change.capacity)
        return JSONResponse(wire.company(row) | {"capacity": row["capacity"]})

    async def health(self, request: Request) -> Response:
        """GET /healthz: fails (503) where the state cannot be read."""
        await self._store.company()
        return JSONResponse({"ok": True})
