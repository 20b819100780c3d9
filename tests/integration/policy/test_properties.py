"""What holds for any policies, callers and calls."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from dispatch_service.policy import Effect, GrantRef, Policies, Question, as_record, from_record
from dispatch_service.policy.contract import contract_vocabulary
from dispatch_service.principal import Principal
from tests.integration.policy.matrix import ROLES, everything, shipped
from tests.integration.policy.works import SHIPPED, vocabulary, works

_TOOLS = [action.id for action in vocabulary().actions]
_FACTS = [name for name, _ in contract_vocabulary().facts]
_WORDS = st.sampled_from(["", "acme", "own-1", "bld-1", "res-1", "sub-1", "else"])
_ANYTHING = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5), st.lists(st.integers(), max_size=2)
)

principals = st.builds(
    Principal,
    tenant=st.sampled_from(["acme", "acme", "acme", "other"]),
    subject=st.sampled_from(["sub-1", "else"]),
    kind=st.sampled_from(["human", "human", "service", "model"]),
    role=st.sampled_from(["operator", "agent", "caretaker", ""]),
    tier=st.sampled_from(["", "T1", "T2", "T3"]),
    owner=st.sampled_from(["", "own-1"]),
    buildings=st.sampled_from([(), ("bld-1",), ("bld-1", "bld-2")]),
    resident=st.sampled_from(["", "res-1"]),
)
scopes = st.dictionaries(
    st.sampled_from(["tenant", "owner", "building", "resident", "subject"]),
    st.lists(_WORDS, min_size=1, max_size=2).map(tuple),
    max_size=2,
)
likely_facts = st.fixed_dictionaries(
    {},
    optional={
        "items": st.integers(0, 9),
        "related_records": st.integers(0, 2),
        "amount_cents": st.integers(0, 9),
        "state": st.sampled_from(["paid", "open"]),
        "building": st.sampled_from(["bld-1", "bld-9"]),
    },
)
questions = st.builds(
    Question,
    principal=principals,
    action=st.sampled_from(_TOOLS),
    scope=scopes,
    facts=st.none() | likely_facts,
    items=st.integers(0, 9),
    reasoning=st.booleans(),
    authorized=st.booleans(),
)
_CONDITIONS = {
    "principal.kind": ['== "model"', '!= "human"'],
    "principal.tier": ['== "T1"', '!= "T2"'],
    "context.items": ["> 2", "< 3", "* 9223372036854775807 < 8"],
    "context.origin": ['== "MODEL"', '!= "OPERATOR"'],
    "context.scope.building.isEmpty()": ["", "== false"],
    "context.granted": ["", "== false"],
}
_LIFTS = {
    "": "",
    "reasoning": "unless { context.reasoning }",
    "authorization": "unless { context.authorized || context.granted }",
}


@st.composite
def forbids(draw: st.DrawFn) -> str:
    """A forbid that passes the schema: about some actions, under some condition, lifted by something or nothing."""
    about = draw(st.sampled_from(["action", 'action in Action::"effect/write"', 'action == Action::"tool/works/look"']))
    left = draw(st.sampled_from(sorted(_CONDITIONS)))
    lifted = draw(st.sampled_from(sorted(_LIFTS)))
    annotation = f'@lifted_by("{lifted}")' if lifted else draw(st.sampled_from(["", "@hidden"]))
    condition = f"{left} {draw(st.sampled_from(_CONDITIONS[left]))}"
    head = f'@id("more.no") @reason("No.") {annotation} forbid (principal, {about}, resource)'
    return f"{head} when {{ {condition} }} {_LIFTS[lifted]};"


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Policies:
    return works(tmp_path_factory.mktemp("policies"))


@pytest.fixture(scope="module")
def real() -> Policies:
    return Policies(SHIPPED, tenant="acme", vocabulary=shipped())


def grants_of(question: Question) -> list[GrantRef]:
    _, server, tool = question.action.split("/", 2)
    return [GrantRef("grant_1", question.principal.subject, question.principal.kind, server, tool)]


# Reading a set of policies takes its time: a failure is shown as it was found.
@settings(max_examples=60, deadline=None, phases=(Phase.explicit, Phase.reuse, Phase.generate))
@given(forbid=forbids(), asked=st.lists(questions, min_size=20, max_size=30))
def test_another_forbid_never_lets_anybody_do_more(plain: Policies, forbid: str, asked: list[Question]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        more = works(Path(folder), more=forbid)
        for question in asked:
            for grants in ([], grants_of(question)):
                before, after = plain.decide(question, grants), more.decide(question, grants)
                assert after.effect.strictness >= before.effect.strictness
                unreadable = after.reason.startswith("The rules could not be read")
                assert after.hidden >= before.hidden or unreadable, (before, after)
                assert after.offers_always <= before.offers_always or before.effect is not Effect.NEEDS_AUTHORIZATION


@settings(max_examples=300, deadline=None)
@given(question=questions)
def test_what_was_said_to_help_helps(plain: Policies, question: Question) -> None:
    decision = plain.decide(question)
    given_all = Question(
        principal=question.principal,
        action=question.action,
        scope=question.scope,
        facts=question.facts,
        items=question.items,
        reasoning=True,
        authorized=question.authorized or decision.effect is Effect.NEEDS_AUTHORIZATION,
    )
    expected = Effect.DENY if decision.effect is Effect.DENY else Effect.ALLOW
    assert plain.decide(given_all).effect is expected
    if decision.offers_always:
        assert plain.decide(question, grants_of(question)).effect in (Effect.ALLOW, Effect.NEEDS_REASONING)
    if decision.effect is not Effect.NEEDS_AUTHORIZATION:
        assert plain.decide(question, grants_of(question)) == decision


_NOT_KIND = st.text(max_size=10).filter(lambda word: word not in ("human", "service", "model"))
_NOT_ROLE = st.text(max_size=10).filter(lambda word: word not in ("operator", "customer", "visitor", "service", "agent"))


@st.composite
def unheard_of(draw: st.DrawFn) -> Question:
    """A question from somebody whose kind or role no table knows, whatever else the token claims."""
    cell, claim, given_all = draw(st.sampled_from(everything())), draw(st.text(max_size=10)), draw(st.booleans())
    kind, role = draw(st.one_of(st.tuples(_NOT_KIND, st.just(ROLES[cell.role])), st.tuples(st.just(cell.kind), _NOT_ROLE)))
    who = Principal(
        tenant="acme",
        subject=claim,
        kind=kind,
        role=role,
        tier=draw(st.text(max_size=3)),
        owner=claim,
        buildings=(claim,),
        resident=claim,
    )
    return Question(principal=who, action=cell.action, reasoning=given_all, authorized=given_all)


@settings(max_examples=300, deadline=None)
@given(question=unheard_of())
def test_words_that_the_table_does_not_know_are_denied_everything(real: Policies, question: Question) -> None:
    assert real.decide(question).effect is Effect.DENY


@settings(max_examples=300, deadline=None)
@given(
    facts=st.dictionaries(st.sampled_from(_FACTS) | st.text(max_size=5), _ANYTHING, max_size=6),
    tool=st.sampled_from(["remove", "note"]),
)
def test_facts_of_any_shape_raise_nothing_and_allow_no_removal_that_is_not_known_to_be_harmless(
    plain: Policies, facts: dict[str, Any], tool: str
) -> None:
    who = Principal(tenant="acme", subject="sub-1", kind="human", role="", tier="T1", owner="own-1")
    decision = plain.decide(Question(principal=who, action=f"tool/works/{tool}", facts=facts))
    if decision.effect is Effect.ALLOW and tool == "remove":
        assert (type(facts["related_records"]), facts["related_records"]) == (int, 0)
        assert facts["items"] in range(6)
        assert "amount_cents" not in facts or facts.get("state") != "paid"


@settings(max_examples=200, deadline=None)
@given(question=questions)
def test_what_the_journal_keeps_of_a_decision_is_enough_to_decide_again(plain: Policies, question: Question) -> None:
    decision = plain.decide(question)
    again = from_record(as_record(question, decision))
    assert plain.decide(again) == decision
    assert again.principal == question.principal
