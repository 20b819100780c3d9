"""The manifest of what is done, held to the tests both ways: no claim without a test, no test without a claim, none skipped."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from tests.requirements import DONE

TESTS = Path(__file__).resolve().parent.parent
_EXCUSES = {"skip", "skipif", "xfail"}


def marked() -> Iterator[tuple[str, str, set[str]]]:
    """Yield (test, requirement id, names of the test's other marks) for each id that a test names."""
    for file in sorted(TESTS.rglob("test_*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                continue
            marks = [mark for mark in map(_mark, node.decorator_list) if mark is not None]
            names = {name for name, _ in marks}
            for name, arguments in marks:
                if name == "requirement":
                    yield from ((f"{file.name}::{node.name}", item, names) for item in arguments)


def _mark(decorator: ast.expr) -> tuple[str, list[str]] | None:
    """Return (name, text arguments) of a `pytest.mark.<name>` decorator."""
    call = decorator if isinstance(decorator, ast.Call) else None
    target = call.func if call is not None else decorator
    if not (isinstance(target, ast.Attribute) and isinstance(target.value, ast.Attribute) and target.value.attr == "mark"):
        return None
    arguments = (
        [value.value for value in call.args if isinstance(value, ast.Constant) and isinstance(value.value, str)] if call else []
    )
    return target.attr, arguments


def test_every_claimed_requirement_has_a_test_that_runs() -> None:
    shown = {item for _, item, names in marked() if not names & _EXCUSES}
    assert sorted(DONE - shown) == []


def test_no_test_names_a_requirement_that_is_not_claimed() -> None:
    assert [(test, item) for test, item, _ in marked() if item not in DONE] == []


def test_no_test_of_a_requirement_is_skipped() -> None:
    assert [(test, item) for test, item, names in marked() if names & _EXCUSES] == []
