"""Runs a service's module under a profiler that is switched on and off by signals: USR1 begins, USR2 ends and writes.

Above: `profile` starts the stack with `python -m tests.bench.profiled KIND FILE MODULE` in the services' place and reads FILE.
Below: cProfile (KIND `calls`: every call counted, which makes calls of small functions look dearer than they are) or samples of
the stack (KIND `samples`: little distortion, no counts), one a millisecond of CPU time or as often as the kernel's clock ticks.

A sample is taken when the interpreter next looks for signals. Time in C code (gRPC's core, uvloop, the kernel) is therefore
found at the Python code that called it or that it called next.
"""

from __future__ import annotations

import cProfile
import io
import pstats
import runpy
import signal
import sys
from collections import Counter
from pathlib import Path
from types import CodeType, FrameType
from typing import Protocol

from stack.settings import REPOSITORY

SAMPLES, CALLS = "samples", "calls"

_INTERVAL = 0.001
_TOP = 45
_IN_C = "in no Python code: event loop, gRPC, kernel"


class Profiler(Protocol):
    """What signals switch."""

    def begin(self) -> None:
        """Start to look."""

    def end(self) -> str:
        """Stop, and return what was seen."""


class CallProfiler:
    """Counts and times every call of the main thread."""

    def __init__(self) -> None:
        self._profile = cProfile.Profile()

    def begin(self) -> None:
        """Start to count."""
        self._profile.enable()

    def end(self) -> str:
        """Stop, and return the functions with the most time of their own, and with the most altogether."""
        self._profile.disable()
        text = io.StringIO()
        for order in ("tottime", "cumulative"):
            pstats.Stats(self._profile, stream=text).sort_stats(order).print_stats(_TOP)
        return text.getvalue()


class Sampler:
    """Looks at the main thread's stack at intervals of CPU time."""

    def __init__(self) -> None:
        self._stacks: Counter[tuple[CodeType, ...]] = Counter()

    def begin(self) -> None:
        """Start to take samples."""
        signal.signal(signal.SIGPROF, self._take)
        signal.setitimer(signal.ITIMER_PROF, _INTERVAL, _INTERVAL)

    def end(self) -> str:
        """Stop, and return where the samples were: by package, in a function itself, in it or below it."""
        signal.setitimer(signal.ITIMER_PROF, 0)
        packages: Counter[str] = Counter()
        own: Counter[str] = Counter()
        below: Counter[str] = Counter()
        total = sum(self._stacks.values())
        for stack, count in self._stacks.items():
            in_c = Path(stack[0].co_filename).parent.name == "asyncio" and stack[0].co_name == "run"
            packages[_IN_C if in_c else _package(stack[0])] += count
            own[_IN_C if in_c else _name(stack[0])] += count
            for name in {_name(code) for code in stack}:
                below[name] += count
        # What every sample has at its root says nothing.
        below = Counter({name: count for name, count in below.items() if count < total})
        sections = (("by package", packages), ("in the function itself", own), ("in it or in what it calls", below))
        lines = [f"{total} samples"]
        for title, counts in sections:
            lines += ["", title, *_table(counts, total)]
        return "\n".join([*lines, ""])

    def _take(self, number: int, frame: FrameType | None) -> None:
        stack = []
        while frame is not None:
            stack.append(frame.f_code)
            frame = frame.f_back
        if stack:
            self._stacks[tuple(stack)] += 1


def _package(code: CodeType) -> str:
    """The installed package, the top folder of this repository, or the standard library."""
    file = Path(code.co_filename)
    if "site-packages" in file.parts:
        return file.parts[file.parts.index("site-packages") + 1]
    return file.relative_to(REPOSITORY).parts[0] if file.is_relative_to(REPOSITORY) else "the standard library"


def _name(code: CodeType) -> str:
    file = "/".join(Path(code.co_filename).parts[-3:])
    return f"{code.co_qualname}  {file}:{code.co_firstlineno}"


def _table(counts: Counter[str], total: int) -> list[str]:
    return [f"  {count / total:6.1%}  {count:6}  {name}" for name, count in counts.most_common(_TOP)]


def main() -> None:
    """Become the module, with the profiler waiting."""
    kind, file, module = sys.argv[1:4]
    profiler: Profiler = Sampler() if kind == SAMPLES else CallProfiler()

    def begin(number: int, frame: FrameType | None) -> None:
        profiler.begin()

    def end(number: int, frame: FrameType | None) -> None:
        unfinished = Path(f"{file}.unfinished")
        unfinished.write_text(profiler.end(), encoding="utf-8")
        unfinished.rename(file)

    signal.signal(signal.SIGUSR1, begin)
    signal.signal(signal.SIGUSR2, end)
    sys.argv[:] = [module, *sys.argv[4:]]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
