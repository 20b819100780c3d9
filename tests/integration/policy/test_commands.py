"""`switchboard policy`: what a person who writes rules sees."""

from __future__ import annotations

from pathlib import Path

import pytest

from stack.cli import main
from tests.integration.policy.works import SHIPPED

_BOOK = "housecall_pro/housecall_pro.create_booking"


@pytest.fixture(autouse=True)
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings of this test's own: nobody's stack, and the tenant and policies that are shipped."""
    monkeypatch.setenv("SWITCHBOARD_STATE", str(tmp_path / "state"))
    for name in ("SWITCHBOARD_TENANT_FILE", "SWITCHBOARD_POLICY_DIRECTORY", "SWITCHBOARD_DATABASE_URL"):
        monkeypatch.delenv(name, raising=False)


def test_the_shipped_policies_pass(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["policy", "check"]) == 0
    assert capsys.readouterr().out.startswith("ok: ")
    assert main(["policy", "check", "--quiet"]) == 0
    assert capsys.readouterr() == ("", "")


def test_policies_that_do_not_pass_are_told_with_file_and_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for file in SHIPPED.glob("*.cedar"):
        (tmp_path / file.name).write_text(file.read_text(encoding="utf-8"), encoding="utf-8")
    (tmp_path / "more.cedar").write_text('\n@id("more.a") forbid (principal, action, resource);', encoding="utf-8")
    assert main(["policy", "check", "--directory", str(tmp_path)]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith(f"switchboard: the policies do not pass\n{tmp_path}/more.cedar:2: a forbid needs @reason")


def explained(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(["policy", "explain", *arguments]) == 0, capsys.readouterr().err
    return capsys.readouterr().out


def test_an_explanation_names_the_policies_that_decided_and_those_that_apply(capsys: pytest.CaptureFixture[str]) -> None:
    lines = explained(capsys, "--role", "agent", "--tool", _BOOK).splitlines()
    assert lines[0].startswith("NEEDS_AUTHORIZATION: A model does not do this by itself")
    assert lines[1] == "Allow always: is offered."
    rows = [line.split() for line in lines if line.startswith("housecall-pro.")]
    assert [row[:4] for row in rows] == [
        ["housecall-pro.models-ask", "forbid", "decided", "authorization"],
        ["housecall-pro.models", "permit", "applies", "-"],
    ]
    assert all("housecall_pro.cedar:" in row[4] for row in rows)


@pytest.mark.parametrize(
    ("arguments", "first"),
    [
        (["--role", "visitor", "--action", "HOUSECALL_PRO_BOOKING"], "ALLOW"),
        (["--role", "agent", "--action", "HOUSECALL_PRO_BOOKING"], "DENY: Card actions are carried out when a person clicks"),
        (["--role", "agent", "--tool", _BOOK, "--authorized"], "ALLOW"),
        (["--role", "agent", "--kind", "human", "--tool", _BOOK], "DENY: Nothing allows this."),
        (["--role", "operator", "--tool", _BOOK, "--of", "other"], "DENY: This is another company's."),
        (["--role", "operator", "--tool", _BOOK, "--facts", '{"building": "bld-1"}'], "DENY: This is about another building."),
        (["--role", "operator", "--tool", _BOOK, "--facts", '{"building": "bld-1"}', "--building", "bld-1"], "ALLOW"),
        (["--role", "operator", "--tool", _BOOK, "--facts", '{"items": 6}'], "NEEDS_AUTHORIZATION: This changes more than five"),
        (["--role", "operator", "--tool", _BOOK, "--arguments", '{"serviceHcpId": "drain"}'], "ALLOW"),
    ],
)
def test_an_explanation_begins_with_the_decision(capsys: pytest.CaptureFixture[str], arguments: list[str], first: str) -> None:
    assert explained(capsys, *arguments).splitlines()[0].startswith(first)


def test_a_hidden_refusal_says_that_it_is_one(capsys: pytest.CaptureFixture[str]) -> None:
    lines = explained(capsys, "--role", "operator", "--tool", _BOOK, "--of", "other").splitlines()
    assert lines[1] == "It is answered as if there were no such thing."


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--tool", "housecall_pro/nothing"], "the contract has no action tool/housecall_pro/nothing"),
        (["--tool", "nothing"], "the contract has no action tool/nothing"),
        (["--action", "NOTHING"], "the contract has no action card/NOTHING"),
        (["--tool", _BOOK, "--arguments", '{"serviceHcpId": 3, "x": 1}'], "x: There is no such field."),
    ],
)
def test_what_cannot_be_asked_is_said_in_one_line(capsys: pytest.CaptureFixture[str], arguments: list[str], said: str) -> None:
    assert main(["policy", "explain", "--role", "operator", *arguments]) == 1
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1


def test_a_replay_without_a_stack_says_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["policy", "replay", "--since", "30d"]) == 1
    assert "start it with `make run`" in capsys.readouterr().err
