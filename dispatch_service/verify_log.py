"""`switchboard verify-log`: says whether the journal is as it was written.

Above: the command line. Below: `journal.verify`.
"""

from __future__ import annotations

import sys
from pathlib import Path

import psycopg

from dispatch_service.journal.verify import verify

_SHOWN = 50


def main(database_url: str, keys_file: Path | None = None) -> int:
    """Verify and report on standard output. Returns 0 where everything agrees, 1 where not, 2 where it cannot tell.

    `keys_file` is not needed: the chain is made of plain hashes, so that anybody with the tables can check it.
    """
    del keys_file
    try:
        findings = verify(database_url)
    except psycopg.OperationalError:
        print("verify-log: the database cannot be reached; is the stack running?", file=sys.stderr)
        return 2
    except psycopg.errors.UndefinedTable:
        print("verify-log: there is no journal in this database; has the stack been started once?", file=sys.stderr)
        return 2
    counted = f"{findings.events} events in {findings.chains} chains, {findings.actions} actions"
    if not findings.problems:
        print(f"ok: {counted}; every hash, anchor and row agrees")
        return 0
    for problem in findings.problems[:_SHOWN]:
        print(problem)
    more = len(findings.problems) - _SHOWN
    if more > 0:
        print(f"… and {more} more")
    print(f"NOT ok: {len(findings.problems)} findings in {counted}")
    return 1
