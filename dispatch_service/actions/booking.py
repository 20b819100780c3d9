"""HOUSECALL_PRO_BOOKING: book a visit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from switchboard.dispatch.v1 import action_pb2, dispatch_service_pb2
from switchboard.tools.housecall_pro.v1 import housecall_pro_service_pb2

from dispatch_service.actions import tool_of
from dispatch_service.actions.wishes import Wishes
from dispatch_service.call import Call, Plan, Refusal
from dispatch_service.cards import build
from dispatch_service.cards.text import window
from dispatch_service.keying import reference
from service_kit.contract.render import arguments

NAME = "HOUSECALL_PRO_BOOKING"
_PREFIX = "bkg"


class BookingAction:
    """Plans and presents bookings."""

    def __init__(self, wishes: Wishes) -> None:
        self._wishes = wishes

    async def plan(self, call: Call) -> Plan:
        """Turn the payload into a call of the booking tool."""
        if not isinstance(call.payload, action_pb2.BookingPayload):
            raise TypeError("a booking needs a BookingPayload")
        return await self.plan_payload(call.payload)

    async def plan_payload(self, payload: action_pb2.BookingPayload, *, prefix: str = "", own_key: str = "") -> Plan:
        """Plan any complete booking payload; `prefix` is where its fields stand in what the caller sent."""
        service = await self._wishes.service(payload.service_id, f"{prefix}serviceId")
        problems = self._wishes.dates(
            [(f"{prefix}preferred.date1", payload.preferred.date1), (f"{prefix}preferred.date2", payload.preferred.date2)]
        )
        if problems:
            raise Refusal("INVALID_ARGUMENT", "A date is out of range.", problems)
        request = housecall_pro_service_pb2.CreateBookingRequest(service_hcp_id=payload.service_id)
        request.customer.CopyFrom(payload.customer)
        request.address.CopyFrom(payload.address)
        for optional in ("preferred", "marketing"):
            if payload.HasField(optional):
                getattr(request, optional).CopyFrom(getattr(payload, optional))
        if payload.notes:
            request.notes = payload.notes
        slot = self._wishes.slot(payload.slot_id, payload.service_id, f"{prefix}slotId")
        if slot is not None:
            request.slot.start_time, request.slot.end_time = slot.start_time, slot.end_time
        view = {"serviceId": service.service_id, "serviceName": service.name}
        return Plan(presenter=NAME, tool=tool_of(NAME), arguments=arguments(request), view=view, own_key=own_key)

    def present(self, plan: Plan, result: Mapping[str, Any], reference_key: str) -> dispatch_service_pb2.ActionResult:
        """Render the confirmation."""
        number = reference(_PREFIX, reference_key)
        start, end = result.get("startTime"), result.get("endTime")
        zone = self._wishes.tenant.zone
        when = window(start, end, zone) if start and end else ""
        service = str(plan.view["serviceName"])
        if when:
            title, text = "You are booked", f"{service} on {when}. We will call if anything changes."
        elif result.get("preferredUnavailable"):
            title = "We have your booking"
            text = f"{service}: the time you asked for is taken. Our office will call you to agree on another."
        else:
            title, text = "We have your booking", f"{service}: our office will call you to agree on a time."
        made = build.card(title, text, facts=[("Service", service), ("When", when or "To be agreed"), ("Reference", number)])
        body = made.booking_confirmation
        body.reference, body.service_id = number, str(plan.view["serviceId"])
        body.scheduled, body.time_zone = bool(when), str(result.get("timeZone") or self._wishes.tenant.time_zone)
        if start and end:
            body.start_time, body.end_time = start, end
        message = f"Booked: {service}, {when}." if when else f"Booked: {service}. We will call you to agree on a time."
        return dispatch_service_pb2.ActionResult(message=message, external_id=number, card=build.typed(made))
