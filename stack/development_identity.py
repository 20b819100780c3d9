"""The development identity providers: one stack's two key pairs, the tokens they sign, the key sets that Envoy checks them with.

Above: `switchboard token` and Envoy's settings. Below: PyJWT and private keys of mode 0600. Production stacks trust issuers
of their own instead (see stack.issuers); nobody outside this state directory can make these tokens.

People sign in at one issuer, whose tokens look like Firebase's; services and agents get theirs from the other. Who issued a
token decides whether a person stands behind it, so neither key can sign for the other's callers.
"""

from __future__ import annotations

import hashlib
import json
import time
import uuid
from pathlib import Path
from typing import Any, Self

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from stack.errors import StackError
from stack.state import StateDirectory, write_atomically

PEOPLE_ISSUER = "https://switchboard.local/people"
SERVICES_ISSUER = "https://switchboard.local/services"
AUDIENCE = "switchboard"

# Roles that `switchboard token` signs for. Services' tokens say what kind of caller they are for; people's need not.
PEOPLES_ROLES = frozenset({"operator", "customer"})
KIND_BY_ROLE = {"service": "service", "agent": "model"}
ROLES = sorted([*PEOPLES_ROLES, *KIND_BY_ROLE])

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


class DevelopmentIssuer:
    """One issuer: RS256 with an RSA key, as Firebase's, ES256 with an elliptic-curve one."""

    def __init__(self, name: str, private_key: PrivateKey) -> None:
        self.name = name
        self._private_key = private_key
        public = private_key.public_key()
        if isinstance(public, rsa.RSAPublicKey):
            self._algorithm, jwk = "RS256", RSAAlgorithm.to_jwk(public)
        else:
            self._algorithm, jwk = "ES256", ECAlgorithm(ECAlgorithm.SHA256).to_jwk(public)
        wanted = {"kty", "n", "e", "crv", "x", "y"}
        self._public = {name: value for name, value in json.loads(jwk).items() if name in wanted}
        fingerprint = hashlib.sha256(json.dumps(self._public, sort_keys=True).encode()).hexdigest()
        self._key_id = f"dev-{fingerprint[:16]}"

    @classmethod
    def from_pem(cls, name: str, pem: bytes) -> Self:
        """Read a private key. Raises ValueError where it is none that signs tokens."""
        key = serialization.load_pem_private_key(pem, password=None)
        if not isinstance(key, PrivateKey):
            raise ValueError("neither an RSA nor an elliptic-curve key")
        return cls(name, key)

    @property
    def jwks(self) -> dict[str, Any]:
        """The public half, as a JSON Web Key Set."""
        return {"keys": [{**self._public, "kid": self._key_id, "use": "sig", "alg": self._algorithm}]}

    def sign(self, claims: dict[str, Any], headers: dict[str, Any] | None = None) -> str:
        """Sign these claims and no others; `headers` are added to the token's own header, or replace what is in it."""
        return jwt.encode(claims, self._private_key, algorithm=self._algorithm, headers={"kid": self._key_id, **(headers or {})})


class DevelopmentIdentity:
    """The two issuers of one stack."""

    def __init__(self, people: DevelopmentIssuer, services: DevelopmentIssuer) -> None:
        self.people = people
        self.services = services

    def issuer_of(self, role: str) -> DevelopmentIssuer:
        """The issuer whose tokens may have that role."""
        return self.people if role in PEOPLES_ROLES else self.services

    def claims(self, *, role: str, tenant: str, subject: str, expires: int = 3600) -> dict[str, Any]:
        """The claims of a token of that role."""
        now = int(time.time())
        issuer = self.issuer_of(role)
        of_its_kind: dict[str, Any] = {"auth_time": now} if issuer is self.people else {"kind": KIND_BY_ROLE[role]}
        return {
            "iss": issuer.name,
            "aud": AUDIENCE,
            "sub": subject,
            "iat": min(now, now + expires - 1),
            "exp": now + expires,
            "jti": str(uuid.uuid4()),
            "role": role,
            "tenant": tenant,
            **of_its_kind,
        }

    def token(self, *, role: str, tenant: str, subject: str, claims: dict[str, Any] | None = None, expires: int = 3600) -> str:
        """Sign a token that is valid for `expires` seconds. `claims` are added last and win over the others."""
        made = self.claims(role=role, tenant=tenant, subject=subject, expires=expires)
        return self.issuer_of(role).sign({**made, **(claims or {})})


def _people_path(state: StateDirectory) -> Path:
    return state.keys / "development_people.pem"


def _services_path(state: StateDirectory) -> Path:
    return state.keys / "development_services.pem"


def ensure_development_identity(state: StateDirectory) -> DevelopmentIdentity:
    """Return the stack's identity, with keys made now if this is the first run."""
    if not _people_path(state).exists():
        _write(_people_path(state), rsa.generate_private_key(public_exponent=65537, key_size=2048))
    if not _services_path(state).exists():
        _write(_services_path(state), ec.generate_private_key(ec.SECP256R1()))
    return load_development_identity(state)


def load_development_identity(state: StateDirectory) -> DevelopmentIdentity:
    """Return the identity that an earlier run made, or raise StackError."""
    return DevelopmentIdentity(
        _load(state, _people_path(state), PEOPLE_ISSUER), _load(state, _services_path(state), SERVICES_ISSUER)
    )


def _write(path: Path, key: PrivateKey) -> None:
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    write_atomically(path, pem.decode())


def _load(state: StateDirectory, path: Path, issuer: str) -> DevelopmentIssuer:
    try:
        return DevelopmentIssuer.from_pem(issuer, path.read_bytes())
    except FileNotFoundError:
        raise StackError(f"no stack was ever started on {state.root}; run `make run` first") from None
    except ValueError:
        raise StackError(f"{path} is damaged; remove it and start the stack again to make a new one") from None
