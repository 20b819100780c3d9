"""On whose behalf a request is made, and what of it goes on to dispatch_service.

Above: `application` lets in who has a payload; handlers hand the caller on. Below: headers that Envoy sets for a checked token.

The payload is read here only to tell sessions of different callers apart. Whether it is any good is dispatch_service's to say.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser
from mcp.server.auth.provider import AccessToken
from starlette.requests import Request

PAYLOAD = "x-jwt-payload"
# Marks every call that comes from here: dispatch_service then takes its caller for a model, whatever the token says.
DOOR = ("x-switchboard-door", "model")

_HANDED_ON = ("x-request-id", "x-envoy-external-address")
_TRACE = {
    "traceparent": re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}"),
    "tracestate": re.compile(r"[ -~]{1,512}"),
}

Metadata = tuple[tuple[str, str], ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Caller:
    """Who calls. `metadata` goes with every call on dispatch_service."""

    payload: str
    metadata: Metadata


def caller_of(request: Request | None, meta: Mapping[str, Any]) -> Caller:
    """Return the caller of a request that was let in. What `meta` says of the trace goes before the headers."""
    if request is None:
        raise TypeError("the gateway is called over HTTP")
    headers = request.headers
    payload = headers[PAYLOAD]
    handed_on = [(name, headers[name]) for name in _HANDED_ON if name in headers]
    for name, form in _TRACE.items():
        value = meta.get(name) or headers.get(name)
        if isinstance(value, str) and form.fullmatch(value):
            handed_on.append((name, value))
    return Caller(payload=payload, metadata=((PAYLOAD, payload), DOOR, *handed_on))


def user_of(payload: str) -> AuthenticatedUser | None:
    """Return whom a payload names, as the MCP SDK keeps sessions apart by; None where it names nobody."""
    try:
        claims = orjson.loads(base64.b64decode(payload + "=" * (-len(payload) % 4), altchars=b"-_", validate=True))
    except (binascii.Error, ValueError):
        return None
    named = [claims.get(name) for name in ("tenant", "iss", "sub")] if isinstance(claims, dict) else []
    if not named or not all(isinstance(value, str) and value for value in named):
        return None
    tenant, issuer, subject = named
    return AuthenticatedUser(AccessToken(token="", client_id=tenant, scopes=[], subject=subject, claims={"iss": issuer}))
