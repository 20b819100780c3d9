"""What a call's metadata says: the correlation id, the principal's token, the client.

Above: every servicer. Below: gRPC metadata, which Envoy fills in after stripping what a client may not say.
"""

from __future__ import annotations

import re
import uuid
from typing import Any

from service_kit.keys import Keyring

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_MAX_USER_AGENT = 120


def of(context: Any) -> dict[str, str]:
    """Return the metadata of a call as text by lower-case name; what is repeated is joined by commas, as HTTP has it.

    So a second payload beside the door's makes both unreadable, rather than one of them win."""
    found: dict[str, str] = {}
    for key, value in context.invocation_metadata() or ():
        if isinstance(value, str):
            found[key] = f"{found[key]},{value}" if key in found else value
    return found


def correlation_id(metadata: dict[str, str]) -> str:
    """Return the door's request id, or a new one for a call that came past the door."""
    given = metadata.get("x-request-id", "")
    return given if _UUID.fullmatch(given) else str(uuid.uuid4())


def client(metadata: dict[str, str], session_id: str, keys: Keyring) -> dict[str, str]:
    """Say where a call came from without telling: keyed hashes of the session and the address, and the user agent."""
    address = metadata.get("x-envoy-external-address", "")
    agent = metadata.get("user-agent", "")[:_MAX_USER_AGENT]
    facts = {
        "session": keys.short_hash("session", session_id)[:16] if session_id else "",
        "address": keys.short_hash("address", address)[:16] if address else "",
        "userAgent": agent if agent.isprintable() else "",
    }
    return {name: value for name, value in facts.items() if value}
