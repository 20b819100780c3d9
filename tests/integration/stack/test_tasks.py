"""The task file and the pinned dependencies: what a newcomer and continuous integration start from."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from stack.settings import REPOSITORY

_MAKE = ("make", "--no-print-directory")


def _make(*arguments: str, folder: Path = REPOSITORY) -> subprocess.CompletedProcess[str]:
    return subprocess.run((*_MAKE, *arguments), cwd=folder, capture_output=True, text=True, check=False, timeout=60)


def test_make_alone_lists_every_task() -> None:
    listed = set(re.findall(r"^  make (\S+)", _make().stdout, re.MULTILINE))
    declared = set(re.findall(r"^\.PHONY: (\S+)", (REPOSITORY / "Makefile").read_text(), re.MULTILINE))
    assert listed == declared
    assert {"run", "test", "bench", "gen", "lint", "format", "clean"} <= listed


@pytest.mark.parametrize("task", ["run", "test", "lint", "bench", "gen"])
def test_a_task_in_a_fresh_checkout_makes_the_environment_first(task: str, tmp_path: Path) -> None:
    for name in ("Makefile", "requirements.lock", "pyproject.toml"):
        (tmp_path / name).write_text((REPOSITORY / name).read_text())
    planned = _make("--dry-run", task, folder=tmp_path).stdout
    assert planned.index("-m venv .venv") < planned.index("--requirement requirements.lock") < planned.index("--editable .")


def test_a_machine_without_a_usable_python_is_told_so_in_one_line(tmp_path: Path) -> None:
    for name in ("Makefile", "requirements.lock", "pyproject.toml"):
        (tmp_path / name).write_text((REPOSITORY / name).read_text())
    done = _make("install", "PYTHON=", folder=tmp_path)
    assert done.returncode != 0
    assert done.stderr.splitlines()[0].startswith("make: Python 3.11 or newer with venv is needed;")


def test_continuous_integration_runs_the_same_task_as_people_do() -> None:
    script = REPOSITORY / ".ci" / "run"
    assert os.access(script, os.X_OK)
    assert script.read_text().splitlines()[-1] == "exec make test"


def test_the_lock_pins_every_package_and_names_no_server() -> None:
    text = (REPOSITORY / "requirements.lock").read_text()
    lines = [line.partition("#")[0].strip() for line in text.splitlines()]
    assert all(re.fullmatch(r"[a-z0-9.-]+==[0-9][\w.]*", line) for line in lines if line)
    assert "://" not in text
    assert not re.search(r"^-", text, re.MULTILINE)
