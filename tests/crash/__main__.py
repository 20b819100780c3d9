"""`python -m tests.crash`: the long crash run, by itself, with its progress shown. Exits 0 where every promise was kept.

Above: `make test-crash`. Below: `run`.
"""

from __future__ import annotations

import argparse
import secrets

from tests.crash.report import report
from tests.crash.run import SETTINGS, crash
from tests.fix_stack import RunningStack

_RECOVERY_SECONDS = 240.0


def main() -> int:
    """Run."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.crash", description="Kill processes of a stack under load, and reckon up."
    )
    parser.add_argument("--kills", type=int, default=300)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(1_000_000), help="of the load and of the schedule of kills")
    parser.add_argument("--keep", action="store_true", help="leave the state directory behind, and say where it is")
    options = parser.parse_args()
    print(f"seed {options.seed}; {options.kills} kills", flush=True)
    stack = RunningStack(SETTINGS)
    try:
        stack.up()
        outcome = crash(
            stack,
            kills=options.kills,
            seed=options.seed,
            recovery_seconds=_RECOVERY_SECONDS,
            say=lambda line: print(line, flush=True),
        )
    finally:
        stack.down()
        if options.keep:
            print(f"the state is in {stack.state_directory}", flush=True)
        else:
            stack.remove()
    print(report(outcome), flush=True)
    return 1 if outcome.findings else 0


if __name__ == "__main__":
    raise SystemExit(main())
