"""Where guided bookings are kept between their steps.

Above: `actions.flow`. Below: the table `dispatch.booking_flow`, sealed per conversation.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from dispatch_service.journal import QUERIES
from dispatch_service.keying import Keying
from service_kit.postgres import Database


@dataclass(frozen=True, kw_only=True, slots=True)
class Flow:
    """A conversation's guided booking: its id changes with its draft, and is the booking's idempotency key."""

    id: str
    draft: dict[str, Any]
    booked: bool


class FlowStore:
    """Loads and saves drafts. Raises DatabaseUnavailable."""

    def __init__(self, database: Database, keying: Keying) -> None:
        self._database = database
        self._keying = keying

    async def load(self, tenant: str, thread_id: str) -> Flow | None:
        """Return a conversation's draft, or None."""
        row = await self._database.fetch_one(QUERIES["load_flow"], {"tenant": tenant, "thread_id": thread_id})
        if row is None:
            return None
        kept = self._keying.unseal_text(row["sealed_draft"], _purpose(tenant, thread_id))
        return Flow(id=kept["id"], draft=kept["draft"], booked=kept["booked"])

    async def save(self, tenant: str, thread_id: str, flow: Flow) -> None:
        """Keep a conversation's draft in place of the one before."""
        document = {"id": flow.id, "draft": flow.draft, "booked": flow.booked}
        sealed = self._keying.seal_text(document, _purpose(tenant, thread_id))
        await self._database.fetch_all(QUERIES["save_flow"], {"tenant": tenant, "thread_id": thread_id, "draft": sealed})


def _purpose(tenant: str, thread_id: str) -> str:
    return f"flow\x1f{tenant}\x1f{thread_id}"
