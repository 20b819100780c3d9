"""The adapter's MCP client before the official conformance runner, in both revisions.

`make test` plays the scenarios of the protocol itself; `make test-conformance` plays all that a revision requires, those of OAuth
with them.
"""

from __future__ import annotations

import sys

import pytest

from tests.conformance import report
from tests.conformance.runner import Runner
from tests.conformance.scenarios import CLIENT_CANNOT_APPLY, REVISIONS

_DRIVER = f"{sys.executable} -m tests.conformance.client_driver"
_PROTOCOL = [
    ("2025-11-25", "initialize"),
    ("2025-11-25", "tools_call"),
    ("2025-11-25", "sse-retry"),
    ("2026-07-28", "tools_call"),
    ("2026-07-28", "request-metadata"),
    ("2026-07-28", "sep-2322-client-request-state"),
    ("2026-07-28", "http-standard-headers"),
    ("2026-07-28", "http-custom-headers"),
    ("2026-07-28", "http-invalid-tool-headers"),
    ("2026-07-28", "json-schema-ref-no-deref"),
    ("2026-07-28", "auth/metadata-default"),
    ("2026-07-28", "auth/scope-step-up"),
]


@pytest.fixture(scope="module")
def runner() -> Runner:
    """The installed runner."""
    return Runner.installed()


@pytest.mark.needs("npm")
@pytest.mark.parametrize(("revision", "scenario"), _PROTOCOL)
def test_the_client_passes_a_scenario_of_the_protocol(revision: str, scenario: str, runner: Runner) -> None:
    [result] = runner.client_scenario(_DRIVER, revision, scenario).results

    assert result.clean, result


@pytest.mark.slow
@pytest.mark.needs("npm")
@pytest.mark.parametrize("revision", REVISIONS)
def test_the_client_passes_every_scenario_that_a_revision_requires(
    revision: str, runner: Runner, capsys: pytest.CaptureFixture[str]
) -> None:
    run = runner.client(_DRIVER, revision)

    with capsys.disabled():
        print("", *report.lines(f"client, {revision}", run, CLIENT_CANNOT_APPLY[revision]), sep="\n")
    assert len(run.scored) >= 18
    assert report.problems(run, CLIENT_CANNOT_APPLY[revision]) == []
