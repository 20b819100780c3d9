"""Redaction by the contract: a message as a document in which every value of a PII field is replaced by its class.

Above: the journal. Below: field plans. Documents without a contract are redacted by default-deny: nothing but their shape is
kept.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from google.protobuf.descriptor import Descriptor
from google.protobuf.message import Message

from service_kit.contract.fields import FieldPlan, Kind, plan_for
from service_kit.contract.problems import join

# Writes one field of a message into a document: (message, document, path of the message, `also`, replaced paths).
Step = Callable[[Message, dict[str, Any], str, frozenset[str], list[str]], None]
# Shows one value: (value, its path, `also`, replaced paths).
Shown = Callable[[Any, str, frozenset[str], list[str]], Any]

_PLAIN = (Kind.STRING, Kind.BOOL, Kind.INTEGER, Kind.NUMBER)


def redact(message: Message, also: frozenset[str] = frozenset()) -> tuple[dict[str, Any], list[str]]:
    """Return (redacted document, paths of replaced values). Values at the paths `also` are replaced whatever they are: a
    value that broke its rule may hold anything."""
    replaced: list[str] = []
    return _message(message, "", also, replaced), replaced


def redact_unknown(value: Any) -> Any:
    """Redact a value that no contract describes: keep its shape, no text and no number in it."""
    if isinstance(value, dict):
        return {"[FIELD]" if index == 0 else f"[FIELD {index + 1}]": "[REDACTED]" for index in range(len(value))}
    if isinstance(value, list):
        return ["[REDACTED]"] * min(len(value), 10)
    return value if value is None or isinstance(value, bool) else "[REDACTED]"


def _message(message: Message, path: str, also: frozenset[str], replaced: list[str]) -> dict[str, Any]:
    document: dict[str, Any] = {}
    for step in _steps(message.DESCRIPTOR):
        step(message, document, path, also, replaced)
    return document


@cache
def _steps(descriptor: Descriptor) -> tuple[Step, ...]:
    """Return what writes each field of a message type into a redacted document."""
    return tuple(_many(field) if field.repeated or field.is_map else _one(field) for field in plan_for(descriptor).fields)


def _many(field: FieldPlan) -> Step:
    shown = _value(field)

    def step(message: Message, document: dict[str, Any], parent: str, also: frozenset[str], replaced: list[str]) -> None:
        values = getattr(message, field.name)
        if not len(values):
            return
        path = join(parent, field.json_name)
        if field.is_map:
            replaced.append(path)
            document[field.json_name] = {"[FIELD]": "[REDACTED]"}
            return
        document[field.json_name] = [shown(value, f"{path}[{index}]", also, replaced) for index, value in enumerate(values)]

    return step


def _one(field: FieldPlan) -> Step:
    name, json_name, has_presence, shown = field.name, field.json_name, field.has_presence, _value(field)
    mask = f"[{field.pii}]" if field.pii else ""
    # Of what is neither personal nor anything that holds more, the path is of no interest unless it is asked for.
    plain = not mask and field.kind in _PLAIN

    def step(message: Message, document: dict[str, Any], parent: str, also: frozenset[str], replaced: list[str]) -> None:
        if not (message.HasField(name) if has_presence else getattr(message, name)):
            return
        if plain and not also:
            document[json_name] = getattr(message, name)
            return
        path = f"{parent}.{json_name}" if parent else json_name
        if mask:
            document[json_name] = mask
            replaced.append(path)
        else:
            document[json_name] = shown(getattr(message, name), path, also, replaced)

    return step


def _value(field: FieldPlan) -> Shown:
    """Return what shows one value of a field, given its path."""
    mask = f"[{field.pii or 'REDACTED'}]"
    hidden = bool(field.pii) or field.kind in (Kind.STRUCT, Kind.BYTES)
    names = {number: value.name for number, value in field.enum.values_by_number.items()} if field.enum else {}

    def shown(value: Any, path: str, also: frozenset[str], replaced: list[str]) -> Any:
        if hidden or path in also:
            replaced.append(path)
            return mask
        if field.kind is Kind.MESSAGE:
            return _message(value, path, also, replaced)
        if field.kind is Kind.ENUM:
            return names.get(value, value)
        return value.ToJsonString() if field.kind is Kind.TIMESTAMP else value

    return shown
