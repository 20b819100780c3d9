"""Secrets that one stack makes for itself on its first run and keeps: the services' keys and the tool servers' token.

Above: `switchboard up` hands their paths and values to the processes that need them. Below: files of mode 0600.
Losing the keys makes the journal's hashes and the sealed arguments in the database worthless, so they are never
replaced once there is a database.
"""

from __future__ import annotations

import base64
import json
import secrets
from pathlib import Path

from service_kit.keys import Keyring, KeysUnusable
from stack.errors import StackError
from stack.state import StateDirectory, write_atomically

# What each is for: hashes of journalled arguments; arguments encrypted at rest; slot ids; page cursors.
KEY_NAMES = ("hmac", "seal", "slot", "cursor")


def ensure_service_keys(state: StateDirectory) -> Path:
    """Return the path of the keys file, made now if this is the first run."""
    path = state.keys / "keys.json"
    if path.exists():
        try:
            Keyring.from_file(path)
        except KeysUnusable as problem:
            raise StackError(f"{problem}, or remove {state.root} to start afresh") from None
        return path
    if state.postgres.exists():
        raise StackError(
            f"{path} is missing although there is a database; restore it, or remove {state.root} to start afresh",
        )
    keys = {
        name: {"id": f"{name}-{secrets.token_hex(4)}", "key": base64.b64encode(secrets.token_bytes(32)).decode()}
        for name in KEY_NAMES
    }
    write_atomically(path, json.dumps(keys, indent=2))
    return path


def ensure_tool_token(state: StateDirectory) -> str:
    """Return the token that our tool servers ask of the adapter, made now if this is the first run."""
    path = state.keys / "tool_token"
    if not path.exists():
        write_atomically(path, secrets.token_urlsafe(32))
    return path.read_text(encoding="utf-8").strip()
