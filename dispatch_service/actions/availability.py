"""HOUSECALL_PRO_AVAILABILITY_LOOKUP: list open appointments, each with an id that books exactly it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from switchboard.booking.v1 import booking_pb2
from switchboard.dispatch.v1 import action_pb2, card_pb2, dispatch_service_pb2
from switchboard.tools.housecall_pro.v1 import housecall_pro_service_pb2

from dispatch_service.actions import tool_of
from dispatch_service.actions.wishes import Wishes
from dispatch_service.call import Call, Plan, Refusal
from dispatch_service.cards import build
from dispatch_service.cards.text import window
from dispatch_service.slots import Slot, SlotIds
from service_kit.contract.render import arguments

NAME = "HOUSECALL_PRO_AVAILABILITY_LOOKUP"
_BOOKING, _FLOW = "HOUSECALL_PRO_BOOKING", "INTERNAL_BOOKING_FLOW"
_BUTTONS = 6


class AvailabilityAction:
    """Plans and presents look-ups of open appointments."""

    def __init__(self, wishes: Wishes, slots: SlotIds) -> None:
        self._wishes = wishes
        self._slots = slots

    async def plan(self, call: Call) -> Plan:
        """Turn the payload into a call of the availability tool."""
        payload = call.payload
        if not isinstance(payload, action_pb2.AvailabilityLookupPayload):
            raise TypeError("an availability look-up needs an AvailabilityLookupPayload")
        given = [(f"preferredDates[{index}]", text) for index, text in enumerate(payload.preferred_dates)]
        problems = self._wishes.dates(
            [*given, ("preferred.date1", payload.preferred.date1), ("preferred.date2", payload.preferred.date2)]
        )
        if problems:
            raise Refusal("INVALID_ARGUMENT", "A date is out of range.", problems)
        wanted = [text for _, text in given if text]
        return await self.plan_for(
            payload.service_id, payload.zip, wanted, payload.preferred if payload.HasField("preferred") else None
        )

    async def plan_for(
        self,
        service_id: str,
        zip_code: str,
        dates: Sequence[str],
        preferred: booking_pb2.PreferredTimes | None,
        *,
        prefix: str = "",
        for_flow: bool = False,
    ) -> Plan:
        """Plan a look-up; `dates` go before those in `preferred`."""
        service = await self._wishes.service(service_id, f"{prefix}serviceId")
        request = housecall_pro_service_pb2.GetAvailabilityRequest(service_hcp_id=service_id, zip=zip_code)
        chosen = list(dates) or ([preferred.date1, preferred.date2] if preferred is not None else [])
        request.preferred_dates.extend(dict.fromkeys(text for text in chosen if text))
        if preferred is not None and preferred.time_window:
            request.time_window = preferred.time_window
        view = {"serviceId": service.service_id, "serviceName": service.name, "forFlow": for_flow}
        return Plan(presenter=NAME, tool=tool_of(NAME), arguments=arguments(request), view=view)

    def present(self, plan: Plan, result: Mapping[str, Any], reference_key: str) -> dispatch_service_pb2.ActionResult:
        """Render the open appointments."""
        del reference_key  # Looking something up makes nothing that could be referred to.
        service, service_id = str(plan.view["serviceName"]), str(plan.view["serviceId"])
        zone = self._wishes.tenant.zone
        offered = [self._offered(service_id, slot, zone) for slot in result.get("slots", ())]
        if not result.get("served", True):
            title, text = "Outside our area", "We do not serve this ZIP code yet. Call us: we may know somebody who does."
        elif not offered:
            title, text = (
                "Nothing open then",
                f"There is no open time for {service} on those days. Try other days, or leave it to us.",
            )
        else:
            title, text = "Open times", f"These times are open for {service}. Times are the company's local time."
        made = build.card(title, text, actions=self._buttons(plan, offered))
        body = made.availability_slots
        body.service_id, body.time_zone = service_id, str(result.get("timeZone") or self._wishes.tenant.time_zone)
        body.slots.extend(offered)
        message = f"{len(offered)} open times for {service}." if offered else text
        return dispatch_service_pb2.ActionResult(message=message, card=build.typed(made))

    def _offered(self, service_id: str, slot: Mapping[str, Any], zone: Any) -> card_pb2.OfferedSlot:
        start, end = str(slot["startTime"]), str(slot["endTime"])
        return card_pb2.OfferedSlot(
            slot_id=self._slots.make(Slot(service_id, start, end)),
            date=slot.get("date", ""),
            start_time=start,
            end_time=end,
            time_window=booking_pb2.TimeWindow.Value(slot.get("timeWindow") or "TIME_WINDOW_UNSPECIFIED"),
            label=window(start, end, zone),
        )

    def _buttons(self, plan: Plan, offered: Sequence[card_pb2.OfferedSlot]) -> list[card_pb2.CardAction]:
        buttons = []
        for slot in offered[:_BUTTONS]:
            if plan.view["forFlow"]:
                buttons.append(build.dispatch_button(slot.label, _FLOW, {"draft": {"slotId": slot.slot_id}}))
            else:
                known = {"serviceId": plan.view["serviceId"], "slotId": slot.slot_id}
                buttons.append(build.dispatch_button(slot.label, _BOOKING, known))
        if plan.view["forFlow"]:
            buttons.append(build.dispatch_button("Any time", _FLOW, {"draft": {"anyTime": True}}))
        if not offered:
            buttons.append(build.call_button("Call us"))
        return buttons
