"""Uploaded pictures: what may be stored, and whose it is.

Above: the asset servicer and estimate requests. Below: the table `dispatch.asset`.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from dispatch_service.journal import QUERIES
from service_kit.errors import InvalidArgument
from service_kit.postgres import Database

# What a file of each type begins with, at which offset. The name and the type that a caller claims count for nothing.
_SIGNATURES: tuple[tuple[str, tuple[tuple[int, bytes], ...]], ...] = (
    ("image/jpeg", ((0, b"\xff\xd8\xff"),)),
    ("image/png", ((0, b"\x89PNG\r\n\x1a\n"),)),
    ("image/webp", ((0, b"RIFF"), (8, b"WEBP"))),
    ("image/heic", ((4, b"ftypheic"),)),
    ("image/heic", ((4, b"ftypheix"),)),
    ("image/heic", ((4, b"ftypmif1"),)),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Asset:
    """A stored picture."""

    id: str
    content_type: str
    size: int


def sniff(content: bytes) -> str:
    """Return the type that the content has, or an empty string for anything that is not a picture we take."""
    for content_type, marks in _SIGNATURES:
        if all(content[offset : offset + len(mark)] == mark for offset, mark in marks):
            return content_type
    return ""


class AssetStore:
    """Stores pictures and says which belong to a conversation. Raises DatabaseUnavailable."""

    def __init__(self, database: Database, largest: int) -> None:
        self._database = database
        self._largest = largest

    async def save(self, tenant: str, thread_id: str, content: bytes) -> Asset:
        """Store one picture. Raises InvalidArgument for what is empty, too large or no picture."""
        if not content:
            raise InvalidArgument("INVALID_ARGUMENT", "The picture is empty.")
        if len(content) > self._largest:
            raise InvalidArgument("INVALID_ARGUMENT", f"The picture is larger than {self._largest // 1024} KiB.")
        content_type = sniff(content)
        if not content_type:
            raise InvalidArgument("INVALID_ARGUMENT", "This is not a JPEG, PNG, WebP or HEIC picture.")
        asset = Asset(id=f"ast_{secrets.token_hex(16)}", content_type=content_type, size=len(content))
        await self._database.fetch_all(
            QUERIES["save_asset"],
            {
                "id": asset.id,
                "tenant": tenant,
                "thread_id": thread_id,
                "content_type": content_type,
                "content": content,
                "sha256": hashlib.sha256(content).hexdigest(),
            },
        )
        return asset

    async def owned(self, tenant: str, thread_id: str, ids: Sequence[str]) -> set[str]:
        """Return which of `ids` were uploaded in a conversation."""
        rows = await self._database.fetch_all(
            QUERIES["owned_assets"], {"tenant": tenant, "thread_id": thread_id, "ids": list(ids)}
        )
        return {row["id"] for row in rows}
