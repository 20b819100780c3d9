"""Kills processes of a running stack as a crash would, on a seeded schedule that follows the load's progress.

Above: `run`. Below: the stack's own table of processes. Bringing them back is the supervisor's work, not ours.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
from collections import Counter
from collections.abc import Callable

from tests.crash.load import Progress
from tests.fix_stack import ProcessFacts, RunningStack

VICTIMS = (
    "postgres",
    "housecall_pro",
    "mcp_adapter_service",
    "mcp_adapter_service-2",
    "dispatch_service",
    "dispatch_service-2",
)
_MOST_CALLS_BETWEEN = 9
_LONGEST_PAUSE_SECONDS = 0.06


class Killer:
    """Kills one process after another. `kills` counts them by name."""

    def __init__(self, stack: RunningStack, progress: Progress, *, seed: int) -> None:
        self.kills: Counter[str] = Counter()
        self._stack = stack
        self._progress = progress
        self._chance = random.Random(f"{seed}/kills")  # noqa: S311 - a repeatable schedule, not a secret

    async def run(self, wanted: int, after_each: Callable[[], None]) -> None:
        """Kill `wanted` times."""
        while self.kills.total() < wanted:
            await self._progress.further(self._chance.randint(1, _MOST_CALLS_BETWEEN))
            # Not always right after a reply: any moment of a journey may be its last.
            await asyncio.sleep(self._chance.uniform(0, _LONGEST_PAUSE_SECONDS))
            await self._kill_one()
            after_each()

    async def _kill_one(self) -> None:
        processes = [process for process in await asyncio.to_thread(self._stack.processes) if process.name in VICTIMS]
        up = [process for process in processes if process.state == "running"]
        # Now and then one that is only just starting.
        if not up or self._chance.random() < 0.1:
            up = processes
        victim = self._chance.choice(up)
        if _killed(victim):
            self.kills[victim.name] += 1


def _killed(victim: ProcessFacts) -> bool:
    if victim.pid is None:
        return False
    try:
        os.kill(victim.pid, signal.SIGKILL)
    except ProcessLookupError:
        return False
    return True
