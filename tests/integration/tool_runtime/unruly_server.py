"""A tool server whose servicer misbehaves on request, for what a good servicer never shows.

Above: the tests of this folder start it with `python -m tests.integration.tool_runtime.unruly_server`. Below: the runtime.
"""

from __future__ import annotations

import asyncio
from contextlib import nullcontext

from switchboard.tool.v1.preview_pb2 import Preview
from switchboard.tools.housecall_pro.v1 import housecall_pro_service_pb2 as pb

from service_kit.postgres import DatabaseUnavailable
from service_kit.settings import load_settings
from tool_servers.runtime import Conflict, OutcomeUnknown, ToolCall, ToolServerSettings, run

SECRET = "the-driver-quoted-a-secret"


class UnrulyServicer:
    """Does what the notes (or the service's id, where there are none) ask for."""

    def __init__(self) -> None:
        self._ill = False

    async def get_availability(self, request: pb.GetAvailabilityRequest, call: ToolCall) -> pb.GetAvailabilityResponse:
        """Misbehave, or answer with nothing."""
        await self._misbehave(request.service_hcp_id)
        return pb.GetAvailabilityResponse()

    async def create_booking(self, request: pb.CreateBookingRequest, call: ToolCall) -> pb.CreateBookingResponse:
        """Misbehave, or answer with what the call came with."""
        await self._misbehave(request.notes)
        whom = f"{call.principal.tenant}/{call.principal.subject}/{call.principal.kind}" if call.principal else "nobody"
        time_zone = call.tenant if request.notes == "tenant" else f"{whom} {call.correlation_id} {call.remaining() > 20}"
        return pb.CreateBookingResponse(job_id=call.idempotency_key, time_zone=time_zone)

    async def create_estimate_request(
        self, request: pb.CreateEstimateRequestRequest, call: ToolCall
    ) -> pb.CreateEstimateRequestResponse:
        """Answer with a number, and be ill from then on."""
        self._ill = True
        return pb.CreateEstimateRequestResponse(photos_attached=2**31 - 1)

    async def preview_create_booking(self, request: pb.CreateBookingRequest, call: ToolCall) -> Preview:
        """Misbehave, or answer with what the call came with."""
        await self._misbehave(request.notes)
        caller = call.principal
        whose = f"{caller.tier}/{caller.owner}/{','.join(caller.buildings)}/{caller.resident}" if caller else "nobody"
        return Preview(summary=f"{whose} {call.idempotency_key} {call.dry_run}")

    async def preview_create_estimate_request(self, request: pb.CreateEstimateRequestRequest, call: ToolCall) -> Preview:
        """Answer with nothing, and be as well as before."""
        return Preview()

    async def check_health(self) -> str | None:
        """Say how it is."""
        return "The servicer is ill." if self._ill else None

    async def _misbehave(self, how: str) -> None:
        if how == "raise":
            raise RuntimeError(SECRET)
        if how == "timeout":
            raise TimeoutError(SECRET)
        if how == "hang":
            await asyncio.Event().wait()
        if how == "database":
            raise DatabaseUnavailable(SECRET)
        if how == "conflict":
            raise Conflict("It is taken.", field="slot.startTime", retryable=True)
        if how == "unknown":
            raise OutcomeUnknown("Nobody knows.")


if __name__ == "__main__":
    run("housecall_pro", load_settings(ToolServerSettings), nullcontext(UnrulyServicer()))
