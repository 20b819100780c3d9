"""Records that these tests make, and what their ids look like."""

from __future__ import annotations

import re
from typing import Any

import httpx

ADDRESS = {"street": "1 Main St", "city": "Chicago", "state": "IL", "zip": "60601", "country": "US"}
ADA = {
    "first_name": "Ada",
    "last_name": "Byron",
    "email": "ada@example.com",
    "mobile_number": "3125550100",
    "tags": ["web"],
    "addresses": [ADDRESS],
}


def has_id(prefix: str, value: object) -> bool:
    return isinstance(value, str) and re.fullmatch(prefix + "_[0-9a-f]{32}", value) is not None


def create(vendor: httpx.Client, path: str, body: dict[str, Any]) -> dict[str, Any]:
    response = vendor.post(path, json=body)
    assert response.status_code in (200, 201), response.text
    record: dict[str, Any] = response.json()
    return record


def customer_and_address(vendor: httpx.Client) -> dict[str, str]:
    customer = create(vendor, "/customers", ADA)
    return {"customer_id": customer["id"], "address_id": customer["addresses"][0]["id"]}
