"""On whose behalf a tool is called, signed for the tool server: a compact JWT, encoded once per principal and half minute.

Above: the adapter's servicer puts it into the call's `_meta`. Below: PyJWT. The key is the server's bearer token, which it and we
share already; a server can so believe the tenant without believing whoever reaches its port.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import jwt
from switchboard.adapter.v1 import adapter_service_pb2 as pb

LIFETIME_SECONDS = 120
REUSE_SECONDS = 30
_MAX_KEPT = 4096

# What narrows down whose data a call is about is in the token only where it is known.
_NARROWING = ("tier", "owner", "buildings", "resident")


class PrincipalSigner:
    """PrincipalSigner signs principals for one tool server."""

    def __init__(self, key: str, clock: Callable[[], float] = time.time) -> None:
        self._key = key
        self._clock = clock
        self._kept: dict[bytes, tuple[float, str]] = {}

    def token(self, principal: pb.Principal) -> str:
        """Return a token that is valid for at least another minute and a half."""
        now = self._clock()
        key = principal.SerializeToString()
        kept = self._kept.get(key)
        if kept is not None and kept[0] > now:
            return kept[1]
        if len(self._kept) >= _MAX_KEPT:
            self._kept.clear()
        token = jwt.encode(_claims(principal, int(now)), self._key, algorithm="HS256")
        self._kept[key] = (now + REUSE_SECONDS, token)
        return token


def _claims(principal: pb.Principal, issued: int) -> dict[str, Any]:
    claims: dict[str, Any] = {
        "tenant": principal.tenant,
        "sub": principal.subject,
        "kind": principal.kind,
        "role": principal.role,
        "iat": issued,
        "exp": issued + LIFETIME_SECONDS,
    }
    for name in _NARROWING:
        value = getattr(principal, name)
        if value:
            claims[name] = value if isinstance(value, str) else list(value)
    return claims
