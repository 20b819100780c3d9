"""Field plans: what the runtime needs to know of each field, read off its descriptor and options once.

Above: `parse`, `normalise`, `redact`, `render`, `schema`. Below: protobuf descriptors, `switchboard.options.v1` and
`buf.validate`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from functools import cache

from buf.validate import validate_pb2
from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor
from switchboard.options.v1 import options_pb2

STRUCT = "google.protobuf.Struct"
TIMESTAMP = "google.protobuf.Timestamp"


class Kind(Enum):
    """How a field's value is written in JSON."""

    STRING = "string"
    BYTES = "bytes"
    BOOL = "boolean"
    INTEGER = "integer"
    NUMBER = "number"
    ENUM = "enum"
    MESSAGE = "message"
    STRUCT = "struct"
    TIMESTAMP = "timestamp"


_INTEGERS = {
    FieldDescriptor.TYPE_INT32,
    FieldDescriptor.TYPE_SINT32,
    FieldDescriptor.TYPE_SFIXED32,
    FieldDescriptor.TYPE_UINT32,
    FieldDescriptor.TYPE_FIXED32,
    FieldDescriptor.TYPE_INT64,
    FieldDescriptor.TYPE_SINT64,
    FieldDescriptor.TYPE_SFIXED64,
    FieldDescriptor.TYPE_UINT64,
    FieldDescriptor.TYPE_FIXED64,
}
_SCALARS = {
    FieldDescriptor.TYPE_STRING: Kind.STRING,
    FieldDescriptor.TYPE_BYTES: Kind.BYTES,
    FieldDescriptor.TYPE_BOOL: Kind.BOOL,
    FieldDescriptor.TYPE_DOUBLE: Kind.NUMBER,
    FieldDescriptor.TYPE_FLOAT: Kind.NUMBER,
    FieldDescriptor.TYPE_ENUM: Kind.ENUM,
} | dict.fromkeys(_INTEGERS, Kind.INTEGER)


@dataclass(frozen=True, kw_only=True, slots=True)
class FieldPlan:
    """One field: its names, its kind and what the contract says of it.

    `key` and `value` are set for maps only, where `kind` is the kind of the map's values.
    """

    name: str
    json_name: str
    kind: Kind
    repeated: bool
    is_map: bool
    has_presence: bool
    message: Descriptor | None
    enum: EnumDescriptor | None
    enum_default: str
    required: bool
    max_len: int
    pii: str
    format: int
    label: str
    nullable: bool
    vendor_field: str
    is_service_id: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class MessagePlan:
    """A message type: its fields in the contract's order and by every name that JSON may use."""

    full_name: str
    fields: tuple[FieldPlan, ...]
    by_name: dict[str, FieldPlan]
    state_field: FieldPlan | None
    zip_field: FieldPlan | None


@cache
def plan_for(descriptor: Descriptor) -> MessagePlan:
    """Return the plan of a message type, compiled at first use."""
    fields = tuple(_field_plan(field) for field in descriptor.fields)
    by_name = {field.name: field for field in fields} | {field.json_name: field for field in fields}
    return MessagePlan(
        full_name=descriptor.full_name,
        fields=fields,
        by_name=by_name,
        state_field=next((field for field in fields if field.format == options_pb2.FORMAT_US_STATE), None),
        zip_field=next((field for field in fields if field.format == options_pb2.FORMAT_US_ZIP), None),
    )


def _field_plan(field: FieldDescriptor) -> FieldPlan:
    options = field.GetOptions()
    rules = options.Extensions[validate_pb2.field]
    mapping = options.Extensions[options_pb2.service_mapping]
    pii = options.Extensions[options_pb2.pii]
    entry = field.message_type if field.message_type is not None and field.message_type.GetOptions().map_entry else None
    is_map = entry is not None
    value = entry.fields_by_name["value"] if entry is not None else field
    return FieldPlan(
        name=field.name,
        json_name=field.json_name,
        kind=_kind(value),
        repeated=field.is_repeated and not is_map,
        is_map=is_map,
        has_presence=field.has_presence,
        message=value.message_type,
        enum=value.enum_type,
        enum_default=value.enum_type.values[0].name if value.enum_type else "",
        required=rules.required,
        max_len=rules.string.max_len,
        pii=options_pb2.Pii.Name(pii).removeprefix("PII_") if pii else "",
        format=options.Extensions[options_pb2.format],
        label=options.Extensions[options_pb2.label] or field.name.replace("_", " ").capitalize(),
        nullable=options.Extensions[options_pb2.nullable],
        vendor_field=mapping.vendor_field,
        is_service_id=mapping.service_id,
    )


def _kind(field: FieldDescriptor) -> Kind:
    if field.message_type is None:
        return _SCALARS[field.type]
    if field.message_type.full_name == STRUCT:
        return Kind.STRUCT
    if field.message_type.full_name == TIMESTAMP:
        return Kind.TIMESTAMP
    return Kind.MESSAGE
