"""Who is calling: the principal that the door's checked token stands for.

Above: servicers and policy. Below: the metadata `x-jwt-payload`, which Envoy sets after checking a token and strips from
clients. A call without a token is an anonymous visitor's click.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from service_kit.errors import Forbidden, Unauthenticated

PAYLOAD_METADATA = "x-jwt-payload"
ANONYMOUS = "anonymous"
OPERATOR = "operator"


class TokenPayload(BaseModel):
    """What we read of a token. Everything else in it is ignored."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    sub: str
    tenant: str
    role: str
    kind: Literal["human", "service", "model"]
    tier: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Principal:
    """On whose behalf a call is made."""

    tenant: str
    subject: str
    kind: str
    role: str
    tier: str = ""

    @property
    def origin(self) -> str:
        """The kind of door, which only the token can say: USER_CLICK, MODEL, SERVICE or OPERATOR."""
        if self.kind == "human":
            return "OPERATOR" if self.role == OPERATOR else "USER_CLICK"
        return self.kind.upper()


def principal_of(metadata: Mapping[str, str], tenant: str) -> Principal:
    """Return the caller's principal; a visitor without a token is anonymous in `tenant`. Raises Unauthenticated."""
    encoded = metadata.get(PAYLOAD_METADATA, "")
    if not encoded:
        return Principal(tenant=tenant, subject=ANONYMOUS, kind="human", role="visitor")
    try:
        payload = TokenPayload.model_validate_json(base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)))
    except (ValidationError, ValueError):
        raise Unauthenticated("UNAUTHENTICATED", "The token does not say who is calling.") from None
    if not payload.sub:
        raise Unauthenticated("UNAUTHENTICATED", "The token names no subject.")
    return Principal(tenant=payload.tenant, subject=payload.sub, kind=payload.kind, role=payload.role, tier=payload.tier)


def require_operator(metadata: Mapping[str, str], tenant: str) -> Principal:
    """Return the caller's principal if it is an operator's. Raises Unauthenticated or Forbidden."""
    if not metadata.get(PAYLOAD_METADATA):
        raise Unauthenticated("UNAUTHENTICATED", "This needs an operator's token.")
    principal = principal_of(metadata, tenant)
    if principal.role != OPERATOR or principal.kind != "human":
        raise Forbidden("FORBIDDEN", "This is for operators.")
    return principal
