"""JSON Schema from the contract: what MCP tools declare as input and output.

Above: the tool-server runtime and, later, every listing of tools. Below: field plans, `buf.validate` rules and comments. Fields
that the adapter fills are left out of an input schema where asked: a caller has nothing to put there.
"""

from __future__ import annotations

from typing import Any

from buf.validate import validate_pb2
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from switchboard.options.v1 import options_pb2

from service_kit.contract.fields import FieldPlan, Kind, plan_for
from service_kit.contract.image import comment_of
from service_kit.contract.parse import choices

_FORMATS: dict[int, str] = {options_pb2.FORMAT_EMAIL: "email", options_pb2.FORMAT_DATE: "date"}


def input_schema(descriptor: Any, *, without_filled: bool = False) -> dict[str, Any]:
    """Return the schema of a tool's arguments: unknown properties are refused, required ones named."""
    return _object(descriptor, output=False, for_callers=without_filled)


def output_schema(descriptor: Any, *, without_secrets: bool = False) -> dict[str, Any]:
    """Return the schema of a tool's result, as `render.result` prints it, or as `render.without_secrets` leaves it."""
    return _object(descriptor, output=True, for_callers=without_secrets)


def _object(descriptor: Descriptor, *, output: bool, for_callers: bool) -> dict[str, Any]:
    properties: dict[str, Any] = {}
    required: list[str] = []
    for field in plan_for(descriptor).fields:
        if for_callers and _is_ours(field, output=output):
            continue
        raw = descriptor.fields_by_name[field.name]
        schema = _property(raw, field, output=output, for_callers=for_callers)
        comment = comment_of(f"{descriptor.full_name}.{field.name}")
        properties[field.json_name] = {"description": _description(comment, field), **schema} if comment else schema
        if _always_there(field) if output else field.required:
            required.append(field.json_name)
    whole: dict[str, Any] = {"type": "object", "properties": properties, "additionalProperties": False}
    return whole | ({"required": required} if required else {})


def _is_ours(field: FieldPlan, *, output: bool) -> bool:
    """Whether a field is for our side only: what the adapter fills in, or what nobody outside is to see."""
    return field.pii == "SECRET" if output else bool(field.vendor_field) and not field.is_service_id


def _always_there(field: FieldPlan) -> bool:
    return field.repeated or field.is_map or field.nullable or not field.has_presence


def _property(raw: FieldDescriptor, field: FieldPlan, *, output: bool, for_callers: bool) -> dict[str, Any]:
    rules = raw.GetOptions().Extensions[validate_pb2.field]
    value = _value(raw, field, rules.repeated.items if field.repeated else rules, output, for_callers)
    if field.repeated:
        schema: dict[str, Any] = {"type": "array", "items": value}
        if not output and rules.repeated.max_items:
            schema["maxItems"] = rules.repeated.max_items
        if not output and rules.repeated.unique:
            schema["uniqueItems"] = True
    elif field.is_map:
        schema = {"type": "object", "additionalProperties": value}
    else:
        schema = value
    if output and field.nullable and "type" in schema:
        schema["type"] = [schema["type"], "null"]
    return schema


def _description(comment: str, field: FieldPlan) -> str:
    """A comment opens with the field's name; a schema's reader already sees it."""
    text = comment.removeprefix(field.name).strip()
    for verb in ("is ", "are ", "holds ", "says "):
        text = text.removeprefix(verb)
    return text[:1].upper() + text[1:]


def _value(raw: FieldDescriptor, field: FieldPlan, rules: Any, output: bool, for_callers: bool) -> dict[str, Any]:
    if field.kind is Kind.MESSAGE and field.message is not None:
        return _object(field.message, output=output, for_callers=for_callers)
    if field.kind is Kind.STRUCT:
        return {"type": "object"}
    if field.kind is Kind.ENUM and raw.enum_type is not None:
        return {"type": "string", "enum": [raw.enum_type.values[0].name, *choices(field)] if output else choices(field)}
    if field.kind is Kind.TIMESTAMP:
        return {"type": "string", "format": "date-time"}
    schema: dict[str, Any] = {"type": "string" if field.kind is Kind.BYTES else field.kind.value}
    if not output:
        schema |= _limits(field, rules)
    return schema


def _limits(field: FieldPlan, rules: Any) -> dict[str, Any]:
    limits: dict[str, Any] = {}
    if field.kind is Kind.STRING:
        if field.format in _FORMATS:
            limits["format"] = _FORMATS[field.format]
        if rules.string.max_len:
            limits["maxLength"] = rules.string.max_len
        if field.required:
            limits["minLength"] = 1
        if rules.string.pattern:
            limits["pattern"] = rules.string.pattern
    elif field.kind is Kind.INTEGER:
        if rules.int32.HasField("gte"):
            limits["minimum"] = rules.int32.gte
        if rules.int32.HasField("lte"):
            limits["maximum"] = rules.int32.lte
    return limits
