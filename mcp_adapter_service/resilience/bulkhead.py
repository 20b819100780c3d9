"""A bulkhead: bound how many calls one server may have in flight, and how many may wait for a place.

Above: `ResilientClient`. Below: nothing. Places go out in the order of asking; a waiter that gives up, by deadline or by
cancellation, loses its turn and nobody else's.
"""

from __future__ import annotations

import asyncio
from collections import deque
from enum import Enum


class Place(Enum):
    """What asking for a place came to."""

    GRANTED = "granted"
    QUEUE_FULL = "queue_full"
    TIMED_OUT = "timed_out"


class Bulkhead:
    """Bulkhead has `max_concurrent` places and a queue of at most `max_queued`."""

    def __init__(self, *, max_concurrent: int = 64, max_queued: int = 256) -> None:
        if max_concurrent < 1 or max_queued < 0:
            raise ValueError("A bulkhead needs at least one place and no negative queue.")
        self._free = max_concurrent
        self._max_queued = max_queued
        self._waiters: deque[asyncio.Future[None]] = deque()

    @property
    def free(self) -> int:
        """The places that nobody holds."""
        return self._free

    @property
    def queued(self) -> int:
        """The callers that wait."""
        return len(self._waiters)

    async def acquire(self, deadline: float) -> Place:
        """Take a place, waiting for one until `deadline` (loop time). Each place GRANTED must be released once."""
        if self._free > 0:
            # A free place means that nobody waits: release hands places on before it frees them.
            self._free -= 1
            return Place.GRANTED
        if len(self._waiters) >= self._max_queued:
            return Place.QUEUE_FULL
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        try:
            async with asyncio.timeout_at(deadline):
                await waiter
        except TimeoutError:
            self._give_up(waiter)
            return Place.TIMED_OUT
        except asyncio.CancelledError:
            self._give_up(waiter)
            raise
        return Place.GRANTED

    def release(self) -> None:
        """Give a place back: to the first in the queue, if there is one."""
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return
        self._free += 1

    def _give_up(self, waiter: asyncio.Future[None]) -> None:
        if waiter.done() and not waiter.cancelled():
            # The place came in the same moment as the end of waiting.
            self.release()
        elif waiter in self._waiters:
            self._waiters.remove(waiter)
