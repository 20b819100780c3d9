"""Calls of one process that ask for the same idempotency key at the same time: one leads, the others share its outcome.

Above: the journey. Below: asyncio. Calls in other processes meet at the claim table instead.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from dispatch_service.doors import Result
from dispatch_service.journal.records import Claim

Scope = tuple[str, str, str, str]


class Leader:
    """The first call that asks for a key: whether it got it, and what came of it."""

    def __init__(self, fingerprint: str) -> None:
        loop = asyncio.get_running_loop()
        self.fingerprint = fingerprint
        self.won: asyncio.Future[bool] = loop.create_future()
        self.result: asyncio.Future[Result] = loop.create_future()

    def failed(self, problem: BaseException) -> None:
        """Tell whoever waits. Without followers nobody asks for the problem; that is no fault."""
        if not self.won.done():
            self.won.set_result(False)
        self.result.set_exception(problem)
        self.result.exception()


class OtherRequest(Exception):
    """The key belongs to a call that asks for something else."""


class Leaders:
    """The keys that calls of this process are asking for now."""

    def __init__(self) -> None:
        self._leading: dict[Scope, Leader] = {}

    async def once(self, claim: Claim, lead: Callable[[Leader], Awaitable[Result]], repeated: Callable[[], None]) -> Result:
        """Return what `lead` returns, or share it where another call leads with the same request. Raises OtherRequest."""
        while (leader := self._leading.get(claim.scope)) is not None:
            if leader.fingerprint == claim.fingerprint:
                repeated()
                return await asyncio.shield(leader.result)
            if await asyncio.shield(leader.won):
                raise OtherRequest
            # Another request asked for the key and did not get it: it says nothing of who holds it.
            await asyncio.wait([leader.result])
        leader = Leader(claim.fingerprint)
        self._leading[claim.scope] = leader
        try:
            result = await lead(leader)
        except BaseException as problem:
            leader.failed(problem)
            raise
        finally:
            del self._leading[claim.scope]
        leader.result.set_result(result)
        return result
