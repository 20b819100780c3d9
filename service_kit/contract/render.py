"""Rendering of a message as a JSON document, for tool arguments and tool results.

Above: the dispatch service (arguments) and the tool-server runtime (results). Below: field plans. Two differences from
`json_format`: a result prints every field without presence and the nullable ones as null, and no integer is quoted.
"""

from __future__ import annotations

from typing import Any

from google.protobuf.message import Message

from service_kit.contract.fields import FieldPlan, Kind, plan_for
from service_kit.contract.parse import struct_to_document


def arguments(message: Message) -> dict[str, Any]:
    """Render what is set, under JSON names: the arguments of a tool call."""
    return _render(message, complete=False)


def result(message: Message) -> dict[str, Any]:
    """Render a tool's result: fields without presence always, absent nullable ones as null, other absent ones not at all."""
    return _render(message, complete=True)


def _render(message: Message, *, complete: bool) -> dict[str, Any]:
    document: dict[str, Any] = {}
    for field in plan_for(message.DESCRIPTOR).fields:
        value = getattr(message, field.name)
        if field.is_map:
            if complete or len(value):
                document[field.json_name] = {key: _one(field, item, complete) for key, item in value.items()}
        elif field.repeated:
            if complete or len(value):
                document[field.json_name] = [_one(field, item, complete) for item in value]
        elif message.HasField(field.name) if field.has_presence else (complete or value):
            document[field.json_name] = _one(field, value, complete)
        elif complete and field.nullable:
            document[field.json_name] = None
    return document


def _one(field: FieldPlan, value: Any, complete: bool) -> Any:
    if field.kind is Kind.MESSAGE:
        return _render(value, complete=complete)
    if field.kind is Kind.ENUM and field.enum is not None:
        known = field.enum.values_by_number.get(value)
        return known.name if known else field.enum_default
    if field.kind is Kind.STRUCT:
        return struct_to_document(value)
    if field.kind is Kind.TIMESTAMP:
        return value.ToJsonString()
    if field.kind is Kind.BYTES:
        return value.decode("utf-8", "replace")
    return value
