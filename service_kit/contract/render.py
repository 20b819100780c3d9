"""Rendering of a message as a JSON document, for tool arguments and tool results.

Above: the dispatch service (arguments) and the tool-server runtime (results). Below: field plans. Two differences from
`json_format`: a result prints every field without presence and the nullable ones as null, and no integer is quoted.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from typing import Any

from google.protobuf.descriptor import Descriptor
from google.protobuf.message import Message

from service_kit.contract.fields import FieldPlan, Kind, plan_for
from service_kit.contract.parse import struct_to_document

# Writes one field of a message into a document.
Step = Callable[[Message, dict[str, Any]], None]
Converter = Callable[[Any], Any]


def arguments(message: Message) -> dict[str, Any]:
    """Render what is set, under JSON names: the arguments of a tool call."""
    document: dict[str, Any] = {}
    for step in _steps(message.DESCRIPTOR, False):
        step(message, document)
    return document


def result(message: Message) -> dict[str, Any]:
    """Render a tool's result: fields without presence always, absent nullable ones as null, other absent ones not at all."""
    document: dict[str, Any] = {}
    for step in _steps(message.DESCRIPTOR, True):
        step(message, document)
    return document


@cache
def _steps(descriptor: Descriptor, complete: bool) -> tuple[Step, ...]:
    """Return what writes each field of a message type into a document."""
    return tuple(_step(field, complete) for field in plan_for(descriptor).fields)


def _step(field: FieldPlan, complete: bool) -> Step:
    convert = _converter(field, complete)
    if field.is_map:
        return _map_step(field, convert, complete)
    if field.repeated:
        return _list_step(field, convert, complete)
    if field.has_presence:
        return _optional_step(field, convert, complete and field.nullable)
    return _plain_step(field, convert, complete)


def _map_step(field: FieldPlan, convert: Converter | None, complete: bool) -> Step:
    def step(message: Message, document: dict[str, Any]) -> None:
        values = getattr(message, field.name)
        if complete or len(values):
            document[field.json_name] = {key: convert(item) if convert else item for key, item in values.items()}

    return step


def _list_step(field: FieldPlan, convert: Converter | None, complete: bool) -> Step:
    def step(message: Message, document: dict[str, Any]) -> None:
        values = getattr(message, field.name)
        if complete or len(values):
            document[field.json_name] = [convert(item) for item in values] if convert else list(values)

    return step


def _optional_step(field: FieldPlan, convert: Converter | None, null: bool) -> Step:
    name, json_name = field.name, field.json_name

    def step(message: Message, document: dict[str, Any]) -> None:
        if message.HasField(name):
            value = getattr(message, name)
            document[json_name] = convert(value) if convert else value
        elif null:
            document[json_name] = None

    return step


def _plain_step(field: FieldPlan, convert: Converter | None, complete: bool) -> Step:
    name, json_name = field.name, field.json_name

    def step(message: Message, document: dict[str, Any]) -> None:
        value = getattr(message, name)
        if complete or value:
            document[json_name] = convert(value) if convert else value

    return step


def _converter(field: FieldPlan, complete: bool) -> Converter | None:
    """Return what turns a value into JSON, or None where it is JSON already."""
    if field.kind is Kind.MESSAGE:
        return result if complete else arguments
    if field.kind is Kind.ENUM and field.enum is not None:
        names = {number: value.name for number, value in field.enum.values_by_number.items()}
        return partial(_name, names, field.enum_default)
    return _CONVERTERS.get(field.kind)


def _name(names: dict[int, str], default: str, number: int) -> str:
    return names.get(number, default)


_CONVERTERS: dict[Kind, Converter] = {
    Kind.STRUCT: struct_to_document,
    Kind.TIMESTAMP: lambda value: value.ToJsonString(),
    Kind.BYTES: lambda value: value.decode("utf-8", "replace"),
}


def without_secrets(document: dict[str, Any], descriptor: Any) -> dict[str, Any]:
    """Return a rendered document of a message type without what the contract marks as secret: for everybody outside. It is
    the same document where there is nothing of the kind."""
    if not _holds_secrets(descriptor):
        return document
    fields = plan_for(descriptor).by_name
    return {
        name: _inner(value, fields[name]) if name in fields else value
        for name, value in document.items()
        if name not in fields or fields[name].pii != "SECRET"
    }


@cache
def _holds_secrets(descriptor: Descriptor) -> bool:
    seen, waiting = set[str](), [descriptor]
    while waiting:
        one = waiting.pop()
        seen.add(one.full_name)
        for field in plan_for(one).fields:
            if field.pii == "SECRET":
                return True
            if field.kind is Kind.MESSAGE and field.message is not None and field.message.full_name not in seen:
                waiting.append(field.message)
    return False


def _inner(value: Any, field: FieldPlan) -> Any:
    if field.message is None or field.kind is not Kind.MESSAGE:
        return value
    if isinstance(value, list):
        return [_inner(item, field) for item in value]
    if field.is_map and isinstance(value, dict):
        return {key: without_secrets(item, field.message) if isinstance(item, dict) else item for key, item in value.items()}
    return without_secrets(value, field.message) if isinstance(value, dict) else value
