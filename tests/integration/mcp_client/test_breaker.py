"""The breaker as a state machine: hypothesis drives it against a plain model of what it promises."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, multiple, rule

from mcp_adapter_service.resilience import Breaker, BreakerState
from mcp_adapter_service.resilience.breaker import Admission

_FAILURES = 3
_COOL_DOWN = 10.0


class BreakerMachine(RuleBasedStateMachine):
    """Attempts begin and end in any order while time passes; the model keeps only what the docstring promises."""

    attempts = Bundle("attempts")

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.breaker = Breaker(failures=_FAILURES, cool_down=_COOL_DOWN, clock=lambda: self.now)
        self.state = BreakerState.CLOSED
        self.opened_at = 0.0
        self.in_a_row = 0
        self.counting: list[Admission] = []  # Attempts whose end still says something.
        self.probe: Admission | None = None

    def _cool(self) -> None:
        if self.state is BreakerState.OPEN and self.now >= self.opened_at + _COOL_DOWN:
            self.state = BreakerState.HALF_OPEN

    def _open(self) -> None:
        self.state, self.opened_at, self.in_a_row, self.counting, self.probe = BreakerState.OPEN, self.now, 0, [], None

    @rule(seconds=st.sampled_from([0.5, 4.0, 10.0]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds
        self._cool()

    @rule(target=attempts)
    def an_attempt_begins(self) -> object:
        expected = self.state is BreakerState.CLOSED or (self.state is BreakerState.HALF_OPEN and self.probe is None)
        assert (self.breaker.refuses() is None) is expected
        admission = self.breaker.admit()
        assert (admission is not None) is expected
        if admission is None:
            return multiple()
        if self.state is BreakerState.HALF_OPEN:
            self.probe = admission
            self.counting = [admission]
        else:
            self.counting.append(admission)
        return admission

    @rule(admission=consumes(attempts))
    def it_succeeds(self, admission: Admission) -> None:
        self.breaker.succeeded(admission)
        if admission in self.counting:
            self.in_a_row = 0
            if self.probe is admission:
                self.state, self.probe, self.counting = BreakerState.CLOSED, None, []

    @rule(admission=consumes(attempts))
    def it_fails(self, admission: Admission) -> None:
        self.breaker.failed(admission)
        if admission in self.counting:
            self.in_a_row += 1
            if self.probe is admission or self.in_a_row >= _FAILURES:
                self._open()

    @rule(admission=consumes(attempts))
    def it_is_abandoned(self, admission: Admission) -> None:
        self.breaker.abandoned(admission)
        if self.probe is admission:
            self.probe, self.counting = None, []

    @invariant()
    def the_state_is_the_models(self) -> None:
        assert self.breaker.state is self.state
        if self.state is BreakerState.OPEN:
            assert self.breaker.refuses() == pytest.approx(self.opened_at + _COOL_DOWN - self.now)


BreakerMachine.TestCase.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
test_the_breaker_does_what_it_promises_in_any_order_of_events = BreakerMachine.TestCase


@pytest.mark.parametrize(("failures", "cool_down"), [(0, 1.0), (1, 0.0), (1, -1.0)])
def test_a_breaker_that_could_not_work_is_refused(failures: int, cool_down: float) -> None:
    with pytest.raises(ValueError, match="breaker needs"):
        Breaker(failures=failures, cool_down=cool_down, clock=lambda: 0.0)
