"""One function per card type.

Above: `actions` and `answers`. Below: the contract's card messages and the tenant's own settings.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Sequence
from typing import Any

from google.protobuf.descriptor import Descriptor
from google.protobuf.struct_pb2 import Struct
from switchboard.dispatch.v1 import action_pb2, card_pb2

from dispatch_service.adapter import BookableService
from dispatch_service.call import Waiting
from dispatch_service.cards.forms import form_fields
from dispatch_service.cards.text import LABEL, TEXT, TITLE, VALUE, money, plain
from dispatch_service.tenant import Tenant

Card = card_pb2.CardIntent
OFFICE, CONTACT = "office", "contact"


def card(title: str, text: str, *, facts: Sequence[tuple[str, str]] = (), actions: Sequence[card_pb2.CardAction] = ()) -> Card:
    """Return a card without a body; setting the body sets its type (see `typed`)."""
    return Card(
        card_id=f"crd_{secrets.token_hex(8)}",
        title=plain(title, TITLE),
        text=plain(text, TEXT),
        facts=[card_pb2.CardFact(label=plain(label, LABEL), value=plain(value, VALUE)) for label, value in facts if value],
        actions=actions,
    )


def typed(made: Card) -> Card:
    """Name the card's type after the body that is set."""
    made.type = made.WhichOneof("body") or ""
    return made


def dispatch_button(label: str, action: str, prefill: dict[str, Any]) -> card_pb2.CardAction:
    """A button that sends a card action."""
    known = Struct()
    known.update(prefill)
    button = card_pb2.DispatchCardActionButton(action=action_pb2.Action.Value(action), prefill=known)
    return card_pb2.CardAction(label=plain(label, LABEL), dispatch=button)


def call_button(label: str) -> card_pb2.CardAction:
    """A button that dials the office."""
    return card_pb2.CardAction(label=plain(label, LABEL), call=card_pb2.CallButton(key=OFFICE))


def fallback(tenant: Tenant, text: str) -> Card:
    """The card for when nothing works: the telephone, a callback form and the contact page."""
    made = card(
        "We can book you by phone in 60 seconds",
        text,
        actions=[
            call_button("Call us"),
            card_pb2.CardAction(label="Request a callback", open_form=card_pb2.OpenFormButton(key=tenant.callback_form)),
            card_pb2.CardAction(label="Contact us", link=card_pb2.LinkButton(key=CONTACT)),
        ],
    )
    made.fallback.phone_key = OFFICE
    made.fallback.form_key = tenant.callback_form
    return typed(made)


def missing_fields(action: str, descriptor: Descriptor, paths: Iterable[str], prefill: dict[str, Any]) -> Card:
    """The card that asks for what is missing."""
    fields = form_fields(descriptor, paths)
    made = card(
        "A few details first",
        "Please fill in: " + ", ".join(field.label for field in fields) + ".",
        actions=[card_pb2.CardAction(label="Fill in", open_form=card_pb2.OpenFormButton(key="booking"))],
    )
    made.missing_fields.action = action_pb2.Action.Value(action)
    made.missing_fields.fields.extend(fields)
    made.missing_fields.prefill.update(prefill)
    return typed(made)


def authorization_required(title: str, waiting: Waiting, *, question: str = "") -> Card:
    """The card for what waits for a person, with the buttons that people who may decide can press. `question` says what exactly
    would be called; without one, it is only said that something waits."""
    decisions = [("Approve", "authorized"), ("Edit", "edited"), ("Deny", "denied")]
    made = card(
        "This needs a person's approval",
        question or f"{title} waits for somebody to allow it.",
        facts=[("Reason", waiting.reason)],
        actions=[_decide_button(label, waiting.authorization_id, decision) for label, decision in decisions],
    )
    made.expires_at = waiting.expires_at.strftime("%Y-%m-%dT%H:%M:%SZ")
    body = made.authorization_required
    body.authorization_id, body.reason, body.tool = waiting.authorization_id, plain(waiting.reason, TEXT), plain(title, TITLE)
    return typed(made)


def services(offered: Sequence[BookableService], action: str, title: str, text: str) -> Card:
    """The card that recommends services; each button starts `action` with its service."""
    made = card(title, text, actions=[_service_button(service, action) for service in offered])
    made.service_recommendation.services.extend(offered_service(service) for service in offered)
    return typed(made)


def offered_service(service: BookableService) -> card_pb2.OfferedService:
    """A service as a card shows it."""
    return card_pb2.OfferedService(
        service_id=service.service_id,
        name=plain(service.name, TITLE),
        summary=plain(service.summary, TEXT),
        duration_minutes=service.duration_minutes,
        price_from=service.price_from_cents / 100 if service.price_from_cents else None,
        currency=service.currency,
    )


def price_fact(service: BookableService) -> tuple[str, str]:
    """The price as a fact, empty where none is shown."""
    return ("Price from", money(service.price_from_cents, service.currency) if service.price_from_cents else "")


def _decide_button(label: str, authorization_id: str, decision: str) -> card_pb2.CardAction:
    button = card_pb2.DecideButton(authorization_id=authorization_id, decision=decision)
    return card_pb2.CardAction(label=plain(label, LABEL), decide=button)


def _service_button(service: BookableService, action: str) -> card_pb2.CardAction:
    return dispatch_button(service.name, action, {"draft": {"serviceId": service.service_id}})
