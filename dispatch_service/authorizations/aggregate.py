"""One authorization and what may become of it, without a database: states, transitions, and who may cause them.

    PENDING ── authorized ──> AUTHORIZED ──> EXECUTED | FAILED
       │  ── denied ──> DENIED
       │  ── cancelled ──> CANCELLED
       │  ── too late ──> EXPIRED
       └─ edited ──> PENDING, with the next revision and another hash

Above: `decisions`, `execution`, `upkeep`. Below: nothing. Every transition returns the next state or raises the error that the
caller is answered with; `store` writes it only where the row still has the revision that it was made from.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from dispatch_service.principal import HUMAN, OPERATOR, Principal
from service_kit.contract.problems import Problem
from service_kit.errors import Conflict, Forbidden, InvalidArgument


class Status(StrEnum):
    """Where an authorization stands."""

    PENDING = "PENDING"
    AUTHORIZED = "AUTHORIZED"
    DENIED = "DENIED"
    CANCELLED = "CANCELLED"
    EXPIRED = "EXPIRED"
    EXECUTED = "EXECUTED"
    FAILED = "FAILED"


class Verdict(StrEnum):
    """What a person may say."""

    AUTHORIZED = "authorized"
    DENIED = "denied"
    EDITED = "edited"
    CANCELLED = "cancelled"


_DECIDED = {Verdict.AUTHORIZED: Status.AUTHORIZED, Verdict.DENIED: Status.DENIED, Verdict.CANCELLED: Status.CANCELLED}


class TooLate(Conflict):
    """Nobody decided in time; what waits is to be given up."""

    def __init__(self) -> None:
        super().__init__("CONFLICT", "This waited too long and was given up. Ask for it again.")


@dataclass(frozen=True, kw_only=True, slots=True)
class Authorization:
    """The part of an authorization that decisions depend on."""

    id: str
    tenant: str
    requester: str
    requester_kind: str
    status: Status
    revision: int
    arguments_hash: str
    offers_always: bool
    edited: bool
    expires_at: datetime

    def visible_to(self, principal: Principal) -> bool:
        """Whether `principal` may know of it: operators of the tenant, and who asked for it."""
        if principal.tenant != self.tenant:
            return False
        return may_decide(principal) or (principal.subject, principal.kind) == (self.requester, self.requester_kind)

    def decide(
        self, verdict: Verdict, by: Principal, *, now: datetime, looked_at: str = "", always: bool = False
    ) -> Authorization:
        """Return what `verdict` makes of it; an edit is `edit`. `looked_at` is the hash of what the decider saw, where it says.

        Raises Forbidden, Conflict, TooLate or InvalidArgument."""
        self._may(verdict, by)
        self._open(now, looked_at)
        if always and not self.offers_always:
            problem = Problem(path="upgradePermission", rule="not_offered", message="A person has to decide on this every time.")
            raise InvalidArgument("INVALID_ARGUMENT", "This cannot be allowed always.", problems=[problem])
        return replace(self, status=_DECIDED[verdict], revision=self.revision + 1)

    def may_edit(self, by: Principal, *, now: datetime, looked_at: str = "") -> None:
        """Raise Forbidden, Conflict or TooLate where `by` may not edit it now."""
        self._may(Verdict.EDITED, by)
        self._open(now, looked_at)

    def edit(
        self, by: Principal, *, now: datetime, arguments_hash: str, offers_always: bool, looked_at: str = ""
    ) -> Authorization:
        """Return it with other arguments. It waits again, and an approval of the earlier ones is void. Raises as `may_edit`."""
        self.may_edit(by, now=now, looked_at=looked_at)
        return replace(
            self,
            revision=self.revision + 1,
            arguments_hash=arguments_hash,
            # Sensitive stays sensitive, whatever the arguments.
            offers_always=self.offers_always and offers_always,
            edited=True,
        )

    def expire(self, *, now: datetime) -> Authorization:
        """Return it given up. Raises Conflict where it does not wait, or not yet too long."""
        if self.status is not Status.PENDING or now < self.expires_at:
            raise Conflict("CONFLICT", "This is not overdue.")
        return replace(self, status=Status.EXPIRED, revision=self.revision + 1)

    def finish(self, *, carried_out: bool) -> Authorization:
        """Return it carried out, or failed. Raises Conflict where nobody allowed it, or it is over."""
        if self.status is not Status.AUTHORIZED:
            raise Conflict("CONFLICT", "This is not to be carried out.")
        return replace(self, status=Status.EXECUTED if carried_out else Status.FAILED, revision=self.revision + 1)

    def _may(self, verdict: Verdict, by: Principal) -> None:
        own = (by.tenant, by.subject) == (self.tenant, self.requester)
        if verdict is Verdict.CANCELLED and own and by.kind == self.requester_kind:
            return
        if not may_decide(by) or by.tenant != self.tenant:
            raise Forbidden("FORBIDDEN", "Only a person who may decide can do this.")
        if own:
            raise Forbidden("FORBIDDEN", "Somebody other than who asked has to decide.")

    def _open(self, now: datetime, looked_at: str) -> None:
        if self.status is not Status.PENDING:
            raise Conflict("CONFLICT", "This was decided already. Look at it again.")
        if now >= self.expires_at:
            raise TooLate
        if looked_at and looked_at != self.arguments_hash:
            raise Conflict("CONFLICT", "This has changed since it was looked at. Look at it again.")


def may_decide(principal: Principal) -> bool:
    """Whether `principal` is one who decides at all: a person, by a token of a person, in the role for it."""
    return principal.kind == HUMAN and principal.role == OPERATOR
