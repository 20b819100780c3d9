"""`python -m tests.soak`, which is `make test-soak`: ten thousand calls of a faulty server, and what became of them.

Above: a person. Below: `run`, `report`.
"""

from __future__ import annotations

import argparse
import asyncio
import sys

from tests.soak.report import lines
from tests.soak.run import soak


def main() -> int:
    """Run and report. Exit status: 0 all as stated, 1 not."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description="Call a faulty server many times.")
    parser.add_argument("--calls", type=int, default=10_000, help="faulty calls to make (default: %(default)s)")
    findings = asyncio.run(soak(parser.parse_args().calls))
    print("\n".join(lines(findings)))
    return 1 if findings.problems else 0


if __name__ == "__main__":
    sys.exit(main())
