"""One JSON request that is safe to repeat: tried again where the other side asks for it or is not there.

Above: `provider` and `gateway`, which say what a failure is called. Below: httpx.
"""

from __future__ import annotations

import asyncio
import logging
import random
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import httpx

_logger = logging.getLogger(__name__)
_AGAIN = frozenset({408, 429, 500, 502, 503, 504})
_FIRST_PAUSE = 0.25


@dataclass(frozen=True, kw_only=True, slots=True)
class Patience:
    """How often to try and how long to wait in between, in seconds. A `Retry-After` beyond the longest pause ends the trying."""

    attempts: int = 4
    longest_pause: float = 20.0


async def send(http: httpx.AsyncClient, request: httpx.Request, patience: Patience) -> httpx.Response:
    """Send, and send again while it may help. Returns the last reply, whatever its status. Raises httpx.TransportError."""
    attempt = 1
    while True:
        reply: httpx.Response | None = None
        try:
            reply = await http.send(request)
            if reply.status_code not in _AGAIN or attempt >= patience.attempts:
                return reply
        except httpx.TransportError:
            if attempt >= patience.attempts:
                raise
        asked = retry_after(reply) if reply is not None else None
        if reply is not None and asked is not None and asked > patience.longest_pause:
            return reply
        _logger.warning("a request is sent again", extra={"status": reply.status_code if reply else 0, "attempt": attempt})
        await asyncio.sleep(asked if asked is not None else min(_pause(attempt), patience.longest_pause))
        attempt += 1


def retry_after(reply: httpx.Response) -> float | None:
    """Return how long the other side asks to wait, in seconds: as a number of them or as a date. None where it does not."""
    text = reply.headers.get("retry-after", "").strip()
    try:
        return max(0.0, float(text))
    except ValueError:
        pass
    try:
        return max(0.0, (parsedate_to_datetime(text) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):
        return None


def document_of(reply: httpx.Response) -> Any:
    """Return the JSON in a reply, or None where it is something else."""
    try:
        return reply.json()
    except ValueError:
        return None


def _pause(attempt: int) -> float:
    return float(_FIRST_PAUSE * 2 ** (attempt - 1) * (1 + random.random()))  # noqa: S311  # Nobody gains by guessing a pause.
