"""A tool server whose tools answer at once: what is left when it is measured is the way there and back.

Above: the bench starts it with `python -m tests.bench.echo_server` (SWITCHBOARD_LISTEN, SWITCHBOARD_TOOL_TOKEN) and calls it
directly and through the whole stack. Below: the tool-server runtime.
"""

from __future__ import annotations

from contextlib import nullcontext

from switchboard.booking.v1.booking_pb2 import AM
from switchboard.tool.v1 import preview_pb2
from switchboard.tools.housecall_pro.v1 import housecall_pro_service_pb2 as pb

from service_kit.settings import load_settings
from tool_servers.runtime import ToolCall, ToolServerSettings, run

_START, _END = "2027-03-09T14:00:00Z", "2027-03-09T15:00:00Z"
_ZONE = "America/Chicago"
BOOKED = {
    "jobId": f"job_{0:032x}",
    "status": "BOOKING_STATUS_SCHEDULED",
    "startTime": _START,
    "endTime": _END,
    "timeZone": _ZONE,
    "preferredUnavailable": False,
}


class EchoServicer:
    """Implements HousecallProService with canned answers."""

    async def get_availability(self, request: pb.GetAvailabilityRequest, call: ToolCall) -> pb.GetAvailabilityResponse:
        """Answer with one slot."""
        slot = pb.Slot(start_time=_START, end_time=_END, date="2027-03-09", time_window=AM)
        return pb.GetAvailabilityResponse(slots=[slot], time_zone=_ZONE, served=True)

    async def create_booking(self, request: pb.CreateBookingRequest, call: ToolCall) -> pb.CreateBookingResponse:
        """Answer with a booking that nobody made."""
        return pb.CreateBookingResponse(
            job_id=f"job_{0:032x}",
            status=pb.BOOKING_STATUS_SCHEDULED,
            start_time=_START,
            end_time=_END,
            time_zone=_ZONE,
        )

    async def create_estimate_request(
        self, request: pb.CreateEstimateRequestRequest, call: ToolCall
    ) -> pb.CreateEstimateRequestResponse:
        """Answer with an estimate that nobody asked for, and every photo taken."""
        return pb.CreateEstimateRequestResponse(estimate_id=f"csr_{0:032x}", photos_attached=len(request.photos_asset_ids))

    async def preview_create_booking(self, request: pb.CreateBookingRequest, call: ToolCall) -> preview_pb2.Preview:
        """Say that a job would be made."""
        return _creates("job")

    async def preview_create_estimate_request(
        self, request: pb.CreateEstimateRequestRequest, call: ToolCall
    ) -> preview_pb2.Preview:
        """Say that an estimate would be made."""
        return _creates("estimate")


def _creates(what: str) -> preview_pb2.Preview:
    change = preview_pb2.PreviewChange(kind=preview_pb2.CHANGE_KIND_CREATE, what=what)
    return preview_pb2.Preview(summary=f"Makes one {what}.", changes=[change], facts=preview_pb2.PreviewFacts(items=1))


if __name__ == "__main__":
    run("housecall_pro", load_settings(ToolServerSettings), nullcontext(EchoServicer()))
