"""The keys that services share: keyed hashes, sealing at rest, signed tokens.

Above: the journal, slot ids, page cursors. Below: `cryptography` and the keys file that `SWITCHBOARD_KEYS_FILE` names:
`{"hmac": {"id", "key"}, "seal": …, "slot": …, "cursor": …}` with 32 bytes in base64 each.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_NONCE_BYTES = 12
_TAG_BYTES = 16


class KeysUnusable(Exception):
    """The keys file cannot be used; the message says why and what to do."""


class BadSeal(Exception):
    """What was sealed or signed is not what is being opened: another key, another purpose, or tampering."""


@dataclass(frozen=True, slots=True)
class Key:
    """One key and the id that stands beside everything made with it."""

    id: str
    secret: bytes


class Keyring:
    """The keys of a stack, each for one purpose."""

    def __init__(self, *, hmac_key: Key, seal: Key, slot: Key, cursor: Key) -> None:
        self._hmac = hmac_key
        self._seal = seal
        self._tokens = {"slot": slot, "cursor": cursor}
        self._cipher = AESGCM(seal.secret)
        # Keyed once: each hash goes on from a copy.
        self._mac = hmac.new(hmac_key.secret, digestmod=hashlib.sha256)

    @classmethod
    def from_file(cls, path: Path) -> Keyring:
        """Read the keys file. Raises KeysUnusable."""
        try:
            document = json.loads(path.read_text(encoding="utf-8"))
            keys = {name: Key(entry["id"], base64.b64decode(entry["key"])) for name, entry in document.items()}
            return cls(hmac_key=keys["hmac"], seal=keys["seal"], slot=keys["slot"], cursor=keys["cursor"])
        except OSError as problem:
            raise KeysUnusable(f"cannot read the keys file {path} ({problem.strerror}); see SWITCHBOARD_KEYS_FILE") from None
        except (ValueError, KeyError, TypeError):
            raise KeysUnusable(f"the keys file {path} is damaged; restore it from a copy") from None

    def hash(self, data: bytes) -> str:
        """Return `hmac-sha256:<key id>:<hex>` of `data`."""
        return f"hmac-sha256:{self._hmac.id}:{self._digest(data)}"

    def short_hash(self, *parts: str) -> str:
        """Return a keyed hash of text parts as 64 hex digits, for looking something up without storing it."""
        return self._digest("\x1f".join(parts).encode())

    def seal(self, data: bytes, purpose: str) -> bytes:
        """Encrypt `data` so that only the same purpose opens it."""
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, data, purpose.encode())

    def unseal(self, sealed: bytes, purpose: str) -> bytes:
        """Decrypt what `seal` made for the same purpose. Raises BadSeal."""
        try:
            return self._cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], purpose.encode())
        except (InvalidTag, ValueError) as problem:
            raise BadSeal("sealed with another key or for another purpose") from problem

    def sign(self, kind: str, payload: bytes) -> str:
        """Return `payload` as an opaque URL-safe token that `verify` accepts for the same kind (`slot` or `cursor`)."""
        tag = hmac.digest(self._tokens[kind].secret, payload, hashlib.sha256)[:_TAG_BYTES]
        return base64.urlsafe_b64encode(tag + payload).decode().rstrip("=")

    def verify(self, kind: str, token: str) -> bytes:
        """Return the payload of a token that `sign` made. Raises BadSeal."""
        try:
            raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
        except ValueError as problem:
            raise BadSeal("not a token") from problem
        tag, payload = raw[:_TAG_BYTES], raw[_TAG_BYTES:]
        if not hmac.compare_digest(tag, hmac.digest(self._tokens[kind].secret, payload, hashlib.sha256)[:_TAG_BYTES]):
            raise BadSeal("not a token of ours")
        return payload

    def _digest(self, data: bytes) -> str:
        mac = self._mac.copy()
        mac.update(data)
        return mac.hexdigest()
