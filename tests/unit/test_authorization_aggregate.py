"""The states of an authorization: whatever is tried, by whom and when, only what the rules allow happens."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from dispatch_service.authorizations.aggregate import Authorization, Status, TooLate, Verdict, may_decide
from dispatch_service.principal import Principal
from service_kit.errors import Conflict, Forbidden, InvalidArgument, ServiceError

START = datetime(2030, 1, 7, 12, tzinfo=UTC)
HOURS = 72
REQUESTER = Principal(tenant="demo", subject="agent-7", kind="model", role="agent")
OPERATOR = Principal(tenant="demo", subject="olga", kind="human", role="operator")

subjects = st.sampled_from(["agent-7", "olga", "pete"])
principals = st.builds(
    Principal,
    tenant=st.sampled_from(["demo", "other"]),
    subject=subjects,
    kind=st.sampled_from(["human", "service", "model"]),
    role=st.sampled_from(["operator", "customer", "service", "agent", "visitor", "admin"]),
)
times = st.integers(min_value=-1, max_value=HOURS + 2).map(lambda hours: START + timedelta(hours=hours))
hashes = st.sampled_from(["", "hash-0", "hash-1", "hash-2"])


def waiting(**changes: object) -> Authorization:
    """An authorization that the agent waits for."""
    kept = Authorization(
        id="auth_1",
        tenant="demo",
        requester=REQUESTER.subject,
        requester_kind=REQUESTER.kind,
        status=Status.PENDING,
        revision=1,
        arguments_hash="hash-0",
        offers_always=True,
        edited=False,
        expires_at=START + timedelta(hours=HOURS),
    )
    return replace(kept, **changes)  # type: ignore[arg-type]


def tried(verdict: Verdict, by: Principal, at: datetime) -> Authorization:
    """What `verdict` by `by` makes of what waits."""
    if verdict is Verdict.EDITED:
        return waiting().edit(by, now=at, arguments_hash="hash-1", offers_always=True)
    return waiting().decide(verdict, by, now=at)


class Life(RuleBasedStateMachine):
    """Every order of everything, beside a model that knows the rules in another form."""

    def __init__(self) -> None:
        super().__init__()
        self.now = waiting()

    def open_to(self, by: Principal, at: datetime, looked_at: str) -> bool:
        """Whether `by` may decide about it at `at`, having looked at `looked_at`."""
        decides = by.kind == "human" and by.role == "operator" and by.tenant == "demo" and by.subject != "agent-7"
        return (
            decides
            and self.now.status is Status.PENDING
            and at < self.now.expires_at
            and looked_at in ("", self.now.arguments_hash)
        )

    @rule(
        by=principals,
        verdict=st.sampled_from([Verdict.AUTHORIZED, Verdict.DENIED]),
        at=times,
        looked_at=hashes,
        always=st.booleans(),
    )
    def decide(self, by: Principal, verdict: Verdict, at: datetime, looked_at: str, always: bool) -> None:
        allowed = self.open_to(by, at, looked_at) and (self.now.offers_always or not always)
        before = self.now
        try:
            self.now = before.decide(verdict, by, now=at, looked_at=looked_at, always=always)
        except ServiceError:
            assert not allowed
        else:
            assert allowed
            assert self.now == replace(before, status=Status[verdict.name], revision=before.revision + 1)

    @rule(by=principals, at=times)
    def cancel(self, by: Principal, at: datetime) -> None:
        own = (by.tenant, by.subject, by.kind) == ("demo", "agent-7", "model")
        allowed = self.open_to(by, at, "") or (own and self.now.status is Status.PENDING and at < self.now.expires_at)
        try:
            self.now = self.now.decide(Verdict.CANCELLED, by, now=at)
        except ServiceError:
            assert not allowed
        else:
            assert allowed
            assert self.now.status is Status.CANCELLED

    @rule(by=principals, at=times, looked_at=hashes, to=st.sampled_from(["hash-1", "hash-2"]), always=st.booleans())
    def edit(self, by: Principal, at: datetime, looked_at: str, to: str, always: bool) -> None:
        allowed, before = self.open_to(by, at, looked_at), self.now
        try:
            self.now = before.edit(by, now=at, arguments_hash=to, offers_always=always, looked_at=looked_at)
        except ServiceError:
            assert not allowed
        else:
            assert allowed
            assert (self.now.status, self.now.revision) == (Status.PENDING, before.revision + 1)
            assert self.now.edited
            assert self.now.arguments_hash == to
            assert before.offers_always or not self.now.offers_always

    @rule(at=times)
    def expire(self, at: datetime) -> None:
        overdue = self.now.status is Status.PENDING and at >= self.now.expires_at
        try:
            self.now = self.now.expire(now=at)
        except Conflict:
            assert not overdue
        else:
            assert overdue

    @rule(done=st.booleans())
    def finish(self, done: bool) -> None:
        allowed = self.now.status is Status.AUTHORIZED
        try:
            self.now = self.now.finish(carried_out=done)
        except Conflict:
            assert not allowed
        else:
            assert allowed

    @invariant()
    def what_is_over_has_been_decided_once(self) -> None:
        assert self.now.revision >= (1 if self.now.status is Status.PENDING else 2)


Life.TestCase.settings = settings(max_examples=300, stateful_step_count=12, deadline=None)
TestLife = Life.TestCase


@given(by=principals, verdict=st.sampled_from(Verdict), at=times)
def test_who_is_no_operating_person_decides_nothing_but_to_take_back_what_it_asked_for(
    by: Principal, verdict: Verdict, at: datetime
) -> None:
    if may_decide(by) and by.tenant == "demo" and by.subject != REQUESTER.subject:
        return
    own = (by.tenant, by.subject, by.kind) == ("demo", REQUESTER.subject, REQUESTER.kind)
    if own and verdict is Verdict.CANCELLED:
        return
    with pytest.raises(Forbidden):
        tried(verdict, by, at)


@given(by=principals)
def test_only_operators_of_the_tenant_and_who_asked_may_know_of_it(by: Principal) -> None:
    operator = by.kind == "human" and by.role == "operator"
    own = (by.subject, by.kind) == (REQUESTER.subject, REQUESTER.kind)
    assert waiting().visible_to(by) == (by.tenant == "demo" and (operator or own))


@pytest.mark.parametrize("status", [status for status in Status if status is not Status.PENDING])
@pytest.mark.parametrize("verdict", [Verdict.AUTHORIZED, Verdict.DENIED, Verdict.CANCELLED])
def test_what_was_decided_is_not_decided_again(status: Status, verdict: Verdict) -> None:
    with pytest.raises(Conflict):
        waiting(status=status).decide(verdict, OPERATOR, now=START)


def test_what_is_overdue_is_told_from_what_somebody_decided() -> None:
    with pytest.raises(TooLate):
        waiting().decide(Verdict.AUTHORIZED, OPERATOR, now=START + timedelta(hours=HOURS))


def test_an_approval_of_what_was_there_before_an_edit_is_void() -> None:
    edited = waiting().edit(OPERATOR, now=START, arguments_hash="hash-1", offers_always=True)
    with pytest.raises(Conflict):
        edited.decide(Verdict.AUTHORIZED, OPERATOR, now=START, looked_at="hash-0")
    assert edited.decide(Verdict.AUTHORIZED, OPERATOR, now=START, looked_at="hash-1").status is Status.AUTHORIZED


def test_what_is_sensitive_is_never_allowed_always() -> None:
    with pytest.raises(InvalidArgument):
        waiting(offers_always=False).decide(Verdict.AUTHORIZED, OPERATOR, now=START, always=True)
