"""How often a server is called: a token bucket, and the pause that the server itself asks for.

Above: `ResilientClient` asks before each attempt. Below: nothing. Waiting takes no place in the bulkhead. A caller whose
deadline comes before its turn is told so at once, and has not used up anybody's turn.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

# A server may ask for days by one header; nobody's calls are kept away for longer than this without asking it again.
_LONGEST_PAUSE_SECONDS: Final = 60.0


class Rate:
    """Rate lets `per_second` calls through, `burst` of them at once; without a number only the server's pauses count."""

    def __init__(self, *, per_second: float | None = None, burst: int = 1, clock: Callable[[], float]) -> None:
        if burst < 1 or (per_second is not None and per_second <= 0):
            raise ValueError("A rate needs a positive number of calls a second and a burst of at least one.")
        self._per_second = per_second
        self._burst = float(burst)
        self._clock = clock
        # Turns that are free; below zero, turns that callers wait for.
        self._turns = float(burst)
        self._counted_at = clock()
        self._paused_until = self._counted_at

    def pause(self, seconds: float) -> None:
        """Let nobody through for `seconds`, a minute at most."""
        self._paused_until = max(self._paused_until, self._clock() + min(seconds, _LONGEST_PAUSE_SECONDS))

    async def acquire(self, deadline: float) -> float | None:
        """Wait for a turn until `deadline` (loop time): None once it is there, else the seconds that it would have taken."""
        wait = self._wait()
        if wait <= 0:
            self._turns -= 1
            return None
        if self._clock() + wait > deadline:
            return wait
        self._turns -= 1
        try:
            while wait > 0:
                await asyncio.sleep(wait)
                # A server may have asked for a pause meanwhile.
                wait = self._paused_until - self._clock()
                if self._clock() + max(wait, 0.0) > deadline:
                    self._turns += 1
                    return wait
        except asyncio.CancelledError:
            self._turns += 1
            raise
        return None

    def _wait(self) -> float:
        now = self._clock()
        wait = self._paused_until - now
        if self._per_second is None:
            self._turns = self._burst
            return wait
        self._turns = min(self._burst, self._turns + (now - self._counted_at) * self._per_second)
        self._counted_at = now
        return max(wait, (1 - self._turns) / self._per_second)
