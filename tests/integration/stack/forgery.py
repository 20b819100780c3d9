"""Forged and stale tokens, each one step away from a good one: a table of what is sent and what it is answered with.

Above: `test_forged_tokens`. Below: PyJWT, cryptography and the development issuers of a stack.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from stack.development_identity import DevelopmentIdentity, DevelopmentIssuer

UNAUTHENTICATED = (401, "UNAUTHENTICATED")
FORBIDDEN = (403, "FORBIDDEN")
REMOVED = object()


def part(document: Any) -> str:
    """One part of a token: JSON in base64url without padding."""
    text = document if isinstance(document, bytes) else json.dumps(document).encode()
    return base64.urlsafe_b64encode(text).decode().rstrip("=")


class Forger:
    """Somebody with a key pair of their own, some good tokens and a lot of time.

    Where a method signs with the stack's own keys, it stands for an issuer that was talked into it, or that is not
    careful: what such a token says is not believed either.
    """

    def __init__(self, identity: DevelopmentIdentity) -> None:
        self.people = identity.people
        self.services = identity.services
        self._identity = identity
        self._key = rsa.generate_private_key(65537, 2048)
        self.stranger = DevelopmentIssuer("https://elsewhere.example", self._key)

    def claims(self, role: str = "operator", /, **changes: Any) -> dict[str, Any]:
        """The claims of a good token, with changes; REMOVED takes one away."""
        good = self._identity.claims(role=role, tenant="demo", subject="mallory")
        return {name: value for name, value in {**good, **changes}.items() if value is not REMOVED}

    def person(self, role: str = "operator", /, **changes: Any) -> str:
        """A token of the people's issuer."""
        return self.people.sign(self.claims(role, **changes))

    def service(self, role: str = "service", /, **changes: Any) -> str:
        """A token of the services' issuer."""
        return self.services.sign(self.claims(role, **changes))

    def with_own_key(self, **header: Any) -> str:
        """An operator's claims, signed with the forger's key; `header` says where that key is, or gives it."""
        key_id = jwt.get_unverified_header(self.person())["kid"]
        return self.stranger.sign(self.claims(), {"kid": key_id, **header})

    def with_own_key_unnamed(self) -> str:
        """The same without a key id, so that every key is tried."""
        return jwt.encode(self.claims(), self._key, algorithm="RS256")

    def unsigned(self, algorithm: str) -> str:
        """A token that says it needs no signature."""
        return f"{part({'alg': algorithm, 'typ': 'JWT'})}.{part(self.claims())}."

    def keyed_with_the_public_key(self, issuer: DevelopmentIssuer, *, as_pem: bool) -> str:
        """HS256 with what everybody knows: the public key as the secret."""
        [jwk] = issuer.jwks["keys"]
        secret = json.dumps(jwk).encode()
        if as_pem:
            secret = jwt.PyJWK(jwk).key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        signed = f"{part({'alg': 'HS256', 'typ': 'JWT', 'kid': jwk['kid']})}.{part(self.claims(iss=issuer.name))}"
        return f"{signed}.{part(hmac.new(secret, signed.encode(), hashlib.sha256).digest())}"

    def with_parts(self, *, header: Any = None, payload: Any = None, signature: Any = None) -> str:
        """A good token with parts of it replaced."""
        good = self.person().split(".")
        return ".".join(mine or own for mine, own in zip((header, payload, signature), good, strict=True))

    def zero_signature(self) -> str:
        """ES256 with r = s = 0, which a careless verifier takes for any key's."""
        head, payload, _ = self.service().split(".")
        return f"{head}.{payload}.{part(bytes(64))}"

    def with_other_claims_signature(self) -> str:
        """A customer's signature under an operator's claims."""
        customer = self.person("customer").split(".")
        return self.with_parts(signature=customer[2], header=customer[0])


Case = tuple[Callable[[Forger], str], tuple[int, str]]


def _later(seconds: int) -> int:
    return int(time.time()) + seconds


# name -> the Authorization header, and the HTTP status and code that JSON callers get.
CASES: dict[str, Case] = {
    # The signature
    "without signature, alg none": (lambda f: f"Bearer {f.unsigned('none')}", UNAUTHENTICATED),
    "without signature, alg NoNe": (lambda f: f"Bearer {f.unsigned('NoNe')}", UNAUTHENTICATED),
    "without signature, alg empty": (lambda f: f"Bearer {f.unsigned('')}", UNAUTHENTICATED),
    "HS256 keyed with people's public key": (
        lambda f: f"Bearer {f.keyed_with_the_public_key(f.people, as_pem=True)}",
        UNAUTHENTICATED,
    ),
    "HS256 keyed with people's JWK": (
        lambda f: f"Bearer {f.keyed_with_the_public_key(f.people, as_pem=False)}",
        UNAUTHENTICATED,
    ),
    "HS256 keyed with services' public key": (
        lambda f: f"Bearer {f.keyed_with_the_public_key(f.services, as_pem=True)}",
        UNAUTHENTICATED,
    ),
    "signed with another key": (lambda f: f"Bearer {f.with_own_key()}", UNAUTHENTICATED),
    "signed with another key, of which no key id is given": (
        lambda f: f"Bearer {f.with_own_key_unnamed()}",
        UNAUTHENTICATED,
    ),
    "the right key under an unknown key id": (
        lambda f: f"Bearer {f.people.sign(f.claims(), {'kid': 'unknown'})}",
        UNAUTHENTICATED,
    ),
    "jku leads to the forger's keys": (
        lambda f: f"Bearer {f.with_own_key(jku='https://elsewhere.example/jwks')}",
        UNAUTHENTICATED,
    ),
    "jwk is the forger's key": (lambda f: f"Bearer {f.with_own_key(jwk=f.stranger.jwks['keys'][0])}", UNAUTHENTICATED),
    "x5u leads to the forger's certificate": (
        lambda f: f"Bearer {f.with_own_key(x5u='https://elsewhere.example/cert')}",
        UNAUTHENTICATED,
    ),
    "x5c is the forger's certificate": (lambda f: f"Bearer {f.with_own_key(x5c=['MIIB'])}", UNAUTHENTICATED),
    "a signature of zeros": (lambda f: f"Bearer {f.zero_signature()}", UNAUTHENTICATED),
    "another token's signature": (lambda f: f"Bearer {f.with_other_claims_signature()}", UNAUTHENTICATED),
    "claims edited after signing": (
        lambda f: f"Bearer {f.with_parts(payload=part(f.claims(sub='somebody else')))}",
        UNAUTHENTICATED,
    ),
    "signature cut short": (lambda f: f"Bearer {f.person()[:-6]}", UNAUTHENTICATED),
    "signature left out": (lambda f: f"Bearer {f.person().rpartition('.')[0]}.", UNAUTHENTICATED),
    "two of three parts": (lambda f: f"Bearer {f.person().rpartition('.')[0]}", UNAUTHENTICATED),
    "a fourth part": (lambda f: f"Bearer {f.person()}.x", UNAUTHENTICATED),
    "an extension that it calls critical": (
        lambda f: f"Bearer {f.people.sign(f.claims(), {'crit': ['exp'], 'exp': 1})}",
        FORBIDDEN,
    ),
    # Who issued it, and for whom
    "an unknown issuer": (
        lambda f: f"Bearer {f.stranger.sign(f.claims(iss=f.stranger.name))}",
        UNAUTHENTICATED,
    ),
    "an unknown issuer's name under people's signature": (
        lambda f: f"Bearer {f.person(iss='https://elsewhere.example')}",
        UNAUTHENTICATED,
    ),
    "no issuer": (lambda f: f"Bearer {f.person(iss=REMOVED)}", UNAUTHENTICATED),
    "people's issuer under services' signature": (lambda f: f"Bearer {f.services.sign(f.claims())}", UNAUTHENTICATED),
    "services' issuer under people's signature": (
        lambda f: f"Bearer {f.people.sign(f.claims('service'))}",
        UNAUTHENTICATED,
    ),
    "for another audience": (lambda f: f"Bearer {f.person(aud='another')}", FORBIDDEN),
    "for no audience": (lambda f: f"Bearer {f.person(aud=REMOVED)}", FORBIDDEN),
    # When
    "expired": (lambda f: f"Bearer {f.person(iat=_later(-7200), exp=_later(-3600))}", UNAUTHENTICATED),
    "without an end": (lambda f: f"Bearer {f.person(exp=REMOVED)}", UNAUTHENTICATED),
    "not valid yet": (lambda f: f"Bearer {f.person(nbf=_later(3600))}", UNAUTHENTICATED),
    "issued in the future": (lambda f: f"Bearer {f.person(iat=_later(600))}", UNAUTHENTICATED),
    "issued at no time": (lambda f: f"Bearer {f.person(iat=REMOVED)}", UNAUTHENTICATED),
    "ends before it begins": (lambda f: f"Bearer {f.person(iat=_later(20), exp=_later(10))}", UNAUTHENTICATED),
    "nobody signed in": (lambda f: f"Bearer {f.person(auth_time=REMOVED)}", UNAUTHENTICATED),
    "somebody will sign in later": (lambda f: f"Bearer {f.person(auth_time=_later(600))}", UNAUTHENTICATED),
    "signed in at a time that is text": (lambda f: f"Bearer {f.person(auth_time='yesterday')}", UNAUTHENTICATED),
    # Who
    "no subject": (lambda f: f"Bearer {f.person(sub=REMOVED)}", UNAUTHENTICATED),
    "an empty subject": (lambda f: f"Bearer {f.person(sub='')}", UNAUTHENTICATED),
    "a subject of 500 characters": (lambda f: f"Bearer {f.person(sub='x' * 500)}", UNAUTHENTICATED),
    "a subject with a control character": (lambda f: f"Bearer {f.person(sub='ann' + chr(7))}", UNAUTHENTICATED),
    "a subject of two lines": (lambda f: f"Bearer {f.person(sub='ann' + chr(10) + 'role: operator')}", UNAUTHENTICATED),
    "a subject that turns the text around": (lambda f: f"Bearer {f.person(sub='ann' + chr(0x202E))}", UNAUTHENTICATED),
    "a subject that is a number": (lambda f: f"Bearer {f.person(sub=17)}", UNAUTHENTICATED),
    "no tenant": (lambda f: f"Bearer {f.person(tenant=REMOVED)}", UNAUTHENTICATED),
    "an empty tenant": (lambda f: f"Bearer {f.person(tenant='')}", UNAUTHENTICATED),
    "several tenants": (lambda f: f"Bearer {f.person(tenant=['demo', 'elsewhere'])}", UNAUTHENTICATED),
    # What it may be
    "no role": (lambda f: f"Bearer {f.person(role=REMOVED)}", UNAUTHENTICATED),
    "several roles": (lambda f: f"Bearer {f.person(role=['customer', 'operator'])}", UNAUTHENTICATED),
    "a visitor with a token": (lambda f: f"Bearer {f.person(role='visitor')}", UNAUTHENTICATED),
    "a service that calls itself human": (lambda f: f"Bearer {f.service(kind='human')}", UNAUTHENTICATED),
    "a service of no kind": (lambda f: f"Bearer {f.service(kind=REMOVED)}", UNAUTHENTICATED),
    "a service that calls itself operator": (lambda f: f"Bearer {f.service(role='operator')}", UNAUTHENTICATED),
    "a human operator by the services' issuer": (
        lambda f: f"Bearer {f.service(role='operator', kind='human', auth_time=_later(-60))}",
        UNAUTHENTICATED,
    ),
    "a service that calls itself customer": (lambda f: f"Bearer {f.service(role='customer')}", UNAUTHENTICATED),
    "an agent by the people's issuer": (
        lambda f: f"Bearer {f.person(role='agent')}",
        UNAUTHENTICATED,
    ),
    "tier T9": (lambda f: f"Bearer {f.person(tier='T9')}", UNAUTHENTICATED),
    "tier empty": (lambda f: f"Bearer {f.person(tier='')}", UNAUTHENTICATED),
    "several tiers": (lambda f: f"Bearer {f.person(tier=['T1'])}", UNAUTHENTICATED),
    "buildings as one text": (lambda f: f"Bearer {f.person(buildingIds='b1')}", UNAUTHENTICATED),
    "buildings as numbers": (lambda f: f"Bearer {f.person(buildingIds=[1, 2])}", UNAUTHENTICATED),
    "every building": (lambda f: f"Bearer {f.person(buildingIds=[f'b{n}' for n in range(1000)])}", UNAUTHENTICATED),
    "a building without a name": (lambda f: f"Bearer {f.person(buildingIds=[''])}", UNAUTHENTICATED),
    "a resident that is an object": (lambda f: f"Bearer {f.person(residentId={'id': 'r1'})}", UNAUTHENTICATED),
    "an owner with a zero byte": (lambda f: f"Bearer {f.person(appOwnerId='o' + chr(0))}", UNAUTHENTICATED),
    # What it is made of
    "a token inside the token": (lambda f: f"Bearer {f.with_parts(payload=part(f.person().encode()))}", UNAUTHENTICATED),
    "claims that are a list": (lambda f: f"Bearer {f.with_parts(payload=part([f.claims()]))}", UNAUTHENTICATED),
    "claims that are not JSON": (lambda f: f"Bearer {f.with_parts(payload=part(b'operator'))}", UNAUTHENTICATED),
    "twelve thousand bytes of claims": (lambda f: f"Bearer {f.person(note='x' * 12_000)}", UNAUTHENTICATED),
    # How it is sent
    "without Bearer": (lambda f: f.person(), UNAUTHENTICATED),
    "by another scheme": (lambda f: f"Basic {f.person()}", UNAUTHENTICATED),
    "behind another scheme": (lambda f: f"Basic QQ== Bearer {f.person()}", UNAUTHENTICATED),
    "twice in one header": (lambda f: f"Bearer {f.person()},Bearer {f.person()}", UNAUTHENTICATED),
    "with something after it": (lambda f: f"Bearer {f.person()} x", UNAUTHENTICATED),
    "empty": (lambda f: "", UNAUTHENTICATED),
    "nothing but Bearer": (lambda f: "Bearer", UNAUTHENTICATED),
}
