"""What is on record after the crash run: the action log as operators read it, and the vendor's own tables.

Above: `run` and `reckoning`. Below: the front door, and the sandbox's schema in the stack's database.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import psycopg
from psycopg.rows import class_row

from tests.fix_stack import RunningStack

UNFINISHED = ("RECEIVED", "EXECUTING")
_PAGE = 200
_EFFECTS = """
select 'job' as kind, customer.content ->> 'last_name' as name, substring(job.content::text from 'sb-[0-9a-f]{24}') as reference
from housecall_pro_sandbox.job join housecall_pro_sandbox.customer on customer.id = job.customer_id
union all
select 'estimate', customer.content ->> 'last_name', substring(estimate.content::text from 'sb-[0-9a-f]{24}')
from housecall_pro_sandbox.estimate join housecall_pro_sandbox.customer on customer.id = estimate.customer_id
union all
select 'lead', customer.content ->> 'last_name', substring(lead.content::text from 'sb-[0-9a-f]{24}')
from housecall_pro_sandbox.lead join housecall_pro_sandbox.customer on customer.id = lead.customer_id
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """One row of the action log."""

    id: str
    thread: str
    status: str
    code: str
    correlation_id: str
    external_id: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Effect:
    """One thing that the vendor was made to do. `reference` is our mark on it, one per idempotency key."""

    kind: str
    name: str
    reference: str | None


class ActionLog:
    """The action log through the front door, with an operator's token."""

    def __init__(self, stack: RunningStack) -> None:
        token = stack.token(role="operator", expires=4 * 3600)
        self._http = httpx.Client(base_url=stack.front_door, headers={"authorization": f"Bearer {token}"}, timeout=30)

    def unfinished(self) -> list[Entry]:
        """What is still under way; some of it where there is much."""
        return [_entry(row) for status in UNFINISHED for row in self._page({"status": status})["entries"]]

    def unsettled(self) -> list[str]:
        """Conversations with an attempt on record as unknown beside one that was done: recovery has yet to see that."""
        unknown = {row["threadId"] for row in self._page({"status": "OUTCOME_UNKNOWN"})["entries"]}
        return [thread for thread in unknown if self._page({"thread_id": thread, "status": "SUCCEEDED"})["entries"]]

    def all(self) -> list[Entry]:
        """Every row."""
        return [_entry(row) for row in self._rows()]

    def history(self, thread: str) -> list[str]:
        """The actions of one conversation with their events, a line each, oldest first: to see what went wrong."""
        lines = []
        for row in reversed(self._page({"thread_id": thread})["entries"]):
            entry = self._http.get(f"/api/action-log/{row['id']}").raise_for_status().json()
            lines.append(f"{row['id']} {row['correlationId']} {row['status']} {row.get('errorDetails', '')}")
            lines += [
                f"  {event['at']} {event['type']} {event.get('status', '')} chain {event['chain']}" for event in entry["events"]
            ]
        return lines

    def _rows(self) -> Iterator[dict[str, Any]]:
        token = ""
        while True:
            page = self._page({"page_token": token} if token else {})
            yield from page["entries"]
            token = page.get("nextPageToken", "")
            if not token:
                return

    def _page(self, parameters: dict[str, str]) -> dict[str, Any]:
        page: dict[str, Any] = (
            self._http.get("/api/action-log", params={"page_size": str(_PAGE), **parameters}).raise_for_status().json()
        )
        return {"entries": [], **page}


def effects(stack: RunningStack) -> list[Effect]:
    """Everything that the vendor was made to do, from its own tables."""
    with psycopg.connect(stack.database_url("switchboard"), row_factory=class_row(Effect)) as connection:
        return connection.execute(_EFFECTS).fetchall()


def _entry(row: dict[str, Any]) -> Entry:
    return Entry(
        id=row["id"],
        thread=row.get("threadId", ""),
        status=row["status"],
        code=row.get("errorCode", ""),
        correlation_id=row["correlationId"],
        external_id=row.get("externalId", ""),
    )
