"""The development identity provider: one stack's key pair, the tokens it signs, the JWKS that Envoy checks them with.

Above: `switchboard token` and Envoy's settings. Below: PyJWT and a private key of mode 0600. Production stacks trust
their own issuer instead; nobody outside this state directory can make these tokens.
"""

from __future__ import annotations

import hashlib
import json
import time
import uuid
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm

from stack.errors import StackError
from stack.state import StateDirectory, write_atomically

ISSUER = "https://switchboard.local/dev"
AUDIENCE = "switchboard"
_ALGORITHM = "ES256"

# role -> kind of principal: only a human may decide an authorization.
KIND_BY_ROLE = {"operator": "human", "customer": "human", "service": "service", "agent": "model"}


class DevelopmentIdentity:
    """The signing key of one stack."""

    def __init__(self, private_key: ec.EllipticCurvePrivateKey) -> None:
        self._private_key = private_key
        public = json.loads(ECAlgorithm(ECAlgorithm.SHA256).to_jwk(private_key.public_key()))
        fingerprint = hashlib.sha256(f"{public['x']}.{public['y']}".encode()).hexdigest()
        self._key_id = f"dev-{fingerprint[:16]}"
        self._public = {"kty": "EC", "crv": public["crv"], "x": public["x"], "y": public["y"]}

    @property
    def jwks(self) -> dict[str, Any]:
        """The public half, as a JSON Web Key Set."""
        return {"keys": [{**self._public, "kid": self._key_id, "use": "sig", "alg": _ALGORITHM}]}

    def token(self, *, role: str, tenant: str, subject: str, claims: dict[str, Any] | None = None, expires: int = 3600) -> str:
        """Sign a token that is valid for `expires` seconds. `claims` are added last and win over the others."""
        now = int(time.time())
        payload: dict[str, Any] = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": subject,
            "iat": now,
            "exp": now + expires,
            "auth_time": now,
            "jti": str(uuid.uuid4()),
            "role": role,
            "tenant": tenant,
            "kind": KIND_BY_ROLE[role],
            **(claims or {}),
        }
        return jwt.encode(payload, self._private_key, algorithm=_ALGORITHM, headers={"kid": self._key_id})


def _path(state: StateDirectory) -> Path:
    return state.keys / "development.pem"


def ensure_development_identity(state: StateDirectory) -> DevelopmentIdentity:
    """Return the stack's identity, with a key made now if this is the first run."""
    path = _path(state)
    if not path.exists():
        pem = ec.generate_private_key(ec.SECP256R1()).private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        write_atomically(path, pem.decode())
    return load_development_identity(state)


def load_development_identity(state: StateDirectory) -> DevelopmentIdentity:
    """Return the identity that an earlier run made, or raise StackError."""
    path = _path(state)
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except FileNotFoundError:
        raise StackError(f"no stack was ever started on {state.root}; run `make run` first") from None
    except ValueError:
        raise StackError(f"{path} is damaged; remove it and start the stack again to make a new one") from None
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise StackError(f"{path} is not an elliptic-curve key; remove it and start the stack again to make a new one")
    return DevelopmentIdentity(key)
