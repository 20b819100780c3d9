"""What travels with a call beside its arguments: key, correlation id, principal, deadline, and whether it is a dry run.

Above: servicers get a `ToolCall`. Below: `_meta` of an MCP request, as the adapter fills it.

The principal is a JWT that the adapter signs with the server's own bearer token, so that a proxy in between cannot speak for
another tenant. The adapter sends one token for many calls: what was verified is kept until it expires.
"""

from __future__ import annotations

import asyncio
import re
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jwt

from tool_servers.runtime.errors import Forbidden, InvalidArgument

IDEMPOTENCY_KEY = "switchboard.dev/idempotency-key"
CORRELATION_ID = "switchboard.dev/correlation-id"
DEADLINE_MS = "switchboard.dev/deadline-ms"
PRINCIPAL = "switchboard.dev/principal"
DRY_RUN = "switchboard.dev/dry-run"

_MAX_KEY = 255
_CORRELATION_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")
_MAX_PRINCIPALS = 4096


@dataclass(frozen=True, kw_only=True, slots=True)
class Principal:
    """On whose behalf a tool is called. `kind` is human, service or model.

    `tier`, `owner` (a portfolio), `buildings` and `resident` narrow down whose data it is about; empty where the token does not.
    """

    tenant: str
    subject: str
    kind: str
    role: str
    tier: str = ""
    owner: str = ""
    buildings: tuple[str, ...] = ()
    resident: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class ToolCall:
    """One call. `deadline` is in the running loop's time (`loop.time()`), in seconds. A dry run may have no idempotency key."""

    idempotency_key: str
    correlation_id: str
    principal: Principal | None
    deadline: float
    dry_run: bool = False

    @property
    def tenant(self) -> str:
        """The company on whose behalf the tool is called. Raises Forbidden where the call does not say."""
        if self.principal is None:
            raise Forbidden(f"This tool works on behalf of a company: send a signed principal in _meta {PRINCIPAL}.")
        return self.principal.tenant

    def remaining(self) -> float:
        """Return how many seconds are left, 0 at least."""
        return max(0.0, self.deadline - asyncio.get_running_loop().time())


class CallReader:
    """Reads `_meta`. `token` is the server's bearer token; times are in seconds."""

    def __init__(self, *, token: str, default_timeout: float, max_timeout: float, hand_use_tenant: str) -> None:
        self._token = token
        self._default_timeout = default_timeout
        self._max_timeout = max_timeout
        self._by_hand = Principal(tenant=hand_use_tenant, subject="hand", kind="human", role="") if hand_use_tenant else None
        self._verified: dict[str, tuple[Principal, float]] = {}

    def read(self, meta: Mapping[str, Any], *, writes: bool) -> ToolCall:
        """Return the call. Raises InvalidArgument (no usable key on a write, a dry run of a read) and Forbidden (no valid
        principal)."""
        correlation_id = meta.get(CORRELATION_ID)
        known = isinstance(correlation_id, str) and _CORRELATION_ID.fullmatch(correlation_id)
        token = meta.get(PRINCIPAL)
        dry_run = meta.get(DRY_RUN)
        if dry_run is not None:
            dry_run = _dry_run(dry_run, writes)
        return ToolCall(
            idempotency_key=self._key(meta.get(IDEMPOTENCY_KEY), writes and not dry_run),
            correlation_id=str(correlation_id) if known else "",
            principal=self._by_hand if token is None else self._principal(token),
            deadline=asyncio.get_running_loop().time() + self._timeout(meta.get(DEADLINE_MS)),
            dry_run=bool(dry_run),
        )

    def _key(self, key: Any, writes: bool) -> str:
        if key is None or key == "":
            if not writes:
                return ""
            if self._by_hand is not None:
                return f"hand-{uuid.uuid4().hex}"
            raise InvalidArgument(f"A call that changes something needs an idempotency key in _meta {IDEMPOTENCY_KEY}.")
        if not isinstance(key, str) or len(key) > _MAX_KEY or not key.isprintable():
            raise InvalidArgument(f"The idempotency key must be at most {_MAX_KEY} printable characters.")
        return key

    def _timeout(self, milliseconds: Any) -> float:
        if isinstance(milliseconds, bool) or not isinstance(milliseconds, int):
            return self._default_timeout
        return min(max(milliseconds, 0) / 1000, self._max_timeout)

    def _principal(self, token: Any) -> Principal:
        found = self._verified.get(token) if isinstance(token, str) else None
        now = time.time()
        if found is not None and now < found[1]:
            return found[0]
        try:
            claims = jwt.decode(token, self._token, algorithms=["HS256"], options={"require": ["exp", "tenant", "sub"]})
            principal = _read_principal(claims)
        except jwt.PyJWTError:
            raise Forbidden("The principal of this call is not signed with this server's token, or has expired.") from None
        if not principal.tenant:
            raise Forbidden("The principal of this call names no tenant.")
        if len(self._verified) >= _MAX_PRINCIPALS:
            self._verified.clear()
        self._verified[token] = (principal, float(claims["exp"]))
        return principal


def _dry_run(mark: Any, writes: bool) -> bool:
    """A mark that cannot be read must not let a call through that was meant to change nothing."""
    if not isinstance(mark, bool):
        raise InvalidArgument(f"_meta {DRY_RUN} must be true or false.")
    if mark and not writes:
        raise InvalidArgument("This tool changes nothing: there is nothing to preview. Call it as it is.")
    return mark


def _read_principal(claims: Mapping[str, Any]) -> Principal:
    buildings = claims.get("buildings") or ()
    if not isinstance(buildings, (list, tuple)) or not all(isinstance(building, str) for building in buildings):
        raise Forbidden("The principal of this call names its buildings in a form that is not a list of texts.")
    return Principal(
        tenant=str(claims["tenant"]),
        subject=str(claims["sub"]),
        kind=str(claims.get("kind") or ""),
        role=str(claims.get("role") or ""),
        tier=str(claims.get("tier") or ""),
        owner=str(claims.get("owner") or ""),
        buildings=tuple(buildings),
        resident=str(claims.get("resident") or ""),
    )
