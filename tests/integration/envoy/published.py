"""The one body of a failed JSON call, as DESIGN publishes it; every failure in these tests goes through here."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping


def assert_published(status: int, headers: Mapping[str, str], body: bytes, *, expected: int, code: str) -> str:
    """Check status, headers and the whole body of a failed call; return the sentence that it gives."""
    assert status == expected, body
    assert headers["content-type"] == "application/json"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"] == "no-store"
    assert not [name for name in headers if name.startswith(("grpc-", "x-switchboard-", "x-envoy-"))]
    reply = json.loads(body)
    assert set(reply) == {"ok", "error", "correlationId"}
    assert reply["ok"] is False
    assert str(uuid.UUID(reply["correlationId"])) == reply["correlationId"] == headers["x-correlation-id"]
    error = reply["error"]
    may_retry = {"retryable": True} if status in {408, 429} or (status == 503 and code == "INTEGRATION_DOWN") else {}
    assert error == {"code": code, "details": error["details"], **may_retry}
    assert error["details"]
    return str(error["details"])
