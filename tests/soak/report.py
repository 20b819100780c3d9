"""What a soak run found, for people. Above: `__main__`, `test_soak`. Below: `run`, `modes`."""

from __future__ import annotations

from tests.soak.modes import MODES
from tests.soak.run import Findings


def lines(findings: Findings) -> list[str]:
    """Return the table and the counts."""
    widths = [max(len(column) for column in columns) for columns in zip(*_rows(findings), strict=True)]
    table = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in _rows(findings)]
    return [
        *table,
        "",
        f"{findings.calls} faulty calls of {len(MODES)} kinds in {findings.seconds:.0f} s",
        f"{findings.healthy} healthy calls were under way beside them, and succeeded",
        f"held after the warm-up: {findings.warmed_up}",
        f"held at the end:        {findings.at_the_end}",
        *findings.problems[:20],
        "Every call came to what is stated, and nothing was left behind." if not findings.problems else "THERE WERE PROBLEMS.",
    ]


def _rows(findings: Findings) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = [("what the server does", "outcome", "effect", "code", "calls")]
    for mode, counted in zip(MODES, findings.outcomes.values(), strict=True):
        rows.append((mode.what, mode.outcome, mode.effect, mode.code, str(counted[mode.outcome, mode.effect, mode.code])))
    return rows
