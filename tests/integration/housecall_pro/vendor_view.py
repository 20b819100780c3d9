"""What a test sees and sets at the vendor, and the requests that it makes.

Above: the tests of this folder. Below: the sandbox's API and switches.
"""

from __future__ import annotations

import hashlib
import uuid
from typing import Any

import httpx

SERVICE = {
    "name": "Drain cleaning",
    "jobTypeId": f"jbt_{1:032x}",
    "durationMinutes": 60,
    "unitPriceCents": 12900,
}
AVAILABILITY = "housecall_pro.get_availability"
BOOKING = "housecall_pro.create_booking"
ESTIMATE = "housecall_pro.create_estimate_request"


class VendorView:
    """The vendor's records and fault switches."""

    def __init__(self, client: httpx.Client) -> None:
        self._client = client

    def customers(self) -> list[dict[str, Any]]:
        """Every customer."""
        return self._all("customers")

    def jobs(self) -> list[dict[str, Any]]:
        """Every job."""
        return self._all("jobs")

    def estimates(self) -> list[dict[str, Any]]:
        """Every estimate."""
        return self._all("estimates")

    def leads(self) -> list[dict[str, Any]]:
        """Every lead."""
        return self._all("leads")

    def calls(self, method: str, path: str) -> int:
        """How often an endpoint was called."""
        return sum(entry["count"] for entry in self.all_calls() if (entry["method"], entry["path"]) == (method, path))

    def all_calls(self) -> list[dict[str, Any]]:
        """Every endpoint that was called, and how often."""
        entries: list[dict[str, Any]] = self._get("/_sandbox/calls")["calls"]
        return entries

    def fail(self, method: str, path: str, mode: str, **rule: Any) -> None:
        """Switch a fault on."""
        body = {"method": method, "path": path, "mode": mode, **rule}
        self._client.post("/_sandbox/faults", json=body).raise_for_status()

    def faults(self) -> list[dict[str, Any]]:
        """The faults that are still to come."""
        rules: list[dict[str, Any]] = self._get("/_sandbox/faults")["faults"]
        return rules

    def heal(self) -> None:
        """Switch all faults off."""
        self._client.delete("/_sandbox/faults").raise_for_status()

    def change_company(self, **change: Any) -> None:
        """Change the company."""
        self._client.patch("/_sandbox/company", json=change).raise_for_status()

    def add_customer(self, **body: Any) -> dict[str, Any]:
        """Make a customer behind the tool server's back."""
        return self._post("/customers", body)

    def add_job(self, **body: Any) -> dict[str, Any]:
        """Make a job behind the tool server's back."""
        return self._post("/jobs", body)

    def estimate(self, estimate_id: str) -> dict[str, Any]:
        """One estimate."""
        return self._get(f"/estimates/{estimate_id}")

    def _all(self, plural: str) -> list[dict[str, Any]]:
        page = self._get(f"/{plural}?page_size=200")
        items: list[dict[str, Any]] = page[plural]
        assert len(items) == page["total_items"]
        return items

    def _get(self, path: str) -> dict[str, Any]:
        response = self._client.get(path)
        response.raise_for_status()
        document: dict[str, Any] = response.json()
        return document

    def _post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        response = self._client.post(path, json=body)
        response.raise_for_status()
        document: dict[str, Any] = response.json()
        return document


def new_key() -> str:
    """A fresh idempotency key."""
    return f"key-{uuid.uuid4().hex}"


def reference(key: str) -> str:
    """The mark that work with this key carries at the vendor."""
    return "sb-" + hashlib.sha256(key.encode()).hexdigest()[:24]


def booking(**changes: Any) -> dict[str, Any]:
    """Arguments of a booking without any wish for a time; `changes` replace whole top-level arguments."""
    return {
        "serviceHcpId": f"svc_{1:032x}",
        "customer": {"firstName": "Grace", "lastName": "Hopper", "phone": "+13125550142", "email": "grace@example.com"},
        "address": {"line1": "12 Main Street", "city": "Chicago", "state": "IL", "zip": "60601"},
        "service": SERVICE,
    } | changes


def estimate(**changes: Any) -> dict[str, Any]:
    """Arguments of an estimate request."""
    return booking(problemSummary="The kitchen sink drains slowly.") | changes
