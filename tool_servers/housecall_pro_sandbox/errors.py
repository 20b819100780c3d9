"""What the vendor says when it refuses: five shapes of one statement, chosen per endpoint.

Above: endpoints raise `Refusal`; `application` turns it into a response with `render`. Below: nothing.

The vendor's shapes grew with its endpoints. A client has to read all five, so each is served somewhere; which endpoint
uses which is this module's table `SHAPES` and nothing else. Refusals of the door itself (401, an unknown path, a method
that is not allowed, 5xx) are always `{"message": …}`.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


class Shape(enum.Enum):
    """How a refusal's JSON looks."""

    MESSAGE = '{"message": "…"}'
    ERROR_MESSAGE = '{"error": {"message": "…"}}'
    ERROR_TEXT = '{"error": "…"}'
    ERRORS_BY_FIELD = '{"errors": {"field": ["…"]}}'
    MESSAGE_ATTR = '{"message": "…", "attr": "field"}'


@dataclass(frozen=True, kw_only=True)
class EndpointShapes:
    """`invalid` is the shape of 400, 413 and 422; `missing` that of 404, where something named does not exist."""

    invalid: Shape = Shape.MESSAGE
    missing: Shape = Shape.MESSAGE


SHAPES: dict[tuple[str, str], EndpointShapes] = {
    ("GET", "/company/schedule_availability/booking_windows"): EndpointShapes(
        invalid=Shape.ERROR_MESSAGE, missing=Shape.ERROR_MESSAGE
    ),
    ("GET", "/customers"): EndpointShapes(invalid=Shape.ERROR_TEXT),
    ("POST", "/customers"): EndpointShapes(invalid=Shape.ERRORS_BY_FIELD),
    ("GET", "/customers/{customer_id}"): EndpointShapes(),
    ("POST", "/customers/{customer_id}/addresses"): EndpointShapes(invalid=Shape.MESSAGE_ATTR),
    ("GET", "/jobs"): EndpointShapes(invalid=Shape.ERROR_TEXT),
    ("POST", "/jobs"): EndpointShapes(invalid=Shape.ERRORS_BY_FIELD, missing=Shape.ERROR_MESSAGE),
    ("GET", "/jobs/{job_id}"): EndpointShapes(missing=Shape.ERROR_TEXT),
    ("POST", "/jobs/{job_id}/appointments"): EndpointShapes(invalid=Shape.MESSAGE_ATTR, missing=Shape.ERROR_TEXT),
    ("GET", "/estimates"): EndpointShapes(invalid=Shape.ERROR_TEXT),
    ("POST", "/estimates"): EndpointShapes(invalid=Shape.ERROR_MESSAGE, missing=Shape.ERROR_MESSAGE),
    ("GET", "/estimates/{estimate_id}"): EndpointShapes(),
    ("POST", "/estimates/{estimate_id}/options/{option_id}/attachments"): EndpointShapes(
        invalid=Shape.ERROR_TEXT, missing=Shape.MESSAGE
    ),
    ("GET", "/leads"): EndpointShapes(invalid=Shape.ERROR_TEXT),
    ("POST", "/leads"): EndpointShapes(invalid=Shape.ERRORS_BY_FIELD, missing=Shape.MESSAGE_ATTR),
}


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One thing that is wrong. `field` is a dotted path, or None where the request as a whole is wrong."""

    field: str | None
    text: str


class Refusal(Exception):
    """The request is refused with `status` and has changed nothing."""

    def __init__(self, status: int, problems: Sequence[Problem]) -> None:
        super().__init__(f"refused with {status}")
        self.status = status
        self.problems = tuple(problems)


def invalid(field: str | None, text: str, *, status: int = 422) -> Refusal:
    """A refusal of one value."""
    return Refusal(status, [Problem(field=field, text=text)])


def missing(noun: str, field: str | None = None) -> Refusal:
    """A refusal because the `noun` that was named does not exist; `field` is where the body named it."""
    return Refusal(404, [Problem(field=field, text=f"{noun} not found")])


def render(refusal: Refusal, method: str, template: str) -> dict[str, Any]:
    """The JSON body of `refusal` at the endpoint with that method and path template."""
    shapes = SHAPES.get((method, template), EndpointShapes())
    shape = shapes.missing if refusal.status == 404 else shapes.invalid
    first = refusal.problems[0]
    sentence = f"{first.field} {first.text}" if first.field and refusal.status != 404 else first.text
    match shape:
        case Shape.MESSAGE:
            return {"message": sentence}
        case Shape.ERROR_MESSAGE:
            return {"error": {"message": sentence}}
        case Shape.ERROR_TEXT:
            return {"error": sentence}
        case Shape.MESSAGE_ATTR:
            return {"message": first.text, "attr": first.field}
        case Shape.ERRORS_BY_FIELD:
            fields: dict[str, list[str]] = {}
            for problem in refusal.problems:
                fields.setdefault(problem.field or "base", []).append(problem.text)
            return {"errors": fields}
