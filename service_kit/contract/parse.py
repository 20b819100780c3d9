"""Strict parsing of a JSON document into a message, reporting every problem and not only the first.

Above: `validation.read_document`. Below: field plans. Unlike `json_format.ParseDict` it takes no number for a string, no
string for a number and no unknown field, and goes on after a problem.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from typing import Any

from google.protobuf.descriptor import Descriptor, EnumDescriptor
from google.protobuf.message import Message
from google.protobuf.struct_pb2 import Struct

from service_kit.contract.fields import FieldPlan, Kind, plan_for
from service_kit.contract.problems import Problem, join

# Sets one field of a message from a JSON value that is not null; the text is the path of the message.
Setter = Callable[[Message, Any, str, list[Problem]], None]

_MAX_SHOWN_NAME = 64
_INT32 = range(-(2**31), 2**31)
_PLAIN_NAME = re.compile(r"[A-Za-z0-9_$-]+")
_UNPRINTABLE = re.compile(r"[^ -~]")


def parse(document: dict[str, Any], message: Message, path: str = "") -> list[Problem]:
    """Fill `message` from `document` and return what did not fit. A JSON null counts as absent."""
    problems: list[Problem] = []
    _fill(document, message, path, problems)
    return problems


def _fill(document: dict[str, Any], message: Message, path: str, problems: list[Problem]) -> None:
    setters = _setters(message.DESCRIPTOR)
    for name, value in document.items():
        setter = setters.get(name)
        if setter is None:
            problems.append(
                Problem(path=join(path, shown_name(name)), rule="unknown_field", message="There is no such field.", known=False),
            )
        elif value is not None:
            setter(message, value, path, problems)


def shown_name(name: str) -> str:
    """A name that the caller chose, as a part of a path: quoted where it could be taken for a path itself, or for nothing."""
    if len(name) <= _MAX_SHOWN_NAME and _PLAIN_NAME.fullmatch(name):
        return name
    return '"' + _UNPRINTABLE.sub("?", name[:_MAX_SHOWN_NAME]) + '"'


@cache
def _setters(descriptor: Descriptor) -> dict[str, Setter]:
    """Return what sets each field of a message type, by every name that JSON may use.

    Paths of fields are put together where there is a problem, not before.
    """
    plan = plan_for(descriptor)
    made = {field.name: _setter(field) for field in plan.fields}
    return {name: made[field.name] for name, field in plan.by_name.items()}


def _setter(field: FieldPlan) -> Setter:
    if field.repeated:
        return _list_setter(field)
    if field.is_map:
        return _map_setter(field)
    if field.kind is Kind.MESSAGE:
        return _message_setter(field)
    if field.kind in (Kind.STRUCT, Kind.TIMESTAMP):
        return _well_known_setter(field)
    return _text_setter(field) if field.kind is Kind.STRING else _scalar_setter(field)


def _list_setter(field: FieldPlan) -> Setter:
    def put(message: Message, value: Any, parent: str, problems: list[Problem]) -> None:
        path = join(parent, field.json_name)
        if not isinstance(value, list):
            problems.append(_wrong_type(path, "a list"))
            return
        for index, item in enumerate(value):
            _append(message, field, item, f"{path}[{index}]", problems)

    return put


def _map_setter(field: FieldPlan) -> Setter:
    def put(message: Message, value: Any, parent: str, problems: list[Problem]) -> None:
        path = join(parent, field.json_name)
        if not isinstance(value, dict):
            problems.append(_wrong_type(path, "an object"))
            return
        for key, item in value.items():
            _put(message, field, (key, item), f"{path}.{key}", problems)

    return put


def _message_setter(field: FieldPlan) -> Setter:
    name, json_name = field.name, field.json_name

    def put(message: Message, value: Any, parent: str, problems: list[Problem]) -> None:
        if isinstance(value, dict):
            child = getattr(message, name)
            child.SetInParent()
            _fill(value, child, join(parent, json_name), problems)
        else:
            problems.append(_wrong_type(join(parent, json_name), "an object"))

    return put


def _well_known_setter(field: FieldPlan) -> Setter:
    def put(message: Message, value: Any, parent: str, problems: list[Problem]) -> None:
        _set_well_known(getattr(message, field.name), field.kind, value, join(parent, field.json_name), problems)

    return put


def _scalar_setter(field: FieldPlan) -> Setter:
    name, json_name, convert = field.name, field.json_name, _CONVERTERS[field.kind]

    def put(message: Message, value: Any, parent: str, problems: list[Problem]) -> None:
        converted = convert(field, value)
        if converted is None:
            problems.append(_wrong_type(join(parent, json_name), _EXPECTED[field.kind](field)))
        else:
            setattr(message, name, converted)

    return put


def _text_setter(field: FieldPlan) -> Setter:
    name, otherwise = field.name, _scalar_setter(field)

    def put(message: Message, value: Any, parent: str, problems: list[Problem]) -> None:
        if isinstance(value, str) and value.isascii():
            setattr(message, name, value)
        else:
            otherwise(message, value, parent, problems)

    return put


def _append(message: Message, field: FieldPlan, value: Any, path: str, problems: list[Problem]) -> None:
    items = getattr(message, field.name)
    if field.kind is Kind.MESSAGE:
        if isinstance(value, dict):
            _fill(value, items.add(), path, problems)
        else:
            problems.append(_wrong_type(path, "an object"))
    elif field.kind in (Kind.STRUCT, Kind.TIMESTAMP):
        _set_well_known(items.add(), field.kind, value, path, problems)
    else:
        converted = _scalar(field, value, path, problems)
        if converted is not None:
            items.append(converted)


def _put(message: Message, field: FieldPlan, entry: tuple[str, Any], path: str, problems: list[Problem]) -> None:
    items, (key, value) = getattr(message, field.name), entry
    if field.kind is Kind.MESSAGE:
        if isinstance(value, dict):
            _fill(value, items[key], path, problems)
        else:
            problems.append(_wrong_type(path, "an object"))
        return
    converted = _scalar(field, value, path, problems)
    if converted is not None:
        items[key] = converted


def _set_well_known(message: Any, kind: Kind, value: Any, path: str, problems: list[Problem]) -> None:
    if kind is Kind.STRUCT:
        if isinstance(value, dict):
            message.update(value)
        else:
            problems.append(_wrong_type(path, "an object"))
        return
    try:
        message.FromJsonString(value)
    except (ValueError, AttributeError, TypeError):
        problems.append(_wrong_type(path, "a time such as 2026-01-31T09:00:00Z"))


def _scalar(field: FieldPlan, value: Any, path: str, problems: list[Problem]) -> Any:
    """Return the value that protobuf takes, or None after reporting why there is none."""
    converted = _CONVERTERS[field.kind](field, value)
    if converted is None:
        problems.append(_wrong_type(path, _EXPECTED[field.kind](field)))
    return converted


def _string(_: FieldPlan, value: Any) -> str | None:
    if not isinstance(value, str):
        return None
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            # A lone surrogate is no text: it cannot be encoded, so it cannot be stored or sent on.
            return None
    return value


def _integer(_: FieldPlan, value: Any) -> int | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    # Struct numbers are doubles: 3.0 is how an integer arrives. Infinities and NaN fail the first comparison.
    return int(value) if abs(value) <= 2**31 and value == int(value) and int(value) in _INT32 else None


def _number(_: FieldPlan, value: Any) -> float | None:
    return None if isinstance(value, bool) or not isinstance(value, (int, float)) else float(value)


def _enum(field: FieldPlan, value: Any) -> int | None:
    if field.enum is None or not isinstance(value, str):
        return None
    if not value.strip():
        return field.enum.values[0].number
    return _enum_numbers(field.enum).get(value)


@cache
def _enum_numbers(enum: EnumDescriptor) -> dict[str, int]:
    return {name: value.number for name, value in enum.values_by_name.items()}


_CONVERTERS: dict[Kind, Callable[[FieldPlan, Any], Any]] = {
    Kind.STRING: _string,
    Kind.BYTES: lambda _, value: value.encode() if isinstance(value, str) else None,
    Kind.BOOL: lambda _, value: value if isinstance(value, bool) else None,
    Kind.INTEGER: _integer,
    Kind.NUMBER: _number,
    Kind.ENUM: _enum,
}
_EXPECTED: dict[Kind, Callable[[FieldPlan], str]] = {
    Kind.STRING: lambda _: "text",
    Kind.BYTES: lambda _: "text",
    Kind.BOOL: lambda _: "true or false",
    Kind.INTEGER: lambda _: "a whole number",
    Kind.NUMBER: lambda _: "a number",
    Kind.ENUM: lambda field: "one of " + ", ".join(choices(field)),
}


def choices(field: FieldPlan) -> list[str]:
    """Return the names that an enum field takes, without the unspecified one."""
    return [value.name for value in field.enum.values if value.number] if field.enum else []


def _wrong_type(path: str, expected: str) -> Problem:
    return Problem(path=path, rule="type", message=f"This must be {expected}.")


def struct_to_document(struct: Struct) -> dict[str, Any]:
    """Turn a Struct into plain Python values. Numbers stay floats, as JSON through a Struct has them."""
    # Indexing a map of messages costs half of what its `items` does.
    fields = struct.fields
    document: dict[str, Any] = {}
    for key in fields:
        value = fields[key]
        # What nearly every value is; a string that is not empty is one that is set.
        document[key] = value.string_value or _value(value)
    return document


def _value(value: Any) -> Any:
    read = _READERS.get(value.WhichOneof("kind"))
    return None if read is None else read(value)


_READERS: dict[str, Callable[[Any], Any]] = {
    "string_value": lambda value: value.string_value,
    "struct_value": lambda value: struct_to_document(value.struct_value),
    "list_value": lambda value: [_value(item) for item in value.list_value.values],
    "number_value": lambda value: value.number_value,
    "bool_value": lambda value: value.bool_value,
}
