"""The shipped policies on tools of third parties, whose groups come from an operator's configuration: a table written by hand."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from dispatch_service.policy import Effect, GrantRef, Policies, Question, third_party_action
from dispatch_service.principal import Principal
from service_kit.contract.tools import Pin, ToolSpec
from tests.integration.policy.matrix import KINDS, ROLES, shipped
from tests.integration.policy.works import SHIPPED

ID = "tool/jira/make"
EVERYBODY = None
# What a caller for whom the tool is enabled meets, by effect, level and sensitivity: nothing known but who asks, then with its
# reasoning, then with a standing permission, then with a person's decision.
#   yes  allowed    why  say why first    ask  a person decides    ASK  a person decides, "allow always" is offered
_TABLE = """
read         unrestricted            no    yes  yes  yes  yes
read         soft_limit              no    why  yes  why  yes
read         requires_authorization  no    ASK  ASK  yes  yes
read         unrestricted            yes   ask  ask  ask  yes
write        unrestricted            no    yes  yes  yes  yes
write        soft_limit              no    why  yes  why  yes
write        requires_authorization  no    ASK  ASK  yes  yes
write        requires_authorization  yes   ask  ask  ask  yes
destructive  unrestricted            no    ask  ask  ask  yes
destructive  soft_limit              no    ask  ask  ask  yes
destructive  requires_authorization  no    ask  ask  ask  yes
destructive  requires_authorization  yes   ask  ask  ask  yes
"""
_WORDS = {
    "yes": Effect.ALLOW,
    "why": Effect.NEEDS_REASONING,
    "ask": Effect.NEEDS_AUTHORIZATION,
    "ASK": Effect.NEEDS_AUTHORIZATION,
}
# Who may have such a tool at all, where it is enabled for them.
_WHO = {
    ("human", "operator"),
    ("service", "service"),
    ("model", "agent"),
    ("model", "operator"),
    ("model", "service"),
}


def spec(effect: str = "write", level: str = "unrestricted", *, sensitive: bool = False) -> ToolSpec:
    return ToolSpec(
        server="jira",
        name="make",
        title="Make",
        reads_only=effect == "read",
        destructive=effect == "destructive",
        idempotent=False,
        sensitive=sensitive,
        level=level,
        domain="jira",
        action="make",
        foreign=True,
        pin=Pin(hash="sha256:1"),
    )


def who(kind: str = "model", role: str = "agent", *, subject: str = "sub-1", tenant: str = "acme") -> Principal:
    return Principal(tenant=tenant, subject=subject, kind=kind, role=role)


def knows(policies: Policies, tool: ToolSpec, enabled_for: frozenset[str] | None = EVERYBODY) -> None:
    action = third_party_action(tool, enabled_for)
    policies.know({action.id: action})


@pytest.fixture
def policies() -> Policies:
    return Policies(SHIPPED, tenant="acme", vocabulary=shipped())


@pytest.mark.requirement("S4.21", "S4.22")
@pytest.mark.parametrize("line", _TABLE.strip().splitlines())
def test_what_a_tool_asks_for_is_its_configuration(policies: Policies, line: str) -> None:
    effect, level, sensitive, *expected = line.split()
    knows(policies, spec(effect, level, sensitive=sensitive == "yes"))
    grant = GrantRef("grant_1", "sub-1", "model", "jira", "make")
    found = [
        policies.decide(Question(principal=who(), action=ID)),
        policies.decide(Question(principal=who(), action=ID, reasoning=True)),
        policies.decide(Question(principal=who(), action=ID), [grant]),
        policies.decide(Question(principal=who(), action=ID, authorized=True)),
    ]
    assert [decision.effect for decision in found] == [_WORDS[word] for word in expected]
    assert [decision.offers_always for decision in found] == [word == "ASK" for word in expected]


@pytest.mark.requirement("S4.21")
def test_of_all_callers_these_may_have_one_that_is_enabled_for_them(policies: Policies) -> None:
    knows(policies, spec(), frozenset({"sub-1"}))
    allowed = {
        (kind, role)
        for kind in KINDS
        for role in ROLES.values()
        if policies.decide(Question(principal=who(kind, role), action=ID)).effect is Effect.ALLOW
    }
    assert allowed == _WHO


@pytest.mark.requirement("S4.21", "S4.24")
def test_one_that_is_not_enabled_for_the_caller_is_answered_as_if_it_were_not_there(policies: Policies) -> None:
    for enabled_for in (frozenset[str](), frozenset({"somebody-else"})):
        knows(policies, spec("read"), enabled_for)
        for kind in KINDS:
            for role in ROLES.values():
                question = Question(principal=who(kind, role), action=ID, reasoning=True, authorized=True)
                decision = policies.decide(question, [GrantRef("grant_1", "sub-1", kind, "jira", "make")])
                assert (decision.effect, decision.hidden) == (Effect.DENY, True), (kind, role)


def test_another_companys_token_learns_nothing(policies: Policies) -> None:
    knows(policies, spec("read"))
    decision = policies.decide(Question(principal=who("human", "operator", tenant="other"), action=ID, authorized=True))
    assert (decision.effect, decision.hidden) == (Effect.DENY, True)


def test_one_that_nobody_registered_is_denied(policies: Policies) -> None:
    assert policies.decide(Question(principal=who("human", "operator"), action=ID)).effect is Effect.DENY
    knows(policies, spec("read"))
    policies.know({})
    assert policies.decide(Question(principal=who("human", "operator"), action=ID)).effect is Effect.DENY


def test_a_decision_is_remembered_for_what_the_tool_was_and_not_for_its_name(policies: Policies) -> None:
    def effect() -> Effect:
        return policies.decide(Question(principal=who(), action=ID)).effect

    knows(policies, spec("read"))
    assert effect() is Effect.ALLOW
    knows(policies, spec("read", "requires_authorization"))
    assert effect() is Effect.NEEDS_AUTHORIZATION
    knows(policies, spec("read"), frozenset())
    assert effect() is Effect.DENY
    knows(policies, spec("read"))
    assert effect() is Effect.ALLOW


def test_more_than_five_things_at_once_wait_for_a_person(policies: Policies) -> None:
    knows(policies, spec())
    found = [policies.decide(Question(principal=who(), action=ID, items=items)).effect for items in (5, 6)]
    assert found == [Effect.ALLOW, Effect.NEEDS_AUTHORIZATION]


@pytest.mark.parametrize("resource", ['resource in Server::"jira"', 'resource == Tool::"jira/make"'])
def test_a_rule_names_a_third_partys_server_or_tool_as_the_resource(tmp_path: Path, resource: str) -> None:
    for path in SHIPPED.glob("*.cedar"):
        (tmp_path / path.name).write_text(path.read_text(encoding="utf-8"), encoding="utf-8")
    rule = f'@id("jira.never")\n@reason("Not this one.")\nforbid (principal, action, {resource});\n'
    (tmp_path / "jira.cedar").write_text(rule, encoding="utf-8")
    policies = Policies(tmp_path, tenant="acme", vocabulary=shipped())
    knows(policies, spec("read"))
    decision = policies.decide(Question(principal=who(), action=ID))
    assert (decision.effect, decision.policy_ids) == (Effect.DENY, ("jira.never",))
    other = third_party_action(spec("read"), EVERYBODY)
    ours = policies.decide(Question(principal=who(), action="tool/housecall_pro/housecall_pro.get_availability"))
    assert other.id == ID
    assert ours.effect is Effect.ALLOW


async def test_policies_that_are_read_anew_know_the_same_tools(tmp_path: Path) -> None:
    for path in SHIPPED.glob("*.cedar"):
        (tmp_path / path.name).write_text(path.read_text(encoding="utf-8"), encoding="utf-8")
    policies = Policies(tmp_path, tenant="acme", vocabulary=shipped())
    knows(policies, spec("read"))
    watching = asyncio.create_task(policies.watch(0.02))
    rule = '@id("jira.never")\n@reason("Not this one.")\nforbid (principal, action in Action::"foreign", resource);\n'
    (tmp_path / "jira.cedar").write_text(rule, encoding="utf-8")
    async with asyncio.timeout(10):
        while policies.decide(Question(principal=who(), action=ID)).policy_ids != ("jira.never",):
            await asyncio.wait({watching}, timeout=0.02)
    watching.cancel()
