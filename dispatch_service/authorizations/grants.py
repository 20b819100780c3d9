"""Standing permissions: "allow always", for one subject and one tool of one tenant, until it expires or is revoked.

Above: policy (through the journey), `decisions`, the servicer. Below: `dispatch.grant`.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from dispatch_service.authorizations import QUERIES
from dispatch_service.authorizations.history import History
from dispatch_service.journal.records import Closing
from dispatch_service.policy import GrantRef
from service_kit.errors import NotFound
from service_kit.postgres import Connection, Database

Row = Mapping[str, Any]
REVOKED = "grant_revoked"


def new_grant_id() -> str:
    """Return a new grant id."""
    return f"grant_{secrets.token_hex(16)}"


class Grants:
    """Makes, finds and takes back standing permissions."""

    def __init__(self, database: Database, history: History) -> None:
        self._database = database
        self._history = history

    async def live(self, tenant: str, subject: str, kind: str, server: str, tool: str) -> list[GrantRef]:
        """Return those that let one caller call one tool now."""
        parameters = {"tenant": tenant, "subject": subject, "kind": kind, "server": server, "tool": tool}
        return [GrantRef(**row) for row in await self._database.fetch_all(QUERIES["live_grants"], parameters)]

    async def make(
        self, connection: Connection, grant_id: str, *, authorization_id: str, by: str, now: datetime, expires_at: datetime
    ) -> None:
        """Let who asked for an authorization call its tool until `expires_at`, in the transaction of the decision."""
        parameters = {"id": grant_id, "authorization_id": authorization_id, "by": by, "now": now, "expires_at": expires_at}
        await connection.execute(QUERIES["make_grant"].encode(), parameters)

    async def of_tenant(self, tenant: str, *, include_ended: bool) -> list[Row]:
        """Return a tenant's, newest first."""
        parameters = {"tenant": tenant, "include_ended": include_ended}
        return [*await self._database.fetch_all(QUERIES["list_grants"], parameters)]

    async def revoke(self, tenant: str, grant_id: str, by: str) -> Row:
        """Take one back, from the next call on, and return it. One that was revoked already stays as it is. Raises NotFound."""
        now = datetime.now(UTC)
        key = {"tenant": tenant, "id": grant_id}
        await self._history.ready()
        async with self._database.transaction() as connection:
            cursor = await connection.execute(QUERIES["revoke_grant"].encode(), {**key, "now": now, "by": by})
            revoked = await cursor.fetchone() is not None
            found = await (await connection.execute(QUERIES["get_grant"].encode(), key)).fetchone()
            if found is None:
                raise NotFound("NOT_FOUND", "There is no grant by this id.")
            if revoked:
                event = Closing(
                    action_id=found["action_id"],
                    type=REVOKED,
                    at=now,
                    row={"updated_at": now.isoformat()},
                    details={"grant": grant_id, "by": by},
                )
                await self._history.add(connection, [event])
        return found
