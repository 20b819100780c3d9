"""On whose behalf a tool is called, signed for the tool server: a compact JWT, encoded once per principal and half minute.

Above: the adapter's servicer puts it into the call's `_meta`. Below: PyJWT. The key is the server's bearer token, which it and we
share already; a server can so believe the tenant without believing whoever reaches its port.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import jwt

LIFETIME_SECONDS = 120
REUSE_SECONDS = 30
_MAX_KEPT = 4096

PrincipalKey = tuple[str, str, str, str]
"""Tenant, subject, kind, role."""


class PrincipalSigner:
    """PrincipalSigner signs principals for one tool server."""

    def __init__(self, key: str, clock: Callable[[], float] = time.time) -> None:
        self._key = key
        self._clock = clock
        self._kept: dict[PrincipalKey, tuple[float, str]] = {}

    def token(self, principal: PrincipalKey) -> str:
        """Return a token that is valid for at least another minute and a half."""
        now = self._clock()
        kept = self._kept.get(principal)
        if kept is not None and kept[0] > now:
            return kept[1]
        if len(self._kept) >= _MAX_KEPT:
            self._kept.clear()
        tenant, subject, kind, role = principal
        issued = int(now)
        claims = {
            "tenant": tenant,
            "sub": subject,
            "kind": kind,
            "role": role,
            "iat": issued,
            "exp": issued + LIFETIME_SECONDS,
        }
        token = jwt.encode(claims, self._key, algorithm="HS256")
        self._kept[principal] = (now + REUSE_SECONDS, token)
        return token
