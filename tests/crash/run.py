"""One crash run: a stack with replicas, a load, kills, a time to recover, a reckoning.

Above: `python -m tests.crash` and `test_crash`. Below: everything else in this package.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import httpx

from tests.crash.books import ActionLog, effects
from tests.crash.kills import Killer
from tests.crash.load import Load
from tests.crash.reckoning import Reckoning, reckon
from tests.fix_sandbox import wait_until
from tests.fix_stack import RunningStack

_CLIENTS = 8
_PROGRESS_SECONDS = 5.0
_HISTORIES_SHOWN = 6

SETTINGS = {
    "SWITCHBOARD_DISPATCH_REPLICAS": "2",
    "SWITCHBOARD_ADAPTER_REPLICAS": "2",
    "SWITCHBOARD_RATE_LIMIT_PER_SECOND": "0",
    # What was killed is back soon enough to be killed again.
    "SWITCHBOARD_RESTART_LONGEST": "0.2",
}


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a run came to."""

    seed: int
    seconds: float
    kills: Counter[str]
    actions: int
    reckoning: Reckoning
    verify_status: int
    verify_says: str
    histories: list[str]

    @property
    def findings(self) -> list[str]:
        """Every broken promise."""
        broken = [] if self.verify_status == 0 else [f"verify-log: {self.verify_says}"]
        return [*self.reckoning.findings, *broken]


def crash(stack: RunningStack, *, kills: int, seed: int, recovery_seconds: float, say: Callable[[str], None]) -> Outcome:
    """Run the load against a running `stack` with so many kills, and reckon up. Raises TimeoutError where it does not recover."""
    began = time.monotonic()
    load, killed = asyncio.run(_load_and_kill(stack, kills=kills, seed=seed, recovery_seconds=recovery_seconds, say=say))
    say(f"recovering: {len(load.orders)} orders were made")
    log = ActionLog(stack)
    wait_until(
        lambda: _everything_runs(stack) and not log.unfinished() and not log.unsettled(),
        recovery_seconds,
        "the stack has not recovered",
    )
    entries = log.all()
    reckoning = reckon(load.orders, entries, effects(stack))
    verified = stack.command("verify-log")
    return Outcome(
        seed=seed,
        seconds=time.monotonic() - began,
        kills=killed,
        actions=len(entries),
        reckoning=reckoning,
        verify_status=verified.returncode,
        verify_says=(verified.stdout + verified.stderr).strip(),
        histories=[line for thread in reckoning.threads[:_HISTORIES_SHOWN] for line in log.history(thread)],
    )


async def _load_and_kill(
    stack: RunningStack, *, kills: int, seed: int, recovery_seconds: float, say: Callable[[str], None]
) -> tuple[Load, Counter[str]]:
    load = Load(stack.front_door, clients=_CLIENTS, seed=seed)
    killer = Killer(stack, load.progress, seed=seed)
    shown = began = time.monotonic()

    def show() -> None:
        nonlocal shown
        load.check()
        now = time.monotonic()
        if now - shown >= _PROGRESS_SECONDS or killer.kills.total() == kills:
            shown = now
            replies = Counter(reply.code for order in load.orders for reply in order.replies)
            done = sum(order.answered is not None for order in load.orders)
            say(
                f"{killer.kills.total():4} kills  {len(load.orders):5} orders  {done:5} done  "
                f"{replies['OUTCOME_UNKNOWN']:4} times unknown  {now - began:4.0f} s"
            )

    load.start()
    await killer.run(kills, show)
    await load.finish(recovery_seconds)
    return load, killer.kills


def _everything_runs(stack: RunningStack) -> bool:
    if any(process.state != "running" for process in stack.processes()):
        return False
    try:
        return httpx.get(f"{stack.front_door}/healthz", timeout=10).status_code == httpx.codes.OK
    except httpx.TransportError:
        return False
