"""Forms read off the contract: which inputs a payload needs, with their labels, kinds and limits.

Above: the missing_fields card. Below: field plans. The model and the client never decide what is required.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from google.protobuf.descriptor import Descriptor
from switchboard.dispatch.v1 import card_pb2
from switchboard.options.v1 import options_pb2

from service_kit.contract.fields import FieldPlan, Kind, plan_for
from service_kit.contract.parse import choices

_INPUT_TYPES: dict[int, str] = {
    options_pb2.FORMAT_MULTI_LINE: "textarea",
    options_pb2.FORMAT_PHONE: "tel",
    options_pb2.FORMAT_EMAIL: "email",
    options_pb2.FORMAT_DATE: "date",
}
_INDEX = re.compile(r"\[\d+\]")


def form_fields(descriptor: Descriptor, paths: Iterable[str]) -> list[card_pb2.FormField]:
    """Return an input for each path that names a single value which a person can fill in: no message, no identifier."""
    found = ((path, _field_at(descriptor, path)) for path in paths)
    return [_form_field(path, field) for path, field in found if field is not None and _is_for_people(field)]


def _is_for_people(field: FieldPlan) -> bool:
    return field.kind is not Kind.MESSAGE and field.format != options_pb2.FORMAT_OPAQUE


def _field_at(descriptor: Descriptor, path: str) -> FieldPlan | None:
    current: Descriptor | None = descriptor
    field: FieldPlan | None = None
    for name in _INDEX.sub("", path).split("."):
        field = plan_for(current).by_name.get(name) if current is not None else None
        if field is None:
            return None
        current = field.message
    return field


def _form_field(path: str, field: FieldPlan) -> card_pb2.FormField:
    return card_pb2.FormField(
        path=path,
        label=field.label,
        input_type="select" if field.kind is Kind.ENUM else _INPUT_TYPES.get(field.format, "text"),
        required=field.required,
        max_length=field.max_len,
        options=choices(field),
    )
