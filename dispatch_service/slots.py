"""Slot ids: an open appointment as an opaque, signed, expiring token that a client sends back to book exactly it.

Above: availability (makes them) and booking (opens them). Below: the keyring.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from service_kit.keys import BadSeal, Keyring

_LIFETIME_SECONDS = 30 * 60
_SEPARATOR = "|"


@dataclass(frozen=True, slots=True)
class Slot:
    """One appointment of one service; times are RFC 3339 in UTC."""

    service_id: str
    start_time: str
    end_time: str


class SlotExpired(Exception):
    """The slot was offered too long ago."""


class SlotIds:
    """Makes and opens slot ids."""

    def __init__(self, keys: Keyring) -> None:
        self._keys = keys

    def make(self, slot: Slot) -> str:
        """Return a slot id that is good for half an hour."""
        expires = str(int(time.time()) + _LIFETIME_SECONDS)
        return self._keys.sign("slot", _SEPARATOR.join((slot.service_id, slot.start_time, slot.end_time, expires)).encode())

    def open(self, slot_id: str) -> Slot:
        """Return the slot that an id stands for. Raises BadSeal or SlotExpired."""
        parts = self._keys.verify("slot", slot_id).decode().split(_SEPARATOR)
        if len(parts) != 4:
            raise BadSeal("not a slot id")
        if int(parts[3]) < time.time():
            raise SlotExpired
        return Slot(parts[0], parts[1], parts[2])
