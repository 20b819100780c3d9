"""What a browser does, for end-to-end tests: clicks through the front door, the sandbox as the vendor sees it, the log."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

import httpx

from tests.fix_stack import RunningStack

SANDBOX_KEY = "sandbox-key"
BOOKING, ESTIMATE = "HOUSECALL_PRO_BOOKING", "HOUSECALL_PRO_ESTIMATE_REQUEST"
AVAILABILITY, FLOW = "HOUSECALL_PRO_AVAILABILITY_LOOKUP", "INTERNAL_BOOKING_FLOW"


def open_day(after: int = 7) -> str:
    """A day at least `after` days ahead on which the company works: not a Sunday."""
    day = date.today() + timedelta(days=after)
    return (day if day.weekday() < 6 else day + timedelta(days=1)).isoformat()


@dataclass
class Visitor:
    """One visitor of the website, with a conversation of their own."""

    stack: RunningStack
    thread: str = field(default_factory=lambda: f"thread-{uuid.uuid4()}")

    def __post_init__(self) -> None:
        self.http = httpx.Client(base_url=self.stack.front_door, timeout=45)

    def click(self, action: str, payload: dict[str, Any] | None = None, *, key: str = "") -> dict[str, Any]:
        """Send one card action and return the answer; anything but 200 is an error."""
        response = self.send(action, payload, key=key)
        assert response.status_code == 200, response.text
        answer: dict[str, Any] = response.json()
        return answer

    def send(self, action: str, payload: dict[str, Any] | None = None, *, key: str = "") -> httpx.Response:
        """Send one card action and return the HTTP response."""
        return self.http.post("/api/actions/dispatch", json=self.body(action, payload, key=key))

    def body(self, action: str, payload: dict[str, Any] | None = None, *, key: str = "") -> dict[str, Any]:
        """The body of a card action in this conversation."""
        body: dict[str, Any] = {
            "action": action,
            "payload": {"threadId": self.thread, **(payload or {})},
            "context": {"threadId": self.thread, "sessionId": "session-1"},
        }
        return body | ({"idempotencyKey": key} if key else {})

    def booking(self, **changes: Any) -> dict[str, Any]:
        """A complete booking, with a customer nobody else has."""
        number = uuid.uuid4().int % 10_000
        return {
            "serviceId": "drain-cleaning",
            "customer": {
                "firstName": "Philippa",
                "lastName": f"Quandary{uuid.uuid4().hex[:6]}",
                "phone": f"(608) 555-{number:04d}",
            },
            "address": {"line1": "88 Larkspur Way", "city": "Madison", "state": "WI", "zip": "53703"},
            "preferred": {"date1": open_day()},
            "notes": "Mind the hedgehog",
            **changes,
        }


class Vendor:
    """The sandbox, seen as the vendor's own staff would see it."""

    def __init__(self, stack: RunningStack) -> None:
        self.http = httpx.Client(
            base_url=stack.process("housecall_pro_sandbox").address, headers={"authorization": f"Token {SANDBOX_KEY}"}, timeout=30
        )

    def all(self, kind: str, **parameters: Any) -> list[dict[str, Any]]:
        """Every record of a kind: `customers`, `jobs`, `estimates`, `leads`."""
        page, found = 1, []
        while True:
            answer = self.http.get(f"/{kind}", params={"page": page, "page_size": 100, **parameters}).raise_for_status().json()
            found += answer[kind]
            if page >= answer["total_pages"]:
                return found
            page += 1

    def fail(self, method: str, path: str, mode: str, **more: Any) -> None:
        """Set a fault switch."""
        self.http.post("/_sandbox/faults", json={"method": method, "path": path, "mode": mode, **more}).raise_for_status()

    def mend(self) -> None:
        """Clear every fault switch."""
        self.http.delete("/_sandbox/faults").raise_for_status()

    def jobs_of(self, last_name: str) -> list[dict[str, Any]]:
        """The jobs of the customers of that name."""
        customers = [entry["id"] for entry in self.all("customers", q=last_name) if entry["last_name"] == last_name]
        return [job for customer in customers for job in self.all("jobs", customer_id=customer)]


class Operator:
    """An operator with a token."""

    def __init__(self, stack: RunningStack, role: str = "operator", **claims: Any) -> None:
        token = stack.token(role=role, **claims)
        self.http = httpx.Client(base_url=stack.front_door, headers={"authorization": f"Bearer {token}"}, timeout=30)

    def log(self, **filters: Any) -> list[dict[str, Any]]:
        """A page of the action log."""
        entries: list[dict[str, Any]] = (
            self.http.get("/api/action-log", params=filters).raise_for_status().json().get("entries", [])
        )
        return entries

    def entry_of(self, answer: dict[str, Any]) -> dict[str, Any]:
        """The one log entry of an answer."""
        [entry] = self.log(correlation_id=answer["correlationId"])
        return entry
