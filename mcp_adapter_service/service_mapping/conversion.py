"""Conversion between a mapping's row, its message and its JSON document.

Above: `store`, `seed` and `servicer`. Below: the generated contract.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson
from switchboard.adapter.v1 import service_mapping_service_pb2 as pb

from service_kit.contract.render import result

_COLUMNS: Final = (
    "service_id",
    "name",
    "summary",
    "duration_minutes",
    "price_from_cents",
    "currency",
    "server",
    "active",
    "position",
    "version",
)


@dataclass(frozen=True, slots=True)
class MappedService:
    """A mapping ready for use: the vendor document's values are encoded once, not once a call."""

    mapping: pb.ServiceMapping
    vendor: Mapping[str, orjson.Fragment]


def from_row(row: Mapping[str, Any]) -> MappedService:
    """Return the mapping that a row of `adapter.service_mapping` holds."""
    mapping = pb.ServiceMapping(**{column: row[column] for column in _COLUMNS})
    mapping.vendor.update(row["vendor"])
    values = vendor_document(mapping).items()
    return MappedService(mapping, {key: orjson.Fragment(orjson.dumps(value)) for key, value in values if value is not None})


def to_parameters(mapping: pb.ServiceMapping) -> dict[str, Any]:
    """Return a mapping's columns but `vendor`, by name."""
    return {column: getattr(mapping, column) for column in _COLUMNS}


def vendor_document(mapping: pb.ServiceMapping) -> dict[str, Any]:
    """Return the vendor's identifiers as a JSON document. Numbers of a Struct are doubles; whole ones are integers again here."""
    document: dict[str, Any] = _whole(result(mapping).get("vendor") or {})
    return document


def to_document(mapping: pb.ServiceMapping) -> dict[str, Any]:
    """Return the whole mapping as a JSON document."""
    return {**result(mapping), "vendor": vendor_document(mapping)}


def without_vendor(mapping: pb.ServiceMapping) -> pb.ServiceMapping:
    """Return a copy for those who may not see the vendor's identifiers."""
    shown = pb.ServiceMapping()
    shown.CopyFrom(mapping)
    shown.ClearField("vendor")
    return shown


def changed_fields(before: pb.ServiceMapping | None, after: pb.ServiceMapping) -> list[str]:
    """Return the JSON names of the fields that differ, `version` apart; of a new mapping, those that are set."""
    old = to_document(before) if before is not None else to_document(pb.ServiceMapping())
    return [name for name, value in to_document(after).items() if name != "version" and value != old.get(name)]


def _whole(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _whole(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_whole(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value
