"""JSON to and from protobuf's Struct, whose numbers are all floating-point.

Above: the catalogue and calls. Below: protobuf.
"""

from __future__ import annotations

from typing import Any

from google.protobuf.struct_pb2 import Struct

from service_kit.contract.parse import struct_to_document

_EXACT = 2**53  # Beyond it a float does not hold every whole number.
_DEEPEST = 30  # A message of dispatch_service's holds about so many levels; a deeper one would not be read.


class Unusable(ValueError):
    """Arguments that cannot travel; the message says why to whoever sent them."""


def from_struct(struct: Struct) -> dict[str, Any]:
    """Return a Struct as plain JSON values, with whole numbers as such."""
    document: dict[str, Any] = _whole(struct_to_document(struct))
    return document


def to_struct(document: dict[str, Any]) -> Struct:
    """Return a JSON document as a Struct. Raises Unusable for what a Struct does not hold."""
    if _depth(document) > _DEEPEST:
        raise Unusable(f"The arguments are nested deeper than {_DEEPEST} levels.")
    made = Struct()
    try:
        made.update(document)
    except (ValueError, OverflowError, TypeError):
        raise Unusable("The arguments hold a number or a character that JSON cannot carry.") from None
    return made


def _whole(value: Any) -> Any:
    if isinstance(value, float):
        return int(value) if value.is_integer() and abs(value) < _EXACT else value
    if isinstance(value, dict):
        # A Struct has no order: what is shown to a model stays the same from one list to the next.
        return {key: _whole(value[key]) for key in sorted(value)}
    if isinstance(value, list):
        return [_whole(item) for item in value]
    return value


def _depth(document: Any) -> int:
    """How many levels of objects and lists there are; one more than `_DEEPEST` where there are more."""
    level, depth = [document], 0
    while level and depth <= _DEEPEST:
        depth += 1
        level = [
            child
            for node in level
            for child in (node.values() if isinstance(node, dict) else node)
            if isinstance(child, (dict, list))
        ]
    return depth
