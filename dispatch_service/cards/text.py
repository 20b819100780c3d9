"""Words on cards: plain text, capped, and times in the company's own zone."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from service_kit.contract.text import multi_line, one_line

TITLE, TEXT, LABEL, VALUE = 120, 600, 40, 200


def plain(text: str, cap: int) -> str:
    """Return `text` without anything that is not to be read, cut to `cap` characters."""
    cleaned = multi_line(text) if cap == TEXT else one_line(text)
    return cleaned if len(cleaned) <= cap else cleaned[: cap - 1].rstrip() + "…"


def window(start: str, end: str, zone: ZoneInfo) -> str:
    """Say an arrival window, such as `Tue, Dec 1, 8:00 AM to 12:00 PM` with a dash."""
    begins, ends = _local(start, zone), _local(end, zone)
    return f"{begins:%a, %b} {begins.day}, {_clock(begins)} – {_clock(ends)}"


def money(cents: int, currency: str) -> str:
    """Say a price, such as `$89` or `129.50 EUR`."""
    amount = f"{cents / 100:,.2f}".removesuffix(".00")
    return f"${amount}" if currency == "USD" else f"{amount} {currency}"


def _clock(at: datetime) -> str:
    return at.strftime("%I:%M %p").lstrip("0")


def _local(timestamp: str, zone: ZoneInfo) -> datetime:
    return datetime.fromisoformat(timestamp).astimezone(zone)
