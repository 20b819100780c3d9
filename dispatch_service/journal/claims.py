"""What is held under an idempotency key, and waiting for another process's outcome under the same one.

Above: the journey. Below: the claim table. Only one caller per key and process waits here; the others share its answer.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Any

from dispatch_service.journal import QUERIES
from dispatch_service.journal.records import IN_FLIGHT, Opened
from service_kit.postgres import Database

_FIRST_LOOK_SECONDS = 0.02
_LONGEST_PAUSE_SECONDS = 0.25


class ClaimReader:
    """Reads claims that other processes hold."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def held(self, scope: tuple[str, str, str, str]) -> Opened | None:
        """Return the claim of a scope as it stands, or None."""
        names = ("tenant", "actor", "action", "key_hash")
        row = await self._database.fetch_one(QUERIES["find_claim"], dict(zip(names, scope, strict=True)))
        return None if row is None else _opened(row)

    async def outcome(self, holder: str, deadline: float) -> Opened | None:
        """Return the claim that `holder` holds once it is no longer in flight, or None at `deadline` (monotonic seconds)."""
        pause = _FIRST_LOOK_SECONDS
        while time.monotonic() + pause < deadline:
            await asyncio.sleep(pause)
            row = await self._database.fetch_one(QUERIES["read_claim"], {"action_id": holder})
            if row is None:
                # The claim went over to a retry; its caller has an answer of its own.
                return None
            if row["state"] != IN_FLIGHT:
                return _opened(row)
            pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)
        return None

    async def unsettled(self, action_id: str) -> list[str]:
        """Return the attempts up to `action_id`, under the same claim, whose outcome is not known yet."""
        rows = await self._database.fetch_all(QUERIES["unsettled_attempts"], {"action_id": action_id})
        return [row["id"] for row in rows]


def _opened(row: Mapping[str, Any]) -> Opened:
    return Opened(
        won=False,
        tool_key="",
        holder=row["action_id"],
        state=row["state"],
        fingerprint=row["fingerprint"],
        sealed_result=row["sealed_result"],
        retry_of="",
    )
