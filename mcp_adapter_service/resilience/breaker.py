"""A circuit breaker: leave a server alone that keeps failing. A pure state machine over an injected clock.

Above: `ResilientClient` asks before each attempt and reports after it. Below: nothing.

    CLOSED ── `failures` in a row ──▶ OPEN ── cool-down over ──▶ HALF_OPEN ── probe succeeds ──▶ CLOSED
                                       ▲                             │
                                       └──────── probe fails ────────┘

Only what was admitted in the present state counts: a call that was sent before the breaker opened and fails after it half
opened says nothing about the server now. An attempt that ended without saying anything about the server, one that was
cancelled for instance, gives its place as probe back.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum


class BreakerState(Enum):
    """The states of a breaker; the values are what the contract calls them."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


@dataclass(frozen=True, slots=True)
class Admission:
    """Admission is the leave to make one attempt, to be settled exactly once."""

    period: int


class Breaker:
    """Breaker counts the consecutive failures of one server."""

    def __init__(self, *, failures: int = 5, cool_down: float = 10.0, clock: Callable[[], float]) -> None:
        if failures < 1 or cool_down <= 0:
            raise ValueError("A breaker needs at least one failure and a positive cool-down.")
        self._failures = failures
        self._cool_down = cool_down
        self._clock = clock
        self._count = 0
        self._opened_at: float | None = None
        self._probing = False
        # Each change of state begins a new period, for which earlier admissions do not count.
        self._period = 0
        self._admission = Admission(0)

    @property
    def state(self) -> BreakerState:
        """The present state."""
        if self._opened_at is None:
            return BreakerState.CLOSED
        return BreakerState.OPEN if self._remaining() > 0 else BreakerState.HALF_OPEN

    def refuses(self) -> float | None:
        """Return how many seconds to wait before asking again where an attempt would be refused now, else None."""
        if self._opened_at is None:
            return None
        remaining = self._remaining()
        if remaining > 0:
            return remaining
        # A probe is under way: how long it takes is not known, but not longer than it would cool down after it.
        return self._cool_down if self._probing else None

    def admit(self) -> Admission | None:
        """Give leave for one attempt; None where `refuses`. The first after the cool-down is the probe."""
        if self._opened_at is None:
            return self._admission
        if self.refuses() is not None:
            return None
        self._probing = True
        self._begin_period()
        return self._admission

    def succeeded(self, admission: Admission) -> None:
        """The server answered."""
        if admission.period != self._period:
            return
        self._count = 0
        if self._opened_at is not None:
            self._opened_at = None
            self._probing = False
            self._begin_period()

    def failed(self, admission: Admission) -> None:
        """The server did not answer, or broke."""
        if admission.period != self._period:
            return
        self._count += 1
        if self._probing or self._count >= self._failures:
            self._opened_at = self._clock()
            self._probing = False
            self._count = 0
            self._begin_period()

    def abandoned(self, admission: Admission) -> None:
        """The attempt ended without saying anything about the server."""
        if admission.period == self._period and self._probing:
            self._probing = False
            self._begin_period()

    def _remaining(self) -> float:
        return 0.0 if self._opened_at is None else self._opened_at + self._cool_down - self._clock()

    def _begin_period(self) -> None:
        self._period += 1
        self._admission = Admission(self._period)
