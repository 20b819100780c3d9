"""INTERNAL_BOOKING_FLOW: a guided booking, kept per conversation. Each step answers with the next card; the last one books.

What a step adds is merged into the conversation's draft, which is stored sealed. The draft is never sent back: whoever knows a
conversation's id can go on with its booking, but cannot read it.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from google.protobuf.descriptor import Descriptor
from switchboard.dispatch.v1 import action_pb2, dispatch_service_pb2

from dispatch_service.actions.availability import AvailabilityAction
from dispatch_service.actions.booking import BookingAction
from dispatch_service.actions.wishes import Wishes
from dispatch_service.adapter import BookableService
from dispatch_service.call import Call, Plan, Refusal
from dispatch_service.cards import build
from dispatch_service.cards.text import window
from dispatch_service.flows import Flow, FlowStore
from dispatch_service.slots import Slot
from service_kit.contract import validation
from service_kit.contract.fields import plan_for
from service_kit.contract.problems import Problem, under
from service_kit.contract.render import arguments

NAME = "INTERNAL_BOOKING_FLOW"
Step = action_pb2.FlowStep
_DRAFT = "draft."


@dataclass(frozen=True, kw_only=True, slots=True)
class State:
    """A draft with what is still missing for a booking, as paths in the booking's payload."""

    payload: action_pb2.BookingPayload
    missing: list[Problem] = field(default_factory=list)
    any_time: bool = False

    @property
    def has_time(self) -> bool:
        """Whether the visitor said when, or left it to the office."""
        preferred = self.payload.preferred
        return bool(self.any_time or self.payload.slot_id or preferred.date1 or preferred.date2 or preferred.time_window)

    def missing_under(self, *names: str) -> list[Problem]:
        """Return what is missing within some of the payload's fields."""
        return [problem for problem in self.missing if under(problem.path, names)]


class FlowAction:
    """Plans each step of a guided booking."""

    def __init__(self, wishes: Wishes, flows: FlowStore, booking: BookingAction, availability: AvailabilityAction) -> None:
        self._wishes = wishes
        self._flows = flows
        self._booking = booking
        self._availability = availability

    def objections(self, call: Call) -> list[Problem]:
        """What is still missing in the draft is what the flow is for; anything else that is wrong is refused."""
        return [problem for problem in call.problems if not (problem.missing and problem.path.startswith(_DRAFT))]

    async def succeeded(self, call: Call) -> None:
        """The booking is made: the next step that is not a repetition of the last begins afresh."""
        flow = await self._flows.load(call.principal.tenant, call.thread_id)
        if flow is not None:
            await self._flows.save(call.principal.tenant, call.thread_id, Flow(id=flow.id, draft=flow.draft, booked=True))

    async def plan(self, call: Call) -> Plan:
        """Merge what this step adds, and plan the next card or the booking."""
        payload = call.payload
        if not isinstance(payload, action_pb2.BookingFlowPayload):
            raise TypeError("a guided booking needs a BookingFlowPayload")
        flow = await self._merged(call, payload)
        state = _state_of(call.thread_id, flow.draft)
        step = self._next_step(payload.step, state)
        if step == Step.CHOOSE_SERVICE:
            return await self._offer_services()
        if step == Step.ENTER_DETAILS:
            return self._ask_details(state)
        if step == Step.CHOOSE_TIME:
            draft = state.payload
            return await self._availability.plan_for(
                draft.service_id,
                draft.address.zip,
                [],
                draft.preferred if draft.HasField("preferred") else None,
                prefix=_DRAFT,
                for_flow=True,
            )
        if step == Step.REVIEW:
            return await self._review(state)
        return await self._booking.plan_payload(state.payload, prefix=_DRAFT, own_key=f"flow:{flow.id}")

    async def _merged(self, call: Call, payload: action_pb2.BookingFlowPayload) -> Flow:
        tenant, thread = call.principal.tenant, call.thread_id
        added = arguments(payload.draft) if payload.HasField("draft") else {}
        kept = await self._flows.load(tenant, thread)
        if kept is not None and payload.step == Step.BOOK and not added:
            return kept
        fresh = kept is None or kept.booked or payload.step == Step.RESTART
        draft = _merge({} if fresh or kept is None else kept.draft, added)
        if not fresh and kept is not None and draft == kept.draft:
            return kept
        # Another draft is another booking: it gets a key of its own, so that the tool cannot take it for the one before.
        flow = Flow(id=secrets.token_hex(16), draft=draft, booked=False)
        await self._flows.save(tenant, thread, flow)
        return flow

    def _next_step(self, asked: int, state: State) -> int:
        """The step that was asked for, or the first whose answer is needed for it."""
        if state.missing_under("serviceId") or asked == Step.CHOOSE_SERVICE:
            if asked == Step.BOOK:
                raise _missing(state)
            return Step.CHOOSE_SERVICE
        if state.missing or asked == Step.ENTER_DETAILS:
            if asked == Step.BOOK:
                raise _missing(state)
            return Step.ENTER_DETAILS
        if asked == Step.BOOK:
            return Step.BOOK
        if asked == Step.CHOOSE_TIME or not state.has_time:
            return Step.CHOOSE_TIME
        return Step.REVIEW

    async def _offer_services(self) -> Plan:
        return Plan(
            presenter=NAME, tool=None, arguments={}, view={"step": "CHOOSE_SERVICE", "services": await self._service_ids()}
        )

    async def _service_ids(self) -> list[dict[str, Any]]:
        return [_service_view(service) for service in await self._wishes.services()]

    def _ask_details(self, state: State) -> Plan:
        # Asked for again although nothing is missing: the whole form, as the contract lists it.
        paths = [_DRAFT + path for path in ([problem.path for problem in state.missing] or _detail_paths())]
        return Plan(presenter=NAME, tool=None, arguments={}, view={"step": "ENTER_DETAILS", "paths": paths})

    async def _review(self, state: State) -> Plan:
        service = await self._wishes.service(state.payload.service_id, f"{_DRAFT}serviceId")
        slot = self._wishes.slot(state.payload.slot_id, service.service_id, f"{_DRAFT}slotId")
        view = {"step": "REVIEW", "services": [_service_view(service)], "when": self._when(state, slot)}
        return Plan(presenter=NAME, tool=None, arguments={}, view=view)

    def _when(self, state: State, slot: Slot | None) -> str:
        if slot is not None:
            return window(slot.start_time, slot.end_time, self._wishes.tenant.zone)
        preferred = state.payload.preferred
        days = " or ".join(text for text in (preferred.date1, preferred.date2) if text)
        part = {"AM": "morning", "PM": "afternoon", "EVENING": "evening"}.get(
            arguments(preferred).get("timeWindow", "") if preferred.time_window else "", ""
        )
        return ", ".join(text for text in (days, part) if text) or "Any time"

    def present(self, plan: Plan, result: Mapping[str, Any], reference_key: str) -> dispatch_service_pb2.ActionResult:
        """Render the card of a step that calls no tool."""
        del result, reference_key
        view = plan.view
        if view["step"] == "CHOOSE_SERVICE":
            offered = [BookableService(**service) for service in view["services"]]
            made = build.services(offered, NAME, "What can we do for you?", "Choose a service to see open times.")
            return dispatch_service_pb2.ActionResult(message="Choose a service.", card=made)
        if view["step"] == "ENTER_DETAILS":
            made = build.missing_fields(NAME, action_pb2.BookingFlowPayload.DESCRIPTOR, view["paths"], {})
            return dispatch_service_pb2.ActionResult(message="Tell us who and where.", card=made)
        service = BookableService(**view["services"][0])
        made = build.card(
            "Is this right?",
            f"{service.name}. We book it when you confirm.",
            facts=[("Service", service.name), ("When", view["when"]), build.price_fact(service)],
            actions=[
                build.dispatch_button("Confirm booking", NAME, {"step": "BOOK"}),
                build.dispatch_button("Change the time", NAME, {"step": "CHOOSE_TIME"}),
                build.dispatch_button("Start again", NAME, {"step": "RESTART"}),
            ],
        )
        made.service_recommendation.services.append(build.offered_service(service))
        return dispatch_service_pb2.ActionResult(message="Please confirm.", card=build.typed(made))


def _detail_paths() -> list[str]:
    payload = plan_for(action_pb2.BookingPayload.DESCRIPTOR)
    return [
        f"{name}.{field.json_name}"
        for name in ("customer", "address")
        for field in plan_for(cast(Descriptor, payload.by_name[name].message)).fields
    ]


def _state_of(thread_id: str, draft: dict[str, Any]) -> State:
    """Read a draft as a booking. What a draft holds was checked when it came in, so only absence is left to find."""
    payload = action_pb2.BookingPayload()
    fields = {name: value for name, value in draft.items() if name != "anyTime"}
    problems = validation.read_document({**fields, "threadId": thread_id}, payload)
    return State(
        payload=payload, missing=[problem for problem in problems if problem.missing], any_time=bool(draft.get("anyTime"))
    )


def _missing(state: State) -> Refusal:
    problems = [
        Problem(path=_DRAFT + problem.path, rule=problem.rule, message=problem.message, missing=True) for problem in state.missing
    ]
    return Refusal("MISSING_FIELDS", "Some required fields are missing.", problems)


def _merge(kept: Mapping[str, Any], added: Mapping[str, Any]) -> dict[str, Any]:
    """Lay what a step adds over the draft, field by field; a newly chosen time replaces the one before."""
    merged = dict(kept)
    if {"slotId", "preferred", "anyTime"} & set(added):
        for name in ("slotId", "preferred", "anyTime"):
            merged.pop(name, None)
    if "serviceId" in added and added["serviceId"] != merged.get("serviceId"):
        # A slot belongs to the service that it was offered for.
        merged.pop("slotId", None)
    for name, value in added.items():
        before = merged.get(name)
        merged[name] = _merge(before, value) if isinstance(value, dict) and isinstance(before, dict) else value
    return merged


def _service_view(service: BookableService) -> dict[str, Any]:
    return {name: getattr(service, name) for name in BookableService.__slots__}
