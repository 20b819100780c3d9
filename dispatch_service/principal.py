"""Who is calling: the principal that the door's checked token stands for.

Above: servicers and policy. Below: the metadata `x-jwt-payload`, which Envoy sets after checking a token and strips from
clients. A call without a token is an anonymous visitor's click. What comes through the door for models counts as a model's call,
whoever's token it shows: the mark of that door, `x-switchboard-door`, can only make less of a caller, and Envoy strips it, too.

Envoy has checked signature, issuer, audience, `exp` and `nbf`. What it does not look at is checked here, and the issuer decides
what kind of principal a token makes: people sign in at one, services and models get their tokens from the other.
"""

from __future__ import annotations

import base64
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from service_kit.errors import Forbidden, Unauthenticated

PAYLOAD_METADATA = "x-jwt-payload"
DOOR_METADATA = "x-switchboard-door"
ANONYMOUS = "anonymous"
OPERATOR = "operator"
CUSTOMER = "customer"
VISITOR = "visitor"
SERVICE = "service"
AGENT = "agent"

HUMAN, MODEL = "human", "model"
# Roles that only one kind of issuer can give; a visitor is somebody without a token.
_PEOPLES_ROLES = frozenset({OPERATOR, CUSTOMER})
_SERVICES_ROLES = frozenset({SERVICE, AGENT})
_SKEW_SECONDS = 30  # As much as the door allows.
_MAX_PAYLOAD = 8 * 1024
_MAX_BUILDINGS = 200
_LATEST = 253_402_300_799  # The last second of the year 9999.


def _printable(text: str) -> str:
    if not text.isprintable():
        raise ValueError("not printable")
    return text


_Id = Annotated[str, StringConstraints(min_length=1, max_length=128), AfterValidator(_printable)]
_Name = Annotated[str, StringConstraints(min_length=1, max_length=64), AfterValidator(_printable)]
_Time = Annotated[int | float, Field(gt=0, le=_LATEST)]


class TokenPayload(BaseModel):
    """What we read of a token. Everything else in it is ignored."""

    model_config = ConfigDict(extra="ignore", frozen=True, strict=True, allow_inf_nan=False)

    iss: str
    sub: _Id
    iat: _Time
    exp: _Time
    auth_time: _Time | None = None
    tenant: _Name
    role: _Name
    kind: str | None = None
    tier: Literal["T1", "T2", "T3"] | None = None
    owner: _Id | None = Field(default=None, alias="appOwnerId")
    buildings: list[_Id] = Field(default_factory=list, alias="buildingIds", max_length=_MAX_BUILDINGS)
    resident: _Id | None = Field(default=None, alias="residentId")


@dataclass(frozen=True, kw_only=True, slots=True)
class Realm:
    """Whose tokens count, and for which company a caller without one acts."""

    tenant: str
    people_issuer: str
    services_issuer: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Principal:
    """On whose behalf a call is made. Empty fields are claims that the token does not make."""

    tenant: str
    subject: str
    kind: str  # human, service or model
    role: str
    tier: str = ""
    owner: str = ""
    buildings: tuple[str, ...] = ()
    resident: str = ""

    def __post_init__(self) -> None:
        # A principal that was kept as JSON comes back with a list.
        object.__setattr__(self, "buildings", tuple(self.buildings))

    @property
    def origin(self) -> str:
        """The kind of door, which the token and the door itself say: USER_CLICK, MODEL, SERVICE or OPERATOR."""
        if self.kind == HUMAN:
            return "OPERATOR" if self.role == OPERATOR else "USER_CLICK"
        return self.kind.upper()

    @property
    def is_anonymous(self) -> bool:
        """Whether the caller showed no token."""
        return self.role == VISITOR


def principal_of(metadata: Mapping[str, str], realm: Realm) -> Principal:
    """Return the caller's principal; a visitor without a token is anonymous in the realm's tenant. Raises Unauthenticated."""
    encoded = metadata.get(PAYLOAD_METADATA)
    if encoded is None:
        return Principal(tenant=realm.tenant, subject=ANONYMOUS, kind=_by_door(metadata, HUMAN), role=VISITOR)
    if len(encoded) > _MAX_PAYLOAD:
        raise Unauthenticated("UNAUTHENTICATED", "The token is too large.")
    try:
        # Strictly: by default, whatever is not base64 would be skipped.
        payload = base64.b64decode(encoded + "=" * (-len(encoded) % 4), altchars=b"-_", validate=True)
        token = TokenPayload.model_validate_json(payload)
    except (ValidationError, ValueError):
        raise Unauthenticated("UNAUTHENTICATED", "The token does not say who is calling.") from None
    _check_times(token)
    return Principal(
        tenant=token.tenant,
        subject=token.sub,
        kind=_by_door(metadata, _kind(token, realm)),
        role=token.role,
        tier=token.tier or "",
        owner=token.owner or "",
        buildings=tuple(token.buildings),
        resident=token.resident or "",
    )


def require_token(metadata: Mapping[str, str], realm: Realm) -> Principal:
    """Return the principal of a caller that must have a token. Raises Unauthenticated."""
    if metadata.get(PAYLOAD_METADATA) is None:
        raise Unauthenticated("UNAUTHENTICATED", "This call needs a valid access token.")
    return principal_of(metadata, realm)


def require_operator(metadata: Mapping[str, str], realm: Realm) -> Principal:
    """Return the caller's principal if it is an operator's. Raises Unauthenticated or Forbidden."""
    principal = require_token(metadata, realm)
    if principal.role != OPERATOR or principal.kind != HUMAN:
        raise Forbidden("FORBIDDEN", "This is for operators.")
    return principal


def _check_times(token: TokenPayload) -> None:
    now = time.time()
    if not (token.iat <= now + _SKEW_SECONDS and token.iat < token.exp and token.exp > now - _SKEW_SECONDS):
        raise Unauthenticated("UNAUTHENTICATED", "The token is not valid at this time.")
    if token.auth_time is not None and token.auth_time > now + _SKEW_SECONDS:
        raise Unauthenticated("UNAUTHENTICATED", "The token says that its bearer will sign in later.")


def _by_door(metadata: Mapping[str, str], kind: str) -> str:
    return MODEL if DOOR_METADATA in metadata else kind


def _kind(token: TokenPayload, realm: Realm) -> str:
    """Say what kind of principal the token makes. Raises Unauthenticated where it claims what its issuer cannot give."""
    if token.iss == realm.people_issuer:
        if token.auth_time is None:
            raise Unauthenticated("UNAUTHENTICATED", "The token does not say when its bearer signed in.")
        if token.role in _SERVICES_ROLES or token.role == VISITOR:
            raise Unauthenticated("UNAUTHENTICATED", "The token's issuer cannot give this role.")
        return HUMAN
    if token.iss != realm.services_issuer:
        raise Unauthenticated("UNAUTHENTICATED", "The token's issuer is not known here.")
    if token.kind not in {"service", "model"} or token.role in _PEOPLES_ROLES or token.role == VISITOR:
        raise Unauthenticated("UNAUTHENTICATED", "The token's issuer cannot give this role or kind.")
    return token.kind
