"""The shipped policies against a table that was written by hand: every kind, role, tier, door, tool and card action."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from dispatch_service.policy import Effect, GrantRef, Policies, Question
from dispatch_service.principal import Principal
from stack.settings import REPOSITORY
from tests.integration.policy.matrix import ROLES, TIERS, Cell, everything, shipped, table

DIRECTORY: Path = REPOSITORY / "config" / "policies"
_EFFECT = {"yes": Effect.ALLOW, "ask": Effect.NEEDS_AUTHORIZATION, "no": Effect.DENY}


@pytest.fixture(scope="module")
def policies() -> Policies:
    return Policies(DIRECTORY, tenant="acme", vocabulary=shipped())


def asked_by(cell: Cell, *, tenant: str = "acme") -> Principal:
    return Principal(
        tenant=tenant,
        subject="sub-1",
        kind=cell.kind,
        role=ROLES[cell.role],
        tier=TIERS[cell.tier],
        owner="own-1",
        buildings=("bld-1", "bld-2"),
        resident="res-1",
    )


def grant_for(cell: Cell) -> GrantRef:
    _, server, tool = (*cell.action.split("/", 2), "")[:3]
    return GrantRef("grant_1", "sub-1", cell.kind, server, tool)


def test_the_table_has_one_line_for_every_combination_and_none_for_what_does_not_exist() -> None:
    expected = table()
    assert sorted(expected) == sorted(everything())
    assert [cell for cell, words in expected.items() if len(words) != 1] == []
    assert {word for words in expected.values() for word in words} == set(_EFFECT)


@pytest.mark.requirement("S0.24", "S3.36", "S4.21")
def test_every_caller_gets_what_the_table_says_of_every_action(policies: Policies) -> None:
    expected = table()
    found = {cell: policies.decide(Question(principal=asked_by(cell), action=cell.action)).effect for cell in everything()}
    assert [(cell, effect) for cell, effect in found.items() if _EFFECT[expected[cell][0]] is not effect] == []
    assert len(found) == 3 * len(ROLES) * len(TIERS) * 7
    assert Counter(found.values()) == {Effect.ALLOW: 100, Effect.NEEDS_AUTHORIZATION: 24, Effect.DENY: 464}


def test_what_the_table_denies_stays_denied_with_reasons_decisions_and_grants(policies: Policies) -> None:
    for cell, (word,) in table().items():
        question = Question(principal=asked_by(cell), action=cell.action, reasoning=True, authorized=True)
        decision = policies.decide(question, [grant_for(cell)])
        assert decision.effect is (Effect.DENY if word == "no" else Effect.ALLOW), cell
        granted = policies.decide(Question(principal=asked_by(cell), action=cell.action), [grant_for(cell)])
        assert granted.effect is (Effect.DENY if word == "no" else Effect.ALLOW), cell


def test_what_waits_for_a_person_says_why_and_offers_to_allow_it_always(policies: Policies) -> None:
    for cell, (word,) in table().items():
        decision = policies.decide(Question(principal=asked_by(cell), action=cell.action))
        assert decision.offers_always is (word == "ask"), cell
        assert bool(decision.reason) is (word != "yes"), cell
        assert bool(decision.policy_ids) or word == "no", cell


def test_a_token_of_another_company_gets_nothing_and_learns_nothing(policies: Policies) -> None:
    for cell in everything():
        for authorized in (False, True):
            principal = asked_by(cell, tenant="other")
            decision = policies.decide(
                Question(principal=principal, action=cell.action, reasoning=authorized, authorized=authorized), [grant_for(cell)]
            )
            assert (decision.effect, decision.hidden) == (Effect.DENY, True), cell


# Owners and committees act for residents and in others' names, and an owner's buildings are those of its portfolio.
_EXEMPT = {"building": {"T1"}, "resident": {"T1", "T2"}, "subject": {"T1", "T2"}}


@pytest.mark.parametrize("scope", ["tenant", "owner", "building", "resident", "subject"])
def test_naming_data_outside_the_token_is_refused_like_what_does_not_exist(policies: Policies, scope: str) -> None:
    own = {"tenant": "acme", "owner": "own-1", "building": "bld-1", "resident": "res-1", "subject": "sub-1"}[scope]
    for cell, (word,) in table().items():
        for values in (("foreign",), (own, "foreign"), ("foreign", own)):
            asked = Question(principal=asked_by(cell), action=cell.action, scope={scope: values}, reasoning=True, authorized=True)
            decision = policies.decide(asked, [grant_for(cell)])
            if cell.tier in _EXEMPT.get(scope, set()):
                assert (decision.effect is Effect.DENY) is (word == "no"), (cell, values)
            else:
                assert (decision.effect, decision.hidden) == (Effect.DENY, True), (cell, values)
        decision = policies.decide(Question(principal=asked_by(cell), action=cell.action, scope={scope: (own,)}))
        assert decision.effect is _EFFECT[word], cell
        assert not decision.hidden
