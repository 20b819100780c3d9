"""Whose tokens this stack takes: for people and for services each, its own development issuer or the one that settings name.

Above: Envoy's configuration, the services' environment, `switchboard token`. Below: the stack's settings and development keys.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from stack.development_identity import AUDIENCE, PEOPLE_ISSUER, PEOPLES_ROLES, SERVICES_ISSUER, DevelopmentIdentity
from stack.errors import StackError
from stack.front_door.settings import TokenIssuer
from stack.settings import RemoteIssuer, StackSettings


@dataclass(frozen=True, kw_only=True)
class Issuers:
    """The names of the two issuers, as `iss` has them."""

    people: str
    services: str

    @property
    def environment(self) -> dict[str, str]:
        """What dispatch_service is told of them: who issued a token decides what kind of caller it is for."""
        return {"SWITCHBOARD_PEOPLE_ISSUER": self.people, "SWITCHBOARD_SERVICES_ISSUER": self.services}


def issuers(settings: StackSettings) -> Issuers:
    """Return the names of the issuers that count. Raises StackError where both would have the same."""
    people, services = settings.remote_people, settings.remote_services
    named = Issuers(people=people.issuer if people else PEOPLE_ISSUER, services=services.issuer if services else SERVICES_ISSUER)
    if named.people == named.services:
        raise StackError("people and services need different issuers: set SWITCHBOARD_PEOPLE_ISSUER and _SERVICES_ISSUER apart")
    return named


def trusted_issuers(settings: StackSettings, identity: DevelopmentIdentity) -> tuple[TokenIssuer, TokenIssuer]:
    """Return the issuers with their audiences and keys, as the front door needs them: people's, then services'."""
    issuers(settings)
    people, services = settings.remote_people, settings.remote_services
    return (
        _remote(people) if people else _development(PEOPLE_ISSUER, identity.people.jwks),
        _remote(services) if services else _development(SERVICES_ISSUER, identity.services.jwks),
    )


def require_development_issuer(settings: StackSettings, role: str) -> None:
    """Raise StackError where tokens of this role come from an issuer of the user's, which would not know our signature."""
    remote = settings.remote_people if role in PEOPLES_ROLES else settings.remote_services
    if remote is not None:
        raise StackError(f"tokens of this role come from {remote.issuer}; get one there")


def _development(name: str, jwks: object) -> TokenIssuer:
    return TokenIssuer(issuer=name, audiences=(AUDIENCE,), jwks=json.dumps(jwks))


def _remote(remote: RemoteIssuer) -> TokenIssuer:
    return TokenIssuer(issuer=remote.issuer, audiences=(remote.audience,), jwks_uri=remote.jwks_url)
