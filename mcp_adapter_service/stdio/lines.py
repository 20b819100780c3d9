"""Lines out of a stream of bytes, of which a line that is too long costs no more than its ends. Pure.

Above: `child`. Below: nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

_ENDS: Final = 256
# Where servers put the id: before everything that may hold another one, or after it.
_ID_AT_HEAD: Final = re.compile(rb'^\{(?:\s*"jsonrpc"\s*:\s*"2\.0"\s*,)?\s*"id"\s*:\s*(\d{1,18})\s*,')
_ID_AT_TAIL: Final = re.compile(rb'"id"\s*:\s*(\d{1,18})\s*\}\s*$')


@dataclass(frozen=True, slots=True)
class TooLong:
    """TooLong is a line that was not kept; `request_id` is the request that it seems to answer, where that can be seen."""

    request_id: int | None


class Lines:
    """Lines puts lines together, of `limit` bytes at the most."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._parts: list[bytes] = []
        self._size = 0
        self._head = b""
        self._tail = b""

    def feed(self, chunk: bytes) -> Iterator[bytes | TooLong]:
        """Take in bytes and return the lines that are whole now, without their ends."""
        *ended, rest = chunk.split(b"\n")
        for part in ended:
            self._add(part)
            yield self._take()
        self._add(rest)

    def _add(self, part: bytes) -> None:
        self._size += len(part)
        if self._size <= self._limit:
            self._parts.append(part)
            return
        if self._parts:
            kept = b"".join(self._parts)
            self._head, self._tail = kept[:_ENDS], kept[-_ENDS:]
            self._parts = []
        self._head = (self._head + part[:_ENDS])[:_ENDS]
        self._tail = (self._tail + part[-_ENDS:])[-_ENDS:]

    def _take(self) -> bytes | TooLong:
        line: bytes | TooLong
        if self._size <= self._limit:
            line = b"".join(self._parts)
        else:
            found = _ID_AT_HEAD.match(self._head) or _ID_AT_TAIL.search(self._tail)
            line = TooLong(int(found[1]) if found else None)
        self._parts, self._size, self._head, self._tail = [], 0, b"", b""
        return line
