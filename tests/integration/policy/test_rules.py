"""The general rules against cases that were written by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from dispatch_service.policy import Effect, GrantRef, Policies, Question
from dispatch_service.principal import Principal
from tests.integration.policy.works import works

_FILE = Path(__file__).with_name("rules.yaml")
_CASES: list[dict[str, Any]] = yaml.safe_load(_FILE.read_text(encoding="utf-8"))
_KNOWN = {"says", "who", "tool", "scope", "facts", "items", "reasoning", "authorized", "grant", "effect", "by", "always", "ids"}

WHO = {
    "owner": Principal(tenant="acme", subject="owner", kind="human", role="resident", tier="T1", owner="own-1"),
    "committee": Principal(
        tenant="acme", subject="committee", kind="human", role="x", tier="T2", owner="own-1", buildings=("bld-1", "bld-2")
    ),
    "resident": Principal(
        tenant="acme", subject="resident", kind="human", role="owner", tier="T3", buildings=("bld-1",), resident="res-1"
    ),
    "agent": Principal(tenant="acme", subject="agent", kind="model", role="agent"),
    "stranger": Principal(tenant="acme", subject="stranger", kind="human", role="operator"),
}


@pytest.fixture(scope="module")
def policies(tmp_path_factory: pytest.TempPathFactory) -> Policies:
    return works(tmp_path_factory.mktemp("policies"))


def question(case: dict[str, Any]) -> Question:
    return Question(
        principal=WHO[case["who"]],
        action=f"tool/works/{case['tool']}",
        scope={name: tuple(values) for name, values in case.get("scope", {}).items()},
        facts=case.get("facts"),
        items=case.get("items", 0),
        reasoning=case.get("reasoning", False),
        authorized=case.get("authorized", False),
    )


@pytest.mark.requirement("S1.46", "S1.47", "S1.48", "S1.49", "S1.50", "S1.51", "S1.52", "S1.53", "S1.54", "S1.55", "S1.56")
@pytest.mark.requirement("S3.36", "S3.37", "S4.13", "S4.21", "S4.22")
@pytest.mark.parametrize("case", _CASES, ids=lambda case: case["says"])
def test_a_rule_decides_as_it_says(policies: Policies, case: dict[str, Any]) -> None:
    assert set(case) <= _KNOWN
    who = WHO[case["who"]]
    grants = [GrantRef("grant_1", who.subject, who.kind, "works", case["tool"])] if case.get("grant") else []
    decision = policies.decide(question(case), grants)
    hidden = case["effect"] == "HIDDEN"
    assert (decision.effect, decision.hidden) == (Effect.DENY if hidden else Effect(case["effect"]), hidden)
    if "by" in case:
        assert [name for name in decision.policy_ids if name not in decision.grant_ids] == case["by"]
    assert decision.offers_always is case.get("always", False)
    assert bool(decision.reason) is (decision.effect is not Effect.ALLOW)


def test_of_several_reasons_the_strictest_comes_first(policies: Policies) -> None:
    decision = policies.decide(Question(principal=WHO["committee"], action="tool/works/expel"))
    assert decision.reason == "It is not known what this would remove. Say why this is to be done."


def test_a_refusal_gives_only_the_reasons_that_nothing_would_lift(policies: Policies) -> None:
    decision = policies.decide(Question(principal=WHO["resident"], action="tool/works/cancel", scope={"building": ("bld-9",)}))
    assert decision.reason == "This is about another building."
    assert decision.policy_ids == ("base.own-building", "base.soft-limit")


@pytest.mark.parametrize(
    "grant",
    [
        GrantRef("grant_1", "somebody", "human", "works", "invite"),
        GrantRef("grant_1", "committee", "model", "works", "invite"),
        GrantRef("grant_1", "committee", "human", "works", "void"),
        GrantRef("grant_1", "committee", "human", "other", "invite"),
    ],
    ids=["for somebody else", "for a model of the same name", "for another tool", "for another server's tool"],
)
def test_a_grant_covers_its_own_subject_and_tool_only(policies: Policies, grant: GrantRef) -> None:
    asked = Question(principal=WHO["committee"], action="tool/works/invite")
    assert policies.decide(asked, [grant]).effect is Effect.NEEDS_AUTHORIZATION
    covering = GrantRef("grant_2", "committee", "human", "works", "invite")
    decision = policies.decide(asked, [grant, covering])
    assert (decision.effect, decision.grant_ids) == (Effect.ALLOW, ("grant_2",))
    assert decision.policy_ids == ("works.owners-and-committees", "grant_2")


def test_a_listing_says_what_a_caller_would_meet(policies: Policies) -> None:
    levels = {tool: policies.level(WHO["committee"], f"tool/works/{tool}") for tool in ("look", "cancel", "invite", "remove")}
    assert levels == {
        "look": Effect.ALLOW,
        "cancel": Effect.NEEDS_REASONING,
        "invite": Effect.NEEDS_AUTHORIZATION,
        "remove": Effect.NEEDS_AUTHORIZATION,
    }
    assert policies.level(WHO["stranger"], "tool/works/look") is Effect.DENY


def test_a_condition_on_the_template_limits_what_grants_cover(tmp_path: Path) -> None:
    limited = works(tmp_path)
    base = tmp_path / "base.cedar"
    text = base.read_text(encoding="utf-8")
    head, template = text.rsplit("resource == ?resource)", 1)
    base.write_text(f'{head}resource == ?resource) when {{ principal.kind == "model" }}{template}', encoding="utf-8")
    limited = Policies(tmp_path, tenant="acme", vocabulary=limited.vocabulary)
    for who, effect in (("committee", Effect.NEEDS_AUTHORIZATION), ("agent", Effect.ALLOW)):
        grant = GrantRef("grant_1", WHO[who].subject, WHO[who].kind, "works", "invite")
        assert limited.decide(Question(principal=WHO[who], action="tool/works/invite"), [grant]).effect is effect
