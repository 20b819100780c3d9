"""Decisions in the journal: written in the very transaction that makes them, so that neither is ever without the other.

Above: `decisions`, `execution`, `upkeep`. Below: this process's chain. The chain's row is locked for that transaction, so it
stays in one order with what the writer itself commits.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import orjson

from dispatch_service.authorizations import QUERIES
from dispatch_service.journal.records import Closing
from service_kit.postgres import Connection


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
        """Write `events` in the transaction that is open on `connection`."""
        items = orjson.dumps([event.item() for event in events]).decode()
        await connection.execute(QUERIES["append_history"].encode(), {"writer": self._chain.writer_id, "items": items})
