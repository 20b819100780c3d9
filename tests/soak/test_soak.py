"""The short form of `make test-soak`: a thousand calls."""

from __future__ import annotations

import pytest

from tests.soak.report import lines
from tests.soak.run import soak


async def test_each_fault_has_its_stated_outcome_disturbs_no_neighbour_and_leaves_nothing_behind(
    capsys: pytest.CaptureFixture[str],
) -> None:
    findings = await soak(1000)

    with capsys.disabled():
        print("", *lines(findings), sep="\n")
    assert findings.problems == []
    assert findings.calls >= 1000
    assert findings.healthy > 0
