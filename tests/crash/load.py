"""The load of the crash run: clients that send orders through the front door until they know what became of them.

Above: `run`. Below: aiohttp. What happened is counted in `Progress`, by which kills are scheduled.
"""

from __future__ import annotations

import asyncio
import contextlib
import random

import aiohttp

from tests.crash.orders import Manner, Order, Reply, new_order

_PATH = "/api/actions/dispatch"
_PATIENCE_SECONDS = 60.0
# Longer than anything takes to come back.
_STANDSTILL_SECONDS = 120.0
# While nothing works, replies that say so move the schedule too, but slowly.
_STEP, _SMALL_STEP = 12, 1


class Progress:
    """How far the load has come, in twelfths of a call that was carried out."""

    def __init__(self) -> None:
        self.steps = 0
        self._changed = asyncio.Condition()

    async def made(self, reply: Reply) -> None:
        """Count one reply."""
        async with self._changed:
            self.steps += _STEP if reply.ok else _SMALL_STEP
            self._changed.notify_all()

    async def further(self, calls: int) -> None:
        """Return when the load has come as far as so many calls take it. Raises TimeoutError where it stands still."""
        wanted = self.steps + calls * _STEP
        async with asyncio.timeout(_STANDSTILL_SECONDS), self._changed:
            await self._changed.wait_for(lambda: self.steps >= wanted)


class Load:
    """Clients that go on making orders until `stop`, and then finish those that they have begun."""

    def __init__(self, front_door: str, *, clients: int, seed: int) -> None:
        self.orders: list[Order] = []
        self.progress = Progress()
        self._front_door = front_door
        self._clients = clients
        self._seed = seed
        self._stopping = False
        self._running: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Let the clients begin."""
        self._running = [asyncio.create_task(self._client(number)) for number in range(self._clients)]

    def check(self) -> None:
        """Raise what broke a client: a mistake of ours, for whatever the stack does is taken down as a reply."""
        for task in self._running:
            if task.done():
                task.result()

    async def finish(self, seconds: float) -> None:
        """Make no more orders, and return when every visitor who waits has been told. Raises TimeoutError."""
        self._stopping = True
        async with asyncio.timeout(seconds):
            await asyncio.gather(*self._running)

    async def _client(self, number: int) -> None:
        chance = random.Random(f"{self._seed}/client/{number}")  # noqa: S311 - a repeatable load, not a secret
        timeout = aiohttp.ClientTimeout(total=_PATIENCE_SECONDS)
        async with aiohttp.ClientSession(self._front_door, timeout=timeout) as session:
            while not self._stopping:
                order = new_order(chance)
                self.orders.append(order)
                await self._place(session, order, chance)

    async def _place(self, session: aiohttp.ClientSession, order: Order, chance: random.Random) -> None:
        if order.manner in (Manner.HASTY, Manner.GONE):
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(chance.choice((0.003, 0.01, 0.02, 0.04, 0.08, 0.2))):
                    order.replies.append(await _send(session, order))
            if order.manner is Manner.GONE:
                return
        while not order.settled:
            at_once = 2 if order.manner is Manner.DOUBLE else 1
            replies = await asyncio.gather(*(_send(session, order) for _ in range(at_once)))
            order.replies += replies
            for reply in replies:
                await self.progress.made(reply)
            if not order.settled:
                await asyncio.sleep(chance.uniform(0.05, 0.4))


async def _send(session: aiohttp.ClientSession, order: Order) -> Reply:
    try:
        async with session.post(_PATH, json=order.body) as response:
            answer = await response.json()
            error = answer.get("error", {})
            return Reply(
                status=response.status,
                ok=answer["ok"],
                code=error.get("code", ""),
                retryable=error.get("retryable", False),
                correlation_id=answer["correlationId"],
                external_id=answer.get("result", {}).get("externalId", ""),
            )
    except (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError, aiohttp.ServerTimeoutError, TimeoutError):
        return Reply(status=0)
