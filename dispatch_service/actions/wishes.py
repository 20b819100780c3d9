"""What every action checks beyond the contract: that the service exists, that dates lie ahead, that a slot id is ours.

Above: the actions. Below: the catalogue, the tenant's settings, slot ids.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import date, datetime, timedelta

from dispatch_service.adapter import AdapterAway, AdapterClient, BookableService
from dispatch_service.call import Refusal
from dispatch_service.slots import Slot, SlotExpired, SlotIds
from dispatch_service.tenant import Tenant
from service_kit.contract.problems import Problem
from service_kit.keys import BadSeal

Clock = Callable[[], datetime]


class Wishes:
    """Checks what a visitor wishes for. `clock` returns the current time with a zone."""

    def __init__(self, *, tenant: Tenant, catalogue: AdapterClient, slots: SlotIds, clock: Clock) -> None:
        self.tenant = tenant
        self._catalogue = catalogue
        self._slots = slots
        self._clock = clock

    async def services(self) -> tuple[BookableService, ...]:
        """Return what can be booked. Raises Refusal where that cannot be known."""
        try:
            return await self._catalogue.services()
        except AdapterAway:
            raise Refusal("INTEGRATION_DOWN", "Bookings do not work just now.") from None

    async def service(self, service_id: str, path: str) -> BookableService:
        """Return the service that `path` names. Raises Refusal NOT_FOUND."""
        for service in await self.services():
            if service.service_id == service_id:
                return service
        problem = Problem(path=path, rule="unknown_service", message="There is no such service.")
        raise Refusal("NOT_FOUND", "There is no such service.", [problem])

    def dates(self, given: Iterable[tuple[str, str]]) -> list[Problem]:
        """Return what is wrong with dates given as (path, YYYY-MM-DD or empty): they must lie ahead, and not too far."""
        given = [(path, text) for path, text in given if text]
        if not given:
            return []
        today = self._clock().astimezone(self.tenant.zone).date()
        farthest = today + timedelta(days=self.tenant.farthest_date_days)
        problems = []
        for path, text in given:
            day = date.fromisoformat(text)
            if day < today:
                problems.append(Problem(path=path, rule="date.past", message="This day has passed."))
            elif day > farthest:
                problems.append(Problem(path=path, rule="date.far", message="This day is too far ahead."))
        return problems

    def slot(self, slot_id: str, service_id: str, path: str) -> Slot | None:
        """Return the slot that an id stands for, None for an empty id. Raises Refusal where it is not one for the service."""
        if not slot_id:
            return None
        try:
            slot = self._slots.open(slot_id)
        except SlotExpired:
            problem = Problem(path=path, rule="slot.expired", message="This offer has expired; look up open times again.")
            raise Refusal("CONFLICT", "This appointment was offered too long ago.", [problem]) from None
        except (BadSeal, ValueError):
            slot = None
        if slot is None or slot.service_id != service_id:
            problem = Problem(
                path=path, rule="slot.unknown", message="This is not an appointment that was offered for the service."
            )
            raise Refusal("INVALID_ARGUMENT", "The appointment is not one that was offered.", [problem])
        return slot
