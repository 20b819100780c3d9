"""Holds the arguments of third-party tools to the schemas that were pinned.

Above: the door for tools and decisions, which report every problem at once. Below: `service_kit.json_schema`, whose work is
bounded. A schema is compiled once for each pin, and kept; the registry has looked at it before it was pinned. What is said of a
value never quotes it.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any, Final

from dispatch_service.call import Refusal
from dispatch_service.foreign.catalogue import ToolCatalogue
from dispatch_service.foreign.tool import CHANGED
from service_kit.contract.parse import shown_name
from service_kit.contract.problems import Problem, first_per_path, join
from service_kit.contract.tools import ToolSpec
from service_kit.json_schema import Schema, SchemaUnusable, TooCostly, Violation

_KEPT: Final = 2000
_MOST: Final = 100  # Problems that one answer tells of.
_BUDGET: Final = 50_000
_UNUSABLE: Final = "This tool's arguments cannot be checked: its schema cannot be used. An operator has to look at it."
_TOO_MUCH: Final = "These arguments take too much work to check."

_SENTENCES: Final[Mapping[str, str]] = {
    "enum": "This is not one of the choices.",
    "const": "This is not what it has to be.",
    "minLength": "This is too short: at least {limit} characters.",
    "maxLength": "This is too long: at most {limit} characters.",
    "minItems": "There are too few: at least {limit}.",
    "maxItems": "There are too many: at most {limit}.",
    "minimum": "This must be {limit} or more.",
    "maximum": "This must be {limit} or less.",
    "exclusiveMinimum": "This must be more than {limit}.",
    "exclusiveMaximum": "This must be less than {limit}.",
    "multipleOf": "This must be a multiple of {limit}.",
    "anyOf": "This is of none of the forms that the tool takes.",
    "oneOf": "This is not of exactly one of the forms that the tool takes.",
}
_ANY_OTHER: Final = "This is not as the tool takes it."
_TYPES: Final[Mapping[str, str]] = {
    "string": "text",
    "number": "a number",
    "integer": "a whole number",
    "boolean": "true or false",
    "object": "an object",
    "array": "a list",
    "null": "null",
}


@dataclass(frozen=True, slots=True)
class _Compiled:
    schema: Schema
    declared: frozenset[str]


class ForeignArguments:
    """Checks arguments. A schema that was compiled is kept while there are not too many."""

    def __init__(self, catalogue: ToolCatalogue) -> None:
        self._catalogue = catalogue
        self._compiled: OrderedDict[str, _Compiled] = OrderedDict()

    async def problems(self, tool: ToolSpec, document: Mapping[str, Any], path: str) -> list[Problem]:
        """Return everything that is wrong with `document`, which lies at `path` of what was sent.

        Raises Refusal where the tool is not what it was any more, is gone, or has no schema to go by."""
        current = self._catalogue.find(tool.server, tool.name)
        if current is None or current.revision != tool.revision:
            raise Refusal("CONFLICT", CHANGED)
        compiled = self._schema(current)
        if not _is_json(document):
            return [Problem(path=path, rule="type", message="There is a number in this that JSON does not have.")]
        try:
            violations = compiled.schema.violations(document, most=_MOST, budget=_BUDGET)
        except TooCostly:
            return [Problem(path=path, rule="too_much", message=_TOO_MUCH)]
        except SchemaUnusable:
            raise Refusal("FORBIDDEN", _UNUSABLE) from None
        found = [problem for violation in violations for problem in _problems(violation, path, compiled.declared)]
        return first_per_path(found)[:_MOST]

    def _schema(self, tool: ToolSpec) -> _Compiled:
        known = self._compiled.get(tool.revision)
        if known is None:
            try:
                known = _Compiled(Schema.kept(tool.input_schema), _declared(tool.input_schema))
            except SchemaUnusable:
                raise Refusal("FORBIDDEN", _UNUSABLE) from None
            self._compiled[tool.revision] = known
            if len(self._compiled) > _KEPT:
                self._compiled.popitem(last=False)
        self._compiled.move_to_end(tool.revision)
        return known


def _is_json(value: Any) -> bool:
    if isinstance(value, float):
        return isfinite(value)
    if isinstance(value, dict):
        return all(_is_json(item) for item in value.values())
    return all(_is_json(item) for item in value) if isinstance(value, list) else True


def _problems(violation: Violation, root: str, declared: frozenset[str]) -> Iterator[Problem]:
    path, known = _path(root, violation.path, declared)
    keyword, limit, instance = violation.keyword, violation.limit, violation.instance
    if keyword == "required" and isinstance(limit, list) and isinstance(instance, dict):
        for name in limit:
            if name not in instance:
                yield _needed(join(path, shown_name(name)), known=known)
    elif keyword == "additionalProperties" and isinstance(instance, dict):
        for name in instance:
            if name not in violation.properties:
                message = "There is no such field."
                yield Problem(path=join(path, shown_name(name)), rule="unknown_field", message=message, known=False)
    elif keyword == "minLength" and instance == "":
        yield _needed(path, known=known)
    elif keyword == "type":
        yield Problem(path=path, rule="type", message=f"This must be {_expected(limit)}.", known=known)
    else:
        yield Problem(path=path, rule=keyword or "schema", message=_sentence(keyword, limit), known=known)


def _needed(path: str, *, known: bool) -> Problem:
    return Problem(path=path, rule="required", message="This is needed.", missing=True, known=known)


def _sentence(keyword: str, limit: Any) -> str:
    is_number = isinstance(limit, int | float) and not isinstance(limit, bool)
    template = _SENTENCES.get(keyword, _ANY_OTHER)
    if "{limit}" not in template:
        return template
    return template.format(limit=limit) if is_number else _ANY_OTHER


def _expected(types: Any) -> str:
    names = [types] if isinstance(types, str) else types if isinstance(types, list) else []
    return " or ".join(_TYPES[name] for name in names if name in _TYPES) or "of another type"


def _path(root: str, parts: Sequence[str | int], declared: frozenset[str]) -> tuple[str, bool]:
    """Return the dotted path, and whether its names are the schema's and not the caller's."""
    path, known = root, True
    for part in parts:
        if isinstance(part, int):
            path += f"[{part}]"
        else:
            path, known = join(path, shown_name(part)), known and part in declared
    return path, known


def _declared(schema: Any) -> frozenset[str]:
    """Return every name of a property that a schema has anywhere."""
    names: set[str] = set()
    pending = [schema]
    while pending:
        node = pending.pop()
        if isinstance(node, dict):
            properties = node.get("properties")
            if isinstance(properties, dict):
                names.update(properties)
            pending.extend(node.values())
        elif isinstance(node, list):
            pending.extend(node)
    return frozenset(names)
