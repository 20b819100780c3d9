"""Callers as dispatch sees them behind the door: the token's payload as metadata, which Envoy would set after checking it."""

from __future__ import annotations

import base64
import json
import time
from typing import Any

PEOPLE, SERVICES = "https://switchboard.local/people", "https://switchboard.local/services"
TENANT = "demo"
_KINDS = {"service": "service", "agent": "model"}


def caller(role: str, *, subject: str = "", tenant: str = TENANT, **claims: Any) -> tuple[tuple[str, str], ...]:
    """Return the metadata of a call by somebody with this role; `claims` are added to the token."""
    now = int(time.time())
    kind = _KINDS.get(role)
    payload: dict[str, Any] = {
        "iss": SERVICES if kind else PEOPLE,
        "sub": subject or f"the-{role}",
        "iat": now,
        # Longer than the whole suite takes: some tests make their callers when they are collected.
        "exp": now + 14_400,
        "tenant": tenant,
        "role": role,
        **({"kind": kind} if kind else {"auth_time": now}),
        **claims,
    }
    return (("x-jwt-payload", base64.urlsafe_b64encode(json.dumps(payload).encode()).decode().rstrip("=")),)
