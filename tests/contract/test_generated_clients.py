"""Clients that other languages generate from the contract book a visit through the front door."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.fix_generated_clients import run
from tests.fix_stack import RunningStack


@pytest.mark.needs("go")
def test_a_go_client_books_through_the_typed_rpc(stack: RunningStack, go_programs: dict[str, Path]) -> None:
    printed = run([str(go_programs["dispatch"]), stack.front_door.removeprefix("http://")], Path.cwd(), os.environ)
    assert printed.startswith("bkg_")


@pytest.mark.needs("node", "npm")
def test_a_typescript_client_books_with_typed_json(stack: RunningStack, typescript_program: Path) -> None:
    printed = run(["node", str(typescript_program), stack.front_door], Path.cwd(), os.environ)
    assert printed.startswith("bkg_")
