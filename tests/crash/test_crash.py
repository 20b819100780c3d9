"""The short crash run of `make test`. `make test-crash` runs a long one."""

from __future__ import annotations

import secrets

from tests.crash.report import report
from tests.crash.run import SETTINGS, crash
from tests.fix_stack import RunningStack

_KILLS = 20
_RECOVERY_SECONDS = 120.0
# Leases and waits of the product, shortened as far as the sandbox, which answers within a second or two, allows.
_QUICK = {
    "SWITCHBOARD_JOURNAL_LEASE_SECONDS": "2",
    "SWITCHBOARD_LEASE_SECONDS": "4",
    "SWITCHBOARD_SETTLE_SECONDS": "8",
}


def test_no_answer_is_lost_and_no_key_acts_twice_while_processes_are_killed() -> None:
    stack = RunningStack(SETTINGS | _QUICK)
    try:
        stack.up()
        seed = secrets.randbelow(1_000_000)
        print(f"seed {seed}")
        outcome = crash(stack, kills=_KILLS, seed=seed, recovery_seconds=_RECOVERY_SECONDS, say=print)
    finally:
        stack.remove()
    print(report(outcome))
    assert outcome.kills.total() == _KILLS
    assert outcome.reckoning.replies["200 ok"] > _KILLS
    assert outcome.findings == []
