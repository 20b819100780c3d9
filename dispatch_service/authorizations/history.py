"""Decisions in the journal: written in the very transaction that makes them, so that neither is ever without the other.

Above: `decisions`, `execution`, `upkeep`. Below: this process's chain. Its row is locked for the rest of that transaction, so it
stays in one order with what the writer itself commits; a caller therefore adds events last.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from dispatch_service.journal import QUERIES, batch
from dispatch_service.journal.records import Closing
from service_kit.postgres import Connection

# No chain is as long: none of the events is taken for a repetition, and those of actions that are not kept any more are left out.
_BEYOND = 2**62


class Chain(Protocol):
    """The chain that this process writes."""

    writer_id: str

    async def connect(self) -> None:
        """See to it that the chain has begun. Raises DatabaseUnavailable."""
        ...


class History:
    """Adds events to actions' histories."""

    def __init__(self, chain: Chain) -> None:
        self._chain = chain

    async def ready(self) -> None:
        """See to it that events can be added. To be awaited before the transaction. Raises DatabaseUnavailable."""
        await self._chain.connect()

    async def add(self, connection: Connection, events: Sequence[Closing]) -> None:
        """Write `events`, of one action each, in the transaction that is open on `connection`."""
        written = batch.parameters([], events)
        parameters = {"writer": self._chain.writer_id, "known": _BEYOND, "window": None, **written}
        await connection.execute(QUERIES["write_journal"].encode(), parameters)
