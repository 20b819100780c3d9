"""Which of the tools that a server lists can be used: the rest are left out, each by itself, with the reason. Pure.

Above: `client` asks for each page of a list. Below: the official SDK's rules for `x-mcp-header`.

Schemas come from servers that nobody vouches for. Whoever checks arguments against one follows its references, so a small
schema may stand for more work than a machine can do. What is bounded here is its size, its depth, and what following its own
references comes to. References to anywhere else are never followed, here or later.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson
from mcp.shared.inbound import find_invalid_x_mcp_header

_MAX_NAME: Final = 128
_MAX_BYTES: Final = 256 * 1024
_MAX_DEPTH: Final = 64
_MAX_EXPANSION: Final = 20_000
_MAX_LEVEL: Final = 150
_SCHEMAS: Final = ("inputSchema", "outputSchema")
# Keywords whose schemas are for the same value, and those that only define.
_IN_PLACE: Final = frozenset({"allOf", "anyOf", "oneOf", "not", "if", "then", "else"})
_DEFINED: Final = frozenset({"$defs", "definitions"})


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """LeftOut is a tool that a server lists and that cannot be used."""

    name: str
    """Its name, cut to a length that can be shown; empty where it has none."""
    reason: str
    """Why, for a person."""


def examine(tool: Mapping[str, Any]) -> int | LeftOut:
    """Return how many bytes a tool takes as JSON, or why it cannot be used."""
    name = tool.get("name")
    size = 0
    reason = None
    if not isinstance(name, str) or not 0 < len(name) <= _MAX_NAME:
        reason = f"its name is not a text of 1 to {_MAX_NAME} characters"
    elif _depth_exceeded(tool):
        reason = f"it is nested more than {_MAX_DEPTH} levels deep"
    elif (size := len(orjson.dumps(tool))) > _MAX_BYTES:
        reason = f"its description and schemas are larger than {_MAX_BYTES // 1024} KiB"
    elif not isinstance(tool.get("inputSchema"), dict) or not isinstance(tool.get("outputSchema", {}), dict):
        reason = "its schema is not a JSON object"
    elif not all(_References(tool.get(key, {})).end() for key in _SCHEMAS):
        reason = "following the references within its schema comes to no end"
    elif find_invalid_x_mcp_header(tool["inputSchema"]) is not None:
        reason = "it wants arguments as headers in a way that the protocol does not allow"
    if reason is None:
        return size
    return LeftOut(name=name[:_MAX_NAME] if isinstance(name, str) else "", reason=reason)


def _depth_exceeded(value: Any) -> bool:
    level = [value]
    for _ in range(_MAX_DEPTH):
        level = [
            child
            for node in level
            if isinstance(node, (dict, list))
            for child in (node.values() if isinstance(node, dict) else node)
        ]
        if not level:
            return False
    return True


class _References:
    """What following a schema's own references comes to."""

    def __init__(self, schema: Mapping[str, Any]) -> None:
        self._root = schema
        self._nodes_of: dict[str, int] = {}
        self._open: set[str] = set()

    def end(self) -> bool:
        """Whether following them ends, and within a bound."""
        return self._nodes(self._root, 0, frozenset()) <= _MAX_EXPANSION

    def _nodes(self, node: Any, level: int, in_place: frozenset[str]) -> int:
        """Count the nodes of a schema with its references put in place. `in_place` are those followed at the same value: one of
        them again is a circle that a check never leaves. A reference deeper in the value may come back; it counts once."""
        if isinstance(node, list):
            return self._sum(((child, in_place) for child in node), level)
        if not isinstance(node, dict):
            return 0
        total = 1
        reference = node.get("$ref")
        if isinstance(reference, str) and reference.startswith("#"):
            total += self._referred(reference, level + 1, in_place)
        parts = (
            (value, in_place if key in _IN_PLACE else frozenset[str]()) for key, value in node.items() if key not in _DEFINED
        )
        return total + self._sum(parts, level)

    def _sum(self, children: Iterable[tuple[Any, frozenset[str]]], level: int) -> int:
        if level > _MAX_LEVEL:
            return _MAX_EXPANSION + 1
        total = 0
        for child, in_place in children:
            total += self._nodes(child, level + 1, in_place)
            if total > _MAX_EXPANSION:
                break
        return total

    def _referred(self, reference: str, level: int, in_place: frozenset[str]) -> int:
        if reference in in_place:
            return _MAX_EXPANSION + 1
        known = self._nodes_of.get(reference)
        if known is not None:
            return known
        if reference in self._open:
            return 1
        if level > _MAX_LEVEL:
            return _MAX_EXPANSION + 1
        self._open.add(reference)
        nodes = self._nodes(self._target(reference), level, in_place | {reference})
        self._open.discard(reference)
        self._nodes_of[reference] = nodes
        return nodes

    def _target(self, reference: str) -> Any:
        node: Any = self._root
        for part in reference[1:].split("/")[1:]:
            key = part.replace("~1", "/").replace("~0", "~")
            if isinstance(node, dict):
                node = node.get(key)
            elif isinstance(node, list) and key.isascii() and key.isdigit() and int(key) < len(node):
                node = node[int(key)]
            else:
                return None
        return node
