"""What the runner found, for people, and what of it is not as it has to be. Above: the tests. Below: `runner`.

An excuse is for a whole scenario, by its name, or for one check of it, as `scenario:check`.
"""

from __future__ import annotations

from collections.abc import Mapping

from tests.conformance.runner import Result, Run


def lines(title: str, run: Run, excuses: Mapping[str, str]) -> list[str]:
    """Return the counts, what cannot apply and why, and what is wrong."""
    scored = run.scored
    excused = [result for result in scored if result.scenario in excuses]
    passed = [result for result in scored if result not in excused and result.passed and not unexcused(result, excuses)]
    extra = [result for result in run.results if not result.scored]
    return [
        f"{title}: {len(passed)} of {len(scored)} required scenarios pass ({sum(result.passed for result in passed)} checks),"
        f" {len(excused)} cannot apply; not required: {sum(result.clean for result in extra)} of {len(extra)} pass",
        *(f"  cannot apply: {key}: {reason}" for key, reason in sorted(excuses.items())),
        *(f"  not required and not passed: {result.scenario}" for result in extra if not result.clean),
        *(f"  {problem}" for problem in problems(run, excuses)),
    ]


def unexcused(result: Result, excuses: Mapping[str, str]) -> list[str]:
    """Return the checks that failed for no reason that is stated."""
    return [failure for failure in result.failures if f"{result.scenario}:{failure.partition(': ')[0]}" not in excuses]


def problems(run: Run, excuses: Mapping[str, str]) -> list[str]:
    """Return the required scenarios that do not pass, and the excuses that are for nothing any more."""
    found = []
    used = set()
    for result in run.scored:
        failing = {f"{result.scenario}:{failure.partition(': ')[0]}" for failure in result.failures}
        used |= failing | ({result.scenario} if not result.clean else set())
        if result.scenario not in excuses and (not result.passed or unexcused(result, excuses)):
            found.append(f"FAILS: {result.scenario}: {'; '.join(unexcused(result, excuses)) or 'no check was made'}")
    return found + [f"STALE EXCUSE: {key}" for key in excuses if key not in used]
