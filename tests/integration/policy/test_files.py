"""Policy files: what is refused and how it is said, and how a change is taken up."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from dispatch_service.policy import Effect, Policies, PoliciesUnusable, Question
from dispatch_service.policy.source import statements
from tests.integration.policy.test_rules import WHO
from tests.integration.policy.works import files, vocabulary, works

LOOK = Question(principal=WHO["committee"], action="tool/works/look")
_FORBID = '@id("more.no") @reason("No.") forbid (principal, action, resource);'


def refused(directory: Path, text: str) -> list[str]:
    """The problems of a file `more.cedar` with this text, without the folder's name."""
    with pytest.raises(PoliciesUnusable) as raised:
        works(directory, more=text)
    return [problem.replace(f"{directory}/", "") for problem in raised.value.problems]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("\n\npermit (principal, action resource);", "more.cedar:3: not Cedar: unexpected token `resource`"),
        ("// a; b\npermit (principal, action, resource)", "more.cedar:2: not Cedar: "),
        ("permit (principal, action, resource);", "more.cedar:1: @id is missing"),
        ('@id("More") permit (principal, action, resource);', "more.cedar:1: @id is missing, or is not words"),
        ('\n@id("more.no") forbid (principal, action, resource);', "more.cedar:2: a forbid needs @reason"),
        ('@id("more.no") @reason(" ") forbid (principal, action, resource);', "more.cedar:1: a forbid needs @reason"),
        ('@id("base.paid") permit (principal, action, resource);', "more.cedar:1: @id base.paid is taken by base.cedar:"),
        ('@id("more.a") @lifted_by("reasoning") permit (principal, action, resource);', "more.cedar:1: @hidden and @lifted_by"),
        ('@id("more.a") @reason("No.") @liftedby("x") forbid (principal, action, resource);', "no annotation @liftedby"),
        (
            '@id("more.a") @reason("No.") @lifted_by("patience") forbid (principal, action, resource);',
            'more.cedar:1: @lifted_by is "reasoning" or "authorization"',
        ),
        (
            '@id("more.a") @reason("No.") @lifted_by("authorization") forbid (principal, action, resource)\n'
            "unless { context.reasoning };",
            "more.cedar:1: @lifted_by(authorization) without `unless { context.authorized }`",
        ),
        (
            '@id("more.a") @reason("No.") @hidden @lifted_by("reasoning") forbid (principal, action, resource)\n'
            "unless { context.reasoning };",
            "more.cedar:1: @hidden says that there is nothing",
        ),
        (
            '@id("more.a") permit (principal, action == Action::"tool/works/lok", resource);',
            'more.cedar:1: unrecognized action `Action::"tool/works/lok"`',
        ),
        (
            '@id("more.a") permit (principal, action, resource) when { principal.teir == "T1" };',
            "more.cedar:1: attribute `teir` on entity type `Principal` not found",
        ),
        (
            '@id("more.a") permit (principal, action, resource) when { context.facts.items > 3 };',
            "more.cedar:1: unable to guarantee safety of access to optional attribute `facts.items`",
        ),
        (
            '@id("more.a") permit (principal, action, resource) when { context.items == "3" };',
            "more.cedar:1: the types Long and String are not compatible",
        ),
        (
            '@id("more.a") permit (principal == ?principal, action, resource);',
            "more.cedar:1: only base.grant is a template",
        ),
    ],
)
def test_a_file_that_does_not_pass_is_refused_with_its_place(tmp_path: Path, text: str, problem: str) -> None:
    assert any(problem in found for found in refused(tmp_path, text)), refused(tmp_path, text)


def test_every_problem_of_every_file_is_told_at_once(tmp_path: Path) -> None:
    found = refused(tmp_path, "permit (principal, action, resource);\nforbid (principal, action, resource);\nnonsense;")
    assert [line.partition(": ")[0] for line in found] == ["more.cedar:1", "more.cedar:2", "more.cedar:2", "more.cedar:3"]


def test_without_the_general_rules_nothing_is_used(tmp_path: Path) -> None:
    files(tmp_path)
    (tmp_path / "base.cedar").rename(tmp_path / "base.cedar.off")
    with pytest.raises(PoliciesUnusable, match=r"there is no base\.cedar; see SWITCHBOARD_POLICY_DIRECTORY"):
        Policies(tmp_path, tenant="acme", vocabulary=vocabulary())
    with pytest.raises(PoliciesUnusable, match=r"there is no base\.cedar"):
        Policies(tmp_path / "nowhere", tenant="acme", vocabulary=vocabulary())


def test_without_the_template_no_grant_would_count(tmp_path: Path) -> None:
    base = files(tmp_path) / "base.cedar"
    base.write_text(base.read_text(encoding="utf-8").partition('@id("base.grant")')[0], encoding="utf-8")
    with pytest.raises(PoliciesUnusable, match=r'the template @id\("base\.grant"\) is missing'):
        Policies(tmp_path, tenant="acme", vocabulary=vocabulary())


def test_a_file_is_taken_apart_where_its_statements_end() -> None:
    text = '// one; two\n@id("a;b")\npermit (x) when { "\\";" };  // c;\n\n forbid (y);permit(z)'
    assert list(statements(text)) == [(2, '@id("a;b")\npermit (x) when { "\\";" };'), (5, "forbid (y);"), (5, "permit(z)")]


@asynccontextmanager
async def watching(policies: Policies) -> AsyncIterator[None]:
    task = asyncio.create_task(policies.watch(0.02))
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def until(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    """Wait until `condition()` is true, within a bound."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.to_thread(lambda: None)


async def test_a_changed_file_is_taken_up_without_a_restart_and_past_decisions_do_not_linger(tmp_path: Path) -> None:
    policies = works(tmp_path)
    assert policies.decide(LOOK).effect is Effect.ALLOW
    async with watching(policies):
        (tmp_path / "more.cedar").write_text(_FORBID, encoding="utf-8")
        await until(lambda: policies.decide(LOOK).effect is Effect.DENY)
        assert policies.decide(LOOK).policy_ids == ("more.no",)
        (tmp_path / "more.cedar").unlink()
        await until(lambda: policies.decide(LOOK).effect is Effect.ALLOW)


async def test_files_that_do_not_pass_are_refused_with_one_line_and_the_old_rules_stay(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    policies = works(tmp_path, more=_FORBID)
    with caplog.at_level(logging.INFO, logger="dispatch_service.policy"):
        async with watching(policies):
            (tmp_path / "more.cedar").write_text("permit (principal, action, resource);", encoding="utf-8")
            await until(lambda: bool(caplog.records))
            (tmp_path / "base.cedar").rename(tmp_path / "base.off")
            await until(lambda: len(caplog.records) > 1)
            assert policies.decide(LOOK).policy_ids == ("more.no",)
            (tmp_path / "base.off").rename(tmp_path / "base.cedar")
            (tmp_path / "more.cedar").unlink()
            await until(lambda: policies.decide(LOOK).effect is Effect.ALLOW)
    assert [record.msg for record in caplog.records] == [
        "policies were refused: the old ones stay in force",
        "policies were refused: the old ones stay in force",
        "policies were read anew",
    ]
    assert vars(caplog.records[0])["fields"]["first"].startswith(f"{tmp_path}/more.cedar:1: @id is missing")


def test_a_rule_that_cannot_be_evaluated_denies_and_is_named_in_the_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    # It passes the schema: only the numbers of a call show that it overflows.
    condition = "context.items * 4611686018427387904 > 9"
    broken = f'@id("more.sum") @reason("Too much.") forbid (principal, action, resource) when {{ {condition} }};'
    policies = works(tmp_path, more=broken)
    assert policies.decide(LOOK).effect is Effect.ALLOW
    decision = policies.decide(Question(principal=WHO["committee"], action="tool/works/look", items=3, authorized=True))
    assert (decision.effect, decision.policy_ids) == (Effect.DENY, ("more.sum",))
    assert decision.reason == "The rules could not be read; nothing was done."
    assert vars(caplog.records[-1])["fields"] == {"policies": ["more.sum"]}
