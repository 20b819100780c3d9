"""`python -m tests.bench.profile`: where the services' CPU time goes while one way in is under load.

Above: a person who is about to make something faster. Below: a stack of `stacks` with services under `profiled`.
"""

from __future__ import annotations

import argparse
import os
import secrets
import signal
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

import psutil

from tests.bench import stacks
from tests.bench.generators import GeneratorFailed, GeneratorMissing, require_generators
from tests.bench.load import Load
from tests.bench.measured_stack import PROFILABLE
from tests.bench.profiled import CALLS, SAMPLES
from tests.bench.ways import WAYS, Way
from tests.fix_sandbox import wait_until

_WARM_UP_SECONDS = 3.0
_WRITTEN_WITHIN = 60.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Load the stack, print each service's profile. Exit status: 0 done, 1 failed, 2 a program is missing."""
    options = _options(arguments)
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    way = next(way for way in WAYS if way.letter == options.way)
    try:
        require_generators()
        with tempfile.TemporaryDirectory(prefix="bench-") as folder:
            _run(way, options, Path(folder))
    except GeneratorMissing as problem:
        print(f"profile: {problem}", file=sys.stderr)
        return 2
    except (GeneratorFailed, *stacks.TROUBLE) as problem:
        print(f"profile: {stacks.explained(problem)}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def _run(way: Way, options: argparse.Namespace, folder: Path) -> None:
    kind = CALLS if options.calls else SAMPLES
    services = options.service or ["dispatch_service", "mcp_adapter_service"]
    profiling = [f"--profile={kind}", f"--into={folder}", *(f"--service={name}" for name in services)]
    with stacks.running_stack(way.stack, *profiling) as stack:
        pids = {name: stack.pids()[name] for name in services}
        way.drive(stack, secrets.token_hex(6), options.in_flight, _WARM_UP_SECONDS)
        before = {name: _threads(pid) for name, pid in pids.items()}
        _signal_all(pids.values(), signal.SIGUSR1)
        load = way.drive(stack, secrets.token_hex(6), options.in_flight, options.seconds)
        _signal_all(pids.values(), signal.SIGUSR2)
        after = {name: _threads(pid) for name, pid in pids.items()}
        for name in services:
            file = folder / name
            wait_until(file.exists, _WRITTEN_WITHIN, f"the profile of {name} is not written")
            print(f"\n=== {name}, ({way.letter}) {way.title}, {options.in_flight} in flight ===\n")
            print(_of_threads(after[name] - before[name], load))
            print(file.read_text(encoding="utf-8"))


def _threads(pid: int) -> Counter[str]:
    """The CPU milliseconds of a process by the name of the thread; the main one is called `main`."""
    spent: Counter[str] = Counter()
    for thread in psutil.Process(pid).threads():
        try:
            name = Path(f"/proc/{pid}/task/{thread.id}/comm").read_text(encoding="utf-8").strip()
        except OSError:
            name = "ended meanwhile"
        spent["main" if thread.id == pid else name] += int(1000 * (thread.user_time + thread.system_time))
    return spent


def _of_threads(spent: Counter[str], load: Load) -> str:
    calls = max(load.answered, 1)
    parts = ", ".join(f"{name} {milliseconds / calls:.3f}" for name, milliseconds in spent.most_common() if milliseconds)
    return f"{load.per_second:,.0f} calls/s under the profiler; CPU milliseconds per call by thread: {parts or 'none'}\n"


def _signal_all(pids: Iterable[int], number: signal.Signals) -> None:
    for pid in pids:
        os.kill(pid, number)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.profile", description="Show where the services' CPU time goes.")
    parser.add_argument("--way", choices=[way.letter for way in WAYS], default="c", help="the way in that is loaded (c)")
    parser.add_argument("--in-flight", type=int, default=32, help="calls at one time (32)")
    parser.add_argument("--seconds", type=float, default=10.0, help="for how long (10)")
    parser.add_argument("--calls", action="store_true", help="count and time every call, in place of taking samples")
    parser.add_argument(
        "--service", action="append", choices=PROFILABLE, help="what to look into; may be repeated (dispatch and adapter)"
    )
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
