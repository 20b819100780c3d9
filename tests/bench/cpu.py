"""How much CPU time processes used. Above: `measure`. Below: the kernel's books, through psutil."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping

import psutil


def used(pids: Mapping[str, int]) -> dict[str, float]:
    """Return the CPU seconds that each process has used since it began, with its children's, those that ended included."""
    return {name: _family(psutil.Process(pid)) for name, pid in pids.items()}


def used_by_machine() -> float:
    """Return the CPU seconds that everything on this machine has used since it began."""
    times = psutil.cpu_times()
    return float(times.user + times.nice + times.system + times.irq + times.softirq + times.steal)


def used_by_self() -> float:
    """Return the CPU seconds of this process."""
    times = psutil.Process().cpu_times()
    return float(times.user + times.system)


def _family(process: psutil.Process) -> float:
    total = 0.0
    for member in (process, *process.children(recursive=True)):
        with contextlib.suppress(psutil.NoSuchProcess):
            times = member.cpu_times()
            total += times.user + times.system
    own = process.cpu_times()
    return total + float(own.children_user + own.children_system)
