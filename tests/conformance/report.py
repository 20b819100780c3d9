"""What the runner found, for people, and what of it is not as it has to be. Above: the tests, `__main__`. Below: `runner`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from tests.conformance.runner import Result, Run


def lines(title: str, run: Run, cannot_apply: Mapping[str, str]) -> list[str]:
    """Return the counts and the scenarios that are not plainly passed."""
    scored = run.scored
    excused = [result for result in scored if result.scenario in cannot_apply]
    passed = [result for result in scored if result.clean and result not in excused]
    extra = [result for result in run.results if not result.scored]
    head = (
        f"{title}: {len(passed)} of {len(scored)} required scenarios pass ({sum(result.passed for result in passed)} checks),"
        f" {len(excused)} cannot apply; not required: {sum(result.clean for result in extra)} of {len(extra)} pass"
    )
    return [
        head,
        *(f"  cannot apply: {result.scenario}: {cannot_apply[result.scenario]}" for result in excused),
        *(f"  not required and not passed: {result.scenario}" for result in extra if not result.clean),
        *problems(scored, cannot_apply),
    ]


def problems(scored: Iterable[Result], cannot_apply: Mapping[str, str]) -> list[str]:
    """Return the required scenarios that do not pass, and those excused that do: their excuse has gone stale."""
    found = [f"  FAILS: {result}" for result in scored if not result.clean and result.scenario not in cannot_apply]
    return found + [
        f"  STALE EXCUSE: {result.scenario} passes" for result in scored if result.clean and result.scenario in cannot_apply
    ]
