"""Redaction by the contract: a message as a document in which every value of a PII field is replaced by its class.

Above: the journal. Below: field plans. Documents without a contract are redacted by default-deny: nothing but their shape is
kept.
"""

from __future__ import annotations

from typing import Any

from google.protobuf.message import Message

from service_kit.contract.fields import FieldPlan, Kind, plan_for
from service_kit.contract.problems import join


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
    for field in plan_for(message.DESCRIPTOR).fields:
        value = getattr(message, field.name)
        if field.repeated or field.is_map:
            if len(value):
                document[field.json_name] = _many(field, value, join(path, field.json_name), also, replaced)
        elif message.HasField(field.name) if field.has_presence else value:
            document[field.json_name] = _one(field, value, join(path, field.json_name), also, replaced)
    return document


def _many(field: FieldPlan, values: Any, path: str, also: frozenset[str], replaced: list[str]) -> Any:
    if field.is_map:
        replaced.append(path)
        return {"[FIELD]": "[REDACTED]"}
    return [_one(field, value, f"{path}[{index}]", also, replaced) for index, value in enumerate(values)]


def _one(field: FieldPlan, value: Any, path: str, also: frozenset[str], replaced: list[str]) -> Any:
    if field.pii or path in also or field.kind in (Kind.STRUCT, Kind.BYTES):
        replaced.append(path)
        return f"[{field.pii or 'REDACTED'}]"
    if field.kind is Kind.MESSAGE:
        return _message(value, path, also, replaced)
    if field.kind is Kind.ENUM and field.enum is not None:
        known = field.enum.values_by_number.get(value)
        return known.name if known else value
    if field.kind is Kind.TIMESTAMP:
        return value.ToJsonString()
    return value
