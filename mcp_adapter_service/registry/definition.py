"""A tool as its server lists it: what of it is pinned, what stands for it, and whether its schemas can be used.

Above: `listing`, `records`. Below: `service_kit.json_schema`. No I/O.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import orjson

from service_kit.json_schema import Schema, SchemaUnusable

# What MCP has a tool called, and whatever else would be a trap in a log, a metric or a policy.
_NAME: Final = re.compile(r"[A-Za-z0-9_.-]{1,128}")
_MAX_DESCRIPTION_BYTES: Final = 16 * 1024
_MAX_ANNOTATIONS_BYTES: Final = 4 * 1024
_OPTIONAL: Final = ("title", "outputSchema", "annotations")


class Unusable(Exception):
    """A tool cannot be used as it is listed; the message says why to a person, without a word of the server's own."""


@dataclass(frozen=True)
class Definition:
    """Definition is what is pinned of a tool: all that a caller or a model is told of it. Hints of the server's are in it, so
    that a change of them is seen, and decide nothing."""

    name: str
    document: Mapping[str, Any]

    @cached_property
    def pin(self) -> str:
        """What stands for it."""
        return _hash(self.document)

    @property
    def text(self) -> str:
        """It as JSON."""
        return orjson.dumps(self.document).decode()

    @property
    def title(self) -> str:
        """Its name for people."""
        return str(self.document.get("title", ""))

    @property
    def description(self) -> str:
        """What it does, in its server's words."""
        return str(self.document.get("description", ""))

    @property
    def input_schema(self) -> dict[str, Any]:
        """The schema of its arguments."""
        schema: dict[str, Any] = self.document["inputSchema"]
        return schema

    @property
    def output_schema(self) -> dict[str, Any] | None:
        """The schema of its result, where it has one."""
        schema: dict[str, Any] | None = self.document.get("outputSchema")
        return schema


def is_name(name: Any) -> bool:
    """Whether a tool may be called so."""
    return isinstance(name, str) and _NAME.fullmatch(name) is not None


def read(tool: Mapping[str, Any], accepted: Container[str] = frozenset()) -> Definition:
    """Return the definition of a listed tool; of one whose pin is among `accepted`, schemas are not looked at again. Raises
    Unusable."""
    name = tool.get("name")
    if not isinstance(name, str) or not is_name(name):
        raise Unusable("its name is not one that MCP allows")
    document: dict[str, Any] = {
        "name": name,
        "description": tool.get("description") or "",
        "inputSchema": tool.get("inputSchema"),
    }
    document |= {key: tool[key] for key in _OPTIONAL if tool.get(key) is not None}
    if not all(isinstance(document.get(key, ""), str) for key in ("description", "title")):
        raise Unusable("its description or title is not text")
    if len((document["description"] + document.get("title", "")).encode()) > _MAX_DESCRIPTION_BYTES:
        raise Unusable(f"its description is longer than {_MAX_DESCRIPTION_BYTES // 1024} KiB")
    annotations = document.get("annotations", {})
    if not isinstance(annotations, dict) or len(orjson.dumps(annotations)) > _MAX_ANNOTATIONS_BYTES:
        raise Unusable("its annotations are not an object of reasonable size")
    read_before = Definition(name, document)
    if read_before.pin in accepted:
        return read_before
    for key, what in (("inputSchema", "input schema"), ("outputSchema", "output schema")):
        if key in document:
            _check(document[key], what)
    if document["inputSchema"].get("type") != "object":
        raise Unusable("its input schema is not that of an object")
    return Definition(name, document)


def kept(document: Mapping[str, Any]) -> Definition:
    """Return a definition that was read before and kept."""
    return Definition(str(document["name"]), document)


def listing_hash(definitions: Iterable[tuple[str, str]]) -> str:
    """Return what stands for a whole listing, from names and pins; in which order they come does not matter."""
    return _hash(sorted(definitions))


def _check(schema: Any, what: str) -> None:
    try:
        Schema(schema)
    except SchemaUnusable as problem:
        raise Unusable(f"its {what} cannot be used: {problem}") from None


def _hash(value: Any) -> str:
    return f"sha256:{hashlib.sha256(orjson.dumps(value, option=orjson.OPT_SORT_KEYS)).hexdigest()}"
