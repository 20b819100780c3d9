"""Issuers of tokens for the tests: a key pair, its key set and tokens signed with it.

Above: the fixtures. Below: PyJWT and cryptography.
"""

from __future__ import annotations

import json
import time
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec

AUDIENCE = "switchboard"


class Issuer:
    """Signs tokens as `name`."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._key = ec.generate_private_key(ec.SECP256R1())

    @property
    def settings(self) -> dict[str, Any]:
        """This issuer as the front door is told of it."""
        key = json.loads(jwt.algorithms.ECAlgorithm.to_jwk(self._key.public_key()))
        keys = [{**key, "kid": self.name, "alg": "ES256", "use": "sig"}]
        return {"issuer": self.name, "audiences": [AUDIENCE], "jwks": json.dumps({"keys": keys})}

    def token(self, **claims: Any) -> str:
        """A token that is good for a minute; `claims` replace or, where None, remove."""
        return self._signed(claims, {})

    def token_with_header(self, header: dict[str, Any]) -> str:
        """A token that is good but for what its header says besides."""
        return self._signed({}, header)

    def _signed(self, claims: dict[str, Any], header: dict[str, Any]) -> str:
        payload = {"iss": self.name, "aud": AUDIENCE, "sub": "user-1", "exp": int(time.time()) + 60, **claims}
        payload = {name: value for name, value in payload.items() if value is not None}
        return jwt.encode(payload, self._key, algorithm="ES256", headers={"kid": self.name, **header})
