"""What time does to authorizations: overdue ones are given up, lost ones are carried out after all, old answers are erased.

Above: `work`, which has this done every few seconds, by one replica at a time. Below: `decisions` and `store`.
"""

from __future__ import annotations

from datetime import timedelta

from dispatch_service.authorizations.decisions import Decisions
from dispatch_service.authorizations.store import AuthorizationStore

# As long as the job that was made with the decision needs at most to begin, where nothing is wrong.
_JOB_BEGINS = timedelta(seconds=5)
_AT_ONCE = 100


class Upkeep:
    """One round of upkeep. `kept_days` is how long answers and notes stay readable for who asked."""

    def __init__(self, *, store: AuthorizationStore, decisions: Decisions, kept_days: float) -> None:
        self._store = store
        self._decisions = decisions
        self._kept = timedelta(days=kept_days)

    async def turn(self) -> list[str]:
        """Do what is due, and return the ids of what is to be carried out because its job or its worker was lost. Raises
        DatabaseError."""
        while await self._decisions.expire() >= _AT_ONCE:
            pass
        await self._store.forget_results(self._kept)
        return await self._store.left_behind(_JOB_BEGINS)
