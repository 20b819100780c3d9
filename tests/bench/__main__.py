"""`python -m tests.bench`, which is `make bench`: what a call costs on its whole way, against the same tool called directly.

Above: a person. Below: `stacks` (two of them, started for this), `measure`, `report`. Nothing is left behind.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from tests.bench import report, stacks, summary
from tests.bench.generators import GeneratorFailed, GeneratorMissing, require_generators
from tests.bench.measure import Measurement, Plan
from tests.bench.report import Machine
from tests.bench.ways import WAYS

_LEVELS = (1, 32)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and report. Exit status: 0 done, 1 something was wrong on the way, 2 wrong usage or a missing program."""
    options = _options(arguments)
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    try:
        require_generators()
        return _run(_plan(options), options.json)
    except GeneratorMissing as problem:
        print(f"bench: {problem}", file=sys.stderr)
        return 2
    except (GeneratorFailed, *stacks.TROUBLE) as problem:
        print(f"bench: {stacks.explained(problem)}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _run(plan: Plan, json_file: Path | None) -> int:
    load = os.getloadavg()[0]
    with ExitStack() as opened:
        running = {}
        for name in dict.fromkeys(way.stack for way in plan.ways):
            _say(f"starting the {name} stack")
            running[name] = opened.enter_context(stacks.running_stack(name))
        durability = next(iter(running.values())).durability()
        machine = Machine(cores=os.cpu_count() or 1, load=load, durability=durability)
        measurement = Measurement(plan, running, _say)
        measurement.measure()
        _say("comparing with the journals")
        faults = measurement.faults()
    print(report.text(plan, machine, measurement.cells, measurement.journalled, faults))
    if json_file is not None:
        json_file.write_text(json.dumps(_document(machine, measurement, faults), indent=2), encoding="utf-8")
    return 1 if faults else 0


def _document(machine: Machine, measurement: Measurement, faults: Sequence[str]) -> dict[str, Any]:
    return {
        "machine": {"cores": machine.cores, "load": machine.load, "postgres": dict(machine.durability)},
        "elsewhere": summary.elsewhere(measurement.cells, machine.cores),
        "journalled": measurement.journalled,
        "faults": list(faults),
        **summary.as_json(measurement.cells),
    }


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="make bench", description="Measure the whole path against the same tool called directly."
    )
    letters = "".join(way.letter for way in WAYS)
    ways = ", ".join(f"{way.letter} {way.title}" for way in WAYS)
    parser.add_argument("--seconds", type=_positive, default=5.0, help="length of one measurement (5)")
    parser.add_argument(
        "--rounds", type=int, default=3, choices=range(1, 101), metavar="N", help="how often each is measured (3)"
    )
    parser.add_argument("--ways", default=letters, help=f"which of {ways} ({letters})")
    parser.add_argument("--quick", action="store_true", help="one round of a second each: does it work, not how fast is it")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every figure to FILE as well")
    options = parser.parse_args(arguments)
    if not options.ways or set(options.ways) - set(letters):
        parser.error(f"--ways takes letters out of {letters}")
    return options


def _positive(text: str) -> float:
    value = float(text)
    if not 0 < value <= 3600:
        raise argparse.ArgumentTypeError("must be more than 0 and at most 3600")
    return value


def _plan(options: argparse.Namespace) -> Plan:
    ways = [way for way in WAYS if way.letter in options.ways]
    if options.quick:
        return Plan(ways=ways, levels=_LEVELS, rounds=1, seconds=1.0, warm_up=0.3)
    return Plan(ways=ways, levels=_LEVELS, rounds=options.rounds, seconds=options.seconds, warm_up=2.0)


def _say(line: str) -> None:
    print(f"  {line}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
