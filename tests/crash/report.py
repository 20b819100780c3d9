"""The counts of a crash run as a small table.

Above: `python -m tests.crash` and `test_crash`. Below: nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from tests.crash.run import Outcome

_FINDINGS_SHOWN = 40


def report(outcome: Outcome) -> str:
    """Return the table, with the findings below it."""
    return "\n".join(_lines(outcome))


def _lines(outcome: Outcome) -> Iterator[str]:
    reckoning = outcome.reckoning
    yield f"crash run with seed {outcome.seed}: {outcome.seconds:.0f} s"
    yield from _rows("kills", outcome.kills)
    yield from _rows("orders", reckoning.orders)
    yield from _rows("replies", reckoning.replies)
    yield from _rows("actions", reckoning.statuses)
    yield from _rows("in doubt", reckoning.doubts)
    yield from _rows("effects", reckoning.effects)
    yield _row("effects", "duplicates", reckoning.duplicates)
    yield f"  {'verify-log':<11} {outcome.verify_says.splitlines()[-1] if outcome.verify_says else 'said nothing'}"
    findings = outcome.findings
    yield f"  {'findings':<11} {len(findings)}"
    for finding in findings[:_FINDINGS_SHOWN]:
        yield f"    {finding}"
    yield from (f"    {line}" for line in outcome.histories)


def _rows(title: str, counts: Counter[str]) -> Iterator[str]:
    for name, count in sorted(counts.items()):
        yield _row(title, name, count)
    yield _row(title, "all", counts.total())


def _row(title: str, name: str, count: int) -> str:
    return f"  {title:<11} {name:<32} {count:>6}"
