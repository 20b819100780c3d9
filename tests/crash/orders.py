"""What visitors want in the crash run, in which manner they ask for it, and what they were told.

Above: `load` makes and sends orders, `reckoning` judges them. Below: the published JSON.
"""

from __future__ import annotations

import random
import uuid
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from tests.e2e.clicks import BOOKING, ESTIMATE, open_day

# What a call says that may be repeated with the same key: nothing is settled by it.
PASSING = frozenset({"INTEGRATION_DOWN", "OUTCOME_UNKNOWN", "RATE_LIMITED"})
NO_REPLY = "no reply"


class Manner(StrEnum):
    """How a visitor asks."""

    PLAIN = "plain"
    DOUBLE = "double"
    HASTY = "hasty"
    GONE = "gone"


_MANNERS = {Manner.PLAIN: 50, Manner.DOUBLE: 22, Manner.HASTY: 16, Manner.GONE: 12}


@dataclass(frozen=True, kw_only=True, slots=True)
class Reply:
    """One answer as the client saw it. `status` 0: the connection broke before there was one, or the client hung up."""

    status: int
    ok: bool = False
    code: str = ""
    retryable: bool = False
    correlation_id: str = ""
    external_id: str = ""

    @property
    def settles(self) -> bool:
        """Whether a visitor stops asking: it is done, or it is refused for good."""
        return self.ok or not (self.retryable or self.code in PASSING or self.status in (0, *range(500, 600)))

    @property
    def label(self) -> str:
        """The reply as a line of the report."""
        if not self.status:
            return NO_REPLY
        return f"{self.status} {'ok' if self.ok else self.code}{' (retryable)' if self.retryable else ''}"


@dataclass(kw_only=True, slots=True)
class Order:
    """One effect that a visitor wants once, under one idempotency key, in a conversation of its own.

    `name` is the customer's last name, which nobody else has: the vendor's records are counted by it.
    """

    action: str
    key: str
    thread: str
    name: str
    manner: Manner
    body: dict[str, Any]
    replies: list[Reply] = field(default_factory=list)

    @property
    def answered(self) -> Reply | None:
        """The first reply that said that it is done."""
        return next((reply for reply in self.replies if reply.ok), None)

    @property
    def settled(self) -> bool:
        """Whether the visitor knows what became of it."""
        return any(reply.settles for reply in self.replies)


def new_order(chance: random.Random) -> Order:
    """Return an order with a customer, a key and a conversation that no other has."""
    action = BOOKING if chance.random() < 0.65 else ESTIMATE
    unique = uuid.UUID(int=chance.getrandbits(128)).hex
    name, thread, key = f"Quandary{unique[:12]}", f"thread-{unique}", f"crash-{unique}"
    payload: dict[str, Any] = {
        "threadId": thread,
        "serviceId": "drain-cleaning",
        "customer": {"firstName": "Philippa", "lastName": name, "phone": f"(608) 555-{chance.randrange(10_000):04d}"},
        "address": {"line1": "88 Larkspur Way", "city": "Madison", "state": "WI", "zip": "53703"},
    }
    if action == ESTIMATE:
        payload["problemSummary"] = "It hums"
    elif chance.random() < 0.3:
        payload["preferred"] = {"date1": open_day(chance.randint(7, 60))}
    body = {"action": action, "payload": payload, "context": {"threadId": thread, "sessionId": thread}, "idempotencyKey": key}
    manner = chance.choices(list(_MANNERS), list(_MANNERS.values()))[0]
    return Order(action=action, key=key, thread=thread, name=name, manner=manner, body=body)
